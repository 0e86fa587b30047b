package validation

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
	"featurestore/modules/validation/drift"
	"featurestore/modules/validation/rules"
)

// storedDriftBody documents the body of POST /drift for what is stored.
type storedDriftBody struct {
	Group    string         `json:"group" doc:"The group whose values are compared" example:"customer_purchases"`
	Features []string       `json:"features,omitempty" doc:"Some of the group's; left out: all that the baseline has"`
	Baseline string         `json:"baseline" doc:"What they are compared with: a baseline, or previous_period" example:"january"`
	Window   *WindowRequest `json:"window,omitempty" doc:"Which rows; left out: all"`
	Metrics  []string       `json:"metrics,omitempty" doc:"Which measures; left out: psi, l_infinity, new_share and null_rate_change" enum:"psi,kl_divergence,js_distance,hellinger,wasserstein,wasserstein_distance,ks,chi_square,chi_square_fit,l_infinity,new_share,null_rate_change"`
	JSBase   string         `json:"js_base,omitempty" enum:"e,2" default:"e"`
	WarnAt   float64        `json:"warn_at,omitempty" default:"0.1"`
	AlertAt  float64        `json:"alert_at,omitempty" default:"0.2"`
}

// storedDriftAnswer documents its answer.
type storedDriftAnswer struct {
	Group           string               `json:"group"`
	Baseline        string               `json:"baseline"`
	BaselineVersion int                  `json:"baseline_version,omitempty" doc:"Absent: it is the period before"`
	Rows            int64                `json:"rows" doc:"Of the window"`
	ReferenceRows   int64                `json:"reference_rows"`
	Warnings        int                  `json:"warnings" doc:"Features whose verdict is warn"`
	Alerts          int                  `json:"alerts" doc:"Features whose verdict is alert"`
	Reason          string               `json:"reason,omitempty" doc:"Why there is nothing to compare with"`
	Features        []storedDriftFeature `json:"features"`
}

type storedDriftFeature struct {
	Feature string `json:"feature"`
	Masked  bool   `json:"masked,omitempty" doc:"It is tagged pii: bins are not shown"`
	driftAnswer
}

// isStoredDrift tells whether a body of POST /drift is about what is stored.
func isStoredDrift(text string) bool {
	stored := false
	s := jsonscan.New(text)
	err := s.Object(func(name string) error {
		stored = stored || name == "group" || name == "baseline"
		return nil
	})
	return err == nil && stored
}

// storedDrift is such a body.
type storedDrift struct {
	group      string
	features   []string
	baseline   string
	window     *WindowRequest
	metrics    []metric
	jsBase     string
	thresholds drift.Thresholds
}

var usualMetrics = []string{"psi", "l_infinity", "new_share", "null_rate_change"}

// readStoredDrift reads a body and names everything that is wrong with it.
func readStoredDrift(text string) (*storedDrift, error) {
	r := &storedDrift{jsBase: "e", thresholds: drift.DefaultThresholds()}
	problem := fault.New(fault.Unprocessable, "invalid-drift", "the values cannot be compared")
	wrong := func(location, value, format string, args ...any) {
		if len(problem.Violations) < maxViolations {
			problem.At(location, value, format, args...)
		}
	}
	names := usualMetrics
	s := jsonscan.New(text)
	err := s.Object(func(name string) (err error) {
		switch name {
		case "group":
			r.group, err = s.Text()
		case "baseline":
			r.baseline, err = s.Text()
		case "features":
			r.features, err = s.Texts()
		case "metrics":
			names, err = s.Texts()
		case "js_base":
			if r.jsBase, err = s.Text(); err == nil && r.jsBase != "e" && r.jsBase != "2" {
				wrong("js_base", r.jsBase, "use e or 2, written as a text")
			}
		case "warn_at":
			r.thresholds.Warn, err = threshold(s, "warn_at", wrong)
		case "alert_at":
			r.thresholds.Alert, err = threshold(s, "alert_at", wrong)
		case "window":
			r.window, err = readWindow(s, wrong)
		default:
			wrong(fault.Shorten(name), "", "unknown member: use group, features, baseline, window, metrics, js_base, warn_at, alert_at")
		}
		return err
	})
	if err == nil {
		err = s.End()
	}
	if err != nil {
		return nil, jsonscan.Fault(err)
	}
	if r.group == "" {
		wrong("group", "", "is missing: the group whose values are compared")
	}
	if r.baseline == "" {
		wrong("baseline", "", "is missing: what they are compared with, a baseline or previous_period")
	}
	if r.thresholds.Warn > r.thresholds.Alert {
		wrong("warn_at", fmt.Sprint(r.thresholds.Warn), "is above alert_at, %v", r.thresholds.Alert)
	}
	for i, name := range names {
		n := slices.IndexFunc(metrics, func(m metric) bool { return m.name == name })
		if n < 0 {
			wrong("metrics["+strconv.Itoa(i)+"]", name, "unknown metric")
			continue
		}
		r.metrics = append(r.metrics, metrics[n])
	}
	if len(problem.Violations) > 0 {
		return nil, problem
	}
	return r, nil
}

