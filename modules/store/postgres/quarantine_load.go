package postgres

import (
	"bytes"
	"context"
	"errors"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// entriesBytes is how many bytes of entries of the quarantine are kept before the COPY of the rows is interrupted for them.
const entriesBytes = 1 << 20

// entryFields is how many columns the COPY of entries has.
const entryFields = 12

// Quarantine takes entries, in the load's transaction too.
func (l *load) Quarantine(ctx context.Context, entries []*store.Quarantined) error {
	if l.ended {
		return errors.New("the load has ended")
	}
	for _, e := range entries {
		if e.Checked < l.ledger {
			return store.ErrUnchecked
		}
	}
	for _, e := range entries {
		rules, broken, err := store.EncodeBroken(e.Broken)
		if err != nil {
			return err
		}
		at := e.EventTime
		if at == value.NoTime {
			at = l.began
		}
		if len(l.entries) == 0 {
			l.entries = append(l.entries, copyHead...)
		}
		b := append(l.entries, 0, entryFields)
		long := func(i int64) { b = appendInt64(append(b, 0, 0, 0, 8), i) }
		text := func(s string) { b = append(appendInt32(b, len(s)), s...) }
		text(e.ID)
		long(l.group.ID)
		text(e.Key.Encoded)
		long(at)
		long(l.began)
		text(e.Source.Way)
		long(l.run)
		text(e.Source.File)
		long(e.Source.Row)
		text(rules)
		text(broken)
		text(string(e.Document))
		if l.entries = b; len(b) >= entriesBytes {
			if err := l.copyEntries(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyEntries brings the entries that were taken into the quarantine. A COPY of rows ends before it; the next row begins another.
func (l *load) copyEntries(ctx context.Context) error {
	if len(l.entries) == 0 {
		return nil
	}
	if err := l.endCopy(ctx); err != nil {
		return err
	}
	b := append(l.entries, 0xff, 0xff)
	l.entries = l.entries[:0]
	_, err := l.conn.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(b), "COPY "+l.offline.table("__quarantine")+
		" (id, group_id, entity, event_time, at, way, run_id, file, row, rules, broken, document) FROM STDIN (FORMAT binary)")
	return l.copyError(ctx, err)
}
