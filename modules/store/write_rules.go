package store

import (
	"context"
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

// judgement is what row rules said of a call.
type judgement struct {
	told []told
	out  []bool // which of the call's rows are kept out; nil: none
	held []held
}

// told is what is told of a group's rules.
type told struct {
	group    *registry.Group
	outcomes []rules.Outcome
}

// held is a row of a call that goes into quarantine.
type held struct {
	entry       *Quarantined
	row         int // of the call's rows
	observation int
	breaches    []breach
}

// judgedTogether is how many rows of a call are handed to rules at once.
const judgedTogether = 1000

// waiting are rows of one group and layout on their way to its rules.
type waiting struct {
	group *registry.Group
	guard *guard // nil: it has none
	rows  *Rows
	of    []int // which rows of the call they are
}

// judge has row rules look at what is to be stored. A call that they refuse is a fault; then only what refuses it is to be told.
func (c *checked) judge(s *Store, observations []Observation) error {
	if s.rules == nil || !c.guarded(s) {
		return nil
	}
	var groups []*waiting
	var found []breach
	judge := func(w *waiting) {
		for _, b := range w.guard.judge(w.rows) {
			b.row = w.of[b.row]
			found = append(found, b)
		}
		w.rows, w.of = nil, nil
	}
	for i, start := range c.starts[:len(c.starts)-1] {
		if c.erased != nil && c.erased[i] {
			continue
		}
		for at := start; at < c.starts[i+1]; at++ {
			rows := c.rows[at]
			n := slices.IndexFunc(groups, func(w *waiting) bool { return w.group == rows.Group })
			if n < 0 {
				n = len(groups)
				groups = append(groups, &waiting{group: rows.Group, guard: s.guard(rows.Group)})
			}
			w := groups[n]
			if w.guard == nil {
				continue
			}
			if len(w.of) > 0 && (len(w.of) == judgedTogether || !sameFeatures(w.rows.Features, rows.Features)) {
				judge(w)
			}
			switch len(w.of) {
			case 0:
				w.rows = rows
			case 1:
				w.rows = &Rows{Group: w.group, Features: w.rows.Features, Keys: slices.Clone(w.rows.Keys),
					EventTimes: slices.Clone(w.rows.EventTimes), Values: slices.Clone(w.rows.Values)}
				fallthrough
			default:
				appendRow(w.rows, rows, 0)
			}
			w.of = append(w.of, at)
		}
	}
	var all []rules.Outcome
	for _, w := range groups {
		if w.guard == nil {
			continue
		}
		if len(w.of) > 0 {
			judge(w)
		}
		outcomes := w.guard.run.Finish()
		c.told = append(c.told, told{w.group, outcomes})
		all = append(all, outcomes...)
	}
	if len(found) == 0 {
		return nil
	}
	slices.SortStableFunc(found, func(a, b breach) int { return a.row - b.row })
	if err := c.refused(s, observations, found, all); err != nil {
		onlyRefusals(c.told)
		return err
	}
	c.hold(found, observations, s.now())
	return nil
}

// guarded tells whether any of the rows is of a group that has rules.
func (c *checked) guarded(s *Store) bool {
	var last *registry.Group
	for _, rows := range c.rows {
		if rows.Group != last {
			if last = rows.Group; s.rules.Guard(last) != nil {
				return true
			}
		}
	}
	return false
}

// refused is why the call is refused; nil if it is not.
func (c *checked) refused(s *Store, observations []Observation, found []breach, outcomes []rules.Outcome) error {
	r := refusals{most: s.config.LoadErrors}
	for i := range found {
		if b := &found[i]; b.refuses() {
			o := &observations[c.observationOf(b.row)]
			member := b.feature
			if field := c.fieldOf(o, b); field >= 0 {
				member = o.Fields[field].Name
			} else if member == "" {
				member = c.rows[b.row].Group.Name
			}
			r.note(int64(b.row), o.place(member), b)
		}
	}
	failed, first := r.of(outcomes)
	if failed == nil {
		return nil
	}
	return ruleViolated(failed, first)
}

// hold puts the rows that break a rule which quarantines into quarantine.
func (c *checked) hold(found []breach, observations []Observation, now int64) {
	byRow(found, func(row int, breaches []breach) {
		if breaches = quarantining(breaches); len(breaches) == 0 {
			return
		}
		of := c.observationOf(row)
		for i := range breaches {
			b := &breaches[i]
			if b.field = c.fieldOf(&observations[of], b); b.at >= 0 {
				b.typed = c.rows[row].Features[b.at].ValueType
			}
		}
		if c.out == nil {
			c.out = make([]bool, len(c.rows))
		}
		c.out[row] = true
		c.held = append(c.held, held{newEntry(c.rows[row], 0, breaches, Source{Way: WayWrite}, now), row, of, breaches})
	})
}

// observationOf is the observation that a row is of.
func (c *checked) observationOf(row int) int {
	i, _ := slices.BinarySearch(c.starts, row+1)
	return i - 1
}

// fieldOf is which field of its observation the value of a breach came in; -1: in none.
func (c *checked) fieldOf(o *Observation, b *breach) int {
	if b.at < 0 {
		return -1
	}
	feature := c.rows[b.row].Features[b.at]
	return slices.IndexFunc(o.Fields, func(f Field) bool { return c.resolved[f.Name] == feature && !f.Cell.IsMissing() })
}

// refuse answers a call that rules refuse, unless one with its key was answered before.
func (s *Store) refuse(ctx context.Context, c *checked, once *Once, refusal error) (*Written, error) {
	if once != nil {
		if written, err := s.repeated(ctx, once); written != nil || err != nil {
			return written, err
		}
	}
	s.tell(c.told)
	return nil, refusal
}

// onlyRefusals leaves what has refused a call: what other rules said of its rows became of none of them.
func onlyRefusals(all []told) {
	for i := range all {
		all[i].outcomes = slices.DeleteFunc(all[i].outcomes, func(o rules.Outcome) bool { return !refusing(&o) })
	}
}

// tell says of rows that were stored, quarantined or refused what rules said of them.
func (s *Store) tell(all []told) {
	for _, t := range all {
		s.rules.Written(t.group, t.outcomes)
	}
}
