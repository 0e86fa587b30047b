package rules

import (
	"math"
	"slices"

	"featurestore/modules/registry/value"
)

// A float whose size is beyond large is not measured: sums and differences of such could leave the range of FLOAT on the way. Nor is the
// spread of values that lie closer together than fine, whose squares could.
const (
	large = 1e150
	fine  = 1e-140
)

// metric is a measurer whose result comes of measures.
type metric struct {
	needs  func(k *known) []Measure
	result func(k *known) (v value.Value, reason string, ok bool) // as measurer.result; ok is false if only the rows can tell
}

// metricOf is the metric of a field for what newMeasurer makes of the same; nil: there is none.
func metricOf(name string, p *params, field int, t value.Type) *metric {
	at := []int{field}
	counts, sum, ends, repeats := Measure{Of: Counts, Fields: at}, Measure{Of: Sum, Fields: at}, Measure{Of: Ends, Fields: at}, Measure{Of: Repeats, Fields: at}
	m := &metric{}
	needs := func(measures ...Measure) func(*known) []Measure { return func(*known) []Measure { return measures } }
	switch name {
	case "completeness":
		m.needs = needs(counts)
		m.result = func(k *known) (value.Value, string, bool) {
			c := k.of(counts)
			v, reason := completeness{}.result(&tally{considered: c.Values, null: c.Nulls})
			return v, reason, true
		}
	case "distinct_count", "distinct_ratio":
		m.needs = needs(counts, repeats)
		m.result = func(k *known) (value.Value, string, bool) {
			v, reason := distinctResult(k.of(repeats).Distinct, k.of(counts).Values, name == "distinct_ratio")
			return v, reason, true
		}
	case "min", "max":
		m.needs = needs(counts, ends)
		m.result = func(k *known) (value.Value, string, bool) {
			best := k.of(ends).Least
			if name == "max" {
				best = k.of(ends).Greatest
			}
			v, reason := (&extreme{best: best}).result(nil)
			return v, reason, true
		}
	case "mean", "sum":
		m.needs = needs(counts, sum, ends)
		m.result = func(k *known) (value.Value, string, bool) {
			v, reason := sumResult(k.of(sum).Sum, k.of(counts).Values, name == "mean")
			return v, reason, t != value.Float || !k.isLarge(field)
		}
	case "stddev":
		spread := func(k *known) Measure {
			f, _ := number(&k.of(sum).Sum)
			return Measure{Of: Spread, Fields: at, Center: f / float64(k.of(counts).Values)}
		}
		measurable := func(k *known) bool { return k.of(counts).Values > 1 && k.hasSpread(field) }
		m.needs = func(k *known) []Measure {
			if k.of(counts) != nil && measurable(k) {
				return []Measure{counts, sum, ends, spread(k)}
			}
			return []Measure{counts, sum, ends}
		}
		m.result = func(k *known) (value.Value, string, bool) {
			switch n := k.of(counts).Values; {
			case n == 0:
				return value.Value{}, noValues, true
			case n == 1:
				return value.Value{}, oneValue, true
			case !measurable(k):
				return value.Value{}, "", false
			default:
				return value.OfFloat(math.Sqrt(k.of(spread(k)).Spread / float64(n-1))), "", true
			}
		}
	case "median", "quantile":
		q, how := 0.5, "linear"
		if name == "quantile" {
			q, _ = p.number("q")
			how = p.word("interpolation", interpolations...)
		}
		m.needs = func(k *known) []Measure { return k.ranked(field, q) }
		m.result = func(k *known) (value.Value, string, bool) {
			n := k.of(counts).Values
			if n == 0 {
				return value.Value{}, noValues, true
			}
			v, reason := finite(quantileOf(int(n), k.sorted(field, q), q, how))
			return v, reason, true
		}
	default:
		return nil
	}
	return m
}

// isLarge tells whether a numeric field has a value whose size is beyond large.
func (k *known) isLarge(field int) bool {
	ends := k.of(Measure{Of: Ends, Fields: []int{field}})
	least, _ := number(&ends.Least)
	greatest, _ := number(&ends.Greatest)
	return max(-least, greatest) > large
}

func (k *known) hasSpread(field int) bool {
	ends := k.of(Measure{Of: Ends, Fields: []int{field}})
	least, _ := number(&ends.Least)
	greatest, _ := number(&ends.Greatest)
	return !k.isLarge(field) && (least == greatest || greatest-least > fine)
}

