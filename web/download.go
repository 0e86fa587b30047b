package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
)

// download answers what GET at of the API answers, of any length, as a file of that name. It goes by the page's own API: where processes share the
// roles out, the listener that the browser knows may not have the call. What goes wrong is a page.
func (w *Web) download(out http.ResponseWriter, r *http.Request, at string, query url.Values, file string) {
	target := at
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://localhost"+target, http.NoBody)
	if err != nil {
		w.problemPage(out, r, fmt.Errorf("call GET %s: %w", at, err))
		return
	}
	request.RequestURI, request.RemoteAddr = target, r.RemoteAddr
	d := &downloaded{ResponseWriter: out, file: file}
	w.api.api.ServeHTTP(d, request)
	if !d.failed() {
		return
	}
	p := &problem{Status: d.status}
	if err := json.Unmarshal(d.body.Bytes(), p); err != nil || p.Detail == "" {
		p.Detail = fmt.Sprintf("GET %s answered %d", at, d.status)
	}
	out.Header().Del("Content-Length")
	w.problemPage(out, r, p)
}

// downloaded passes an answer of 200 on as a file, and keeps any other.
type downloaded struct {
	http.ResponseWriter
	file   string
	status int
	body   bytes.Buffer
}

// failed tells whether the answer was kept.
func (d *downloaded) failed() bool { return d.status >= http.StatusMultipleChoices }

func (d *downloaded) WriteHeader(status int) {
	if d.status != 0 {
		return
	}
	if d.status = status; d.failed() {
		return
	}
	h := d.Header()
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.file}))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	d.ResponseWriter.WriteHeader(status)
}

func (d *downloaded) Write(b []byte) (int, error) {
	d.WriteHeader(http.StatusOK)
	if d.failed() {
		return d.body.Write(b)
	}
	return d.ResponseWriter.Write(b)
}

// Unwrap lets what is written be flushed.
func (d *downloaded) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// exportDefinitions is all definitions as one file, as POST /apply takes it.
func (w *Web) exportDefinitions(out http.ResponseWriter, r *http.Request) {
	w.download(out, r, "/apply", nil, "definitions.yaml")
}

// exportGroup is the rows of a group, all or as the address says, as CSV unless it names another format.
func (w *Web) exportGroup(out http.ResponseWriter, r *http.Request) {
	name, query := r.PathValue("name"), r.URL.Query()
	if query.Get("format") == "" {
		query.Set("format", "csv")
	}
	w.download(out, r, path("rows", name), query, name+"."+query.Get("format"))
}
