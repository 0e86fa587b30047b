package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

type quality struct {
	asked
	Reports []reportHead
	Rules   []ruleHead
	Next    string
}

// Statuses are all that reports can have.
func (q quality) Statuses() []string { return []string{"pass", "warn", "fail", "error", "skipped"} }

// reportFilters are the members of the address that narrow the list; each is one of GET /reports.
var reportFilters = []string{"group", "rule", "status"}

func (w *Web) quality(r *http.Request) (any, error) {
	q := quality{asked: asked{r.URL.Query()}}
	var found struct {
		Reports []reportHead `json:"reports"`
		Next    string       `json:"next_page_token"`
	}
	if err := w.api.get(r.Context(), "/reports", narrowed(q.Asked, reportFilters, perPage), &found); err != nil {
		return nil, err
	}
	q.Reports, q.Next = found.Reports, nextPage("/admin/quality", q.Asked, reportFilters, found.Next)
	var rules struct {
		Rules []ruleHead `json:"rules"`
	}
	err := w.api.get(r.Context(), "/rules", url.Values{"limit": {"1000"}}, &rules)
	q.Rules = rules.Rules
	return q, err
}

type report struct {
	reportHead
	Duration float64 `json:"duration_seconds"`
	Results  []struct {
		Rule       string          `json:"rule"`
		Features   []string        `json:"features"`
		Status     string          `json:"status"`
		Reason     string          `json:"reason"`
		Rows       int64           `json:"rows"`
		Considered int64           `json:"considered"`
		Null       int64           `json:"null"`
		Bad        int64           `json:"bad"`
		Observed   json.RawMessage `json:"observed"`
		Expected   string          `json:"expected"`
		Sentence   string          `json:"sentence"`
		LookedAt   string          `json:"looked_at"`
		Examples   []struct {
			Row       int64           `json:"row"`
			EntityID  json.RawMessage `json:"entity_id"`
			EventTime string          `json:"event_time"`
			Values    json.RawMessage `json:"values"`
		} `json:"examples"`
	} `json:"results"`
}

func (w *Web) report(r *http.Request) (any, error) {
	found := report{}
	err := w.api.get(r.Context(), path("reports", r.PathValue("id")), nil, &found)
	return found, err
}

type quarantinePage struct {
	asked
	Rows []quarantined
	Next string
}

// States are all that entries can be in.
func (p quarantinePage) States() []string {
	return []string{"waiting", "replayed", "discarded", "expired"}
}

// quarantined is a row that rules keep out of the stores.
type quarantined struct {
	ID         string          `json:"id"`
	Group      string          `json:"group"`
	EntityID   json.RawMessage `json:"entity_id"`
	EventTime  string          `json:"event_time"`
	State      string          `json:"state"`
	Since      time.Time       `json:"quarantined_at"`
	Features   json.RawMessage `json:"features"`
	EntityType string          `json:"entity_type"`
	Broken     []struct {
		Rule     string          `json:"rule"`
		Feature  string          `json:"feature"`
		Value    json.RawMessage `json:"value"`
		Expected string          `json:"expected"`
	} `json:"broken"`
	Source struct {
		Way  string `json:"way"`
		Run  int64  `json:"run_id"`
		File string `json:"file"`
		Row  int64  `json:"row"`
	} `json:"source"`
}

// Class is the style of its state.
func (q quarantined) Class() string {
	if q.State == "waiting" {
		return "fair"
	}
	return "none"
}

// Waiting tells whether it can be replayed or discarded.
func (q quarantined) Waiting() bool { return q.State == "waiting" }

// quarantineFilters are the members of the address that narrow the list; each is one of GET /quarantine.
var quarantineFilters = []string{"group", "rule", "run_id", "state"}

func (w *Web) quarantine(r *http.Request) (any, error) {
	p := quarantinePage{asked: asked{r.URL.Query()}}
	var found struct {
		Rows []quarantined `json:"rows"`
		Next string        `json:"next_page_token"`
	}
	if err := w.api.get(r.Context(), "/quarantine", narrowed(p.Asked, quarantineFilters, perPage), &found); err != nil {
		return nil, err
	}
	p.Rows, p.Next = found.Rows, nextPage("/admin/quarantine", p.Asked, quarantineFilters, found.Next)
	return p, nil
}
