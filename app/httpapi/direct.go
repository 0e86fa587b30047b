package httpapi

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

const directKey = "httpapi.direct"

// Direct mounts an operation for which microseconds count. It is documented, guarded and answers errors as with Register; but I only
// declares the parameters, of which nothing but the names is checked, and h reads them from the request itself. h appends the answer,
// JSON unless it sets another Content-Type, to an empty buffer that is used again afterwards.
func Direct[I any](api huma.API, op huma.Operation, h func(r *Request, answer []byte) ([]byte, error)) {
	op.Metadata = maps.Clone(op.Metadata)
	if op.Metadata == nil {
		op.Metadata = map[string]any{}
	}
	op.Metadata[directKey] = h
	Register(api, op, func(context.Context, *I) (*Bytes, error) { return nil, nil })
}

// Request is a request to an operation that was mounted with Direct.
type Request struct {
	c      *requestContext
	status int
}

// Context ends with the request.
func (r *Request) Context() context.Context { return r.c.Context() }

// Path is a path parameter, decoded once.
func (r *Request) Path(name string) string { return r.c.Param(name) }

// Segment is a path parameter as it stands in the URL.
func (r *Request) Segment(name string) string {
	found := r.c.echo.Param(name)
	if r.c.echo.Request().URL.RawPath == "" && !plainSegment(found) {
		return (&url.URL{Path: found}).EscapedPath()
	}
	return found
}

// plainSegment tells that text is its own usual encoding.
func plainSegment(text string) bool {
	for i := range len(text) {
		c := text[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '=' || c == ',') {
			return false
		}
	}
	return true
}

// Query is a query parameter; the values of a list that is given several times are joined by commas.
func (r *Request) Query(name string) string { return r.c.Query(name) }

// Header is a header of the request.
func (r *Request) Header(name string) string { return r.c.Header(name) }

// Payload is the body.
func (r *Request) Payload() *Payload {
	p := &Payload{}
	p.Resolve(r.c) //nolint:errcheck // it has nothing to complain of
	return p
}

// SetHeader sets a header of the answer.
func (r *Request) SetHeader(name, value string) { r.c.SetHeader(name, value) }

// SetStatus sets the status of the answer; without it, it is 200.
func (r *Request) SetStatus(status int) { r.status = status }

var (
	directBuffers = sync.Pool{New: func() any { return new([]byte) }}
	jsonHeader    = []string{"application/json"}
)

// keptBuffer is how large a buffer may be that is used again.
const keptBuffer = 1 << 20

func (r *route) serveDirect(c *requestContext, h func(*Request, []byte) ([]byte, error)) {
	buffer := directBuffers.Get().(*[]byte)
	defer func() {
		if cap(*buffer) <= keptBuffer {
			directBuffers.Put(buffer)
		}
	}()
	response := c.echo.Response()
	request := &Request{c: c, status: http.StatusOK}
	answer, err := h(request, (*buffer)[:0])
	if err != nil {
		r.write(response, c.echo.Request(), problemOf(err))
		return
	}
	*buffer = answer
	header := response.Header()
	if header["Content-Type"] == nil {
		header["Content-Type"] = jsonHeader
	}
	header["Content-Length"] = []string{strconv.Itoa(len(answer))}
	if gatherFrom <= len(answer) && len(answer) <= gatherTo {
		if conn := gatheringOf(c.Context()); conn != nil {
			conn.hold()
			defer conn.send()
			defer response.Flush()
		}
	}
	response.WriteHeader(request.status)
	response.Write(answer) //nolint:errcheck // the client is gone
}
