package rules

import (
	"encoding/json"
	"fmt"

	"featurestore/modules/registry/value"
)

// DefaultExamples is how many bad rows an outcome shows.
const DefaultExamples = 20

// Batch is rows of data, by rows: Values holds Rows × Width values. Nothing of it is changed, and of what it holds only values are kept.
type Batch struct {
	Values  []value.Value
	Rows    int
	Width   int
	Columns []int // for each field of the set, where it stands in a row; −1: it is not observed

	EventTimes []int64              // µs; nil: unknown
	Entity     func(row int) string // the encoded key of a row's entity; nil: unknown
}

// Options are what an evaluation is told from outside. What a rule needs and is not given makes it end with status error.
type Options struct {
	Now      int64 // µs: what freshness is compared with
	Examples int   // how many bad rows an outcome shows; 0: DefaultExamples
	Listed   int   // how many distinct values an outcome lists; 0: 100

	// Empty has numbers that are defined without any value (a count, a sum, a set) judged on empty data too, as Great Expectations does.
	Empty bool

	// TableColumns are the columns that the data has, for kinds about columns; nil: the fields that a batch observes.
	TableColumns []string

	// Lookup tells for each of some values whether the target has it.
	Lookup func(target Reference, values []value.Value) ([]bool, error)

	// Entities counts the entities that could be observed.
	Entities func() (int64, error)

	// History gives what a rule measured of a feature ("" : of the rows) before, newest first, at most so many.
	History func(rule Definition, feature string, most int) ([]float64, error)

	// Distribution begins to compare a feature's values with the baseline that a rule names. It is called before the first row is read.
	Distribution func(rule Definition, feature Field) (Distribution, error)
}

// Distribution compares values with a baseline, in memory that does not grow with them.
type Distribution interface {
	// Add takes a value, which can be null, and the event time of its row, value.NoTime if that is unknown. It is false for a row that is not
	// of the period that is compared.
	Add(v value.Value, at int64) bool
	Compare() (Comparison, error)
}

// Reference is where a value must exist: as an entity of the type, or as a value of the group's feature.
type Reference struct {
	EntityType string
	Group      string
	Feature    string
}

// Comparison is the outcome of comparing values with a baseline.
type Comparison struct {
	Score    float64
	Verdict  Status // Pass, Warned, Fail, or Skipped with Reason
	Reason   string
	Expected string
	Details  json.RawMessage
}

// accumulator takes in all rows and judges them at the end.
type accumulator interface {
	add(w *window)
	finish(t *tally, o *Outcome)
}

// window is a batch as one unit sees it.
type window struct {
	*Batch
	*tally
	at     []int
	chosen []bool // nil: all rows
	first  int64  // the position of its first row in the data
	bad    func(row int)
}

// each calls f with the chosen rows that observe all features of the unit.
func (w *window) each(f func(i int, row []value.Value)) {
rows:
	for i := range w.Rows {
		if w.chosen != nil && !w.chosen[i] {
			continue
		}
		row := w.Values[i*w.Width : (i+1)*w.Width : (i+1)*w.Width]
		for _, n := range w.at {
			if n < 0 || row[n].IsAbsent() {
				continue rows
			}
		}
		f(i, row)
	}
}

// values calls f with the values of the first feature that are not null, and counts rows and nulls.
func (w *window) values(f func(i int, v *value.Value, row []value.Value)) {
	w.each(func(i int, row []value.Value) {
		v := &row[w.at[0]]
		if v.IsNull() {
			if !w.failNulls {
				w.null++
				return
			}
			w.considered++
			w.tally.bad++
			w.note(i, row)
			return
		}
		w.considered++
		f(i, v, row)
	})
}

// example offers row i as an example.
func (w *window) example(i int, row []value.Value) {
	if w.shows(w.first + int64(i)) {
		w.offer(w.place(i), row, w.at)
	}
}

// note notes a row that is bad by itself.
func (w *window) note(i int, row []value.Value) {
	w.example(i, row)
	if w.bad != nil {
		w.bad(i)
	}
}

