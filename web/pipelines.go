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
	var found struct {
		Pipelines []pipelineHead `json:"pipelines"`
	}
	if err := w.api.get(r.Context(), "/pipelines", url.Values{"limit": {"1000"}}, &found); ignoreMissing(err) != nil {
		return nil, err
	}
	var schedules struct {
		Schedules []scheduleHead `json:"schedules"`
	}
	if err := w.api.get(r.Context(), "/schedules", url.Values{"limit": {"1000"}}, &schedules); ignoreMissing(err) != nil {
		return nil, err
	}
	return pipelinesPage{found.Pipelines, schedules.Schedules}, nil
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
	var runs struct {
		Runs []runHead `json:"runs"`
	}
	if err := w.api.get(ctx, "/runs", url.Values{"kind": {"pipeline"}, "subject": {name}, "limit": {"20"}}, &runs); err != nil {
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

type schedule struct {
	scheduleHead
	History []occurrence
}

func (s schedule) pageTitle() string { return s.Name }

func (w *Web) schedule(r *http.Request) (any, error) {
	s := schedule{}
	at := path("schedules", r.PathValue("name"))
	if err := w.api.get(r.Context(), at, nil, &s.scheduleHead); err != nil {
		return nil, err
	}
	var history struct {
		Occurrences []occurrence `json:"occurrences"`
	}
	err := w.api.get(r.Context(), at+"/history", url.Values{"limit": {fmt.Sprint(50)}}, &history)
	s.History = history.Occurrences
	return s, err
}
