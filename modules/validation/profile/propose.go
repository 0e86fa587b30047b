package profile

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"featurestore/modules/registry/value"
)

// Proposal is a rule that the values seen would pass, for the one feature that was profiled. Applied as it is, it warns and records; nothing is kept out.
type Proposal struct {
	Kind       string          // as in the reference of rules
	Params     json.RawMessage // the kind's own; nil: none
	MaxBadRate *float64        // the tolerance; nil: none
	Reason     string          // a sentence: what was seen
}

const (
	// FewestValues is from how many values on anything is proposed but not_null and completeness.
	FewestValues = 50
	largestSet   = 20  // of values that are proposed as a set
	perMember    = 10  // values for each member of a set, on average, at least
	formShare    = 0.9 // of texts that must have a form
	exactValues  = 10_000
)

// Propose makes rules from a profile: not_null or completeness, range, length or array_length, in_set, unique or distinct_ratio, regex. What
// is proposed leaves room for values like those seen; where they show nothing that would hold on, nothing is proposed.
func Propose(p *Profile) []Proposal {
	var out []Proposal
	add := func(kind string, params any, format string, args ...any) {
		raw, err := json.Marshal(params)
		if err != nil {
			panic(err) // numbers are finite
		}
		if params == nil {
			raw = nil
		}
		out = append(out, Proposal{Kind: kind, Params: raw, Reason: fmt.Sprintf(format, args...)})
	}
	if p.Rows() < FewestValues {
		return nil
	}
	p.proposeNulls(add)
	if p.Values() < FewestValues {
		return out
	}
	set := p.proposeSet(add)
	if !set {
		p.proposeRange(add)
		p.proposeLength(add)
		if rule, ok := p.proposeForm(); ok {
			out = append(out, rule)
		}
	}
	p.proposeDistinct(add)
	return out
}

// propose adds a proposal.
type propose func(kind string, params any, format string, args ...any)

type bounds struct {
	Min any `json:"min,omitempty"`
	Max any `json:"max,omitempty"`
}

// proposeNulls: a share that a further sample of that size would hardly fall below.
func (p *Profile) proposeNulls(add propose) {
	if p.nulls == 0 {
		add("not_null", nil, "none of %d values is null", p.rows)
		return
	}
	share := float64(p.Values()) / float64(p.rows)
	least := share - 3*math.Sqrt(share*(1-share)/float64(p.rows)) - 0.01
	if least = math.Floor(least*100) / 100; least > 0 {
		add("completeness", bounds{Min: least}, "%s of %d values are not null", percent(share), p.rows)
	}
}

// proposeSet: few values, each of them many times.
func (p *Profile) proposeSet(add propose) bool {
	if p.kind != value.String && p.kind != value.Integer || !p.AllValues() {
		return false
	}
	top := p.Top(largestSet + 1)
	if len(top) > largestSet || int64(len(top)*perMember) > p.Values() {
		return false
	}
	slices.SortFunc(top, func(a, b Frequent) int {
		if p.kind == value.String {
			return strings.Compare(a.Value.Text(), b.Value.Text())
		}
		return compare(a.Value.Int(), b.Value.Int())
	})
	members := make([]json.RawMessage, len(top))
	for i, f := range top {
		members[i] = value.AppendJSON(nil, f.Value)
	}
	if len(top) == 1 {
		add("in_set", map[string]any{"values": members}, "all %d values are the same", p.Values())
		return true
	}
	add("in_set", map[string]any{"values": members}, "there are only %d different values among %d", len(top), p.Values())
	return true
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// proposeRange: what was seen with a tenth of its width at each end, rounded outwards; 0 where nothing is below it.
func (p *Profile) proposeRange(add propose) {
	least, most := p.spread.least, p.spread.most
	switch p.kind {
	case value.Integer, value.Float:
		low, high := outwards(least, most)
		seen := fmt.Sprintf("the values are between %s and %s", text(p.Min()), text(p.Max()))
		if least >= 0 && low <= (most-least)/2 {
			low, seen = 0, seen+", none is negative"
		}
		if p.kind == value.Float {
			add("range", bounds{low, high}, "%s", seen)
			return
		}
		b := bounds{} // none beyond 2^53, where a float is no longer any integer
		if math.Abs(low) <= 1<<53 {
			b.Min = int64(math.Floor(low))
		}
		if math.Abs(high) <= 1<<53 {
			b.Max = int64(math.Ceil(high))
		}
		if b != (bounds{}) {
			add("range", b, "%s", seen)
		}
	case value.Timestamp:
		first := p.least.Time() - (p.most.Time()-p.least.Time())/10
		const day = 86_400_000_000
		first -= ((first % day) + day) % day
		if value.TimeInRange(first) {
			add("range", bounds{Min: text(value.OfTime(first))}, "the times are from %s on; later ones than %s are to be expected", text(p.Min()), text(p.Max()))
		}
	}
}

// outwards widens a range by a tenth at each end and rounds it outwards to the second digit of its width.
func outwards(least, most float64) (low, high float64) {
	half := most/2 - least/2
	if half == 0 {
		half = math.Abs(least) / 2
	}
	if half == 0 {
		return -1, 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(half))-1)
	low, high = math.Floor((least-half/5)/unit)*unit, math.Ceil((most+half/5)/unit)*unit
	if math.IsNaN(low) || math.IsInf(low, 0) {
		low = -math.MaxFloat64
	}
	if math.IsNaN(high) || math.IsInf(high, 0) {
		high = math.MaxFloat64
	}
	return min(tidy(low), least), max(tidy(high), most)
}

