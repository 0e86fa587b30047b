package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"
)

type feature struct {
	featureHead
	Versions []version
	Lineage  lineage
	Services []string // that read it
	Profile  *featureProfile
	Measured profileHead // of which Profile is a part
	Nulls    series
	Rules    []ruleHead
	Calls    []snippet
	Kind     string // of its group
	Newest   newest // how fresh its group is
	Health   string // what rules say of it
	Drift    drifting
}

// HealthClass is the style of what rules say of it.
func (f feature) HealthClass() string { return stateClass(f.Health) }

func (f feature) pageTitle() string { return f.Name }

// version is a step in a definition's life.
type version struct {
	Version   int       `json:"version"`
	Action    string    `json:"action"`
	ChangedAt time.Time `json:"changed_at"`
	Changes   []struct {
		Member string          `json:"member"`
		Old    json.RawMessage `json:"old"`
		New    json.RawMessage `json:"new"`
	} `json:"changes"`
}

type profileHead struct {
	ID         int64     `json:"id"`
	Kind       string    `json:"kind"`
	Run        int64     `json:"run_id"`
	Rows       int64     `json:"rows"`
	ComputedAt time.Time `json:"computed_at"`

	Last     *time.Time       `json:"last_event_time"`
	Features []featureProfile `json:"features"` // where a list was asked for with one
}

// featureProfile is a feature's part of a profile.
type featureProfile struct {
	Feature   string          `json:"feature"`
	Measured  string          `json:"measured"`
	Count     int64           `json:"count"`
	Nulls     int64           `json:"nulls"`
	NullRate  float64         `json:"null_rate"`
	Distinct  int64           `json:"distinct"`
	Min       json.RawMessage `json:"min"`
	Max       json.RawMessage `json:"max"`
	Mean      json.RawMessage `json:"mean"`
	Deviation json.RawMessage `json:"standard_deviation"`
	Quantiles []struct {
		Q     float64         `json:"q"`
		Value json.RawMessage `json:"value"`
	} `json:"quantiles"`
	Top []struct {
		Value   json.RawMessage `json:"value"`
		Count   int64           `json:"count"`
		Percent float64         `json:"percent"`
	} `json:"top"`
	Histogram []struct {
		Lower json.RawMessage `json:"lower"`
		Upper json.RawMessage `json:"upper"`
		Count float64         `json:"count"` // estimated of values that were merged
	} `json:"histogram"`
}

// Bars are the histogram as it is drawn.
func (p featureProfile) Bars() []bar {
	bars := make([]bar, len(p.Histogram))
	for i, h := range p.Histogram {
		bars[i] = bar{showJSON(h.Lower) + " to " + showJSON(h.Upper), int64(math.Round(h.Count))}
	}
	return bars
}

// TopBars are the most common values as they are drawn.
func (p featureProfile) TopBars() []bar {
	bars := make([]bar, len(p.Top))
	for i, t := range p.Top {
		bars[i] = bar{showJSON(t.Value), t.Count}
	}
	return bars
}

// Drawn tells whether the values themselves are in the histogram; else only what is measured of them.
func (p featureProfile) Drawn() bool { return p.Measured == "value" }

// ruleHead is what pages show of a rule.
type ruleHead struct {
	Name     string   `json:"name"`
	Group    string   `json:"group"`
	Kind     string   `json:"kind"`
	Features []string `json:"features"`
	Severity string   `json:"severity"`
	Action   string   `json:"action"`
	Enabled  bool     `json:"enabled"`
	Last     *point   // the worst of its newest results, as it has one for each feature; nil: there is none
}

type point struct {
	Time    time.Time `json:"time"`
	Feature string    `json:"feature"`
	Status  string    `json:"status"`
	Report  int64     `json:"report_id"`
}

// Class is the style of its status.
func (p point) Class() string { return stateClass(p.Status) }

// snippet is a call that can be copied.
type snippet struct{ Title, Text string }

func (w *Web) feature(r *http.Request) (any, error) {
	ctx := r.Context()
	group, name := r.PathValue("group"), r.PathValue("name")
	var of groupHead
	if err := w.api.get(ctx, path("groups", group), nil, &of); err != nil {
		return nil, err
	}
	f := feature{Kind: of.Kind}
	reference := group + ":" + name
	at := path("features", of.EntityType, reference)
	if err := w.api.get(ctx, at, nil, &f.featureHead); err != nil {
		return nil, err
	}
	var versions struct {
		Versions []version `json:"versions"`
	}
	if err := w.api.get(ctx, at+"/versions", nil, &versions); err != nil {
		return nil, err
	}
	f.Versions = versions.Versions
	slices.SortFunc(f.Versions, func(a, b version) int { return b.Version - a.Version })
	var err error
	if f.Lineage, f.Services, err = w.lineageOf(ctx, "feature", f.Reference); err != nil {
		return nil, err
	}
	if err := w.profileInto(ctx, &f); err != nil {
		return nil, err
	}
	if f.Rules, err = w.rulesOf(ctx, group, name); err != nil {
		return nil, err
	}
	if err := w.standingInto(ctx, &f); err != nil {
		return nil, err
	}
	if f.Drift, err = w.driftOf(ctx, group, name, r.URL.Query()); err != nil {
		return nil, err
	}
	f.Calls, err = w.readyCalls(r, &f)
	return f, err
}

