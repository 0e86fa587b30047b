package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
)

// driftPeriods are the periods whose values can be compared with a baseline; "" is all that is stored.
var driftPeriods = []string{"", "24h", "7d", "30d", "90d"}

// drifting is how a feature's values compare with a baseline.
type drifting struct {
	Baselines []string // that can be compared with
	Baseline  string   // that is; "": none
	Period    string
	Found     *driftFound
	Wrong     *problem // why they cannot be compared
}

// Periods are what can be chosen.
func (drifting) Periods() []string { return driftPeriods }

// driftFound is what came of a comparison.
type driftFound struct {
	Score     *float64 `json:"score"`
	WarnAt    *float64 `json:"warn_at"`
	AlertAt   *float64 `json:"alert_at"`
	Verdict   string   `json:"verdict"`
	Reason    string   `json:"reason"`
	Masked    bool     `json:"masked"`
	Reference struct {
		Rows  int64 `json:"rows"`
		Nulls int64 `json:"nulls"`
	} `json:"reference"`
	Current struct {
		Rows  int64 `json:"rows"`
		Nulls int64 `json:"nulls"`
	} `json:"current"`
	Bins []driftBin `json:"bins"`
}

// driftBin is values that are counted together on both sides.
type driftBin struct {
	Lower          json.RawMessage `json:"lower"`
	Upper          json.RawMessage `json:"upper"`
	Value          json.RawMessage `json:"value"`
	Category       *string         `json:"category"`
	Other          bool            `json:"other"`
	Null           bool            `json:"null"`
	Reference      int64           `json:"reference"`
	Current        int64           `json:"current"`
	ReferenceShare *float64        `json:"reference_share"`
	CurrentShare   *float64        `json:"current_share"`
}

// Label says which values they are.
func (b driftBin) Label() string {
	open := func(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }
	switch {
	case b.Null:
		return "null"
	case b.Other:
		return "all others"
	case b.Category != nil:
		return shorten(*b.Category)
	case len(b.Value) > 0:
		return showJSON(b.Value)
	case open(b.Lower) && open(b.Upper):
		return "all"
	case open(b.Lower):
		return "below " + showJSON(b.Upper)
	case open(b.Upper):
		return showJSON(b.Lower) + " and more"
	}
	return showJSON(b.Lower) + " to " + showJSON(b.Upper)
}

// Class is the style of its verdict.
func (d driftFound) Class() string { return stateClass(d.Verdict) }

// Bars are the current values by bin, Baseline those of the reference on the same bins.
func (d driftFound) Bars() []bar {
	bars := make([]bar, len(d.Bins))
	for i, b := range d.Bins {
		bars[i] = bar{b.Label(), b.Current}
	}
	return bars
}

// Baseline is what Bars says.
func (d driftFound) Baseline() []int64 {
	counts := make([]int64, len(d.Bins))
	for i, b := range d.Bins {
		counts[i] = b.Reference
	}
	return counts
}

// driftOf tells what a feature can be compared with, and compares it with the baseline that the address names.
func (w *Web) driftOf(ctx context.Context, group, feature string, asked url.Values) (drifting, error) {
	d := drifting{Baseline: asked.Get("baseline"), Period: asked.Get("period")}
	baselines, err := listOf[struct {
		Name     string   `json:"name"`
		Features []string `json:"features"`
	}](ctx, w.api, "/baselines", "baselines", url.Values{"group": {group}})
	if ignoreMissing(err) != nil {
		return d, err
	}
	for _, b := range baselines {
		d.Baselines = append(d.Baselines, b.Name)
	}
	if d.Baseline == "" {
		return d, nil
	}
	body := map[string]any{"group": group, "features": []string{feature}, "baseline": d.Baseline}
	if d.Period != "" {
		body["window"] = map[string]string{"last": d.Period}
	}
	var found struct {
		Reason   string       `json:"reason"`
		Features []driftFound `json:"features"`
	}
	var p *problem
	switch _, err := w.api.call(ctx, http.MethodPost, "/drift", nil, body, &found); {
	case errors.As(err, &p):
		d.Wrong = p
	case err != nil:
		return d, err
	case len(found.Features) == 0:
		d.Wrong = &problem{Title: "Nothing to compare with", Detail: found.Reason}
	default:
		d.Found = &found.Features[0]
	}
	return d, nil
}