// Run is one evaluation of a set. It is used by one goroutine.
type Run struct {
	set        *Set
	options    Options
	seen       int64 // rows
	tallies    []tally
	rows       []func([]value.Value, []int) (verdict, string)
	sets       []accumulator
	conditions []*evaluation
	chosen     [][]bool
	broken     []string   // why a where could not be evaluated
	columns    []bool     // which fields some batch has had
	settled    []*settled // by unit, what measures told; nil: nothing was measured
	at         []int
}

// Begin begins an evaluation.
func (s *Set) Begin(options Options) *Run {
	if options.Examples == 0 {
		options.Examples = DefaultExamples
	}
	if options.Listed == 0 {
		options.Listed = 100
	}
	r := &Run{set: s, options: options, tallies: make([]tally, len(s.units)), sets: make([]accumulator, len(s.units)),
		rows: make([]func([]value.Value, []int) (verdict, string), len(s.units)), chosen: make([][]bool, len(s.conditions)),
		broken: make([]string, len(s.conditions)), columns: make([]bool, len(s.fields))}
	for _, c := range s.conditions {
		r.conditions = append(r.conditions, c.evaluation())
	}
	for i := range s.units {
		u := &s.units[i]
		r.tallies[i].most = options.Examples
		r.tallies[i].failNulls = s.rules[u.rule].NullPolicy == FailNulls
		if u.begin != nil {
			r.sets[i] = u.begin(r)
		}
		if u.fresh != nil {
			r.rows[i] = u.fresh()
		}
	}
	return r
}

// Bad is a row that breaks a rule.
type Bad struct {
	Row      int // of the batch
	Rule     *Definition
	Features []string
	Columns  []int // where they stand in the row
	Expected string
}

// Add evaluates the next rows. Where bad is not nil, it is called for each row that breaks a row rule, rule by rule; what it is given
// is used again for the next one.
func (r *Run) Add(b *Batch, broke func(*Bad)) {
	for i, column := range b.Columns {
		r.columns[i] = r.columns[i] || column >= 0
	}
	for i, e := range r.conditions {
		r.choose(i, e, b)
	}
	var one Bad
	for i := range r.set.units {
		if !r.scans(i) {
			continue
		}
		u := &r.set.units[i]
		w := window{Batch: b, tally: &r.tallies[i], first: r.seen}
		w.rows += int64(b.Rows)
		r.at = r.at[:0]
		for _, field := range u.fields {
			r.at = append(r.at, b.Columns[field])
		}
		w.at = r.at
		if u.where >= 0 {
			w.chosen = r.chosen[u.where]
		}
		if r.sets[i] != nil {
			r.sets[i].add(&w)
			continue
		}
		if broke != nil {
			w.bad = func(row int) {
				one = Bad{Row: row, Rule: &r.set.rules[u.rule], Features: u.names, Columns: w.at, Expected: u.expected}
				broke(&one)
			}
		}
		switch {
		case u.one != nil:
			w.one(u)
		case r.rows[i] != nil:
			w.whole(r.rows[i])
		default:
			w.whole(func(row []value.Value, at []int) (verdict, string) { return u.row(row, at), "" })
		}
	}
	r.seen += int64(b.Rows)
}

// choose evaluates a where for all rows of a batch.
func (r *Run) choose(n int, e *evaluation, b *Batch) {
	if cap(r.chosen[n]) < b.Rows {
		r.chosen[n] = make([]bool, b.Rows)
	}
	r.chosen[n] = r.chosen[n][:b.Rows]
	r.at = r.at[:0]
	for _, field := range e.reads {
		r.at = append(r.at, b.Columns[field])
	}
	for i := range b.Rows {
		is, reason := e.chosen(b.Values[i*b.Width:(i+1)*b.Width], r.at)
		r.chosen[n][i] = is
		if reason != "" && r.broken[n] == "" {
			r.broken[n] = fmt.Sprintf("where cannot be evaluated for row %d: %s", r.seen+int64(i), reason)
		}
	}
}

