package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"featurestore/app/fault"
)

const (
	segmentsKey    = "httpapi.segments"
	requestBodyKey = "httpapi.requestBody"
)

// adapter lets huma's operations run on echo v4. huma's own adapter hands over path parameters that are decoded for some
// URLs and not for others, and links a second echo.
type adapter struct {
	echo      *echo.Echo
	log       *slog.Logger
	observe   func(method, route string) func(status int, took time.Duration)
	elsewhere func(segment string) (role string)
	reads     func(operationID string) bool // nil: all operations are answered
}

func (a *adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.echo.ServeHTTP(w, r) }

// route is what is known of an operation before any request comes.
type route struct {
	*adapter
	op       *huma.Operation
	segments []string                               // path parameters that are not to be decoded
	refused  bool                                   // it changes something, and this process only reads
	last     string                                 // the path parameter that the path ends with: echo lets it match slashes too
	query    map[string]bool                        // declared query parameters; true: a list, which may be given several times
	json     bool                                   // the body is read as JSON, before the handler
	direct   func(*Request, []byte) ([]byte, error) // nil: huma handles the request
	answered func(status int, took time.Duration)
}

// Handle mounts an operation on the router.
func (a *adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	r := &route{adapter: a, op: op, query: map[string]bool{}}
	r.segments, _ = op.Metadata[segmentsKey].([]string)
	r.direct, _ = op.Metadata[directKey].(func(*Request, []byte) ([]byte, error))
	r.json = op.RequestBody != nil
	if body, ok := op.Metadata[requestBodyKey].(*huma.RequestBody); ok {
		op.RequestBody = body // for the document only
	}
	for _, p := range op.Parameters {
		if p.In == "query" {
			r.query[p.Name] = p.Schema != nil && p.Schema.Type == huma.TypeArray
		}
	}
	if a.observe != nil {
		r.answered = a.observe(op.Method, op.Path)
	}
	r.refused = a.reads != nil && op.Method != http.MethodGet && !a.reads(op.OperationID)
	path := strings.NewReplacer("{", ":", "}", "").Replace(op.Path)
	if last := path[strings.LastIndexByte(path, '/')+1:]; strings.HasPrefix(last, ":") {
		r.last = last[1:]
	}
	a.echo.Add(op.Method, path, func(c echo.Context) error {
		r.serve(c, handler)
		return nil
	})
}

func (r *route) serve(c echo.Context, handler func(huma.Context)) {
	started := time.Now()
	ctx := &requestContext{route: r, echo: c}
	defer func() {
		if caught := recover(); caught != nil {
			r.recovered(c, caught)
			if r.answered != nil {
				r.answered(http.StatusInternalServerError, time.Since(started))
			}
			return
		}
		if r.answered != nil {
			r.answered(c.Response().Status, time.Since(started))
		}
	}()
	if r.refused {
		r.write(c.Response(), c.Request(), newProblem(http.StatusForbidden, "read-only",
			"this process only reads (read_only is set): send what changes something to another").at("method", c.Request().Method, "changes something"))
		return
	}
	if problem := ctx.check(); problem != nil {
		r.write(c.Response(), c.Request(), problem)
		return
	}
	if r.direct != nil {
		r.serveDirect(ctx, r.direct)
		return
	}
	handler(ctx)
}

// recovered answers a panic with 500, or breaks the connection if the answer has begun.
func (r *route) recovered(c echo.Context, caught any) {
	if caught != http.ErrAbortHandler {
		cause := fmt.Errorf("panic: %v\n%s", caught, debug.Stack())
		if !c.Response().Committed {
			r.write(c.Response(), c.Request(), problemOf(cause))
			return
		}
		r.log.Error("a request failed after its answer had begun", "request", requestID(c.Response()), "error", cause)
	}
	if r.answered != nil {
		r.answered(0, 0)
	}
	panic(http.ErrAbortHandler)
}

// requestContext is one request as huma sees it.
type requestContext struct {
	*route
	echo   echo.Context
	query  url.Values // nil if there is no query, or it is single
	single struct{ name, value string }
	status int // overrides huma's
}

