package validation

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/drift"
	"featurestore/modules/validation/profile"
	"featurestore/modules/validation/rules"
)

// reference is what one evaluation compares a group's features with.
type reference struct {
	name    string // of the baseline, or PreviousPeriod
	version int    // 0: it is not frozen
	what    string // "january (version 2)"
	rows    int64
	missing string // why there is nothing to compare with; "": there is
	of      map[uint16]referenceFeature
	judged  Window // the period whose rows are compared
}

// referenceFeature is one of its features.
type referenceFeature struct {
	*drift.Baseline
	sample []float64 // sorted; nil: it is not kept
}

// Distributions gives rules of kind distribution what they compare with, for one evaluation of what a window of a group holds. What is not frozen yet
// and can be is frozen then.
func (p *Profiles) Distributions(ctx context.Context, group *registry.Group, window Window) func(rules.Definition, rules.Field) (rules.Distribution, error) {
	known := map[string]*reference{}
	return func(rule rules.Definition, field rules.Field) (rules.Distribution, error) {
		asked, err := readDistribution(&rule)
		if err != nil {
			return nil, err
		}
		f, ok := p.definitions.Catalog().Feature(group, field.Name)
		if !ok {
			return nil, fault.New(fault.NotFound, "unknown-feature", "there is no feature %q in %s any more", field.Name, group.Name)
		}
		to := known[asked.baseline]
		if to == nil {
			if to, err = p.reference(ctx, asked.baseline, group, window); err != nil {
				return nil, err
			}
			known[asked.baseline] = to
		}
		return to.compare(f, asked)
	}
}

// distributionParams are the params of a rule of kind distribution.
type distributionParams struct {
	baseline, metric string
	thresholds       drift.Thresholds
}

func readDistribution(rule *rules.Definition) (distributionParams, error) {
	var given struct {
		Baseline, Metric string
		Warn, Max        *float64
	}
	if err := json.Unmarshal(rule.Params, &given); err != nil {
		return distributionParams{}, fmt.Errorf("read the params of %s: %w", rule.Name, err)
	}
	d := distributionParams{given.Baseline, given.Metric, drift.DefaultThresholds()}
	if d.metric == "" {
		d.metric = "psi"
	}
	switch {
	case given.Warn != nil && given.Max != nil:
		d.thresholds = drift.Thresholds{Warn: *given.Warn, Alert: *given.Max}
	case given.Warn != nil:
		d.thresholds = drift.Thresholds{Warn: *given.Warn, Alert: max(*given.Warn, d.thresholds.Alert)}
	case given.Max != nil:
		d.thresholds = drift.Thresholds{Warn: min(*given.Max, d.thresholds.Warn), Alert: *given.Max}
	}
	return d, nil
}

// compare begins to compare a feature's values.
func (r *reference) compare(f *registry.Feature, asked distributionParams) (*distribution, error) {
	d := &distribution{distributionParams: asked, to: r, feature: f}
	if r.missing != "" {
		return d, nil
	}
	of, ok := r.of[f.Ordinal]
	if !ok {
		return nil, fault.New(fault.Conflict, "baseline-without-feature",
			"%s holds nothing of %s as it is now: change the baseline, which makes a new version of it, and freeze that", r.what, f.Reference())
	}
	d.reference = of
	d.window = of.Bins().Window()
	if asked.metric == "ks" || asked.metric == "wasserstein" {
		d.sampled = profile.New(f.ValueType, profile.Options{Seed: seed(f.Group, f, r.judged), Hidden: true})
	}
	return d, nil
}

// distribution is a feature's values on their way into the baseline's bins.
type distribution struct {
	distributionParams
	to        *reference
	feature   *registry.Feature
	reference referenceFeature
	window    *drift.Window
	sampled   *profile.Profile // nil: no measure needs a sample
}

// Add counts a value of the judged period.
func (d *distribution) Add(v value.Value, at int64) bool {
	if from := d.to.judged.From; from != nil && at < *from {
		return false
	}
	if to := d.to.judged.To; to != nil && at >= *to {
		return false
	}
	if d.window == nil {
		return true
	}
	d.window.Add(v)
	if d.sampled != nil {
		d.sampled.Add(v)
	}
	return true
}

// driftDetails are kept with every result, when nothing is wrong too.
type driftDetails struct {
	Baseline       string   `json:"baseline"`
	Version        int      `json:"baseline_version,omitempty"`
	Metric         string   `json:"metric"`
	Score          *float64 `json:"score"`
	NoiseGate      *float64 `json:"noise_gate"`
	PSI            *float64 `json:"psi"`
	LInfinity      *float64 `json:"l_infinity"`
	NewShare       *float64 `json:"new_share"`
	NullRateChange *float64 `json:"null_rate_change"`
	WarnAt         *float64 `json:"warn_at"`
	AlertAt        *float64 `json:"alert_at"`
	Rows           int64    `json:"rows"`
	Reference      int64    `json:"reference_rows"`
}

