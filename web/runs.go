package web

import (
	"encoding/json"
	"net/http"
)

type runsPage struct {
	asked
	Runs []runHead
	Next string
}

// runFilters are the members of the address that narrow the list; each is one of GET /runs.
var runFilters = []string{"kind", "subject", "state"}

func (w *Web) runs(r *http.Request) (any, error) {
	p := runsPage{asked: asked{r.URL.Query()}}
	var found struct {
		Runs []runHead `json:"runs"`
		Next string    `json:"next_page_token"`
	}
	if err := w.api.get(r.Context(), "/runs", narrowed(p.Asked, runFilters, perPage), &found); err != nil {
		return nil, err
	}
	p.Runs, p.Next = found.Runs, nextPage("/admin/runs", p.Asked, runFilters, found.Next)
	return p, nil
}

// States are all that runs can be in.
func (p runsPage) States() []string {
	return []string{"queued", "running", "succeeded", "failed", "cancelled", "skipped", "held"}
}

type run struct {
	runHead
	Attempts   int             `json:"attempts"`
	Parameters json.RawMessage `json:"parameters"`
	Progress   json.RawMessage `json:"progress"`
	Result     json.RawMessage `json:"result"`
	Log        string          `json:"-"`
}

// Live tells whether it may still change.
func (r run) Live() bool { return r.State == "running" || r.State == "queued" }

// Revertable tells whether what it brought can be taken back.
func (r run) Revertable() bool {
	return (r.Kind == "load" || r.Kind == "pipeline") && r.State == "succeeded"
}

// Retryable tells whether the same can be asked for again.
func (r run) Retryable() bool {
	return r.State == "failed" || r.State == "cancelled" || r.State == "held" || r.State == "skipped"
}

func (w *Web) run(r *http.Request) (any, error) {
	found := run{}
	at := path("runs", r.PathValue("id"))
	if err := w.api.get(r.Context(), at, nil, &found); err != nil {
		return nil, err
	}
	var log []byte
	err := w.api.get(r.Context(), at+"/log", nil, &log)
	found.Log = string(log)
	return found, ignoreMissing(err)
}
