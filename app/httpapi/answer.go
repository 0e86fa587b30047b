package httpapi

import (
	"bufio"
	"io"
	"net/http"
	"sync"
	"time"

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
// an answer for a whole one. So does a client that takes nothing for five minutes: what write holds meanwhile, a snapshot of the
// store for example, others may be waiting for.
func Streaming(contentType string, write func(io.Writer) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		c := ctx.(*requestContext)
		response := c.echo.Response()
		response.Header().Set("Content-Type", contentType)
		w := &streamWriter{response: response, Writer: streamBuffers.Get().(*bufio.Writer)}
		taken := &takenWriter{response, http.NewResponseController(response)}
		w.Reset(taken)
		defer func() {
			w.Reset(nil)
			streamBuffers.Put(w.Writer)
		}()
		err := write(w)
		if err == nil {
			err = w.Flush()
		}
		if err == nil {
			taken.end()
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

// takenWriter has the connection's client take each part of an answer within writeTimeout.
type takenWriter struct {
	to      io.Writer
	control *http.ResponseController
}

// writePart is how much is written at once: what a slow client takes of a large part counts too.
const writePart = 64 << 10

func (w *takenWriter) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		w.control.SetWriteDeadline(time.Now().Add(writeTimeout)) //nolint:errcheck // not every connection has deadlines
		part := 0
		part, err = w.to.Write(b[n:min(n+writePart, len(b))])
		n += part
	}
	return n, err
}

// end leaves the connection to its next request.
func (w *takenWriter) end() { w.control.SetWriteDeadline(time.Time{}) } //nolint:errcheck // see above

var streamBuffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 32<<10) }}
