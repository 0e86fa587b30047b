package rules

import (
	"context"
	"errors"
	"slices"

	"featurestore/modules/registry/value"
)

// ErrUnmeasured says that rows cannot be measured where they are, or not at a bearable price: they must be scanned.
var ErrUnmeasured = errors.New("the rows must be scanned")

// Source is rows, all of one moment, that may be measured where they are.
type Source interface {
	// Measure answers each of the measures, or none of them and ErrUnmeasured.
	Measure(ctx context.Context, measures []Measure) ([]Measured, error)

	// Scan yields all rows, with event times and entities. Only fields that reads names need be observed.
	Scan(ctx context.Context, reads []bool, yield func(*Batch) error) error
}

// Evaluate evaluates the set on the rows of a source. Rules are judged by measures as far as they can: those with a where, and the kinds
// that look at rows as a whole or need what a measure does not tell, scan the rows, all of them in one pass. So does a rule that counts bad rows
// and has some: only the rows show examples.
//
// The outcomes are those of a Run over all rows, except that sums and means of floats may differ in the last bit, standard deviations by
// 1e-12 of themselves, and that what a measure tells is not bounded by memory. TableColumns are all fields if they are not given.
func (s *Set) Evaluate(ctx context.Context, options Options, source Source) ([]Outcome, error) {
	if options.TableColumns == nil {
		for _, f := range s.fields {
			options.TableColumns = append(options.TableColumns, f.Name)
		}
	}
	r := s.Begin(options)
	measured, err := r.measure(ctx, source)
	if err != nil {
		return nil, err
	}
	if r.settled = measured; slices.ContainsFunc(measured, func(m *settled) bool { return m == nil || m.bad > 0 }) {
		if err := source.Scan(ctx, r.reads(), func(b *Batch) error { r.Add(b, nil); return nil }); err != nil {
			return nil, err
		}
	}
	return r.Finish(), nil
}

// asked is how one unit is judged by measures.
type asked struct {
	// needs are the measures that it takes, as far as is known already which.
	needs func(k *known) []Measure
	// count fills in what the unit would have counted, once needs has nothing new; it is false if only the rows can tell.
	count func(k *known, t *tally) bool
	// end concludes as an accumulator's finish does; nil: by what was counted.
	end func(t *tally, o *Outcome)
}

// settled is a unit that was judged by measures. One with bad rows is judged by the rows as well, to show some.
type settled struct {
	tally
	end func(t *tally, o *Outcome)
}

// known is what has been measured.
type known struct {
	answers map[string]*Measured
}

// of answers a measure; nil: it is not known yet.
func (k *known) of(m Measure) *Measured { return k.answers[m.key()] }

func (k *known) counts(field int) *Measured { return k.of(Measure{Of: Counts, Fields: []int{field}}) }

// measure asks the source, in as few rounds as can be, and answers for each unit what came of it, nil where it needs the rows.
func (r *Run) measure(ctx context.Context, source Source) ([]*settled, error) {
	all := make([]*settled, len(r.set.units))
	questions := make([]*asked, len(r.set.units))
	for i := range r.set.units {
		if u := &r.set.units[i]; u.asks != nil && u.where < 0 {
			questions[i] = u.asks(r, u)
		}
	}
	k := &known{answers: map[string]*Measured{}}
	for {
		ask := k.unknown(questions)
		if len(ask) == 0 {
			break
		}
		answers, err := source.Measure(ctx, ask)
		if errors.Is(err, ErrUnmeasured) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range ask {
			k.answers[ask[i].key()] = &answers[i]
		}
	}
	for i, q := range questions {
		if q == nil {
			continue
		}
		s := &settled{end: q.end}
		s.failNulls = r.tallies[i].failNulls
		s.rows = k.of(Measure{Of: Counts}).Rows
		if q.count(k, &s.tally) {
			all[i] = s
		}
	}
	return all, nil
}

// unknown are the measures that are needed and not known, each once.
func (k *known) unknown(questions []*asked) []Measure {
	var ask []Measure
	at := map[string]int{}
	for _, q := range questions {
		if q == nil {
			continue
		}
		for _, m := range append([]Measure{{Of: Counts}}, q.needs(k)...) { // all rows, for every one of them
			key := m.key()
			if k.answers[key] != nil {
				continue
			}
			i, twice := at[key]
			switch {
			case !twice:
				at[key] = len(ask)
				ask = append(ask, m)
			case m.Take != nil:
				ask[i].Take = both(ask[i].Take, m.Take)
			}
		}
	}
	return ask
}

func both(f, g func(value.Value, int64)) func(value.Value, int64) {
	return func(v value.Value, rows int64) { f(v, rows); g(v, rows) }
}

// reads tells which fields the units look at that need the rows.
func (r *Run) reads() []bool {
	reads := make([]bool, len(r.set.fields))
	for i := range r.set.units {
		if !r.scans(i) {
			continue
		}
		u := &r.set.units[i]
		for _, field := range u.fields {
			reads[field] = true
		}
		if u.where >= 0 {
			for _, field := range r.set.conditions[u.where].reads {
				reads[field] = true
			}
		}
	}
	return reads
}

// scans tells whether a unit looks at rows.
func (r *Run) scans(unit int) bool {
	return r.settled == nil || r.settled[unit] == nil || r.settled[unit].bad > 0
}

// measured is what measures told of a unit, if its outcome comes of that; one with bad rows whose rows were too many to hold is among them.
func (r *Run) measured(unit int) *settled {
	if r.settled == nil || r.scans(unit) && r.tallies[unit].reason != tooMany {
		return nil
	}
	return r.settled[unit]
}
