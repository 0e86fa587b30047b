package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// client calls the API in this process.
type client struct {
	api    http.Handler
	prefer string // how it is to be done (RFC 7240); "": as the call does it
	match  string // If-Match (RFC 9110): which version is to be there; "*": any, "": none need be
}

// problem is an answer of the API that says what went wrong (RFC 9457).
type problem struct {
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail"`
	Violations []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
		Value    string `json:"value"`
	} `json:"violations"`
}

func (p *problem) Error() string { return p.Detail }

// get reads path with a query and decodes the answer. An answer other than 2xx is a *problem.
func (c client) get(ctx context.Context, path string, query url.Values, into any) error {
	_, err := c.call(ctx, http.MethodGet, path, query, nil, into)
	return err
}

// call makes a call with a JSON body, none if it is nil, and decodes the answer unless into is nil; a *[]byte takes it as it came.
func (c client) call(ctx context.Context, method, path string, query url.Values, body, into any) (status int, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return 0, fmt.Errorf("call %s %s: %w", method, path, err)
		}
	}
	return c.send(ctx, method, path, query, "application/json", text, into)
}

// send makes a call with a body of a content type.
func (c client) send(ctx context.Context, method, path string, query url.Values, contentType string, body []byte, into any) (status int, err error) {
	target := path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://localhost"+target, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("call %s %s: %w", method, path, err)
	}
	request.RequestURI = target
	request.RemoteAddr = "127.0.0.1:0"
	if len(body) > 0 {
		request.Header.Set("Content-Type", contentType)
	}
	if c.prefer != "" {
		request.Header.Set("Prefer", c.prefer)
	}
	if c.match != "" {
		request.Header.Set("If-Match", c.match)
	}
	answer := &recorded{header: http.Header{}, status: http.StatusOK}
	c.api.ServeHTTP(answer, request)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if answer.status >= 300 {
		p := &problem{Status: answer.status}
		if err := json.Unmarshal(answer.body.Bytes(), p); err != nil || p.Detail == "" {
			p.Detail = fmt.Sprintf("%s %s answered %d", method, path, answer.status)
		}
		return answer.status, p
	}
	switch into := into.(type) {
	case nil:
	case *[]byte:
		*into = answer.body.Bytes()
	default:
		if err := json.Unmarshal(answer.body.Bytes(), into); err != nil {
			return answer.status, fmt.Errorf("read the answer of %s %s: %w", method, path, err)
		}
	}
	return answer.status, nil
}

// recorded keeps an answer.
type recorded struct {
	header  http.Header
	status  int
	written bool
	body    bytes.Buffer
}

func (r *recorded) Header() http.Header { return r.header }

func (r *recorded) WriteHeader(status int) {
	if !r.written {
		r.status, r.written = status, true
	}
}

// Flush has nothing to do: what is written is kept until it is read.
func (r *recorded) Flush() {}

func (r *recorded) Write(b []byte) (int, error) {
	r.written = true
	return r.body.Write(b)
}

// path joins segments, each escaped.
func path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// narrowed is what a page's address asks of a list of the API: those filters that it names, and the page.
func narrowed(asked url.Values, filters []string, perPage string) url.Values {
	query := url.Values{"limit": {perPage}}
	for _, name := range append(filters[:len(filters):len(filters)], "page_token") {
		if given := asked.Get(name); given != "" {
			query.Set(name, given)
		}
	}
	return query
}

// nextPage is the address of the page of a list that comes after the one that was asked for; "" if that is the last.
func nextPage(at string, asked url.Values, filters []string, token string) string {
	if token == "" {
		return ""
	}
	next := nextQuery(asked, filters)
	next.Set("page_token", token)
	return at + "?" + next.Encode()
}

// nextQuery is what stays of a page's address on the others of the list.
func nextQuery(asked url.Values, filters []string) url.Values {
	next := url.Values{}
	for _, name := range filters {
		if given := asked.Get(name); given != "" {
			next.Set(name, given)
		}
	}
	return next
}

// asked is the state of a page, which its address carries.
type asked struct{ Asked url.Values }

// Get is what the page was asked for.
func (a asked) Get(name string) string { return a.Asked.Get(name) }