// ranked are the measures for some quantiles of a field.
func (k *known) ranked(field int, qs ...float64) []Measure {
	counts := Measure{Of: Counts, Fields: []int{field}}
	known := k.of(counts)
	if known == nil || known.Values == 0 {
		return []Measure{counts}
	}
	return []Measure{counts, rankedOf(field, int(known.Values), qs)}
}

func rankedOf(field, n int, qs []float64) Measure {
	m := Measure{Of: Ranked, Fields: []int{field}}
	for _, q := range qs {
		low, high := around(n, q)
		m.Ranks = append(m.Ranks, int64(low), int64(high))
	}
	slices.Sort(m.Ranks)
	m.Ranks = slices.Compact(m.Ranks)
	return m
}

// sorted is the sorted values of a field at the positions that some quantiles need.
func (k *known) sorted(field int, qs ...float64) func(i int) float64 {
	m := rankedOf(field, int(k.counts(field).Values), qs)
	values := k.of(m).Ranked
	return func(i int) float64 {
		at, _ := slices.BinarySearch(m.Ranks, int64(i))
		return values[at]
	}
}

// tells fills in rows and nulls of a field; nulls are bad if failNulls.
func (k *known) tells(field int, t *tally) {
	c := k.counts(field)
	t.considered, t.null = c.Values, c.Nulls
	if t.failNulls {
		t.considered, t.null, t.bad = c.Values+c.Nulls, 0, c.Nulls
	}
}

// askCounts is for kinds that count nulls or the others as bad.
func askCounts(bad func(c *Measured) int64) func(*Run, *unit) *asked {
	return func(_ *Run, u *unit) *asked {
		field := u.fields[0]
		return &asked{needs: func(*known) []Measure { return []Measure{{Of: Counts, Fields: u.fields}} }, count: func(k *known, t *tally) bool {
			c := k.counts(field)
			t.considered, t.bad = c.Values+c.Nulls, bad(c)
			return true
		}}
	}
}

// askEnds is for kinds of which all values are good if the least and the greatest are. How many are bad only the rows tell.
func askEnds(r *Run, u *unit) *asked {
	if t := r.set.fields[u.fields[0]].Type; t == value.Invalid || !ordered(t) {
		return nil
	}
	ends := Measure{Of: Ends, Fields: u.fields}
	return &asked{needs: func(*known) []Measure { return []Measure{{Of: Counts, Fields: u.fields}, ends} }, count: func(k *known, t *tally) bool {
		k.tells(u.fields[0], t)
		e := k.of(ends)
		return e.Least.IsAbsent() || u.one(&e.Least) == good && u.one(&e.Greatest) == good
	}}
}

// askEach judges each value that occurs once.
func askEach(r *Run, u *unit) *asked {
	broken, told := int64(0), true
	return &asked{needs: func(*known) []Measure {
		return []Measure{{Of: Counts, Fields: u.fields}, {Of: Occurrences, Fields: u.fields, Take: func(v value.Value, rows int64) {
			switch u.one(&v) {
			case bad:
				broken += rows
			case unknown:
				told = false
			}
		}}}
	}, count: func(k *known, t *tally) bool {
		k.tells(u.fields[0], t)
		t.bad += broken
		return told
	}}
}

func askUnique(nullWhen string) func(*Run, *unit) *asked {
	return func(_ *Run, u *unit) *asked {
		m := Measure{Of: Repeats, Fields: u.fields}
		if len(u.fields) > 1 {
			m.NullWhen = nullWhen
		}
		return &asked{needs: func(*known) []Measure { return []Measure{m} }, count: func(k *known, t *tally) bool {
			found := k.of(m)
			t.considered, t.null, t.bad = found.Values, found.Nulls, found.Repeated
			if t.failNulls && len(u.fields) == 1 {
				t.considered, t.null, t.bad = t.considered+t.null, 0, t.bad+t.null
			}
			return true
		}}
	}
}