// Compare judges what was counted.
func (d *distribution) Compare() (rules.Comparison, error) {
	if d.to.missing != "" {
		return rules.Comparison{Verdict: rules.Skipped, Reason: d.to.missing, Score: math.NaN()}, nil
	}
	c := d.compared("e")
	j := c.judgement
	details := driftDetails{
		Baseline: d.baseline, Version: d.to.version, Metric: d.metric, Score: j.Score.Pointer(), NoiseGate: j.NoiseGate.Pointer(),
		PSI: drift.PSI(c.a, c.b).Pointer(), LInfinity: drift.LInfinity(c.a, c.b).Pointer(), NewShare: c.newShare.Pointer(),
		NullRateChange: drift.NullRateChange(c.reference, c.current).Pointer(), WarnAt: j.Warn.Pointer(), AlertAt: j.Alert.Pointer(),
		Rows: c.current.Rows(), Reference: c.reference.Rows(),
	}
	said := judged{j.Verdict, j.Reason, j.Score}
	if d.metric != "psi" {
		said = d.other(c)
		details.Score, details.WarnAt, details.AlertAt = said.score.Pointer(), &d.thresholds.Warn, &d.thresholds.Alert
	}
	found := rules.Comparison{Score: math.NaN(), Reason: said.reason, Verdict: rules.Skipped,
		Expected: fmt.Sprintf("%s of %s below %v beside %s", d.metric, d.feature.Name, d.thresholds.Warn, d.to.what)}
	if score, ok := said.score.Get(); ok {
		found.Score = score
	}
	switch said.verdict {
	case drift.OK:
		found.Verdict = rules.Pass
	case drift.Warn:
		found.Verdict = rules.Warned
	case drift.Alert:
		found.Verdict = rules.Fail
	}
	text, err := json.Marshal(details)
	found.Details = text
	return found, err
}

// compared is both sides counted, as POST /drift shows them.
func (d *distribution) compared(jsBase string) *comparison {
	c := &comparison{reference: d.reference.Reference(), current: d.window, jsBase: jsBase, x: d.reference.sample}
	if d.sampled != nil {
		c.y = d.sampled.Sample()
	}
	c.a, c.b = drift.Counts(c.reference, c.current)
	c.newShare = c.current.NewShare()
	c.judgement = drift.Judge(c.reference, c.current, d.thresholds)
	return c
}

// judged is what is said of a measure.
type judged struct {
	verdict drift.Verdict
	reason  string
	score   drift.Optional
}

// other judges by another measure than psi. What could be by chance is no drift: the score must reach the noise gate as well.
func (d *distribution) other(c *comparison) judged {
	j := c.judgement
	if j.Verdict == drift.Skipped {
		return judged{j.Verdict, j.Reason, j.Score}
	}
	score, _ := j.Score.Get()
	gate, _ := j.NoiseGate.Get()
	measured := d.measure(c)
	is, ok := measured.Get()
	switch size := math.Abs(is); {
	case !ok:
		return judged{drift.Skipped, fmt.Sprintf("%s is not defined for these values", d.metric), measured}
	case score < gate || size < d.thresholds.Warn:
		return judged{drift.OK, fmt.Sprintf("%s is %.3g", d.metric, is), measured}
	case size < d.thresholds.Alert:
		return judged{drift.Warn, fmt.Sprintf("%s is %.3g and reaches %.3g, where warnings begin", d.metric, is, d.thresholds.Warn), measured}
	}
	return judged{drift.Alert, fmt.Sprintf("%s is %.3g and reaches %.3g, where alerts begin", d.metric, is, d.thresholds.Alert), measured}
}

// measure is the metric that the rule names.
func (d *distribution) measure(c *comparison) drift.Optional {
	switch d.metric {
	case "js_distance":
		return drift.JensenShannon(c.a, c.b)
	case "hellinger":
		return drift.Hellinger(c.a, c.b)
	case "wasserstein":
		_, normed := drift.Wasserstein(c.x, c.y)
		return normed
	case "ks":
		return drift.KolmogorovSmirnov(c.x, c.y).Statistic
	case "l_infinity":
		return drift.LInfinity(c.a, c.b)
	case "new_share":
		return c.newShare
	case "null_rate_change":
		return drift.NullRateChange(c.reference, c.current)
	}
	return c.judgement.Score
}
