package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
)

// served is an API with one operation of every sort, behind its guard, on a real connection.
type served struct {
	*httptest.Server
	log      *bytes.Buffer
	observed chan string
}

type echoInput struct {
	Kind  string          `path:"kind"`
	Raw   httpapi.Segment `path:"raw"`
	Limit int             `query:"limit" minimum:"1" default:"10"`
	Names []string        `query:"names"`
}

type echoOutput struct {
	Body struct {
		Kind  string   `json:"kind"`
		Raw   string   `json:"raw"`
		Limit int      `json:"limit"`
		Names []string `json:"names"`
	}
}

type thing struct {
	Name  string   `json:"name" minLength:"1" maxLength:"10"`
	Count int64    `json:"count,omitempty"`
	Tags  []string `json:"tags,omitempty"`
}

func serve(t *testing.T, guard httpapi.Guard) *served {
	s := &served{log: &bytes.Buffer{}, observed: make(chan string, 100)}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	api := httpapi.New(echo.New(), "1.2.3", log, httpapi.Observe(func(method, route string) func(int, time.Duration) {
		return func(status int, _ time.Duration) { s.observed <- fmt.Sprint(method, " ", route, " ", status) }
	}))

	httpapi.Register(api, huma.Operation{OperationID: "echo", Method: "GET", Path: "/echo/{kind}/{raw}"},
		func(_ context.Context, in *echoInput) (*echoOutput, error) {
			out := &echoOutput{}
			out.Body.Kind, out.Body.Raw, out.Body.Limit, out.Body.Names = in.Kind, string(in.Raw), in.Limit, in.Names
			return out, nil
		})
	httpapi.Register(api, huma.Operation{OperationID: "make", Method: "POST", Path: "/things", MaxBodyBytes: 200},
		func(_ context.Context, in *struct{ Body thing }) (*struct{ Body thing }, error) {
			return &struct{ Body thing }{in.Body}, nil
		})
	httpapi.Register(api, huma.Operation{OperationID: "fail", Method: "GET", Path: "/fail/{how}"},
		func(_ context.Context, in *struct {
			How string `path:"how"`
		}) (*httpapi.Bytes, error) {
			switch in.How {
			case "fault":
				return nil, fmt.Errorf("reading: %w", fault.New(fault.NotFound, "unknown-group", "there is no group %q", "x").At("path.group", "x", "did you mean y?"))
			case "busy":
				return nil, fault.New(fault.Busy, "store-down", "the store is not available").Because(errors.New("secret cause"))
			case "panic":
				panic("secret cause")
			case "cancelled":
				return nil, context.Canceled
			}
			return nil, errors.New("secret cause")
		})
	httpapi.Register(api, huma.Operation{OperationID: "bytes", Method: "GET", Path: "/bytes"},
		func(context.Context, *struct{}) (*httpapi.Bytes, error) {
			return &httpapi.Bytes{ContentType: "application/json", ServedFrom: "offline", Body: []byte(`{"big":"` + strings.Repeat("x", 10_000) + `"}`)}, nil
		})
	httpapi.Register(api, huma.Operation{OperationID: "upload", Method: "POST", Path: "/upload"},
		func(_ context.Context, in *struct {
			httpapi.Payload
			Limit int64 `query:"limit" default:"1000"`
		}) (*struct{ Body map[string]any }, error) {
			all, err := in.Bytes(in.Limit)
			if err != nil {
				return nil, err
			}
			return &struct{ Body map[string]any }{map[string]any{"type": in.ContentType, "encoding": in.ContentEncoding, "body": string(all)}}, nil
		})
	httpapi.Register(api, huma.Operation{OperationID: "stream", Method: "GET", Path: "/stream"},
		func(_ context.Context, in *struct {
			Bytes int    `query:"bytes"`
			Then  string `query:"then"`
		}) (*huma.StreamResponse, error) {
			return httpapi.Streaming("text/csv", func(w io.Writer) error {
				httpapi.SetHeader(w, "X-Rows", "7")
				if _, err := w.Write(bytes.Repeat([]byte("x"), in.Bytes)); err != nil {
					return err
				}
				switch in.Then {
				case "fault":
					return fault.New(fault.Unprocessable, "bad-row", "row 7 is bad")
				case "error":
					return errors.New("secret cause")
				case "panic":
					panic("secret cause")
				}
				return nil
			}), nil
		})

	handler, err := guard.Wrap(api)
	require.NoError(t, err)
	s.Server = httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

// call answers status, headers and body. The path goes out exactly as it is written.
func (s *served) call(t *testing.T, method, path, body string, headers ...string) (int, http.Header, string) {
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	u.Opaque = path
	request := &http.Request{Method: method, URL: u, Header: http.Header{}}
	if body != "" {
		request.Body = io.NopCloser(strings.NewReader(body))
		request.ContentLength = int64(len(body))
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header, string(answer)
}

func TestPathIsDecodedOnce(t *testing.T) {
	s := serve(t, httpapi.Guard{})
	for _, c := range []struct{ sent, decoded, raw string }{
		{"plain", "plain", "plain"},
		{"a%20b", "a b", "a%20b"},
		{"a+b", "a+b", "a+b"},
		{"a%2Bb", "a+b", "a%2Bb"},
		{"a%2Fb", "a/b", "a%2Fb"},
		{"a%252Fb", "a%2Fb", "a%252Fb"},
		{"100%25", "100%", "100%25"},
		{"a%2541", "a%41", "a%2541"},
		{"%41", "A", "%41"},
		{"%C3%BC", "ü", "%C3%BC"},
		{"a=1,b=2", "a=1,b=2", "a=1,b=2"},
		{"a=1%2C2,b=%3D", "a=1,2,b==", "a=1%2C2,b=%3D"},
		{"..", "..", ".."},
		{"%2E%2E%2F", "../", "%2E%2E%2F"},
		{"a:b@c;d&e$f!g'(h)*", "a:b@c;d&e$f!g'(h)*", "a:b@c;d&e$f!g'(h)*"},
		{"%22%3Cx%3E", `"<x>`, "%22%3Cx%3E"},
	} {
		status, _, body := s.call(t, "GET", "/echo/"+c.sent+"/"+c.sent, "")
		require.Equal(t, 200, status, "%s: %s", c.sent, body)
		var got struct{ Kind, Raw string }
		require.NoError(t, json.Unmarshal([]byte(body), &got))
		require.Equal(t, c.decoded, got.Kind, "decoded %s", c.sent)
		require.Equal(t, c.raw, got.Raw, "raw %s", c.sent)
	}
}

func TestSuccess(t *testing.T) {
	s := serve(t, httpapi.Guard{})
	for _, c := range []struct{ method, path, body, contentType, want string }{
		{"GET", "/echo/a/b?limit=3&names=x,y", "", "", `{"kind":"a","raw":"b","limit":3,"names":["x","y"]}`},
		{"GET", "/echo/a/b?names=x&names=y", "", "", `{"kind":"a","raw":"b","limit":10,"names":["x","y"]}`},
		{"GET", "/echo/a/b", "", "", `{"kind":"a","raw":"b","limit":10,"names":[]}`},
		{"POST", "/things", `{"name":"x","count":9007199254740993}`, "application/json", `{"name":"x","count":9007199254740993}`},
		{"POST", "/things", `{"name":"x"}`, "application/json; charset=utf-8", `{"name":"x"}`},
		{"POST", "/things", `{"name":"x"}`, "", `{"name":"x"}`},
		{"POST", "/things", `{"name":"x"}`, "application/x-www-form-urlencoded", `{"name":"x"}`},
		{"POST", "/upload", `abc`, "Text/CSV; charset=utf-8", `{"body":"abc","encoding":"","type":"text/csv"}`},
		{"POST", "/upload", `abc`, "application/x-www-form-urlencoded", `{"body":"abc","encoding":"","type":""}`},
		{"POST", "/upload", ``, "", `{"body":"","encoding":"","type":""}`},
	} {
		status, header, body := s.call(t, c.method, c.path, c.body, "Content-Type", c.contentType)
		require.Equal(t, 200, status, "%s: %s", c.path, body)
		require.Equal(t, "application/json", header.Get("Content-Type"))
		require.JSONEq(t, c.want, body, "%s %s %q", c.method, c.path, c.contentType)
	}
}

func TestBytesHaveALength(t *testing.T) {
	s := serve(t, httpapi.Guard{})
	status, header, body := s.call(t, "GET", "/bytes", "")
	require.Equal(t, 200, status)
	require.Equal(t, "offline", header.Get("X-Served-From"))
	require.Equal(t, fmt.Sprint(len(body)), header.Get("Content-Length"))

	status, header, body = s.call(t, "HEAD", "/bytes", "")
	require.Equal(t, 200, status)
	require.Empty(t, body)
	require.NotEmpty(t, header.Get("Content-Length"))
}

func TestProblems(t *testing.T) {
	s := serve(t, httpapi.Guard{})
	deep := strings.Repeat("[", 101) + strings.Repeat("]", 101)
	for _, c := range []struct {
		method, path, body string
		headers            []string
		status             int
		slug               string
		says               string // somewhere in the answer
	}{
		{"GET", "/nothing", "", nil, 404, "unknown-path", "/nothing"},
		{"GET", "/echo/a/b/c", "", nil, 404, "unknown-path", "/echo/a/b/c"},
		{"GET", "/echo/a/b/", "", nil, 404, "unknown-path", ""},
		{"DELETE", "/things", "", nil, 405, "method-not-allowed", "it takes OPTIONS, POST"},
		{"BREW", "/things", "", nil, 405, "method-not-allowed", "BREW"},
		{"GET", "/fail/fault", "", nil, 404, "unknown-group", "did you mean y?"},
		{"GET", "/fail/busy", "", nil, 503, "store-down", "not available"},
		{"GET", "/fail/other", "", nil, 500, "internal", "log"},
		{"GET", "/fail/panic", "", nil, 500, "internal", "log"},
		{"GET", "/echo/a/b?limt=3", "", nil, 400, "invalid-query", "known are limit, names"},
		{"GET", "/bytes?x=1", "", nil, 400, "invalid-query", "takes none"},
		{"GET", "/echo/a/b?limit=3&limit=4", "", nil, 400, "invalid-query", "this call takes it: query.limit: given more than once"},
		{"GET", "/echo/a/b?limit=%zz", "", nil, 400, "invalid-query", "percent-encode"},
		{"GET", "/echo/a/b?names=%ff", "", nil, 400, "invalid-query", "UTF-8"},
		{"GET", "/echo/a/b?names=%00", "", nil, 400, "invalid-query", "NUL"},
		{"GET", "/echo/a/b?limit=0", "", nil, 422, "invalid-request", "query.limit"},
		{"GET", "/echo/a/b?limit=x", "", nil, 422, "invalid-request", "invalid integer"},
		{"GET", "/echo/a/%ff", "", nil, 400, "invalid-text", "UTF-8"},
		{"GET", "/echo/a/%00", "", nil, 400, "invalid-text", "NUL"},
		{"GET", "/echo//b", "", nil, 422, "invalid-request", "path.kind"},
		{"POST", "/things", "", nil, 400, "empty-body", "body"},
		{"POST", "/things", "{", nil, 400, "invalid-json", "ends too early"},
		{"POST", "/things", `{"name":"x"} {}`, nil, 400, "invalid-json", "body"},
		{"POST", "/things", `{"name":"x","name":"y"}`, nil, 400, "invalid-json", "given twice"},
		{"POST", "/things", "{\"name\":\"\xff\"}", nil, 400, "invalid-json", "UTF-8"},
		{"POST", "/things", deep, nil, 413, "body-too-large", "200 bytes"},
		{"POST", "/things", deep[:101] + `"x"`, nil, 400, "invalid-json", "deeper than 100"},
		{"POST", "/things", `{"name":"x","nmae":"y"}`, nil, 422, "invalid-request", "body.nmae"},
		{"POST", "/things", `{"Name":"x"}`, nil, 422, "invalid-request", "body.Name"},
		{"POST", "/things", `{"count":1}`, nil, 422, "invalid-request", "name"},
		{"POST", "/things", `{"name":"","count":"1"}`, nil, 422, "invalid-request", "body.count"},
		{"POST", "/things", `{"name":"x","count":1.5}`, nil, 422, "invalid-request", "body.count"},
		{"POST", "/things", `{"name":"x","count":9223372036854775808}`, nil, 422, "invalid-request", "count"},
		{"POST", "/things", `{"name":null}`, nil, 422, "invalid-request", "body.name"},
		{"POST", "/things", `[]`, nil, 422, "invalid-request", "expected object"},
		{"POST", "/things", `{"name":"x"}`, []string{"Content-Type", "text/csv"}, 415, "unsupported-content-type", "text/csv"},
		{"POST", "/things", `{"name":"x"}`, []string{"Content-Encoding", "gzip"}, 415, "unsupported-content-encoding", "gzip"},
		{"POST", "/things", `{"name":"` + strings.Repeat("x", 300) + `"}`, nil, 413, "body-too-large", "200 bytes"},
		{"POST", "/upload?limit=3", "abcd", nil, 413, "body-too-large", "3 bytes"},
		{"GET", "/stream?bytes=10&then=fault", "", nil, 422, "bad-row", "row 7"},
		{"GET", "/stream?bytes=10&then=error", "", nil, 500, "internal", "log"},
		{"GET", "/stream?bytes=10&then=panic", "", nil, 500, "internal", "log"},
		{"GET", "/bytes", "", []string{"Host", "evil.example"}, 403, "unknown-host", "http.allowed_hosts"},
		{"GET", "/bytes", "", []string{"Host", "127.0.0.1.evil.example:80"}, 403, "unknown-host", "evil"},
		{"GET", "/bytes", "", []string{"Host", "192.0.2.1"}, 403, "unknown-host", ""},
		{"POST", "/things", `{"name":"x"}`, []string{"Origin", "https://evil.example"}, 403, "cross-origin", "evil.example"},
		{"POST", "/things", `{"name":"x"}`, []string{"Origin", "null"}, 403, "cross-origin", ""},
		{"POST", "/things", `{"name":"x"}`, []string{"Sec-Fetch-Site", "cross-site"}, 403, "cross-origin", ""},
		{"POST", "/things", `{"name":"x"}`, []string{"Sec-Fetch-Site", "same-site"}, 403, "cross-origin", ""},
	} {
		name := c.method + " " + c.path + " " + c.body
		status, header, body := s.call(t, c.method, c.path, c.body, c.headers...)
		require.Equal(t, c.status, status, "%s: %.300s", name, body)
		require.Equal(t, "application/problem+json", header.Get("Content-Type"), name)
		require.Contains(t, body, c.says, name)
		require.NotContains(t, body, "secret cause", name)
		var problem httpapi.Problem
		require.NoError(t, json.Unmarshal([]byte(body), &problem), name)
		require.Equal(t, "urn:featurestore:problem:"+c.slug, problem.Type, name)
		require.Equal(t, c.status, problem.Status, name)
		require.NotEmpty(t, problem.Title, name)
		require.NotEmpty(t, problem.Detail, name)
		require.Equal(t, "urn:featurestore:request:"+header.Get("X-Request-Id"), problem.Instance, name)
		if status >= 500 {
			require.Contains(t, s.log.String(), "secret cause", name)
			require.Contains(t, s.log.String(), header.Get("X-Request-Id"), name)
		}
		require.Equal(t, status == 503, header.Get("Retry-After") != "", name)
	}
}

// A mistake in one request shows every mistake in it.
func TestEveryViolationIsListed(t *testing.T) {
	s := serve(t, httpapi.Guard{})
	_, _, body := s.call(t, "POST", "/things", `{"nmae":"x","count":"1","tags":[1]}`)
	var problem httpapi.Problem
	require.NoError(t, json.Unmarshal([]byte(body), &problem))
	var places []string
	for _, v := range problem.Violations {
		places = append(places, v.Location)
	}
	require.ElementsMatch(t, []string{"body", "body.nmae", "body.count", "body.tags[0]"}, places, body)

	_, _, body = s.call(t, "GET", "/echo/a/b?b=1&a=2", "")
	require.NoError(t, json.Unmarshal([]byte(body), &problem))
	require.Len(t, problem.Violations, 2)

	var many strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&many, "p%d&", i)
	}
	_, _, body = s.call(t, "GET", "/bytes?"+many.String(), "")
	require.NoError(t, json.Unmarshal([]byte(body), &problem))
	require.Len(t, problem.Violations, 1000)
	require.Contains(t, problem.Detail, "500 more")
}

