package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// load sorts its rows by entity and event time as they come, since a table and its index grow several times as fast in their
// order as in another. The file hears of it only when all rows are there: Commit reserves their ingest ids and inserts them.
type load struct {
	offline    *Offline
	group      *registry.Group
	run        int64
	keys       []string // of the layout
	insert     *insert
	sorter     *sorter
	entries    *sorter           // of the quarantine, in the order in which they came
	publishing *store.Publishing // nil: it is none
	began      int64             // the event time of rows without one
	ledger     int64             // the version of the ledger of erased entities when it began
	over       chan struct{}
	ended      bool

	ingestTime int64 // of all rows

	key, rest  []byte
	ids        [manyRows]int64 // of the rows of one statement
	duplicates int64
}

// Load looks whether the layout is the group's. The rows of the load stay under that layout if a column is added meanwhile.
func (o *Offline) Load(ctx context.Context, group *registry.Group, run int64) (store.Load, error) {
	l := &load{offline: o, group: group, run: run, began: o.clock.time(), over: make(chan struct{}), sorter: newSorter(o.path, o.options.LoadBytes),
		entries: newSorter(o.path, quarantineBytes)}
	err := o.writer.do(ctx, single, func(c *conn) error {
		found, err := checkLayout(c, group)
		if err == nil {
			l.keys, l.insert, l.ledger = found.keys, newInsert(found, group), o.ledger.erasures
			o.mu.Lock()
			o.loads[l] = true // an entity that is erased from now on is looked for again when the load has ended
			o.mu.Unlock()
		}
		return err
	})
	if err != nil {
		l.end()
		return nil, fmt.Errorf("beginning a load: %w", err)
	}
	return l, nil
}

var errEnded = errors.New("the load has ended")

