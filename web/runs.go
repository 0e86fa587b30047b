package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

type runsPage struct {
	asked
	Runs []runHead
	Next string
}

// Kinds are all that there are.
func (p runsPage) Kinds() []string {
	return []string{"load", "materialization", "check", "pipeline", "validate", "profile", "revert", "erasure", "compaction", "expiry"}
}

// runFilters are the members of the address that narrow the list; each is one of GET /runs.
var runFilters = []string{"kind", "subject", "state", "schedule"}

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
	Inputs     json.RawMessage `json:"inputs"`
	Outputs    json.RawMessage `json:"outputs"`
	WaitsFor   string          `json:"waits_for"`
	Owner      string          `json:"owner"`
	Heartbeat  *time.Time      `json:"heartbeat_at"`
	NotBefore  *time.Time      `json:"not_before"`
	Deadline   *time.Time      `json:"deadline"`
	Slow       bool            `json:"slow"`
	RetryOf    int64           `json:"retry_of"`
	Forced     bool            `json:"forced"`
	Cancelling bool            `json:"cancel_requested"`
	Ended      []struct {
		Number    int       `json:"attempt"`
		Process   string    `json:"owner"`
		StartedAt time.Time `json:"started_at"`
		EndedAt   time.Time `json:"ended_at"`
		Reason    string    `json:"reason"`
	} `json:"ended_attempts"`
	Log string `json:"-"`
}

func (r run) pageTitle() string { return fmt.Sprintf("Run %d", r.ID) }

// Live tells whether it may still change.
func (r run) Live() bool { return r.State == "running" || r.State == "queued" }

// Revertable tells whether what it brought can be taken back.
func (r run) Revertable() bool {
	return (r.Kind == "load" || r.Kind == "pipeline") && r.State == "succeeded"
}

// Held tells whether it waits for somebody to decide.
func (r run) Held() bool { return r.State == "held" }

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
