package store

import (
	"context"
	"errors"
)

// hand gives good rows on to the load, but for those of erased entities.
func (l *loading) hand(ctx context.Context, rows *Rows) error {
	if l.load == nil && l.time < 0 && l.clock == 0 && l.store.ledger.knows(l.group.EntityType) {
		var err error
		if l.clock, err = l.store.offlineNow(ctx); err != nil {
			return err
		}
	}
	for {
		kept := rows
		if !l.request.Feast { // there they are looked for as they are written
			erased, err := l.store.sift(rows, func() (int64, error) { return l.clock, nil })
			if err != nil {
				return err
			}
			kept = rows.withoutErased(erased)
		}
		if len(kept.Keys) > 0 && (l.load != nil || len(l.planned) == 0) { // otherwise they are only looked at
			if l.load == nil {
				var err error
				if l.load, err = l.open(ctx); err != nil {
					return err
				}
			}
			err := l.load.Add(ctx, kept)
			if errors.Is(err, ErrUnchecked) {
				if err = l.store.readLedger(ctx); err == nil {
					continue
				}
			}
			if err != nil {
				return unavailable("load", err)
			}
		}
		l.loaded.Stored += int64(len(kept.Keys))
		l.loaded.Erased += int64(len(rows.Keys) - len(kept.Keys))
		l.countNulls(kept)
		return nil
	}
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
