// Package httpapi is what the routes of all modules are made with: plain functions func(ctx, *In) (*Out, error) are mounted
// with Register, described in the OpenAPI document by their types, and every error they return is answered as a problem
// (RFC 9457). It holds all that the project knows of echo and, besides declaring operations, of huma.
//
// What a route can rely on: path segments are percent-decoded exactly once (a Segment not at all); query parameters that it
// does not declare are refused, and so is a parameter given twice unless it is a list; all text is valid UTF-8 without NUL;
// a JSON body has no duplicate members, no unknown ones and is at most MaxDepth deep.
package httpapi

import (
	"context"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
)

// MaxBody is how many bytes a JSON body may have where the operation does not say otherwise (MaxBodyBytes). A Payload has no
// limit of its own.
const MaxBody = 1 << 20

// Option is a choice made when the API is built.
type Option func(*adapter)

// Observe has every answered request reported: observe is called once for each operation, and the function that it returns
// once for each request, with the status of the answer, or 0 if the connection was broken off.
func Observe(observe func(method, route string) func(status int, took time.Duration)) Option {
	return func(a *adapter) { a.observe = observe }
}

// Elsewhere names the role of other processes that serves the paths of a first segment, or "": an unknown path is then answered with it.
func Elsewhere(role func(segment string) string) Option {
	return func(a *adapter) { a.elsewhere = role }
}

// ReadOnly refuses every operation that may change something: those of other methods than GET, unless reads says of its id that it only reads.
func ReadOnly(reads func(operationID string) bool) Option {
	return func(a *adapter) { a.reads = reads }
}

// New makes the API on an echo router, whose error handler it becomes: an unknown path or method is a problem too.
func New(e *echo.Echo, version string, log *slog.Logger, options ...Option) huma.API {
	setHuma()
	a := &adapter{echo: e, log: log}
	for _, option := range options {
		option(a)
	}
	e.HTTPErrorHandler = a.handleError
	return huma.NewAPI(huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "featurestore", Version: version},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaNamer()),
			},
		},
		Formats: map[string]huma.Format{
			"application/json":                  jsonFormat,
			"json":                              jsonFormat, // application/anything+json
			"application/x-www-form-urlencoded": jsonFormat, // curl -d says so of any body
		},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{a.problems},
	}, a)
}

// setHuma sets what huma has only global switches for: null is no array, and a member's name is as declared, not in other case.
var setHuma = sync.OnceFunc(func() {
	huma.DefaultArrayNullable = false
	huma.ValidateStrictCasing = true
})

// schemaNamer names a schema after its type; where two packages have a type of one name, the later is named after its
// package too.
func schemaNamer() func(reflect.Type, string) string {
	taken := map[string]reflect.Type{}
	return func(t reflect.Type, hint string) string {
		name := huma.DefaultSchemaNamer(t, hint)
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || t.Name() == "" {
			return name
		}
		if other, ok := taken[name]; ok && other != t {
			module := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]
			return strings.ToUpper(module[:1]) + module[1:] + name
		}
		taken[name] = t
		return name
	}
}

// Register mounts an operation. A *fault.Error anywhere in the chain of the error that h returns is answered as its problem;
// any other error is logged under the request's id and answered with 500 and a neutral text.
//
// If I embeds Payload, op.RequestBody only documents the body: nothing is read or checked before h does it.
func Register[I, O any](api huma.API, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	input := reflect.TypeFor[I]()
	op.Metadata = maps.Clone(op.Metadata)
	if op.Metadata == nil {
		op.Metadata = map[string]any{}
	}
	op.Metadata[segmentsKey] = segments(input)
	if reflect.PointerTo(input).Implements(payloadType) {
		op.Metadata[requestBodyKey] = op.RequestBody
		op.RequestBody = nil
	}
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = MaxBody
	}
	op.MaxBodyBytes++ // huma refuses a body of exactly the limit
	if op.BodyReadTimeout == 0 {
		op.BodyReadTimeout = readTimeout
	}
	op.Responses = maps.Clone(op.Responses)
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{
		Description: "A problem",
		Content:     map[string]*huma.MediaType{problemType: {Schema: Schema[Problem](api)}},
	}
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, problemOf(err)
		}
		if sized, ok := any(out).(*Bytes); ok && sized != nil {
			sized.Length = len(sized.Body)
		}
		return out, nil
	})
}

// Schema is the JSON schema of a type, for operations whose body is made by hand.
func Schema[T any](api huma.API) *huma.Schema {
	return api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}

// Answers documents a hand-made JSON answer of 200 that looks like T.
func Answers[T any](api huma.API, description string) map[string]*huma.Response {
	return map[string]*huma.Response{"200": {
		Description: description,
		Content:     map[string]*huma.MediaType{"application/json": {Schema: Schema[T](api)}},
	}}
}

// Segment is a path parameter as it stands in the URL, not decoded: for ids that are split before their parts are decoded.
// Once decoded it is valid UTF-8 without NUL.
type Segment string

var segmentType = reflect.TypeFor[Segment]()

// segments lists the path parameters of an input that are Segments.
func segments(input reflect.Type) []string {
	var names []string
	for _, field := range reflect.VisibleFields(input) {
		if field.Type == segmentType {
			names = append(names, field.Tag.Get("path"))
		}
	}
	return names
}

// readTimeout is how long a body may take to arrive, or to go on arriving.
const readTimeout = 60 * time.Second

// writeTimeout is how long a client may take nothing of a streamed answer. It is longer than readTimeout: who takes a table may work on each part
// of it before it takes the next, and the system tells of room only when a third of its buffer is free.
const writeTimeout = 5 * time.Minute
