package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

type reportsPage struct {
	asked
	Reports []reportHead
	Next    string
}

// Statuses are all that reports can have.
func (p reportsPage) Statuses() []string { return []string{"pass", "warn", "fail", "error", "skipped"} }

// Ways are all by which reports come about.
func (p reportsPage) Ways() []string {
	return []string{"load", "write", "schedule", "call", "pipeline"}
}

// reportFilters are the members of the address that narrow the list; each is one of GET /reports.
var reportFilters = []string{"group", "rule", "status", "way"}

func (w *Web) reports(r *http.Request) (any, error) {
	p := reportsPage{asked: asked{r.URL.Query()}}
	var found struct {
		Reports []reportHead `json:"reports"`
		Next    string       `json:"next_page_token"`
	}
	if err := w.api.get(r.Context(), "/reports", narrowed(p.Asked, reportFilters, perPage), &found); err != nil {
		return nil, err
	}
	p.Reports, p.Next = found.Reports, nextPage("/admin/reports", p.Asked, reportFilters, found.Next)
	return p, nil
}

type report struct {
	reportHead
	Duration   float64 `json:"duration_seconds"`
	Run        int64   `json:"run_id"`
	Evaluation int64   `json:"evaluation_run_id"`
	Window     *struct {
		From *time.Time `json:"from"`
		To   *time.Time `json:"to"`
		Run  int64      `json:"run"`
	} `json:"window"`
	Results []ruleResult `json:"results"`
}

func (p report) pageTitle() string { return fmt.Sprintf("Report %d of %s", p.ID, p.Group) }

// Counts are how many results there are of each status, the worst first.
func (p report) Counts() (counts []field) {
	for _, status := range []string{"fail", "error", "warn", "pass", "skipped"} {
		n := 0
		for _, result := range p.Results {
			if result.Status == status {
				n++
			}
		}
		if n > 0 {
			counts = append(counts, field{status, count(n)})
		}
	}
	return counts
}

// ruleResult is what became of a rule, or of one feature of it.
type ruleResult struct {
	Rule       string          `json:"rule"`
	Group      string          `json:"group"`
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
}

func (w *Web) report(r *http.Request) (any, error) {
	found := report{}
	err := w.api.get(r.Context(), path("reports", r.PathValue("id")), nil, &found)
	return found, err
}
