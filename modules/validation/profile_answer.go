package validation

import (
	"encoding/json"
	"math"
	"time"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/profile"
)

// ProfileAnswer is a stored profile as the API shows it.
type ProfileAnswer struct {
	ID             int64            `json:"id"`
	Group          string           `json:"group"`
	Kind           string           `json:"kind" enum:"window,load,loads" doc:"Of all rows of a window, of those that a load brought, or of the loads of one day, merged"`
	From           *time.Time       `json:"from,omitempty" doc:"Of a window; absent: open"`
	To             *time.Time       `json:"to,omitempty" doc:"Of a window: event times before it"`
	Run            int64            `json:"run_id,omitempty" doc:"The load, or the first of several"`
	LastRun        int64            `json:"last_run_id,omitempty" doc:"Of several loads: the last"`
	Loads          int              `json:"loads,omitempty" doc:"Of several loads: how many"`
	Rows           int64            `json:"rows"`
	FirstEventTime *time.Time       `json:"first_event_time" doc:"null: there are no rows"`
	LastEventTime  *time.Time       `json:"last_event_time"`
	ComputedAt     time.Time        `json:"computed_at"`
	Outdated       bool             `json:"outdated,omitempty" doc:"Rows of it were taken out since, by an erasure or a revert: it holds nothing until it has been computed again"`
	Features       []FeatureProfile `json:"features,omitempty" doc:"In a list only those that were asked for with feature"`
}

// MergedAnswer is several stored profiles as one.
type MergedAnswer struct {
	Group          string           `json:"group"`
	Merged         []int64          `json:"merged" doc:"The profiles that it was made of; they have no row in common"`
	LeftOut        []leftOut        `json:"left_out" doc:"Those that lie in the range too and are not in it, with the reason"`
	Rows           int64            `json:"rows"`
	FirstEventTime *time.Time       `json:"first_event_time"`
	LastEventTime  *time.Time       `json:"last_event_time"`
	Features       []FeatureProfile `json:"features"`
}

// FeatureProfile says what the values of a feature are like. What a value measures is its number: of BOOLEAN 0 or 1, of STRING and JSON the length in
// characters, of arrays the number of elements; of TIMESTAMP everything is shown as a time, but for the deviation, in seconds.
type FeatureProfile struct {
	Feature     string          `json:"feature"`
	ValueType   string          `json:"value_type"`
	Measured    string          `json:"measured" enum:"value,length,elements" doc:"What min to histogram are of"`
	Masked      bool            `json:"masked,omitempty" doc:"The feature is tagged pii: no values are shown, and none are kept"`
	Count       int64           `json:"count" doc:"Rows that observe the feature, null or not"`
	Nulls       int64           `json:"nulls"`
	NullRate    *float64        `json:"null_rate" doc:"nulls ÷ count; null: there are none"`
	Distinct    int64           `json:"distinct" doc:"Different values but null, to about 1 %; exact below some thousand but for one or two"`
	Empty       int64           `json:"empty,omitempty" doc:"Texts or arrays of length 0"`
	Min         json.RawMessage `json:"min" doc:"null: there is no value"`
	Max         json.RawMessage `json:"max"`
	Mean        json.RawMessage `json:"mean"`
	Deviation   *float64        `json:"standard_deviation" doc:"Divided by n"`
	Quantiles   []Quantile      `json:"quantiles" doc:"Up to 1,024 values exact; beyond to 1 % of the number, or to some 3 % of the ranks. Whole numbers of INTEGER features, as observed below 50, and rounded beyond; of other features numbers with a fraction"`
	Top         []TopValue      `json:"top" doc:"The most frequent values: those that came twice at least, or all if they are few"`
	TopComplete bool            `json:"top_complete" doc:"There are no other values"`
	Histogram   []Bar           `json:"histogram" doc:"Bars of equal width between the 1st and the 99th percentile; the first and the last one reach to the extremes"`
	Forms       []FormShare     `json:"forms,omitempty" doc:"Common forms of texts"`
}

// Quantile is the number that a share of the values does not exceed.
type Quantile struct {
	Q     float64         `json:"q"`
	Value json.RawMessage `json:"value"`
}

// TopValue is one of the most frequent values.
type TopValue struct {
	Value   json.RawMessage `json:"value"`
	Count   int64           `json:"count" doc:"At least"`
	AtMost  int64           `json:"at_most,omitempty" doc:"Where count is not exact"`
	Percent float64         `json:"percent" doc:"Of the values that are not null"`
}

// Bar is a part of a histogram: from lower on, and up to upper, which is in the last one only.
type Bar struct {
	Lower json.RawMessage `json:"lower"`
	Upper json.RawMessage `json:"upper"`
	Count float64         `json:"count" doc:"An estimate beyond 1,024 values"`
}

// FormShare is how many texts have a form.
type FormShare struct {
	Form    string  `json:"form"`
	Count   int64   `json:"count"`
	Percent float64 `json:"percent"`
}

const (
	shownTop  = 20
	shownBars = 20
)