// Half an answer must not look like a whole one: over HTTP/1.1 the last chunk is missing.
func TestStreamThatFailsBreaksTheConnection(t *testing.T) {
	s := serve(t, httpapi.Guard{})
	for _, then := range []string{"fault", "error", "panic"} {
		response, err := http.Get(s.URL + "/stream?bytes=100000&then=" + then)
		require.NoError(t, err)
		require.Equal(t, 200, response.StatusCode)
		require.Equal(t, []string{"chunked"}, response.TransferEncoding)
		_, err = io.Copy(io.Discard, response.Body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, then)
		response.Body.Close()
		require.Equal(t, "GET /stream 0", <-s.observed)
	}
	response, err := http.Get(s.URL + "/stream?bytes=100000")
	require.NoError(t, err)
	whole, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Len(t, whole, 100000)
	require.Equal(t, "7", response.Header.Get("X-Rows"))
	require.Equal(t, "text/csv", response.Header.Get("Content-Type"))
}

func TestBodyThatBreaksOff(t *testing.T) {
	s := serve(t, httpapi.Guard{})
	for _, path := range []string{"/things", "/upload"} {
		connection := dial(t, s.URL)
		fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"name\":", path)
		connection.CloseWrite()
		answer, err := io.ReadAll(connection)
		require.NoError(t, err)
		require.Contains(t, string(answer), "400 Bad Request", path)
		require.Contains(t, string(answer), "urn:featurestore:problem:body-broken-off", path)
	}
}

