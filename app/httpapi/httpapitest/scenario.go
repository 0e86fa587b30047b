package httpapitest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Server calls a handler on a real connection and runs scenarios against it. A file holds scenarios that follow each other:
//
//	### an observation is stored
//	POST /store/customer/12345
//	Content-Type: application/json
//
//	{"score": 0.5}
//	=> 200
//	{"entity_type": "customer", "entity_id": "12345", "event_time": "…", …}
//
//	### an unknown feature is named with its neighbours
//	GET /get/customer/12345/scor
//	=> 404 unknown-feature
//	Content-Type: application/problem+json
//
// After the status stand the slug of a problem, headers that the answer must have, and its body. JSON is compared in the order of its
// members and by the spelling of its numbers. A string "…" stands for any value, "…name" also keeps it, for ${name} in later requests and answers; a
// member "…" stands for any further members. In headers and in text, … stands for any characters of a line. A body that is left out is
// not looked at. What stands before the first scenario is a remark.
type Server struct {
	*httptest.Server
	kept map[string]string
}

// Listen serves a handler until the test ends.
func Listen(t testing.TB, handler http.Handler) *Server {
	s := &Server{httptest.NewServer(handler), map[string]string{}}
	t.Cleanup(s.Close)
	return s
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Call sends a request such as "GET /get/customer/1?features=a" with headers such as "Accept: text/csv". The path goes out as it is
// written.
func (s *Server) Call(t testing.TB, request, body string, headers ...string) Answer {
	t.Helper()
	method, path, found := strings.Cut(request, " ")
	require.True(t, found, "a request is a method and a path: %s", request)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	u.Opaque = path
	r := &http.Request{Method: method, URL: u, Header: http.Header{}}
	if body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	response, err := s.Client().Do(r)
	require.NoError(t, err, request)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err, request)
	return Answer{response.StatusCode, response.Header, string(answer)}
}

// Run runs the scenarios of files whose paths match a pattern, in the order of their names.
func (s *Server) Run(t *testing.T, pattern string) {
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files, "no file matches %s", pattern)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		t.Run(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), func(t *testing.T) {
			for _, c := range parse(t, string(text)) {
				t.Run(c.name, func(t *testing.T) { c.run(t, s) })
			}
		})
	}
}

// scenario is one call and what is wanted of its answer.
type scenario struct {
	name    string
	request string
	headers []string
	body    string
	status  int
	slug    string
	wanted  []string // headers
	answer  string
}

func parse(t *testing.T, text string) []scenario {
	var all []scenario
	for _, part := range strings.Split("\n"+text, "\n### ")[1:] {
		name, rest, _ := strings.Cut(part, "\n")
		request, rest, _ := strings.Cut(rest, "\n")
		sent, wanted, found := strings.Cut("\n"+rest, "\n=> ")
		require.True(t, found, "%s: there is no line with =>", name)
		c := scenario{name: name, request: request}
		c.headers, c.body = headersAndBody(sent)
		line, rest, _ := strings.Cut(wanted, "\n")
		code, slug, _ := strings.Cut(line, " ")
		var err error
		c.status, err = strconv.Atoi(code)
		require.NoError(t, err, name)
		c.slug = slug
		c.wanted, c.answer = headersAndBody(rest)
		all = append(all, c)
	}
	return all
}

var headerLine = regexp.MustCompile(`^[A-Z][A-Za-z-]*: `)

func headersAndBody(text string) (headers []string, body string) {
	text = strings.Trim(text, "\n")
	for {
		line, rest, _ := strings.Cut(text, "\n")
		if !headerLine.MatchString(line) {
			return headers, strings.Trim(text, "\n")
		}
		headers, text = append(headers, line), rest
	}
}

var reference = regexp.MustCompile(`\$\{[a-z_]+\}`)

func (c scenario) run(t *testing.T, s *Server) {
	fill := func(text string) string {
		return reference.ReplaceAllStringFunc(text, func(r string) string {
			value, ok := s.kept[r[2:len(r)-1]]
			require.True(t, ok, "nothing was kept as %s", r)
			return value
		})
	}
	answer := s.Call(t, fill(c.request), fill(c.body), c.headers...)
	require.Equal(t, c.status, answer.Status, "%s answered %s", c.request, answer.Body)
	for _, h := range c.wanted {
		name, value, _ := strings.Cut(h, ": ")
		require.Regexp(t, "^"+pattern(value)+"$", answer.Header.Get(name), "header %s", name)
	}
	if c.slug != "" {
		require.Contains(t, answer.Body, `"type":"urn:featurestore:problem:`+c.slug+`"`)
	}
	switch {
	case c.answer == "":
	case strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json"), answer.Header.Get("Content-Type") == "application/problem+json":
		require.NoError(t, compare(fill(c.answer), answer.Body, s.kept), "%s answered %s", c.request, answer.Body)
	default:
		require.Regexp(t, `^`+pattern(c.answer)+`\n*$`, strings.ReplaceAll(answer.Body, "\r\n", "\n"))
	}
}

// pattern is a regular expression for text in which … stands for anything.
func pattern(text string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(text), "…", ".*")
}