// standingInto adds how fresh it is, and what rules say of it.
func (w *Web) standingInto(ctx context.Context, f *feature) error {
	fresh, err := w.freshness(ctx, f.Group)
	if err != nil {
		return err
	}
	judged, err := w.judgements(ctx)
	f.Newest, f.Health = fresh[f.Group], judged.of(f.Group, f.Name)
	return err
}

// lineageOf draws what a definition comes of and what reads it; services are those that do.
func (w *Web) lineageOf(ctx context.Context, kind, name string) (drawing lineage, services []string, err error) {
	type named struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	}
	type side struct {
		Nodes []struct {
			named
			Depth int `json:"depth"`
		} `json:"nodes"`
		Edges []struct {
			From named  `json:"from"`
			To   named  `json:"to"`
			Why  string `json:"why"`
		} `json:"edges"`
	}
	var found struct {
		Upstream   side `json:"upstream"`
		Downstream side `json:"downstream"`
	}
	if err := w.api.get(ctx, path("lineage", kind, name), nil, &found); err != nil {
		return lineage{}, nil, err
	}
	at := map[named]int{}
	add := func(n named) {
		if _, known := at[n]; !known {
			at[n] = len(drawing.Nodes)
			drawing.Nodes = append(drawing.Nodes, node{Kind: n.Kind, Name: n.Name})
		}
	}
	add(named{kind, name})
	for _, n := range found.Upstream.Nodes {
		add(n.named)
	}
	for _, n := range found.Downstream.Nodes {
		add(n.named)
		if n.Kind == "service" {
			services = append(services, n.Name)
		}
	}
	for _, e := range slices.Concat(found.Upstream.Edges, found.Downstream.Edges) {
		from, ok := at[e.From]
		to, known := at[e.To]
		if ok && known {
			drawing.Arrows = append(drawing.Arrows, arrow{from, to, e.Why})
		}
	}
	drawing.place()
	return drawing, services, nil
}

// profiles is how many profiles back the null rate is shown.
const profiles = 12

// profileInto adds the newest profile, and the null rates of those before it.
func (w *Web) profileInto(ctx context.Context, f *feature) error {
	var list struct {
		Profiles []profileHead `json:"profiles"`
	}
	if err := w.api.get(ctx, "/profiles", url.Values{"group": {f.Group}, "feature": {f.Name}, "limit": {fmt.Sprint(profiles)}}, &list); err != nil {
		return ignoreMissing(err)
	}
	if len(list.Profiles) > 0 && len(list.Profiles[0].Features) > 0 {
		f.Profile, f.Measured = &list.Profiles[0].Features[0], list.Profiles[0]
	}
	f.Nulls = nullRates(list.Profiles)
	return nil
}

// rulesOf are the rules of a group, of one feature if it is named, with their newest results.
func (w *Web) rulesOf(ctx context.Context, group, feature string) ([]ruleHead, error) {
	var found struct {
		Rules []ruleHead `json:"rules"`
	}
	if err := w.api.get(ctx, "/rules", url.Values{"group": {group}, "limit": {"1000"}}, &found); err != nil {
		return nil, ignoreMissing(err)
	}
	var rules []ruleHead
	for _, rule := range found.Rules {
		if rule.Group != group || feature != "" && !slices.Contains(rule.Features, feature) {
			continue
		}
		if err := w.lastInto(ctx, &rule, feature); err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// ignoreMissing is nil where a role that this process does not serve, or something that has gone, was asked for.
func ignoreMissing(err error) error {
	var p *problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return nil
	}
	return err
}

// nullRates are the null rates of the last profiles over time, in percent.
func nullRates(profiles []profileHead) series {
	s := series{Title: "Null rate of the last profiles", Unit: "%"}
	rates := line{Name: "null"}
	for _, head := range slices.Backward(profiles) {
		if len(head.Features) > 0 {
			rate := 100 * head.Features[0].NullRate
			s.Times, rates.Values = append(s.Times, head.ComputedAt), append(rates.Values, &rate)
		}
	}
	s.Lines = []line{rates}
	return s
}