// check parses the query and refuses what no operation takes: undeclared or repeated query parameters, and text that is no
// text.
func (c *requestContext) check() *Problem {
	u := c.echo.Request().URL
	if c.last != "" && strings.IndexByte(c.echo.Param(c.last), '/') >= 0 {
		return unknownPath(u)
	}
	if !isText(u.Path) {
		return problemOf(fault.New(fault.Invalid, "invalid-text", "the path is not valid UTF-8 or contains NUL").
			At("path", u.EscapedPath(), "percent-encode the UTF-8 form of the text; NUL is not allowed"))
	}
	if c.json {
		if encoding := c.Header("Content-Encoding"); encoding != "" && encoding != "identity" {
			return problemOf(fault.New(fault.Unsupported, "unsupported-content-encoding", "this call does not read bodies in the encoding %q; send it plain",
				fault.Shorten(encoding)))
		}
	}
	if u.RawQuery == "" || c.isSingle(u.RawQuery) {
		return nil
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return problemOf(fault.New(fault.Invalid, "invalid-query", "the query cannot be read: %v", err).
			At("query", u.RawQuery, "separate parameters by & and percent-encode their values"))
	}
	var refused *fault.Error
	refuse := func(name, value, format string, args ...any) {
		if refused == nil {
			refused = fault.New(fault.Invalid, "invalid-query", "the query is not as this call takes it")
		}
		refused.At("query."+name, value, format, args...)
	}
	for name, values := range query {
		list, declared := c.route.query[name]
		switch {
		case !declared:
			refuse(fault.Shorten(name), values[0], "unknown query parameter; %s", c.route.parameters())
		case len(values) > 1 && !list:
			refuse(name, strings.Join(values, ", "), "given more than once")
		case !isText(name) || slices.ContainsFunc(values, func(v string) bool { return !isText(v) }):
			refuse(name, "", "not valid UTF-8, or contains NUL")
		}
	}
	if refused != nil {
		slices.SortFunc(refused.Violations, func(a, b fault.Violation) int { return strings.Compare(a.Location, b.Location) })
		if len(refused.Violations) == 1 {
			refused.Detail += ": " + refused.Violations[0].Location + ": " + refused.Violations[0].Message
		}
		return problemOf(refused)
	}
	c.query = query
	return nil
}

// isSingle takes a query of one declared parameter that is written as it is, the usual one of a read.
func (c *requestContext) isSingle(query string) bool {
	name, value, _ := strings.Cut(query, "=")
	if _, declared := c.route.query[name]; !declared || strings.ContainsAny(value, "&;%+") || !isText(value) {
		return false
	}
	c.single.name, c.single.value = name, value
	return true
}

// parameters says which query parameters there are.
func (r *route) parameters() string {
	if len(r.query) == 0 {
		return "this call takes none"
	}
	var names []string
	for name := range r.query {
		names = append(names, name)
	}
	slices.Sort(names)
	return "known are " + strings.Join(names, ", ")
}

func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func (c *requestContext) Operation() *huma.Operation { return c.op }
func (c *requestContext) Context() context.Context   { return c.echo.Request().Context() }
func (c *requestContext) TLS() *tls.ConnectionState  { return c.echo.Request().TLS }
func (c *requestContext) Method() string             { return c.echo.Request().Method }
func (c *requestContext) Host() string               { return c.echo.Request().Host }
func (c *requestContext) RemoteAddr() string         { return c.echo.Request().RemoteAddr }
func (c *requestContext) URL() url.URL               { return *c.echo.Request().URL }
func (c *requestContext) Header(name string) string  { return c.echo.Request().Header.Get(name) }
func (c *requestContext) BodyReader() io.Reader      { return c.echo.Request().Body }
func (c *requestContext) BodyWriter() io.Writer      { return c.echo.Response() }
func (c *requestContext) Status() int                { return c.echo.Response().Status }

func (c *requestContext) SetStatus(code int) {
	switch {
	case c.status != 0:
		code = c.status
	case code == 0: // an output whose Status was left open
		code = c.op.DefaultStatus
	}
	c.echo.Response().WriteHeader(code)
}

func (c *requestContext) Version() huma.ProtoVersion {
	r := c.echo.Request()
	return huma.ProtoVersion{Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor}
}

// Param is a path parameter: decoded once, or as it stands in the URL if it is a Segment.
func (c *requestContext) Param(name string) string {
	found := c.echo.Param(name)
	asIs := len(c.segments) > 0 && slices.Contains(c.segments, name)
	if c.echo.Request().URL.RawPath == "" { // echo has matched the decoded path, and the URL is its usual encoding
		if asIs {
			return (&url.URL{Path: found}).EscapedPath()
		}
		return found
	}
	if asIs || strings.IndexByte(found, '%') < 0 {
		return found
	}
	decoded, err := url.PathUnescape(found)
	if err != nil {
		return found // cannot be: net/http has parsed the URL
	}
	return decoded
}

// Query is a query parameter; the values of a list that is given several times are joined by commas.
func (c *requestContext) Query(name string) string {
	if name == c.single.name {
		return c.single.value
	}
	switch values := c.query[name]; len(values) {
	case 0:
		return ""
	case 1:
		return values[0]
	default:
		return strings.Join(values, ",")
	}
}

func (c *requestContext) EachHeader(cb func(name, value string)) {
	for name, values := range c.echo.Request().Header {
		for _, value := range values {
			cb(name, value)
		}
	}
}

func (c *requestContext) SetHeader(name, value string) { c.echo.Response().Header().Set(name, value) }

func (c *requestContext) AppendHeader(name, value string) {
	c.echo.Response().Header().Add(name, value)
}

func (c *requestContext) GetMultipartForm() (*multipart.Form, error) {
	return nil, errors.New("multipart bodies are not read")
}

func (c *requestContext) SetReadDeadline(deadline time.Time) error {
	return huma.SetReadDeadline(c.echo.Response(), deadline)
}