// one judges each value of a feature.
func (w *window) one(u *unit) {
	at := w.at[0]
	if at < 0 {
		return
	}
	for i, n := 0, at; i < w.Rows; i, n = i+1, n+w.Width {
		v := &w.Values[n]
		if v.IsAbsent() || w.chosen != nil && !w.chosen[i] {
			continue
		}
		said := bad
		if !v.IsNull() || u.takesNull {
			said = u.one(v)
		} else if !w.failNulls {
			w.null++
			continue
		}
		w.considered++
		if said == good {
			continue
		}
		if said == unknown {
			w.unknown(i, fmt.Sprintf("%s is %s", show(*v), v.Type()))
			continue
		}
		w.tally.bad++
		w.note(i, w.Values[i*w.Width:(i+1)*w.Width])
	}
}

// whole judges each row.
func (w *window) whole(judge func([]value.Value, []int) (verdict, string)) {
	w.each(func(i int, row []value.Value) {
		said, reason := judge(row, w.at)
		if said == null {
			if !w.failNulls {
				w.null++
				return
			}
			said = bad
		}
		w.considered++
		switch said {
		case bad:
			w.tally.bad++
			w.note(i, row)
		case unknown:
			w.unknown(i, reason)
		}
	})
}

func (w *window) unknown(i int, reason string) {
	if w.reason == "" {
		w.reason = fmt.Sprintf("row %d cannot be judged", w.first+int64(i))
		if reason != "" {
			w.reason += ": " + reason
		}
	}
}

// Finish ends the evaluation: an outcome for each rule, of a kind that judges features apart for each of its features, in their order.
func (r *Run) Finish() []Outcome {
	outcomes := make([]Outcome, 0, len(r.set.units))
	for i := range r.set.units {
		u, t := &r.set.units[i], &r.tallies[i]
		rule := &r.set.rules[u.rule]
		o := Outcome{Rule: rule.Name, Version: rule.Version, Kind: rule.Kind, Group: rule.Group, Features: u.names, Severity: rule.Severity, Action: rule.Action,
			Expected: u.expected}
		if o.Features == nil {
			o.Features = []string{}
		}
		switch settled := r.measured(i); {
		case settled != nil:
			if t = &settled.tally; settled.end != nil {
				settled.end(t, &o)
			}
		case r.sets[i] != nil:
			r.sets[i].finish(t, &o)
		}
		o.Rows, o.Considered, o.Null, o.Bad = t.rows, t.considered, t.null, t.bad
		if o.Considered > 0 {
			rate := float64(o.Bad) / float64(o.Considered)
			o.BadRate = &rate
		}
		switch {
		case u.where >= 0 && r.broken[u.where] != "":
			o.fail("%s", r.broken[u.where])
		case t.reason != "":
			o.fail("%s", t.reason)
		case o.Status == Pass && t.considered+t.null == 0 && !r.options.Empty:
			o.skip("%s", t.nothing())
		case o.Status != "":
		case o.Considered == 0:
			o.skip("%s", t.nothing())
		default:
			o.settle(rule)
		}
		if u.masked {
			u.mask(&o)
		}
		o.Examples = u.examplesOf(t, r.set.fields)
		outcomes = append(outcomes, o)
	}
	return outcomes
}

// mask takes values of features out of what was observed: numbers that were measured of many stay.
func (u *unit) mask(o *Outcome) {
	switch o.Kind {
	case "divergence": // its details list values
		o.Details = nil
	case "history":
		if u.ofValues && o.Observed != nil {
			o.Observed, o.Expected = json.RawMessage(maskedValue), u.expected
		}
	case "min", "max", "distinct_in", "distinct_contain", "distinct_equal", "most_common", "median", "quantile", "quantiles":
		if o.Observed != nil {
			o.Observed = json.RawMessage(maskedValue)
		}
		o.Details = nil
	}
	if o.Status == Failed && o.Reason != "" {
		o.Reason = "a row cannot be judged; the reason is masked"
	}
}
