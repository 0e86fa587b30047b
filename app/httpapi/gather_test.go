package httpapi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"featurestore/app/httpapi"
)

// sized serves answers of so many bytes, on connections that gather them or not.
func sized(t *testing.T, gathering bool) *httptest.Server {
	api := httpapi.New(echo.New(), "1.2.3", slog.New(slog.DiscardHandler))
	httpapi.Direct[struct {
		Bytes int `path:"bytes"`
	}](api, huma.Operation{OperationID: "sized", Method: "GET", Path: "/sized/{bytes}", Responses: httpapi.Answers[thing](api, "a thing")},
		func(r *httpapi.Request, b []byte) ([]byte, error) {
			n, err := strconv.Atoi(r.Path("bytes"))
			return append(b, bytes.Repeat([]byte{'0' + byte(n%10)}, n)...), err
		})
	handler, err := httpapi.Guard{}.Wrap(api)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(handler)
	if gathering {
		s.Listener = httpapi.Gathering{Listener: s.Listener}
		s.Config.ConnContext = httpapi.GatherContext
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// Answers of some KB come in one piece; the control without gathering takes two. What is answered is the same.
func TestGathering(t *testing.T) {
	for _, c := range []struct {
		gathering bool
		bytes     int
		pieces    uint32
	}{{true, 100, 1}, {true, 6000, 1}, {false, 100, 1}, {false, 6000, 2}} {
		connection := dial(t, sized(t, c.gathering).URL)
		before := dataSegments(t, connection)
		fmt.Fprintf(connection, "GET /sized/%d HTTP/1.1\r\nHost: localhost\r\n\r\n", c.bytes)
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Len(t, body, c.bytes)
		require.Equal(t, c.pieces, dataSegments(t, connection)-before, "%+v", c)
	}
}

// One connection takes answers of all sizes, errors and HEAD among them, one after the other and sent ahead.
func TestGatheringKeepsAlive(t *testing.T) {
	connection := dial(t, sized(t, true).URL)
	sizes := []int{0, 1, 2047, 2048, 3071, 3072, 4096 - 150, 4096, 8192, 65_535, 65_536, 65_537, 300_000, 6000}
	var requests strings.Builder
	for _, n := range sizes {
		fmt.Fprintf(&requests, "GET /sized/%d HTTP/1.1\r\nHost: localhost\r\n\r\n", n)
		requests.WriteString("GET /sized/6000?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\nHEAD /sized/6000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	go io.WriteString(connection, requests.String())
	reader := bufio.NewReader(connection)
	read := func(method string, status, length int) {
		response, err := http.ReadResponse(reader, &http.Request{Method: method})
		require.NoError(t, err)
		require.Equal(t, status, response.StatusCode)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		if status == 200 && method == "GET" {
			require.True(t, bytes.Equal(bytes.Repeat([]byte{'0' + byte(length%10)}, length), body), length)
			require.EqualValues(t, length, response.ContentLength)
		}
	}
	for _, n := range sizes {
		read("GET", 200, n)
		read("GET", 400, 0)
		read("HEAD", 200, 6000)
	}
}

// dataSegments is how many pieces with data a connection has received.
func dataSegments(t *testing.T, connection *net.TCPConn) uint32 {
	raw, err := connection.SyscallConn()
	require.NoError(t, err)
	var info *unix.TCPInfo
	var failed error
	require.NoError(t, raw.Control(func(fd uintptr) { info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }))
	require.NoError(t, failed)
	return info.Data_segs_in
}
