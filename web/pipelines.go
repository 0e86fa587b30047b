package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// pipelineHead is what pages show of a pipeline.
type pipelineHead struct {
	definition
	Target    string            `json:"target"`
	Tick      json.RawMessage   `json:"tick"`
	TickZone  string            `json:"tick_zone"`
	Engine    string            `json:"engine"`
	Source    json.RawMessage   `json:"source"`
	SQL       string            `json:"sql"`
	Aggregate []json.RawMessage `json:"aggregate"`
	After     []string          `json:"after"`
	Schedule  json.RawMessage   `json:"schedule"`
	Limits    json.RawMessage   `json:"limits"`

	LastRun *runHead `json:"-"` // nil: there was none
}

// Scheduled tells whether it runs by itself.
func (p pipelineHead) Scheduled() bool { return len(p.Schedule) > 0 && string(p.Schedule) != "null" }

// computed is a feature that a pipeline computes.
type computed struct {
	Feature     string `json:"feature"`
	Function    string `json:"function"`
	Of          string `json:"of"`
	Window      string `json:"window"`
	Where       any    `json:"where"`
	Empty       any    `json:"empty"`
	N           int    `json:"n"`
	Numerator   string `json:"numerator"`
	Denominator string `json:"denominator"`
}

// Computes are its features, in their order.
func (p pipelineHead) Computes() []computed {
	all := make([]computed, len(p.Aggregate))
	for i, raw := range p.Aggregate {
		if json.Unmarshal(raw, &all[i]) != nil { // shown as it stands then
			all[i].Function = string(raw)
		}
	}
	return all
}

// What says what it is computed of, as a call of its function.
func (c computed) What() string {
	of := c.Of
	switch {
	case c.Numerator != "":
		of = c.Numerator + " ÷ " + c.Denominator
	case c.N > 0:
		of = fmt.Sprintf("%s, %d", c.Of, c.N)
	}
	return c.Function + "(" + of + ")"
}

// SourceName is the group that it reads; "": it reads something else.
func (p pipelineHead) SourceName() string {
	var source struct {
		Group string `json:"group"`
	}
	if json.Unmarshal(p.Source, &source) != nil {
		return ""
	}
	return source.Group
}

// scheduleHead is what pages show of a schedule.
type scheduleHead struct {
	Name     string `json:"name"`
	What     string `json:"what"`
	Subject  string `json:"subject"`
	Cron     string `json:"cron"`
	Every    string `json:"every"`
	TimeZone string `json:"time_zone"`
	CatchUp  string `json:"catch_up"`
	Origin   string `json:"origin"`
	Paused   bool   `json:"paused"`
	Missed   string `json:"missed"`
	Next     []struct {
		At    time.Time `json:"at"`
		Local string    `json:"local"`
	} `json:"next"`
	Last []occurrence `json:"last"`

	Description    string   `json:"description"`
	Owner          string   `json:"owner"`
	Version        int      `json:"version"`
	Jitter         string   `json:"jitter"`
	Deadline       string   `json:"deadline"`
	Retries        int      `json:"retries"`
	Backoff        string   `json:"backoff"`
	After          []string `json:"after"`
	ConcurrencyKey string   `json:"concurrency_key"`
}

// SubjectLink is the page of what its work is about; "": all groups.
func (s scheduleHead) SubjectLink() string {
	switch {
	case s.Subject == "":
		return ""
	case s.What == "pipeline":
		return linkTo("pipeline", s.Subject)
	}
	return linkTo("group", s.Subject)
}

// When is its rule, in words.
func (s scheduleHead) When() string {
	when := s.Cron
	if s.Every != "" {
		when = "every " + s.Every
	}
	if s.TimeZone != "" && s.TimeZone != "UTC" {
		when += " (" + s.TimeZone + ")"
	}
	return when
}

// About is what its work is about.
func (s scheduleHead) About() string {
	if s.Subject == "" {
		return "all groups"
	}
	return s.Subject
}

// occurrence is what became of a tick of a schedule.
type occurrence struct {
	Tick    time.Time `json:"tick"`
	State   string    `json:"state"`
	Outcome string    `json:"outcome"`
	Reason  string    `json:"reason"`
	ByHand  bool      `json:"by_hand"`
	Runs    []int64   `json:"run_ids"`
}

