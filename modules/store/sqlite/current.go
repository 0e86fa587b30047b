package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// batchOf is how many rows of n values are yielded at once.
func batchOf(n int) int { return max(64, min(1000, 50_000/max(n, 1))) }

// skips is how many rows of an entity are passed over once all is known of it, before the next entity is looked up in the index.
const skips = 2

// Current reads the index backwards: each entity's newest row comes first.
func (s *snapshot) Current(ctx context.Context, group *registry.Group, features []*registry.Feature, yield func(*store.Current) error) error {
	src, err := s.source(group, features)
	if err == nil && src != nil {
		f := &folding{source: src, yield: yield, dest: make([]driver.Value, 4+len(features)+len(src.keys)), size: batchOf(len(features))}
		f.begin()
		err = f.run(ctx, s.conn)
	}
	if err != nil {
		return fmt.Errorf("reading the newest values of group %s: %w", group.Name, err)
	}
	return nil
}

// folding is one call of Current.
type folding struct {
	source  *source
	yield   func(*store.Current) error
	dest    []driver.Value // of selected, then the join keys
	size    int
	current *store.Current
	entity  []driver.Value // the entity that the last of current is of; nil at first
	missing int            // features of it that are not found yet
	skipped int            // rows passed over since none is missing
}

func (f *folding) begin() {
	n := len(f.source.features)
	f.current = &store.Current{Group: f.source.group, Features: f.source.features, Keys: make([]store.Key, 0, f.size),
		Values: make([]value.Value, 0, f.size*n), Stamps: make([]store.Stamp, 0, f.size*n)}
}

func (f *folding) run(ctx context.Context, c *conn) error {
	statement, err := c.prepare(f.text(false))
	if err != nil {
		return err
	}
	for {
		more, err := f.read(ctx, statement)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if len(statement.args) == 0 {
			if statement, err = c.prepare(f.text(true)); err != nil {
				return err
			}
		}
		statement.with(f.entity...)
	}
	if len(f.current.Keys) == 0 {
		return nil
	}
	return f.yield(f.current)
}

// text reads all rows, or those of the entities behind the one in the arguments.
func (f *folding) text(behind bool) string {
	src := f.source
	where := "true"
	if behind {
		where = "(" + strings.Join(src.keys, ", ") + ") < (" + strings.Repeat("+?, ", len(src.keys)-1) + "+?)"
	}
	return fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s%s ORDER BY %s DESC, t.event_time DESC, t.ingest_id DESC",
		src.selected(), strings.Join(src.keys, ", "), src.indexed(), where, src.visible(), strings.Join(src.keys, " DESC, "))
}

// errSkip ends the reading of an entity that all is known of.
var errSkip = errors.New("the next entity is looked up in the index")

// read answers true if it stopped before the end, to look up the next entity.
func (f *folding) read(ctx context.Context, statement *statement) (again bool, err error) {
	err = statement.each(context.Background(), f.dest, func() error { return f.row(ctx) })
	if errors.Is(err, errSkip) {
		return true, nil
	}
	return false, err
}

func (f *folding) row(ctx context.Context) error {
	keys := f.dest[len(f.dest)-len(f.source.keys):]
	if !slices.Equal(f.entity, keys) {
		if len(f.current.Keys) == f.size {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f.yield(f.current); err != nil {
				return err
			}
			f.begin()
		}
		f.add(keys)
	}
	if f.missing > 0 {
		return f.fold()
	}
	if f.skipped++; f.skipped == skips {
		return errSkip
	}
	return nil
}

// add begins the answer for the next entity.
func (f *folding) add(keys []driver.Value) {
	n := len(f.source.features)
	f.entity = append(f.entity[:0], keys...)
	f.missing, f.skipped = n, 0
	f.current.Keys = append(f.current.Keys, keyOf(keys))
	f.current.Values = f.current.Values[:len(f.current.Values)+n]
	f.current.Stamps = f.current.Stamps[:len(f.current.Stamps)+n]
}

func (f *folding) fold() error {
	n := len(f.source.features)
	values, stamps := f.current.Values[len(f.current.Values)-n:], f.current.Stamps[len(f.current.Stamps)-n:]
	stamp := store.Stamp{EventTime: integer(f.dest[0]), IngestID: integer(f.dest[1])}
	found, err := f.source.take(observed(f.dest[2], f.dest[3]), f.dest[4:], stamp, values, stamps)
	f.missing -= found
	return err
}

// keyOf is the key of join keys' columns.
func keyOf(columns []driver.Value) store.Key {
	values := make([]value.Value, len(columns))
	for i, column := range columns {
		values[i] = decodeKey(column)
	}
	return store.NewKey(values)
}
