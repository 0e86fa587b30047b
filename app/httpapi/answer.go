package httpapi

import (
	"bufio"
	"io"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// Bytes is an answer whose body was made by hand. Status 0 is the operation's default, 200.
type Bytes struct {
	Status      int
	ContentType string `header:"Content-Type"`
	ServedFrom  string `header:"X-Served-From"`
	Length      int    `header:"Content-Length" hidden:"true"` // set by Register
	Body        []byte
}

// Streaming answers 200 with a body of any length. Until about 32 KB are written nothing is sent: an error that write returns
// by then is answered as a problem. An error after that, or a panic, breaks the connection, so that a client never takes half
// an answer for a whole one.
func Streaming(contentType string, write func(io.Writer) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		c := ctx.(*requestContext)
		response := c.echo.Response()
		response.Header().Set("Content-Type", contentType)
		w := &streamWriter{response: response, Writer: streamBuffers.Get().(*bufio.Writer)}
		w.Reset(response)
		defer func() {
			w.Reset(nil)
			streamBuffers.Put(w.Writer)
		}()
		err := write(w)
		if err == nil {
			err = w.Flush()
		}
		if err == nil {
			return
		}
		problem := problemOf(err)
		if !response.Committed {
			c.write(response, c.echo.Request(), problem)
			return
		}
		if problem.Status != statusClientGone && c.Context().Err() == nil {
			c.log.Error("an answer broke off", "request", requestID(response), "path", c.echo.Request().URL.Path, "error", err)
		}
		panic(http.ErrAbortHandler)
	}}
}

// SetHeader sets a header of a streamed answer, from inside its write function; later than the first 32 KB it has no effect.
func SetHeader(w io.Writer, name, value string) {
	if stream, ok := w.(*streamWriter); ok {
		stream.response.Header().Set(name, value)
	}
}

type streamWriter struct {
	*bufio.Writer
	response http.ResponseWriter
}

var streamBuffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 32<<10) }}
