package web

import (
	"net/http"
	"net/url"
)

type schedule struct {
	scheduleHead
	History []occurrence
	Runs    []runHead // that it asked for, the newest first
	Older   string    // the address of what came before History; "": nothing did
}

func (s schedule) pageTitle() string { return s.Name }

func (w *Web) schedule(r *http.Request) (any, error) {
	ctx, s := r.Context(), schedule{}
	at := path("schedules", r.PathValue("name"))
	if err := w.api.get(ctx, at, nil, &s.scheduleHead); err != nil {
		return nil, err
	}
	var history struct {
		Occurrences []occurrence `json:"occurrences"`
		Next        string       `json:"next_page_token"`
	}
	if err := w.api.get(ctx, at+"/history", narrowed(r.URL.Query(), nil, perPage), &history); err != nil {
		return nil, err
	}
	s.History, s.Older = history.Occurrences, nextPage(linkTo("schedule", s.Name), r.URL.Query(), nil, history.Next)
	var runs struct {
		Runs []runHead `json:"runs"`
	}
	err := w.api.get(ctx, "/runs", url.Values{"schedule": {s.Name}, "limit": {"30"}}, &runs)
	s.Runs = runs.Runs
	return s, err
}
