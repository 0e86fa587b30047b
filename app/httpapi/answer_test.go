package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"featurestore/app/httpapi"
)

// timed is a listener whose connections note by when they are to have written, and have a moment at most for it if hurry is set, but for the beginning.
type timed struct {
	net.Listener
	hurry bool

	mu        sync.Mutex
	deadlines []time.Duration // from when they were set; 0: none from then on
}

type timedConn struct {
	net.Conn
	of *timed
}

func (l *timed) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return timedConn{conn, l}, err
}

func (c timedConn) SetWriteDeadline(at time.Time) error {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if at.IsZero() {
		c.of.deadlines = append(c.of.deadlines, 0)
		return c.Conn.SetWriteDeadline(at)
	}
	c.of.deadlines = append(c.of.deadlines, time.Until(at))
	if c.of.hurry && len(c.of.deadlines) > 2 {
		at = time.Now().Add(50 * time.Millisecond)
	}
	return c.Conn.SetWriteDeadline(at)
}

// large serves a streamed answer that no buffer holds; how it ended is told.
func large(t *testing.T, hurry bool) (url string, listener *timed, ended chan error) {
	api := httpapi.New(echo.New(), "1.2.3", slog.New(slog.DiscardHandler))
	ended = make(chan error, 1)
	httpapi.Register(api, huma.Operation{OperationID: "large", Method: "GET", Path: "/large"}, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		return httpapi.Streaming("text/csv", func(w io.Writer) error {
			part := make([]byte, 1<<20)
			for range 64 {
				if _, err := w.Write(part); err != nil {
					ended <- err
					return err
				}
			}
			ended <- nil
			return nil
		}), nil
	})
	handler, err := httpapi.Guard{}.Wrap(api)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(handler)
	listener = &timed{Listener: httpapi.Gathering{Listener: s.Listener}, hurry: hurry}
	s.Listener = listener
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, listener, ended
}

// Who asks for a table and then takes nothing of it is cut off, so that what it is read from is free again.
func TestAnAnswerThatIsNotTakenBreaksOff(t *testing.T) {
	url, _, ended := large(t, true)
	connection := dial(t, url)
	require.NoError(t, connection.SetDeadline(time.Now().Add(time.Minute)))
	fmt.Fprint(connection, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
	select {
	case err := <-ended:
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	case <-time.After(30 * time.Second):
		require.Fail(t, "it waits for the client")
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.Error(t, err, "half an answer is not taken for a whole one")
}

// Who takes it has minutes for each part, and the connection afterwards.
func TestAnAnswerThatIsTakenHasTime(t *testing.T) {
	url, listener, ended := large(t, false)
	connection := dial(t, url)
	require.NoError(t, connection.SetDeadline(time.Now().Add(time.Minute)))
	reader := bufio.NewReader(connection)
	for range 2 {
		fmt.Fprint(connection, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
		response, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.EqualValues(t, 64<<20, n)
		require.NoError(t, <-ended)
	}
	listener.mu.Lock()
	defer listener.mu.Unlock()
	require.GreaterOrEqual(t, len(listener.deadlines), 2*64*16, "each part has its own")
	require.Zero(t, listener.deadlines[len(listener.deadlines)-1])
	for _, d := range listener.deadlines {
		require.True(t, d == 0 || d > 4*time.Minute && d <= 5*time.Minute, "%s", d)
	}
}
