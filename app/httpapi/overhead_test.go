package httpapi_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"featurestore/app/httpapi"
)

// What a route costs beyond a bare echo handler that answers the same bytes: the request is GET with two path parameters and
// one query parameter, the answer 4 KB.

var answer = make([]byte, 4<<10)

const readURL = "/get/customer/12345?features=a,b,c"

func bare() http.Handler {
	e := echo.New()
	e.GET("/get/:type/:id", func(c echo.Context) error {
		_, _, _ = c.Param("type"), c.Param("id"), c.QueryParam("features")
		return c.Blob(http.StatusOK, "application/json", answer)
	})
	return e
}

func registered(b *testing.B) http.Handler {
	observe := func(string, string) func(int, time.Duration) { return func(int, time.Duration) {} }
	api := httpapi.New(echo.New(), "", slog.Default(), httpapi.Observe(observe))
	httpapi.Register(api, huma.Operation{OperationID: "get", Method: "GET", Path: "/get/{type}/{id}"},
		func(context.Context, *struct {
			Type     string          `path:"type"`
			ID       httpapi.Segment `path:"id"`
			Features []string        `query:"features"`
			Service  string          `query:"service"`
		}) (*httpapi.Bytes, error) {
			return &httpapi.Bytes{ContentType: "application/json", Body: answer}, nil
		})
	handler, err := httpapi.Guard{RequestID: "bench"}.Wrap(api)
	require.NoError(b, err)
	return handler
}

func BenchmarkHandler(b *testing.B) {
	for name, handler := range map[string]http.Handler{"bare": bare(), "registered": registered(b)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			request := httptest.NewRequest("GET", "http://localhost"+readURL, nil)
			for b.Loop() {
				handler.ServeHTTP(&discard{header: http.Header{}}, request)
			}
		})
	}
}

func BenchmarkConnection(b *testing.B) {
	for name, handler := range map[string]http.Handler{"bare": bare(), "registered": registered(b)} {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewServer(handler)
			defer server.Close()
			connection, err := http.DefaultTransport.(*http.Transport).DialContext(b.Context(), "tcp", server.Listener.Addr().String())
			require.NoError(b, err)
			defer connection.Close()
			reader := bufio.NewReaderSize(connection, 16<<10)
			for b.Loop() {
				io.WriteString(connection, "GET "+readURL+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
				response, err := http.ReadResponse(reader, nil)
				if err != nil {
					b.Fatal(err)
				}
				if n, _ := io.Copy(io.Discard, response.Body); n != int64(len(answer)) {
					b.Fatal("short answer")
				}
			}
		})
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