func TestChunkedBodies(t *testing.T) {
	s := serve(t, httpapi.Guard{})
	for path, want := range map[string]int{"/upload": 200, "/upload?limit=6": 413, "/upload?limit=7": 200} {
		response, err := http.Post(s.URL+path, "text/csv", io.MultiReader(strings.NewReader("abcd"), strings.NewReader("efg")))
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, want, response.StatusCode, path)
	}
}

func TestGuard(t *testing.T) {
	var log bytes.Buffer
	s := serve(t, httpapi.Guard{
		Hosts: []string{"Features.Example", "fd00::1"}, Origins: []string{"https://tools.example"}, RequestID: "abc",
		AccessLog: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for host, want := range map[string]int{
		"features.example": 200, "FEATURES.example:8000": 200, "features.example.": 200, "localhost": 200, "[::1]:8000": 200,
		"[fd00::1]:8000": 200, "127.0.0.1:1": 200, "[fd00::2]:8000": 403, "example": 403, "localhost.evil.example": 403,
	} {
		status, _, body := s.call(t, "GET", "/bytes", "", "Host", host)
		require.Equal(t, want, status, "%s: %.200s", host, body)
	}
	for _, headers := range [][]string{
		{"Origin", "https://tools.example", "Sec-Fetch-Site", "cross-site"},
		{"Origin", s.URL},
		{"Sec-Fetch-Site", "same-origin"},
		{"Sec-Fetch-Site", "none"},
		{},
	} {
		status, _, body := s.call(t, "POST", "/things", `{"name":"x"}`, headers...)
		require.Equal(t, 200, status, "%v: %s", headers, body)
	}
	_, header, _ := s.call(t, "GET", "/bytes", "", "X-Request-Id", "mine-1")
	require.Equal(t, "mine-1", header.Get("X-Request-Id"))
	for _, bad := range []string{"a b", strings.Repeat("x", 65), "a\"b"} {
		_, header, _ = s.call(t, "GET", "/bytes", "", "X-Request-Id", bad)
		require.Regexp(t, `^abc-[0-9a-z]+$`, header.Get("X-Request-Id"))
	}
	s.call(t, "GET", "/bytes?x=1", "")
	s.Close() // all requests have ended
	require.Contains(t, log.String(), "method=GET path=/bytes query=\"x=1\" status=400")

	_, err := httpapi.Guard{Origins: []string{"tools.example"}}.Wrap(httpapi.New(echo.New(), "", slog.Default()))
	require.ErrorContains(t, err, "tools.example")
}

func TestObserve(t *testing.T) {
	s := serve(t, httpapi.Guard{})
	for path, want := range map[string]string{
		"/echo/a/b":      "GET /echo/{kind}/{raw} 200",
		"/echo/a/b?x=1":  "GET /echo/{kind}/{raw} 400",
		"/fail/panic":    "GET /fail/{how} 500",
		"/fail/fault":    "GET /fail/{how} 404",
		"/stream?then=x": "GET /stream 200",
	} {
		s.call(t, "GET", path, "")
		require.Equal(t, want, <-s.observed)
	}
}

func TestOpenAPI(t *testing.T) {
	api := httpapi.New(echo.New(), "1.2.3", slog.Default())
	type answer struct {
		Value float64 `json:"value"`
	}
	httpapi.Register(api, huma.Operation{
		OperationID: "load", Method: "POST", Path: "/rows/{group}", Responses: httpapi.Answers[answer](api, "what became of it"),
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"text/csv": {Schema: &huma.Schema{Type: "string"}}}},
	}, func(context.Context, *struct {
		httpapi.Payload
		Group string `path:"group"`
	}) (*httpapi.Bytes, error) {
		return nil, nil
	})
	text, err := json.Marshal(api.OpenAPI())
	require.NoError(t, err)
	var document struct {
		OpenAPI string
		Info    struct{ Version string }
		Paths   map[string]map[string]struct {
			RequestBody struct{ Content map[string]any }
			Responses   map[string]struct {
				Headers map[string]any
				Content map[string]struct{ Schema map[string]string }
			}
		}
		Components struct{ Schemas map[string]any }
	}
	require.NoError(t, json.Unmarshal(text, &document))
	require.Equal(t, "3.1.0", document.OpenAPI)
	require.Equal(t, "1.2.3", document.Info.Version)
	load := document.Paths["/rows/{group}"]["post"]
	require.Contains(t, load.RequestBody.Content, "text/csv")
	require.Equal(t, "#/components/schemas/Answer", load.Responses["200"].Content["application/json"].Schema["$ref"])
	require.Equal(t, "#/components/schemas/Problem", load.Responses["default"].Content["application/problem+json"].Schema["$ref"])
	require.Contains(t, document.Components.Schemas, "Problem")
}