func readWindow(s *jsonscan.Scanner, wrong complain) (*WindowRequest, error) {
	w := &WindowRequest{}
	err := s.Object(func(name string) (err error) {
		switch name {
		case "from":
			w.From, err = s.Text()
		case "to":
			w.To, err = s.Text()
		case "last":
			w.Last, err = s.Text()
		case "run":
			raw, e := s.Value()
			n, bad := strconv.ParseInt(raw, 10, 64)
			if w.Run = n; bad != nil || n < 1 {
				wrong("window.run", raw, "expected the id of a load's run, such as 17")
			}
			err = e
		default:
			wrong("window."+fault.Shorten(name), "", "unknown member: use from and to, last, or run")
		}
		return err
	})
	return w, err
}

// drift compares what is stored with a baseline. It stores nothing, but that a baseline that can be frozen and is not yet is frozen.
func (p *Profiles) drift(ctx context.Context, text string, b []byte) ([]byte, error) {
	r, err := readStoredDrift(text)
	if err != nil {
		return nil, err
	}
	group, err := p.group(r.group, "group")
	if err != nil {
		return nil, err
	}
	window, err := p.asked(ctx, group, r.window)
	if err != nil {
		return nil, err
	}
	features, err := p.features(group, r.features, "features")
	if err != nil {
		return nil, err
	}
	to, err := p.reference(ctx, r.baseline, group, window)
	if err != nil {
		return nil, err
	}
	all, at, err := r.begin(group, features, to)
	if err != nil {
		return nil, err
	}
	rows, err := p.count(ctx, group, window, all, at)
	if err != nil {
		return nil, err
	}
	return r.append(b, group, to, all, rows), nil
}

// begin begins to compare the features, and tells where each stands among the group's.
func (r *storedDrift) begin(group *registry.Group, features []*registry.Feature, to *reference) (all []*distribution, at []int, err error) {
	asked := distributionParams{r.baseline, "psi", r.thresholds}
	if slices.ContainsFunc(r.metrics, func(m metric) bool { return m.numeric }) {
		asked.metric = "ks" // it takes a sample along
	}
	for i, f := range group.Features {
		if _, known := to.of[f.Ordinal]; features == nil && !known && to.missing == "" {
			continue
		}
		if features != nil && !slices.ContainsFunc(features, func(g *registry.Feature) bool { return g.Ordinal == f.Ordinal }) {
			continue
		}
		d, err := to.compare(f, asked)
		if err != nil {
			return nil, nil, err
		}
		all, at = append(all, d), append(at, i)
	}
	return all, at, nil
}

// count counts what a window holds.
func (p *Profiles) count(ctx context.Context, group *registry.Group, window Window, all []*distribution, at []int) (rows int64, err error) {
	window.Reads = make([]bool, len(group.Features))
	for _, i := range at {
		window.Reads[i] = true
	}
	err = p.values.Scan(ctx, group, window, func(b *rules.Batch) error {
		rows += int64(b.Rows)
		for n, d := range all {
			d.addColumn(b, b.Columns[at[n]])
		}
		return ctx.Err()
	})
	return rows, err
}

// addColumn counts the values of one column.
func (d *distribution) addColumn(b *rules.Batch, at int) {
	if at < 0 {
		return
	}
	for i := range b.Rows {
		if v := b.Values[i*b.Width+at]; !v.IsAbsent() {
			d.Add(v, b.EventTimes[i])
		}
	}
}

func (r *storedDrift) append(b []byte, group *registry.Group, to *reference, all []*distribution, rows int64) []byte {
	b = value.AppendJSONString(append(b, `{"group":`...), group.Name)
	b = value.AppendJSONString(append(b, `,"baseline":`...), r.baseline)
	if to.version > 0 {
		b = appendCount(append(b, `,"baseline_version":`...), int64(to.version))
	}
	b = appendCount(append(b, `,"rows":`...), rows)
	b = appendCount(append(b, `,"reference_rows":`...), to.rows)
	comparisons, said := make([]*comparison, len(all)), map[drift.Verdict]int64{}
	if to.missing == "" {
		for i, d := range all {
			comparisons[i] = d.compared(r.jsBase)
			said[comparisons[i].judgement.Verdict]++
		}
	}
	b = appendCount(append(b, `,"warnings":`...), said[drift.Warn])
	b = appendCount(append(b, `,"alerts":`...), said[drift.Alert])
	if to.missing != "" {
		b = value.AppendJSONString(append(b, `,"reason":`...), to.missing)
		return append(b, `,"features":[]}`...)
	}
	b = append(b, `,"features":[`...)
	for i, d := range all {
		b = value.AppendJSONString(append(b, `{"feature":`...), d.feature.Name)
		c := comparisons[i]
		if hidden(d.feature) {
			b = append(b, `,"masked":true`...)
			c.masked = true
		}
		fitting := slices.DeleteFunc(slices.Clone(r.metrics), func(m metric) bool { return !m.fits(c.reference.Bins().Kind()) })
		b = append(c.append(append(b, ','), fitting), ',')
	}
	return append(closed(b, ']'), '}')
}
