package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"slices"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

const (
	quarantineBytes = 8 << 20 // memory that the entries of an open load take before they go into a file
	quarantineStep  = 500     // of them that one transaction inserts
	manyEntries     = 20_000  // of one load, from which on they are inserted in the order of their entities
)

// Quarantine keeps entries as they come; Commit gives them the numbers that follow the ids of the rows, in the order in which they came.
// Only of very many the order is that of their entities, and of one entity that in which they came: else each would write a page of its
// own of the index over entities. All but the first get new ids then, which ascend as the numbers do.
func (l *load) Quarantine(ctx context.Context, entries []*store.Quarantined) error {
	if l.ended {
		return errEnded
	}
	if err := ctx.Err(); err != nil {
		return err
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
		l.key = binary.BigEndian.AppendUint64(l.key[:0], uint64(l.entries.count))
		l.rest = binary.LittleEndian.AppendUint64(append(l.rest[:0], tagInteger), uint64(at))
		l.rest = binary.LittleEndian.AppendUint64(append(l.rest, tagInteger), uint64(e.Source.Row))
		for _, column := range []string{e.ID, e.Key.Encoded, e.Source.Way, e.Source.File, rules, broken, string(e.Document)} {
			l.rest = appendText(l.rest, column)
		}
		if err := l.entries.add(l.key, l.rest); err != nil {
			return fmt.Errorf("the quarantine of group %s: %w", l.group.Name, err)
		}
	}
	return nil
}

// entryColumns are those of an entry on its way through a sorter.
const entryColumns = 9

// Places among them.
const (
	entryID     = 2
	entryEntity = 3
)

// entryColumn is the column at a place.
func entryColumn(columns []byte, place int) (column driver.Value) {
	for range place + 1 {
		column, columns = cutColumn(columns)
	}
	return column
}

// byEntity sorts the entries of the load anew, and gives up those in their old order.
func (l *load) byEntity(ctx context.Context) (*sorter, error) {
	merged, err := l.entries.merge()
	if err != nil {
		return nil, err
	}
	sorted := newSorter(l.offline.path, quarantineBytes)
	for {
		key, columns, more, err := merged.next()
		if err != nil {
			return sorted, err
		}
		if !more {
			return sorted, l.entries.close()
		}
		l.key = append(append(l.key[:0], text(entryColumn(columns, entryEntity))...), key...)
		if err := sorted.add(l.key, columns); err != nil {
			return sorted, err
		}
		if err := ctx.Err(); err != nil {
			return sorted, err
		}
	}
}

// admitAll inserts the entries of an open load, in steps.
func (l *load) admitAll(ctx context.Context, open openLoad) error {
	entries := l.entries
	if entries.count >= manyEntries {
		sorted, err := l.byEntity(ctx)
		if sorted != nil {
			defer sorted.close() //nolint:errcheck // the file has no name any more
		}
		if err != nil {
			return fmt.Errorf("the quarantine of group %s: %w", l.group.Name, err)
		}
		entries = sorted
	}
	merged, err := entries.merge()
	if err != nil {
		return err
	}
	number := open.first + l.sorter.count
	var step []driver.Value
	for {
		step = step[:0]
		for len(step) < quarantineStep*entryColumns {
			key, columns, more, err := merged.next()
			if err != nil {
				return err
			}
			if !more {
				break
			}
			for range entryColumns {
				var column driver.Value
				column, columns = cutColumn(columns)
				step = append(step, column)
			}
			if came := binary.BigEndian.Uint64(key[len(key)-8:]); entries != l.entries && came >= store.NamedEntries { // times ascend, and with them these ids
				step[len(step)-entryColumns+entryID] = store.NewQuarantineID(l.offline.clock.time())
			}
		}
		if len(step) == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		// It is waited for whatever becomes of ctx: the step's memory is used again.
		err := l.offline.writer.submit(bulk, func(c *conn) error { return l.admitStep(c, step, number) }).wait(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		number += int64(len(step) / entryColumns)
	}
}

func (l *load) admitStep(c *conn, step []driver.Value, number int64) error {
	for e := range slices.Chunk(step, entryColumns) {
		err := c.exec(insertEntry, number, e[2], l.group.ID, []byte(text(e[3])), e[0], l.ingestTime, e[4], l.run, e[5], e[1], e[6], e[7], e[8])
		if err != nil {
			return err
		}
		number++
	}
	return nil
}
