package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// stream makes a call whose body and answer can be of any length. The headers and the body of an answer of 2xx go to out, where begin adds to the
// headers; any other is a *problem. An answer that breaks off panics, as that of the API does.
func (c client) stream(ctx context.Context, method, path string, query url.Values, body io.Reader, out io.Writer, begin func(http.Header)) error {
	target := path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://localhost"+target, body)
	if err != nil {
		return fmt.Errorf("call %s %s: %w", method, path, err)
	}
	request.RequestURI = target
	request.RemoteAddr = "127.0.0.1:0"
	if request.ContentLength == 0 && request.Body != http.NoBody {
		request.ContentLength = -1 // it is not known
	}
	answer := &passing{header: http.Header{}, out: out, begin: begin}
	c.api.ServeHTTP(answer, request)
	if answer.status < 300 {
		answer.WriteHeader(http.StatusOK) // of an empty answer
		return nil
	}
	p := &problem{Status: answer.status}
	if err := json.Unmarshal(answer.problem.Bytes(), p); err != nil || p.Detail == "" {
		p.Detail = fmt.Sprintf("%s %s answered %d", method, path, answer.status)
	}
	return p
}

// passing passes an answer of 2xx on and keeps any other.
type passing struct {
	header  http.Header
	status  int
	out     io.Writer
	begin   func(http.Header)
	problem bytes.Buffer
}

func (p *passing) Header() http.Header { return p.header }

func (p *passing) WriteHeader(status int) {
	if p.status != 0 {
		return
	}
	if p.status = status; status < 300 {
		p.begin(p.header)
	}
}

func (p *passing) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.status >= 300 {
		return p.problem.Write(b)
	}
	return p.out.Write(b)
}

// Flush lets an answer be sent as it comes.
func (p *passing) Flush() {
	if flusher, ok := p.out.(http.Flusher); ok && p.status < 300 {
		flusher.Flush()
	}
}

// errEnough ends an answer of which enough has been read.
var errEnough = errors.New("enough has been read")

// lines reads the first lines of a table in CSV and breaks it off after them, or after so many bytes. A line break inside quotes ends no line.
type lines struct {
	most, bytes int
	read        bytes.Buffer
	quoted      bool
	ended       func() // is called before it breaks off
}

func (l *lines) Write(b []byte) (int, error) {
	for i, c := range b {
		switch {
		case c == '"':
			l.quoted = !l.quoted
		case c == '\n' && !l.quoted:
			l.most--
		}
		if l.most == 0 || l.read.Len()+i >= l.bytes {
			l.read.Write(b[:i+1])
			l.ended()
			return i + 1, errEnough
		}
	}
	return l.read.Write(b)
}

// head makes a call that answers a table in CSV, and reads the first lines of it; whole tells that there are no more.
func (c client) head(ctx context.Context, method, path string, query url.Values, body io.Reader, most int) (text string, header http.Header, whole bool, err error) {
	const limit = 4 << 20
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := &lines{most: most, bytes: limit, ended: cancel}
	header = http.Header{}
	defer func() {
		if caught := recover(); caught != nil {
			if caught != http.ErrAbortHandler || ctx.Err() == nil {
				panic(caught)
			}
			text, err = read.read.String(), nil
		}
	}()
	err = c.stream(ctx, method, path, query, body, read, func(h http.Header) { header = h.Clone() })
	return read.read.String(), header, err == nil, err
}