// tidy is a number without the dust of binary fractions: to 12 digits, where that is a float.
func tidy(v float64) float64 {
	var out float64
	if _, err := fmt.Sscan(fmt.Sprintf("%.12g", v), &out); err != nil || math.IsInf(out, 0) {
		return v
	}
	return out
}

// proposeLength: the length, if all have the same one; else one and a half of the greatest.
func (p *Profile) proposeLength(add propose) {
	least, most := int64(p.spread.least), int64(p.spread.most)
	kind, what := "length", "characters"
	switch {
	case p.kind.Array():
		kind, what = "array_length", "elements"
	case p.kind != value.String:
		return
	}
	if least == most {
		add(kind, bounds{least, most}, "all values have %d %s", least, what)
		return
	}
	b := bounds{Min: int64(0), Max: most + (most+1)/2}
	if least > 0 {
		b.Min = int64(1)
	}
	add(kind, b, "the values have %d to %d %s", least, most, what)
}

// proposeForm: the most special form that nearly all texts have.
func (p *Profile) proposeForm() (Proposal, bool) {
	for _, f := range p.Forms() {
		share := float64(f.Count) / float64(p.Values())
		if share < formShare {
			continue
		}
		raw, err := json.Marshal(map[string]string{"pattern": f.Form.Pattern})
		if err != nil {
			panic(err) // a map of texts
		}
		rule := Proposal{Kind: "regex", Params: raw, Reason: fmt.Sprintf("%s of %d values have a common form: %s", percent(share), p.Values(), f.Form.Name)}
		if bad := p.Values() - f.Count; bad > 0 { // twice as many, in whole percent
			tolerated := math.Ceil(float64(200*bad)/float64(p.Values())) / 100
			rule.MaxBadRate = &tolerated
		}
		return rule, true
	}
	return Proposal{}, false
}

// proposeDistinct: unique only where that is known exactly, since the sketch of more values may be wrong by some percent.
func (p *Profile) proposeDistinct(add propose) {
	switch p.kind {
	case value.String, value.Integer:
	default:
		return
	}
	different, n := p.Distinct(), p.Values()
	ratio := float64(different) / float64(n)
	switch {
	case n <= exactValues && different == n:
		add("unique", nil, "all %d values are different", n)
	case ratio >= 0.9:
		least := math.Floor((ratio-max(0.1, 4*DistinctError))*100) / 100
		add("distinct_ratio", bounds{Min: least}, "about %s of %d values are different", percent(ratio), n)
	}
}

func percent(share float64) string {
	if share == 1 {
		return "all"
	}
	return fmt.Sprintf("%.4g %%", math.Floor(share*10_000)/100)
}

func text(v value.Value) string { return string(value.AppendText(nil, v)) }
