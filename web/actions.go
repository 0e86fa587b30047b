package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// action is something a person can do. It makes one call of the API.
type action struct {
	title string
	// call is the call that a form asks for: method, path, query and body.
	call func(w *Web, form url.Values) (method, path string, query url.Values, body any)
	// done says what has happened, from the answer.
	done func(answer answered) string
}

// answered is what pages read of an action's answer.
type answered struct {
	ID      int64  `json:"id"`
	State   string `json:"state"`
	Runs    []answered
	Subject string `json:"subject"`
	Status  string `json:"status"`
}

// actions are those of which a sentence says what came of them, by the last segment of their path; the others are in tellings.
func actions() map[string]action {
	materialize := func(mode string) func(*Web, url.Values) (string, string, url.Values, any) {
		return func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, "/materialize", nil, map[string]any{"groups": []string{form.Get("group")}, "mode": mode}
		}
	}
	started := func(a answered) string { return fmt.Sprintf("Run %d has been asked for.", a.ID) }
	return map[string]action{
		"materialize":      {"Materialize", materialize("incremental"), started},
		"materialize-full": {"Materialize all", materialize("full"), started},
		"rebuild":          {"Rebuild", materialize("rebuild"), started},
		"check": {"Check", func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, "/materialize/check", nil, map[string]any{"group": form.Get("group")}
		}, started},
		"cancel-run": {"Cancel", func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, path("runs", form.Get("id"), "cancel"), nil, nil
		}, func(a answered) string { return fmt.Sprintf("Run %d was asked to stop.", a.ID) }},
		"revert-run": {"Revert", func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, path("runs", form.Get("id"), "revert"), nil, nil
		}, func(a answered) string {
			return fmt.Sprintf("What the run brought is being taken back, as run %d.", a.ID)
		}},
		"retry-run": {"Retry", func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, path("runs", form.Get("id"), "retry"), nil, nil
		}, started},
		"release-run": {"Publish it all the same", func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, path("runs", form.Get("id"), "retry"), url.Values{"force": {"true"}}, nil
		}, started},
		"run-pipeline": {"Run now", func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, path("pipelines", form.Get("name"), "run"), nil, nil
		}, started},
		"backfill": {"Back-fill", func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, path("pipelines", form.Get("name"), "backfill"), url.Values{"from": {form.Get("from")}, "to": {form.Get("to")}}, nil
		}, started},
		"run-schedule": {"Run now", func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, path("schedules", form.Get("name"), "run"), nil, nil
		}, started},
		"pause-schedule": {"Pause", func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, path("schedules", form.Get("name"), "pause"), nil, nil
		}, func(answered) string { return "Paused: nothing is begun until it is resumed." }},
		"resume-schedule": {"Resume", func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, path("schedules", form.Get("name"), "resume"), nil, nil
		}, func(answered) string { return "Resumed, with its next tick." }},
		"validate": {"Validate", func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, "/validate", nil, map[string]any{"group": form.Get("group")}
		}, started},
		"profile": {"Profile", func(_ *Web, form url.Values) (string, string, url.Values, any) {
			return http.MethodPost, "/profiles", nil, map[string]any{"group": form.Get("group")}
		}, started},
		"erase": {"Erase", erase, func(a answered) string {
			return fmt.Sprintf("It is entered into the ledger of erasures, and run %d deletes it everywhere.", a.ID)
		}},
	}
}

// goesOn tells whether an action that does not wait may be long, and is done as a run that goes on after the answer.
func goesOn(action string) bool { return action == "validate" || action == "profile" }

// result is what came of an action.
type result struct {
	Title string
	outcome
	Wrong *problem
	Call  string // that does the same
	Back  string // the page that it was done on
	Whole bool   // it is a page of its own
}

// act does what a form asks for and shows what came of it: in place where htmx asked, else as a page.
func (w *Web) act(out http.ResponseWriter, r *http.Request) {
	name := r.PathValue("action")
	a, ok := actionNamed(name)
	if !ok {
		w.render(out, r, http.StatusNotFound, "problem", "Not found", &problem{Title: "Not found", Status: 404, Detail: "There is no such action."})
		return
	}
	r.Body = http.MaxBytesReader(out, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		w.render(out, r, http.StatusBadRequest, "result", a.title, result{Title: a.title, Whole: true, Wrong: &problem{Title: "Bad request", Detail: "The form cannot be read: " + err.Error()}})
		return
	}
	res := result{Title: a.title, Whole: r.Header.Get("HX-Request") != "true"}
	if res.Whole {
		res.Back = pageOf(r.Header.Get("Referer"))
	}
	if why := w.refusal(name); why != "" {
		res.Wrong = &problem{Title: "Not allowed", Status: http.StatusForbidden, Detail: why}
		w.render(out, r, res.status(), "result", a.title, res)
		return
	}
	if res.Wrong = unconfirmed(name, r.PostForm); res.Wrong != nil {
		w.render(out, r, res.status(), "result", a.title, res)
		return
	}
	method, at, query, body := a.call(w, r.PostForm)
	var answer []byte
	api := w.api
	if a.waits || goesOn(name) {
		api.prefer = "respond-async"
	}
	_, err := api.call(r.Context(), method, at, query, body, &answer)
	res.Call = method + " " + at
	if len(query) > 0 {
		res.Call += "?" + query.Encode()
	}
	if err == nil && a.waits {
		answer, err = w.settled(r.Context(), answer)
	}
	if err == nil {
		res.outcome, err = a.tell(answer, r.PostForm)
	}
	if err != nil {
		res.Wrong = w.problemOf(r, err)
	} else {
		out.Header().Set("HX-Trigger", "acted") // parts of the page that show what has changed ask for themselves again
	}
	w.render(out, r, res.status(), "result", a.title, res)
}

// status is that of the answer: htmx shows those of 2xx only.
func (r result) status() int {
	if r.Wrong != nil && r.Whole {
		return r.Wrong.Status
	}
	return http.StatusOK
}

// allowed tells whether who looks at the page may do an action.
func (w *Web) allowed(action string) bool { return w.refusal(action) == "" }

// refusal says why not; "": it may be done.
func (w *Web) refusal(action string) string {
	if why := w.may(""); why != "" || action == "" {
		return why
	}
	return w.may(action)
}

// pageOf is the path of a page of ours that a request came from; "" if it is none.
func pageOf(referer string) string {
	u, err := url.Parse(referer)
	if err != nil || !strings.HasPrefix(u.Path, "/admin/") {
		return ""
	}
	return u.RequestURI()
}
