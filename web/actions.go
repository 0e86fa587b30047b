package web

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// calling is the call of the API that a form asks for.
type calling func(form url.Values) (method, path string, query url.Values, body any)

// action is something a person can do. It makes one call of the API.
type action struct {
	title string
	call  calling
	say   func(answer []byte, form url.Values) (outcome, error) // what came of it
	waits waiting
	wrong func(form url.Values) *problem // what a person has to mend before anything is called; nil: nothing
	match string                         // as client.match
}

// waiting is how long an action keeps a person waiting.
type waiting int

const (
	atOnce   waiting = iota // for the call's answer
	underWay                // for a run that goes on after the answer, as the work may be long
	toTheEnd                // for the end of such a run, as long as a person does (whileLooking)
)

// actions are all, by the last segment of their path.
func actions() map[string]action {
	return map[string]action{
		"materialize": materialize("Materialize", "incremental"), "materialize-full": materialize("Materialize all", "full"), "rebuild": materialize("Rebuild", "rebuild"),
		"check": aboutGroup("Check", "/materialize/check", atOnce), "validate": aboutGroup("Validate", "/validate", underWay), "profile": aboutGroup("Profile", "/profiles", underWay),
		"cancel-run": aboutRun("Cancel", "cancel", nil, "Run %d was asked to stop."), "retry-run": aboutRun("Retry", "retry", nil, askedFor),
		"release-run":  aboutRun("Publish it all the same", "retry", url.Values{"force": {"true"}}, askedFor),
		"revert-run":   aboutRun("Revert", "revert", nil, "What the run brought is being taken back, as run %d."),
		"run-pipeline": starting("Run now", aboutNamed("pipelines", "run"), askedFor), "backfill": backfill(),
		"run-schedule":    starting("Run now", aboutNamed("schedules", "run"), askedFor),
		"pause-schedule":  telling("Pause", aboutNamed("schedules", "pause"), "Paused: nothing is begun until it is resumed."),
		"resume-schedule": telling("Resume", aboutNamed("schedules", "resume"), "Resumed, with its next tick."),
		"erase":           erase(),
		"replay":          replay("Replay", false), "try-replay": replay("Try", true), "discard": discard(), "amend": amend("Save", false), "try-amend": amend("Check", true),
		"acknowledge": acknowledge(), "resolve": resolve(), "silence": silenceAction("Silence", false), "try-silence": silenceAction("Try", true), "end-silence": endSilence(),
		"test-receiver": testReceiver(), "resend": resend(),
		"apply-proposals": applyProposals(), "profile-now": profileNow(), "judge-rule": judgeRule(), "switch-rule": switchRule(), "delete-rule": remove("rule", "rules"),
		"register-baseline": registerBaseline(), "freeze-baseline": freezeBaseline(), "delete-baseline": remove("baseline", "baselines"),
	}
}

// materialize brings the online copy of a group in step in a mode.
func materialize(title, mode string) action {
	return starting(title, func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, "/materialize", nil, map[string]any{"groups": []string{form.Get("group")}, "mode": mode}
	}, askedFor)
}

// aboutGroup is what is done with a whole group.
func aboutGroup(title, at string, waits waiting) action {
	made := starting(title, func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, at, nil, map[string]any{"group": form.Get("group")}
	}, askedFor)
	made.waits = waits
	return made
}

// aboutRun is what is done with a run that a form names.
func aboutRun(title, segment string, query url.Values, sentence string) action {
	return starting(title, func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, path("runs", form.Get("id"), segment), query, nil
	}, sentence)
}

// aboutNamed is what is done with a definition that a form names.
func aboutNamed(kind, segment string) calling {
	return func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, path(kind, form.Get("name"), segment), nil, nil
	}
}

// backfill computes the ticks of a range.
func backfill() action {
	return starting("Back-fill", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, path("pipelines", form.Get("name"), "backfill"), url.Values{"from": {form.Get("from")}, "to": {form.Get("to")}}, nil
	}, askedFor)
}

// result is what came of an action.
type result struct {
	Title string
	outcome
	Wrong *problem
	Call  string // that does the same
	Back  string // the page that it was done on
	Whole bool   // it is a page of its own

	Ask    string // what is asked before Action is done with Fields; "": it was done
	Action string
	Fields []field
}

// asks has a person asked what a form says is to be asked, where no script of the page has done so.
func (r *result) asks(action string, form url.Values) bool {
	if !r.Whole || form.Get("ask") == "" {
		return false
	}
	r.Ask, r.Action, r.Fields = form.Get("ask"), action, []field{{"back", r.Back}}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			if name != "ask" && name != "back" {
				r.Fields = append(r.Fields, field{name, value})
			}
		}
	}
	return true
}

// act does what a form asks for and shows what came of it: in place where htmx asked, else as a page.
func (w *Web) act(out http.ResponseWriter, r *http.Request) {
	name := r.PathValue("action")
	a, ok := actions()[name]
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
		res.Back = cmp.Or(pageOf(r.PostForm.Get("back")), pageOf(r.Header.Get("Referer")))
	}
	if why := w.refusal(name); why != "" {
		res.Wrong = &problem{Title: "Not allowed", Status: http.StatusForbidden, Detail: why}
		w.render(out, r, res.status(), "result", a.title, res)
		return
	}
	if a.wrong != nil {
		if res.Wrong = a.wrong(r.PostForm); res.Wrong != nil {
			w.render(out, r, res.status(), "result", a.title, res)
			return
		}
	}
	if res.asks(name, r.PostForm) {
		w.render(out, r, res.status(), "result", a.title, res)
		return
	}
	method, at, query, body := a.call(r.PostForm)
	var answer []byte
	api := w.api
	if a.waits != atOnce {
		api.prefer = "respond-async"
	}
	api.match = a.match
	_, err := api.call(r.Context(), method, at, query, body, &answer)
	res.Call = method + " " + at
	if len(query) > 0 {
		res.Call += "?" + query.Encode()
	}
	if err == nil && a.waits == toTheEnd {
		answer, err = w.settled(r.Context(), answer)
	}
	if err == nil {
		res.outcome, err = a.say(answer, r.PostForm)
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

// pageOf is the path of a page of ours that a request came from; "" if it is none that can be gone back to.
func pageOf(referer string) string {
	u, err := url.Parse(referer)
	if err != nil || !strings.HasPrefix(u.Path, "/admin/") || strings.HasPrefix(u.Path, "/admin/actions/") {
		return ""
	}
	return u.RequestURI()
}