var shownQuantiles = []float64{0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99}

func (row *profileRow) show(group *registry.Group) ProfileAnswer {
	a := ProfileAnswer{
		ID: row.ID, Group: group.Name, Kind: row.Kind, From: timeOf(row.FromAt), To: timeOf(row.ToAt), Run: row.FirstRun, Rows: row.RowCount,
		FirstEventTime: timeOf(row.FirstAt), LastEventTime: timeOf(row.LastAt), ComputedAt: row.ComputedAt.Time(), Outdated: row.Outdated,
	}
	if row.Kind == ofLoads {
		a.LastRun, a.Loads = row.LastRun, row.Loads
	}
	return a
}

// timeOf is nil for null.
func timeOf(m *database.Micros) *time.Time {
	if m == nil {
		return nil
	}
	t := m.Time()
	return &t
}

// showProfile shows what the values of a feature are like; masked leaves out whatever is one of them.
func showProfile(f *registry.Feature, p *profile.Profile) FeatureProfile {
	masked := hidden(f)
	a := FeatureProfile{
		Feature: f.Name, ValueType: p.Kind().String(), Measured: measured(p.Kind()), Masked: masked,
		Count: p.Rows(), Nulls: p.Nulls(), Distinct: p.Distinct(), Empty: p.Empty(),
		Quantiles: []Quantile{}, Top: []TopValue{}, Histogram: []Bar{},
	}
	if p.Rows() > 0 {
		rate := float64(p.Nulls()) / float64(p.Rows())
		a.NullRate = &rate
	}
	number := func(v float64) json.RawMessage { return value.AppendJSON(nil, value.OfFloat(v)) }
	if p.Kind() == value.Timestamp {
		number = func(v float64) json.RawMessage { return value.AppendJSON(nil, value.OfTime(int64(math.Round(v)))) }
	}
	a.Mean = json.RawMessage("null")
	if mean, ok := p.Mean(); ok {
		a.Mean = number(mean)
	}
	if deviation, ok := p.Deviation(); ok {
		if p.Kind() == value.Timestamp {
			deviation /= 1e6
		}
		a.Deviation = &deviation
	}
	for _, form := range p.Forms() {
		a.Forms = append(a.Forms, FormShare{form.Form.Name, form.Count, percentOf(form.Count, p.Values())})
	}
	a.Min, a.Max = json.RawMessage("null"), json.RawMessage("null")
	if masked && a.Measured == "value" {
		return a
	}
	if p.Values() > 0 {
		a.Min, a.Max = extreme(p.Min()), extreme(p.Max())
	}
	quantile := number
	if p.Kind() == value.Integer {
		quantile = func(v float64) json.RawMessage { return value.AppendJSON(nil, integerOf(v)) }
	}
	for _, q := range shownQuantiles {
		if v, ok := p.Quantile(q); ok {
			a.Quantiles = append(a.Quantiles, Quantile{q, quantile(v)})
		}
	}
	for _, bar := range p.Histogram(bars(p)) {
		a.Histogram = append(a.Histogram, Bar{number(bar.Lower), number(bar.Upper), math.Round(bar.Count*10) / 10})
	}
	if masked {
		return a
	}
	a.TopComplete = p.AllValues() && len(p.Top(shownTop+1)) <= shownTop
	for _, top := range p.Top(shownTop) {
		if top.Count == 1 && !a.TopComplete {
			break
		}
		t := TopValue{Value: value.AppendJSON(nil, top.Value), Count: top.Count, Percent: percentOf(top.Count, p.Values())}
		if top.Missed > 0 {
			t.AtMost = min(top.Count+top.Missed, p.Values())
		}
		a.Top = append(a.Top, t)
	}
	return a
}

// bars is how many bars a histogram has: of few whole numbers one for each.
func bars(p *profile.Profile) int {
	if p.Kind() == value.Float || p.Kind() == value.Timestamp {
		return shownBars
	}
	low, _ := p.Quantile(0.01)
	high, _ := p.Quantile(0.99)
	return int(min(shownBars, math.Round(high-low)+1))
}

// integerOf is the INTEGER that a whole number is, or the greatest where it was rounded beyond that.
func integerOf(v float64) value.Value {
	if v >= 1<<63 {
		return value.OfInt(math.MaxInt64)
	}
	return value.OfInt(int64(v))
}

func extreme(v value.Value) json.RawMessage { return value.AppendJSON(nil, v) }

func percentOf(n, of int64) float64 {
	return math.Round(float64(n)/float64(max(of, 1))*1e4) / 100
}

// measured is what of a value of a type is measured.
func measured(t value.Type) string {
	switch {
	case t.Array():
		return "elements"
	case t == value.String, t == value.JSON:
		return "length"
	}
	return "value"
}

// featureOf is the generation that an ordinal stands for; false: it is no more.
func featureOf(group *registry.Group, ordinal uint16) (*registry.Feature, bool) {
	for _, f := range group.Stored() {
		if f.Ordinal == ordinal {
			return f, true
		}
	}
	return nil, false
}