func (l *load) Add(ctx context.Context, rows *store.Rows) error {
	if l.ended {
		return errEnded
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if rows.Checked < l.ledger {
		return store.ErrUnchecked
	}
	places, err := l.insert.places(rows.Features)
	if err != nil {
		return err
	}
	for i, key := range rows.Keys {
		at := rows.EventTimes[i]
		if at == value.NoTime {
			at = l.began
		}
		l.key = appendSortKey(l.key[:0], key.Values, at)
		row := rows.Row(i)
		if rows.Whole(i) {
			l.rest = appendColumn(l.rest[:0], value.Null())
		} else {
			l.rest = appendColumn(l.rest[:0], value.OfString(presence(rows.Features, row)))
		}
		for _, place := range places {
			if place < 0 {
				l.rest = appendColumn(l.rest, value.Null())
			} else {
				l.rest = appendColumn(l.rest, row[place])
			}
		}
		if err := l.sorter.add(l.key, l.rest); err != nil {
			return fmt.Errorf("loading group %s: %w", l.group.Name, err)
		}
	}
	return nil
}

// Abort gives up what was added.
func (l *load) Abort(context.Context) error {
	l.end()
	return errors.Join(l.sorter.close(), l.entries.close())
}

// end lets those go on that wait for the load.
func (l *load) end() {
	if !l.ended {
		l.ended = true
		l.offline.mu.Lock()
		delete(l.offline.loads, l)
		l.offline.mu.Unlock()
		close(l.over)
	}
}

// Commit makes the rows appear with its last transaction. Until then they are hidden, and if it fails they are removed.
func (l *load) Commit(ctx context.Context) error { return l.CommitOnce(ctx, nil) }

// CommitOnce remembers the request in that last transaction.
func (l *load) CommitOnce(ctx context.Context, request *store.KeyedRequest) error {
	if l.ended {
		return errEnded
	}
	defer l.end()
	defer l.sorter.close()  //nolint:errcheck // the file has no name any more
	defer l.entries.close() //nolint:errcheck // neither has that one
	o := l.offline
	if l.publishing != nil {
		return l.publish(ctx)
	}
	if l.sorter.count+l.entries.count == 0 {
		if request == nil {
			return nil
		}
		return o.AppendOnce(ctx, nil, []*store.KeyedRequest{request})
	}
	return l.commit(ctx, l.sorted, func(open openLoad) error { return o.appear(ctx, open, l.run, request) })
}

// sorted are the rows in their order.
func (l *load) sorted() (records, error) { return l.sorter.merge() }

// commit inserts rows and entries, under ids that it reserves first, and has them appear.
func (l *load) commit(ctx context.Context, rows func() (records, error), appear func(openLoad) error) error {
	o := l.offline
	done, err := l.alone(ctx)
	if err != nil {
		return fmt.Errorf("loading group %s: %w", l.group.Name, err)
	}
	defer done()
	var open openLoad
	defer o.underWay.end(l)
	err = o.writer.do(ctx, alone, func(c *conn) error {
		found, err := c.layoutOf(l.group.ID)
		if err == nil && (found == nil || found.version < 0 || !slices.Equal(found.keys, l.keys)) { // retired, or made anew after that
			err = store.ErrOutdated
		}
		if err == nil {
			err = l.noneOpen(c)
		}
		if err != nil {
			return err
		}
		l.ingestTime = o.clock.time()
		o.underWay.begin(l)
		open, err = o.reserve(c, l.group.ID, l.run, max(1, l.sorter.count+l.entries.count))
		return err
	})
	if err == nil {
		if err = l.insertAll(ctx, open, rows); err == nil {
			err = l.admitAll(ctx, open)
		}
		if err == nil {
			err = appear(open)
		}
		if err != nil {
			err = errors.Join(err, o.remove(context.WithoutCancel(ctx), open))
		}
	}
	if err != nil {
		return fmt.Errorf("loading group %s: %w", l.group.Name, err)
	}
	if err := o.checkpoint(context.WithoutCancel(ctx)); err != nil {
		o.options.Log.Warn("the log could not be cut after a load; it is tried again after the next", "error", err)
	}
	return nil
}

// appear ends an open load; with the request that it came with, if that is not nil.
func (o *Offline) appear(ctx context.Context, open openLoad, run int64, request *store.KeyedRequest) error {
	end := func(c *conn) error {
		if o.closed[run] {
			return store.RunTakenBack(run)
		}
		return open.end(c)
	}
	if request == nil {
		return o.writer.do(ctx, alone, end)
	}
	requests := []*store.KeyedRequest{request}
	var earlier []*store.Remembered
	known := false
	err := o.writer.do(ctx, alone, func(c *conn) (err error) {
		now := o.clock.time()
		if earlier, known, err = earlierOf(c, now, requests); err != nil || known {
			return err
		}
		if err := remember(c, now, requests); err != nil {
			return err
		}
		return end(c)
	})
	if err == nil && known {
		err = tell(requests, earlier)
	}
	return err
}

// chunk is the rows of one step, ready to be bound.
type chunk struct {
	rows   int
	args   []driver.Value
	stored int // of them, once it was inserted
}

// insertAll fills one chunk while the other is being inserted.
func (l *load) insertAll(ctx context.Context, open openLoad, rows func() (records, error)) error {
	merged, err := rows()
	if err != nil {
		return err
	}
	size := max(manyRows, min(1000, 100_000/l.insert.width))
	chunks := [2]chunk{{args: make([]driver.Value, size*l.insert.width)}, {args: make([]driver.Value, size*l.insert.width)}}
	filler := &filler{merged: merged, width: l.insert.width, next: open.first, group: l.group}
	var before *job
	for i := 0; ; i++ {
		c := &chunks[i%2]
		err := filler.fill(c)
		if before != nil { // it must not go on using a chunk of a call that has returned
			err = errors.Join(err, before.wait(context.WithoutCancel(ctx)))
			inserted := &chunks[(i+1)%2]
			l.duplicates += int64(inserted.rows - inserted.stored)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || c.rows == 0 {
			return err
		}
		before = l.offline.writer.submit(bulk, func(conn *conn) error { return l.insertChunk(conn, c) })
	}
}

func (l *load) insertChunk(c *conn, chunk *chunk) error {
	width := l.insert.width
	chunk.stored = 0 // it may be done again
	return inSizes(chunk.rows, l.insert.sizes, func(at, size int) error {
		s, err := l.insert.statement(c, size)
		if err != nil {
			return err
		}
		l.insert.begin(s, l.ingestTime, l.run)
		for i, arg := range chunk.args[at*width : (at+size)*width] {
			s.args[sharedArguments+i].Value = arg
		}
		ids := l.ids[:size]
		for r := range ids {
			ids[r] = integer(chunk.args[(at+r)*width])
		}
		stored, err := l.insert.exec(s, ids)
		chunk.stored += stored
		return err
	})
}

// filler turns sorted records into arguments.
type filler struct {
	merged records
	width  int
	next   int64 // ingest id
	group  *registry.Group
	key    []byte         // of the last entity
	keys   []driver.Value // the same as arguments
}

// fill fills a chunk; it stays empty at the end.
func (f *filler) fill(c *chunk) error {
	for c.rows = 0; c.rows*f.width < len(c.args); c.rows++ {
		key, columns, more, err := f.merged.next()
		if err != nil || !more {
			return err
		}
		entity, at := cutSortKey(key)
		if !bytes.Equal(entity, f.key) {
			f.key = append(f.key[:0], entity...)
			f.keys = splitSortKey(f.keys[:0], entity, f.group.EntityType.JoinKeys)
		}
		args := c.args[c.rows*f.width : (c.rows+1)*f.width]
		args[0], args[1] = f.next, at
		f.next++
		args[2], columns = cutColumn(columns)
		copy(args[3:], f.keys)
		for i := 3 + len(f.keys); i < f.width; i++ {
			args[i], columns = cutColumn(columns)
		}
	}
	return nil
}
