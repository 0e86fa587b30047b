package web

import (
	"net/http"
	"net/url"
	"strings"
)

// download answers what GET at of the API answers, of any length, as a file of that name. It goes by the page's own API: where processes share the
// roles out, the listener that the browser knows may not have the call. What goes wrong is a page.
func (w *Web) download(out http.ResponseWriter, r *http.Request, at string, query url.Values, file string) {
	w.failed(out, r, w.api.stream(r.Context(), http.MethodGet, at, query, http.NoBody, out, saved(out, file)))
}

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
	w.download(out, r, path("rows", name), query, name+"."+strings.TrimSuffix(query.Get("format"), "_rows"))
}
