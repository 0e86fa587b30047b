package httpapi_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
)

// A Direct operation reads requests, answers and fails as one that is Registered.
func TestDirect(t *testing.T) {
	api := httpapi.New(echo.New(), "1.2.3", slog.New(slog.DiscardHandler))
	httpapi.Direct[struct {
		httpapi.Payload
		Kind  string          `path:"kind"`
		Raw   httpapi.Segment `path:"raw"`
		Names []string        `query:"names"`
		How   string          `query:"how"`
	}](api, huma.Operation{OperationID: "direct", Method: "POST", Path: "/direct/{kind}/{raw}", Responses: httpapi.Answers[thing](api, "a thing")},
		func(r *httpapi.Request, b []byte) ([]byte, error) {
			require.Empty(t, b)
			switch r.Query("how") {
			case "fault":
				return nil, fault.New(fault.NotFound, "unknown-group", "there is no group")
			case "panic":
				panic("secret cause")
			case "csv":
				r.SetHeader("Content-Type", "text/csv")
			}
			body, err := r.Payload().Bytes(100)
			if err != nil {
				return nil, err
			}
			return fmt.Appendf(b, "%s|%s|%s|%s|%s", r.Path("kind"), r.Segment("raw"), r.Query("names"), r.Header("Accept"), body), nil
		})
	handler, err := httpapi.Guard{}.Wrap(api)
	require.NoError(t, err)
	s := &served{Server: httptest.NewServer(handler)}
	defer s.Close()

	for sent, raw := range map[string]string{
		"plain": "plain", "a%2Fb": "a%2Fb", "a%252Fb": "a%252Fb", "a=1,b=2": "a=1,b=2", "%C3%BC": "%C3%BC", "a=1%2C2,b=%3D": "a=1%2C2,b=%3D", "a+b": "a+b",
	} {
		status, header, body := s.call(t, "POST", "/direct/a%20%2F/"+sent+"?names=x,y&names=z", "body", "Accept", "x/y")
		require.Equal(t, 200, status, body)
		require.Equal(t, "a /|"+raw+"|x,y,z|x/y|body", body)
		require.Equal(t, "application/json", header.Get("Content-Type"))
		require.Equal(t, fmt.Sprint(len(body)), header.Get("Content-Length"))
	}
	for _, c := range []struct {
		query, body string
		status      int
		says        string
	}{
		{"?how=csv", "", 200, "a|b|"},
		{"?how=fault", "", 404, "unknown-group"},
		{"?how=panic", "", 500, "internal"},
		{"?hwo=fault", "", 400, "known are how, names"},
		{"?how=a&how=b", "", 400, "more than once"},
		{"", strings.Repeat("x", 101), 413, "body-too-large"},
	} {
		status, header, body := s.call(t, "POST", "/direct/a/b"+c.query, c.body)
		require.Equal(t, c.status, status, body)
		require.Contains(t, body, c.says)
		require.NotContains(t, body, "secret cause")
		if status != 200 {
			require.Equal(t, "application/problem+json", header.Get("Content-Type"))
		} else {
			require.Equal(t, "text/csv", header.Get("Content-Type"))
		}
	}
	operation := api.OpenAPI().Paths["/direct/{kind}/{raw}"].Post
	require.Len(t, operation.Parameters, 4)
	require.Equal(t, "#/components/schemas/Thing", operation.Responses["200"].Content["application/json"].Schema.Ref)
}

// Answers in flight at the same time do not share a buffer.
func TestDirectBuffersAreNotShared(t *testing.T) {
	api := httpapi.New(echo.New(), "1.2.3", slog.New(slog.DiscardHandler))
	httpapi.Direct[struct {
		Text string `path:"text"`
	}](api, huma.Operation{OperationID: "repeat", Method: "GET", Path: "/repeat/{text}"}, func(r *httpapi.Request, b []byte) ([]byte, error) {
		for range 10_000 {
			b = append(b, r.Path("text")...)
		}
		return b, nil
	})
	handler, err := httpapi.Guard{}.Wrap(api)
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	defer server.Close()
	failed := make(chan error, 8)
	for i := range cap(failed) {
		go func() {
			text := strings.Repeat(string(rune('a'+i)), 10)
			for range 50 {
				response, err := http.Get(server.URL + "/repeat/" + text)
				if err != nil {
					failed <- err
					return
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || string(body) != strings.Repeat(text, 10_000) {
					failed <- fmt.Errorf("%s was answered by %.20s… (%v)", text, body, err)
					return
				}
			}
			failed <- nil
		}()
	}
	for range cap(failed) {
		require.NoError(t, <-failed)
	}
}
