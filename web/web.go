package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Web is the admin page.
type Web struct {
	config Config
	api    client
	assets *assets
	pages  map[string]parsed
	may    May
	clock  func() time.Time
	log    *slog.Logger
}

// May says why who looks at the page may not do an action, in a sentence; "": it may be done. The action "" stands for all of them: of that it
// says why none may be done.
type May func(action string) (why string)

// policy lets the page use what it brought and nothing from elsewhere; Pico draws its arrows as data: images.
const policy = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// New makes the admin page of an API, which is called as its callers do. A layout that does not parse, and a page without a template, is an error.
func New(config Config, api http.Handler, may May, clock func() time.Time, log *slog.Logger) (*Web, error) {
	w := &Web{config: config, api: client{api: api}, may: may, clock: clock, log: log.With("module", "web")}
	var err error
	if w.assets, err = newAssets(); err != nil {
		return nil, err
	}
	w.pages, err = w.parse()
	return w, err
}

// page is one that a person can go to.
type page struct {
	pattern string // of its path below /admin, as net/http's ServeMux takes it
	name    string // of its template
	title   string
	load    func(*Web, *http.Request) (any, error)
}

// pagesInOrder are all pages; those with a place in the navigation are in its order.
func pagesInOrder() []page {
	return []page{
		{"/{$}", "overview", "Overview", (*Web).overview},
		{"/catalogue", "catalogue", "Catalogue", (*Web).catalogue},
		{"/features/{group}/{name}", "feature", "Feature", (*Web).feature},
		{"/groups/{name}", "group", "Group", (*Web).group},
		{"/entity-types/{name}", "entity_type", "Entity type", (*Web).entityType},
		{"/services/{name}", "service", "Service", (*Web).service},
		{"/look-up", "look_up", "Look-up", (*Web).lookUp},
		{"/look-up/why", "why", "Why", (*Web).why},
		{"/look-up/erase", "erase", "Erase", (*Web).erasing},
		{"/training-set", "training_set", "Training set", (*Web).trainingSet},
		{"/runs", "runs", "Runs", (*Web).runs},
		{"/runs/{id}", "run", "Run", (*Web).run},
		{"/pipelines", "pipelines", "Pipelines and schedules", (*Web).pipelines},
		{"/pipelines/{name}", "pipeline", "Pipeline", (*Web).pipeline},
		{"/schedules/{name}", "schedule", "Schedule", (*Web).schedule},
		{"/quality", "quality", "Quality", (*Web).quality},
		{"/rules/{name}", "rule", "Rule", (*Web).rule},
		{"/reports", "reports", "Reports", (*Web).reports},
		{"/reports/{id}", "report", "Report", (*Web).report},
		{"/proposals", "proposals", "Proposals", (*Web).proposals},
		{"/quarantine", "quarantine", "Quarantine", (*Web).quarantine},
		{"/quarantine/{id}", "quarantined", "Row in quarantine", (*Web).quarantinedRow},
		{"/baselines", "baselines", "Baselines", (*Web).baselines},
		{"/alerts", "alerts", "Alerts", (*Web).alerts},
		{"/silences", "silences", "Silences", (*Web).silences},
		{"/receivers", "receivers", "Receivers", (*Web).receivers},
		{"/receivers/{name}", "receiver", "Receiver", (*Web).receiver},
		{"/system", "system", "System", (*Web).system},
	}
}

// Handler serves /admin and everything below it.
func (w *Web) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, p := range pagesInOrder() {
		mux.HandleFunc("GET /admin"+p.pattern, func(out http.ResponseWriter, r *http.Request) { w.show(out, r, &p) })
	}
	mux.HandleFunc("GET /admin", func(out http.ResponseWriter, r *http.Request) { http.Redirect(out, r, "/admin/", http.StatusFound) })
	mux.HandleFunc("GET /admin/static/{file}", w.assets.serve)
	mux.HandleFunc("POST /admin/actions/{action}", w.act)
	mux.HandleFunc("POST /admin/training-set", w.previewTrainingSet)
	mux.HandleFunc("POST /admin/training-set/rows", w.downloadTrainingSet)
	mux.HandleFunc("GET /admin/training-set/template", w.spineTemplate)
	mux.HandleFunc("GET /admin/definitions.yaml", w.exportDefinitions)
	mux.HandleFunc("GET /admin/groups/{name}/rows", w.exportGroup)
	mux.HandleFunc("/admin/", func(out http.ResponseWriter, r *http.Request) {
		w.render(out, r, http.StatusNotFound, "problem", "Not found", &problem{Title: "Not found", Status: 404, Detail: "There is no such page."})
	})
	return mux
}

// show loads and renders a page. What goes wrong is the page then.
func (w *Web) show(out http.ResponseWriter, r *http.Request, p *page) {
	data, err := p.load(w, r)
	if err != nil {
		w.problemPage(out, r, err)
		return
	}
	title := p.title
	if named, ok := data.(interface{ pageTitle() string }); ok {
		title = named.pageTitle()
	}
	status := http.StatusOK
	if answered, ok := data.(interface{ pageStatus() int }); ok {
		status = answered.pageStatus()
	}
	w.render(out, r, status, p.name, title, data)
}

// storeAt is where callers reach the calls of the role store: who looks at the page, at least.
func (w *Web) storeAt(r *http.Request) string {
	if w.config.StoreAddress != "" {
		return w.config.StoreAddress
	}
	return "http://" + r.Host
}

// problemPage says what went wrong.
func (w *Web) problemPage(out http.ResponseWriter, r *http.Request, err error) {
	found := w.problemOf(r, err)
	w.render(out, r, found.Status, "problem", found.Title, found)
}

// problemOf is what a person reads of an error; one that is not the API's is logged.
func (w *Web) problemOf(r *http.Request, err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		if p.Title == "" {
			p.Title = http.StatusText(p.Status)
		}
		return p
	}
	if r.Context().Err() == nil {
		w.log.Error("a page failed", "path", r.URL.Path, "error", err)
	}
	return &problem{Title: "Internal error", Status: http.StatusInternalServerError, Detail: "Something went wrong here; the log of the server says what."}
}

// view is what templates get: the page's data, and what is around them.
type view struct {
	Title string
	Path  string // of the request, for the navigation
	Here  string // the address of the page with its state
	Query string // what was searched for
	Now   time.Time
	Part  bool // it is put into a page, without what is around it
	Data  any

	Banners []banner
}

// render writes a page. Nothing is sent before the template has been run to its end.
func (w *Web) render(out http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	var b bytes.Buffer
	frame := "layout"
	if r.Header.Get("HX-Request") == "true" && r.Header.Get("HX-Boosted") != "true" {
		frame = "content"
	}
	v := &view{Title: title, Path: r.URL.Path, Here: r.URL.RequestURI(), Query: r.URL.Query().Get("search"), Now: w.clock().UTC(), Part: frame == "content", Data: data}
	if frame == "layout" {
		v.Banners = w.banners(r)
	}
	if err := w.pages[name].ExecuteTemplate(&b, frame, v); err != nil {
		w.log.Error("a page cannot be rendered", "page", name, "path", r.URL.Path, "error", err)
		http.Error(out, "The page cannot be shown; the log of the server says why.", http.StatusInternalServerError)
		return
	}
	h := out.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "HX-Request, Accept-Encoding")
	body := b.Bytes()
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		if packed := pack(body, gzip.BestSpeed); packed != nil {
			h.Set("Content-Encoding", "gzip")
			body = packed
		}
	}
	out.WriteHeader(status)
	out.Write(body) //nolint:errcheck // the browser has gone
}
