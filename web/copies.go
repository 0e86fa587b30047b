package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// storeState is a store with what it takes.
type storeState struct {
	Store   string `json:"store"`
	Engine  string `json:"engine"`
	State   string `json:"state"`
	Problem string `json:"problem"`
	Bytes   int64  `json:"bytes"`
	In      string `json:"in"`
	Limit   int64  `json:"limit_bytes"`
}

// Class is the style of its state.
func (s storeState) Class() string { return stateClass(s.State) }

// copyState is how a group's online copy stands beside its history.
type copyState struct {
	Group      string     `json:"group"`
	State      string     `json:"state"`
	Watermark  string     `json:"watermark"`
	Head       string     `json:"head"`
	RowsBehind int64      `json:"rows_behind"`
	MoreBehind bool       `json:"more_behind"`
	Since      *time.Time `json:"behind_since"`
	Lag        float64    `json:"lag_seconds"`
	LastRun    *runHead   `json:"last_run"`
	LastCheck  *checkRun  `json:"last_check"`
}

// Class is the style of its state.
func (c copyState) Class() string { return stateClass(c.State) }

// checkRun is a consistency check.
type checkRun struct {
	runHead
	Result *checkResult `json:"result"`
}

// checkResult is what it found.
type checkResult struct {
	Entities  int64 `json:"entities"`
	Equal     int64 `json:"equal"`
	Different int64 `json:"different"`
	Missing   int64 `json:"missing"`
	Extra     int64 `json:"extra"`
	Repaired  int64 `json:"repaired"`
	Examples  []struct {
		EntityID any    `json:"entity_id"`
		Problem  string `json:"problem"`
	} `json:"examples"`
}

// Agree tells whether nothing differs.
func (c checkResult) Agree() bool { return c.Equal == c.Entities }

// stores asks for the stores; none where nobody serves them.
func (w *Web) stores(ctx context.Context) ([]storeState, error) {
	var found struct {
		Stores []storeState `json:"stores"`
	}
	err := w.api.get(ctx, "/stores", nil, &found)
	return found.Stores, ignoreMissing(err)
}

// copies asks how the online copies stand, by group. While a store does not answer, which the stores tell, nothing is known of them.
func (w *Web) copies(ctx context.Context) (map[string]copyState, error) {
	all, err := listOf[copyState](ctx, w.api, "/materialize", "groups", nil)
	by := make(map[string]copyState, len(all))
	for _, c := range all {
		by[c.Group] = c
	}
	return by, ignoreDown(err)
}

// copyOf asks how the online copy of a group stands; nil while that cannot be told, or for a group without one.
func (w *Web) copyOf(ctx context.Context, group string) (*copyState, error) {
	found := &copyState{}
	if err := w.api.get(ctx, path("materialize", group), nil, found); err != nil {
		return nil, ignoreDown(err)
	}
	return found, nil
}

// groupSize is how much of a group is stored.
type groupSize struct {
	Rows      int64 `json:"rows"`
	Estimated bool  `json:"estimated"`
	Bytes     int64 `json:"bytes"`
}

// sizeOf asks how much of a group is stored; nil while that cannot be told.
func (w *Web) sizeOf(ctx context.Context, group string) (*groupSize, error) {
	found := &groupSize{}
	if err := w.api.get(ctx, path("rows", group, "size"), nil, found); err != nil {
		return nil, ignoreDown(err)
	}
	return found, nil
}

// newest is how fresh a group is.
type newest struct {
	Group     string     `json:"group"`
	Profile   int64      `json:"profile_id"`
	Last      *time.Time `json:"last_event_time"`
	Frequency string     `json:"frequency"`
	State     string     `json:"state"`
}

// Class is the style of its state.
func (n newest) Class() string { return stateClass(n.State) }

// freshness asks how fresh groups are; "" asks of all.
func (w *Web) freshness(ctx context.Context, group string) (map[string]newest, error) {
	query := url.Values{}
	if group != "" {
		query.Set("group", group)
	}
	all, err := listOf[newest](ctx, w.api, "/profiles/newest", "groups", query)
	by := make(map[string]newest, len(all))
	for _, n := range all {
		by[n.Group] = n
	}
	return by, ignoreMissing(err)
}

// ignoreDown is nil where a store does not answer, or what ignoreMissing takes for nil.
func ignoreDown(err error) error {
	var p *problem
	if errors.As(err, &p) && p.Status == http.StatusServiceUnavailable {
		return nil
	}
	return ignoreMissing(err)
}
