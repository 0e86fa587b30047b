package store

import (
	"context"
	"errors"

	"featurestore/modules/registry"
	"featurestore/modules/store/table"
	"featurestore/modules/validation/rules"
)

// loadedIDs is how many of its entries in quarantine a load's answer names: they keep their ids.
const loadedIDs = NamedEntries

// loadJudge is what row rules say of a load.
type loadJudge struct {
	group    *registry.Group // as it is registered; while rows are only looked at, without what is planned
	guard    *guard          // nil: it has no rules, or no row has come
	asked    bool            // whether it has some
	numbers  []int64         // of the rows at hand
	refusals refusals
	hopeless bool            // some row is not tolerated: the load will be refused
	refused  []table.BadRow  // rows for which rules have refused the load
	outcomes []rules.Outcome // once all rows have been judged
}

// judgeRows has the rules look at rows that are to be stored, and answers those that are, and entries for those that go into quarantine.
func (l *loading) judgeRows(rows *Rows) (*Rows, []*Quarantined) {
	j := &l.judge
	if len(rows.Keys) == 0 {
		return rows, nil
	}
	if !j.asked {
		j.guard, j.asked = l.store.guard(j.group), true
		j.refusals.most = l.store.config.LoadErrors
	}
	if j.guard == nil {
		return rows, nil
	}
	var out []bool
	var entries []*Quarantined
	byRow(j.guard.judge(rows), func(row int, breaches []breach) {
		number := j.numbers[row]
		for i := range breaches {
			if b := &breaches[i]; b.refuses() {
				j.refusals.note(number, rowPlace(number, b.feature), b)
				j.hopeless = j.hopeless || b.final()
			}
		}
		if breaches = quarantining(breaches); len(breaches) > 0 {
			if out == nil {
				out = make([]bool, len(rows.Keys))
			}
			out[row] = true
			entries = append(entries, newEntry(rows, row, breaches, Source{Way: l.way(), Run: l.loaded.Run, File: l.request.File, Row: number}, l.store.now()))
		}
	})
	return rows.without(out), entries
}

// conclude ends the judging. A load that rules refuse is a fault.
func (l *loading) conclude() error {
	j := &l.judge
	var audited error
	if l.publishing != nil {
		audited = l.publishing.conclude(j)
	}
	if j.guard == nil {
		return audited
	}
	outcomes := j.guard.run.Finish()
	j.outcomes, j.guard = append(outcomes, j.outcomes...), nil
	failed, first := j.refusals.of(outcomes)
	if failed == nil {
		return audited
	}
	for i := range first {
		j.refused = append(j.refused, first[i].badRow())
	}
	return ruleViolated(failed, first)
}

// quarantine hands entries on to the load; those of erased entities are left out.
func (l *loading) quarantine(ctx context.Context, entries []*Quarantined) error {
	for len(entries) > 0 {
		err := l.load.Quarantine(ctx, entries)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrUnchecked) {
			return unavailable("load", err)
		}
		if err := l.store.readLedger(ctx); err != nil {
			return err
		}
		erased, err := l.store.siftEntries(entries, func() (int64, error) { return l.clock, nil })
		if err != nil {
			return err
		}
		l.loaded.Erased += int64(len(entries))
		entries = without(entries, erased)
		l.loaded.Erased -= int64(len(entries))
	}
	l.noteQuarantined(entries)
	return nil
}

// noteQuarantined counts entries.
func (l *loading) noteQuarantined(entries []*Quarantined) {
	l.loaded.Quarantined += int64(len(entries))
	for _, e := range entries[:min(len(entries), loadedIDs-len(l.loaded.Entries))] {
		l.loaded.Entries = append(l.loaded.Entries, e.ID)
	}
}

// without are the elements but for some; nil: but for none.
func without[T any](all []T, some []bool) []T {
	if some == nil {
		return all
	}
	var kept []T
	for i, one := range all {
		if !some[i] {
			kept = append(kept, one)
		}
	}
	return kept
}

// tell has what is left of a load judged, once it has ended.
func (l *loading) tell(ctx context.Context, err error) {
	s, stored := l.store, err == nil && l.loaded.Stored > 0
	if s.rules == nil || err != nil && l.judge.refused == nil || !stored && len(l.judge.outcomes) == 0 {
		return
	}
	var failed error
	if l.loaded.Validation, failed = s.rules.Loaded(context.WithoutCancel(ctx), l.group, l.loaded.Run, stored, l.judge.outcomes); failed != nil {
		s.log.Warn("what rules said of a load could not be recorded", "run", l.loaded.Run, "group", l.group.Name, "error", failed)
	}
}