// Shown is how it ended, or where it stands.
func (o occurrence) Shown() string {
	if o.Outcome != "" {
		return o.Outcome
	}
	return o.State
}

// Class is the style of that.
func (o occurrence) Class() string { return stateClass(o.Shown()) }

type pipelinesPage struct {
	Pipelines []pipelineHead
	Schedules []scheduleHead
}

func (w *Web) pipelines(r *http.Request) (any, error) {
	ctx, p := r.Context(), pipelinesPage{}
	var err error
	if p.Pipelines, err = listOf[pipelineHead](ctx, w.api, "/pipelines", "pipelines", nil); ignoreMissing(err) != nil {
		return nil, err
	}
	if p.Schedules, err = listOf[scheduleHead](ctx, w.api, "/schedules", "schedules", nil); ignoreMissing(err) != nil {
		return nil, err
	}
	for i := range p.Pipelines {
		if p.Pipelines[i].LastRun, err = w.lastRunOf(ctx, p.Pipelines[i].Name); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// lastRunOf is the newest run of a pipeline; nil: there was none.
func (w *Web) lastRunOf(ctx context.Context, name string) (*runHead, error) {
	var found struct {
		Runs []runHead `json:"runs"`
	}
	err := w.api.get(ctx, "/runs", url.Values{"kind": {"pipeline"}, "subject": {name}, "limit": {"1"}}, &found)
	if err != nil || len(found.Runs) == 0 {
		return nil, err
	}
	return &found.Runs[0], nil
}

// pipelineTick is what became of a tick of a pipeline.
type pipelineTick struct {
	Tick        time.Time  `json:"tick"`
	State       string     `json:"state"`
	Run         int64      `json:"run_id"`
	Version     int        `json:"version"`
	Rows        int64      `json:"rows"`
	PublishedAt *time.Time `json:"published_at"`
}

// Class is the style of its state.
func (t pipelineTick) Class() string { return stateClass(t.State) }

type pipeline struct {
	pipelineHead
	Plan    *scheduleHead  // when it runs; nil: when it is asked to
	Ticks   []pipelineTick // the newest first
	Runs    []runHead
	Lineage lineage
}

func (p pipeline) pageTitle() string { return p.Name }

func (w *Web) pipeline(r *http.Request) (any, error) {
	ctx, name := r.Context(), r.PathValue("name")
	p := pipeline{}
	if err := w.api.get(ctx, path("pipelines", name), nil, &p.pipelineHead); err != nil {
		return nil, err
	}
	var plans struct {
		Schedules []scheduleHead `json:"schedules"`
	}
	if err := w.api.get(ctx, "/schedules", url.Values{"what": {"pipeline"}, "subject": {name}, "limit": {"1"}}, &plans); ignoreMissing(err) != nil {
		return nil, err
	}
	if len(plans.Schedules) > 0 {
		p.Plan = &plans.Schedules[0]
	}
	var runs struct {
		Runs []runHead `json:"runs"`
	}
	if err := w.api.get(ctx, "/runs", url.Values{"kind": {"pipeline"}, "subject": {name}, "limit": {"30"}}, &runs); err != nil {
		return nil, err
	}
	p.Runs = runs.Runs
	var err error
	if p.Ticks, err = w.ticksOf(ctx, name); err != nil {
		return nil, err
	}
	p.Lineage, _, err = w.lineageOf(ctx, "pipeline", name)
	return p, err
}

// ticksOf are the newest ticks of a pipeline that something became of.
func (w *Web) ticksOf(ctx context.Context, name string) ([]pipelineTick, error) {
	var all []pipelineTick
	for _, state := range []string{"published", "failed", "held"} {
		var found struct {
			Ticks []pipelineTick `json:"ticks"`
		}
		err := w.api.get(ctx, path("pipelines", name, "ticks"), url.Values{"state": {state}, "limit": {"30"}}, &found)
		if ignoreMissing(err) != nil {
			return nil, err
		}
		all = append(all, found.Ticks...)
	}
	slices.SortFunc(all, func(a, b pipelineTick) int { return b.Tick.Compare(a.Tick) })
	return all, nil
}