func askSteps(step Step) func(*Run, *unit) *asked {
	return func(_ *Run, u *unit) *asked {
		m := Measure{Of: Steps, Fields: u.fields, Step: step}
		return &asked{needs: func(k *known) []Measure {
			measures := []Measure{{Of: Counts, Fields: u.fields}, {Of: Ends, Fields: u.fields}}
			if step.Change && (k.counts(u.fields[0]) == nil || !step.measurable(k, u.fields[0])) {
				return measures
			}
			return append(measures, m)
		}, count: func(k *known, t *tally) bool {
			k.tells(u.fields[0], t)
			if step.Change && !step.measurable(k, u.fields[0]) {
				return false
			}
			t.bad += k.of(m).Steps
			return true
		}}
	}
}

// measurable tells whether changes can be compared without leaving the range of FLOAT.
func (s *Step) measurable(k *known, field int) bool {
	return !k.isLarge(field) && (s.Relative == nil || *s.Relative <= large)
}

// askMetric is for kinds that judge one number of a feature. end is as measuring.finish with the result.
func askMetric(name string, p *params, end func(v value.Value, reason string, r *Run, t *tally, o *Outcome)) func(*Run, *unit) *asked {
	return func(r *Run, u *unit) *asked {
		field := u.fields[0]
		m := metricOf(name, p, field, r.set.fields[field].Type)
		if m == nil {
			return nil
		}
		var v value.Value
		var reason string
		return &asked{needs: m.needs, count: func(k *known, t *tally) (ok bool) {
			t.considered, t.null = k.counts(field).Values, k.counts(field).Nulls
			v, reason, ok = m.result(k)
			return ok
		}, end: func(t *tally, o *Outcome) { end(v, reason, r, t, o) }}
	}
}

// askRows is for kinds that need no more than how many rows there are.
func askRows(end func(r *Run, t *tally, o *Outcome)) func(*Run, *unit) *asked {
	return func(r *Run, u *unit) *asked {
		rows := Measure{Of: Counts}
		return &asked{needs: func(*known) []Measure { return []Measure{rows} }, count: func(k *known, t *tally) bool {
			t.considered = k.of(rows).Rows
			return true
		}, end: func(t *tally, o *Outcome) { end(r, t, o) }}
	}
}

func askQuantiles(ranges []quantileRange, judge func(n int, sorted func(i int) float64, o *Outcome)) func(*Run, *unit) *asked {
	qs := make([]float64, len(ranges))
	for i := range ranges {
		qs[i] = ranges[i].q
	}
	return func(_ *Run, u *unit) *asked {
		field := u.fields[0]
		var sorted func(i int) float64
		return &asked{needs: func(k *known) []Measure { return k.ranked(field, qs...) }, count: func(k *known, t *tally) bool {
			if t.considered, t.null = k.counts(field).Values, k.counts(field).Nulls; t.considered > 0 {
				sorted = k.sorted(field, qs...)
			}
			return true
		}, end: func(t *tally, o *Outcome) {
			if t.considered > 0 {
				judge(int(t.considered), sorted, o)
			}
		}}
	}
}

func askNewest(judge func(newest, now int64, o *Outcome)) func(*Run, *unit) *asked {
	return func(r *Run, u *unit) *asked {
		counts, newest := Measure{Of: Counts, Fields: u.fields}, Measure{Of: Newest, Fields: u.fields}
		at := int64(0)
		return &asked{needs: func(*known) []Measure { return []Measure{counts, newest} }, count: func(k *known, t *tally) bool {
			c := k.of(counts)
			t.considered, t.null, at = c.Values, c.Nulls, k.of(newest).Newest
			if len(u.fields) == 0 {
				t.considered = c.Rows
			}
			return true
		}, end: func(t *tally, o *Outcome) {
			if t.considered > 0 {
				judge(at, r.options.Now, o)
			}
		}}
	}
}

func askEntities(judge func(r *Run, seen int64, o *Outcome)) func(*Run, *unit) *asked {
	return func(r *Run, u *unit) *asked {
		entities, seen := Measure{Of: Entities, Fields: u.fields}, int64(0)
		return &asked{needs: func(*known) []Measure { return []Measure{{Of: Counts, Fields: u.fields}, entities} }, count: func(k *known, t *tally) bool {
			t.considered, t.null = k.counts(u.fields[0]).Values, k.counts(u.fields[0]).Nulls
			seen = k.of(entities).Entities
			return true
		}, end: func(_ *tally, o *Outcome) { judge(r, seen, o) }}
	}
}
