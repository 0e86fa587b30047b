package store

import (
	"context"
	"errors"
)

// hand gives good rows on to the load, but for those of erased entities and those that rules keep out.
func (l *loading) hand(ctx context.Context, rows *Rows) error {
	if l.request.Feast { // a frame: who is erased, and what breaks rules, is looked for as it is written
		l.loaded.Stored += int64(len(rows.Keys))
		return l.load.Add(ctx, rows)
	}
	if l.load == nil && l.time < 0 && l.clock == 0 && l.store.ledger.knows(l.group.EntityType) {
		var err error
		if l.clock, err = l.store.offlineNow(ctx); err != nil {
			return err
		}
	}
	rows, erased, err := l.sift(rows)
	if err != nil {
		return err
	}
	l.judge.numbers = without(l.judge.numbers, erased)
	rows, entries := l.judgeRows(rows)
	if l.publishing != nil {
		if err := l.publishing.see(rows); err != nil {
			return err
		}
	}
	if l.judge.hopeless { // the rest is only looked at
		return nil
	}
	if l.load == nil && len(l.planned) == 0 && len(rows.Keys)+len(entries) > 0 {
		if l.load, err = l.open(ctx); err != nil {
			return err
		}
	}
	if l.load == nil { // they are only looked at
		l.loaded.Stored += int64(len(rows.Keys))
		l.noteQuarantined(entries)
		return nil
	}
	if err := l.put(ctx, rows); err != nil {
		return err
	}
	return l.quarantine(ctx, entries)
}

// put stores rows; those of entities that are erased meanwhile are left out.
func (l *loading) put(ctx context.Context, rows *Rows) error {
	for len(rows.Keys) > 0 {
		err := l.load.Add(ctx, rows)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrUnchecked) {
			return unavailable("load", err)
		}
		if err = l.store.readLedger(ctx); err == nil {
			rows, _, err = l.sift(rows)
		}
		if err != nil {
			return err
		}
	}
	l.loaded.Stored += int64(len(rows.Keys))
	l.countNulls(rows)
	if l.publishing != nil {
		l.publishing.count(rows)
	}
	return nil
}

// sift answers the rows that are not of erased entities, and which of them all are; those are counted.
func (l *loading) sift(rows *Rows) (kept *Rows, erased []bool, err error) {
	erased, err = l.store.sift(rows, func() (int64, error) { return l.clock, nil })
	if err != nil {
		return nil, nil, err
	}
	kept = rows.without(erased)
	l.loaded.Erased += int64(len(rows.Keys) - len(kept.Keys))
	return kept, erased, nil
}

// countNulls counts the observed nulls of each feature.
func (l *loading) countNulls(rows *Rows) {
	n := len(l.features)
	for i, v := range rows.Values {
		if v.IsNull() {
			l.features[i%n].nulls++
		}
	}
}
