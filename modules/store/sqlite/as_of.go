package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// questionSizes are how many questions one statement asks. More than the first are no faster.
var questionSizes = []int{64, 16, 4, 1}

// AsOf asks for each question's newest row, many questions in one statement and in the order of the index. Where that row
// observes all of the features, as whole rows do, it is the answer; otherwise older rows of the entity are read until
// all are found.
func (s *snapshot) AsOf(ctx context.Context, group *registry.Group, features []*registry.Feature, keys []store.Key, times, since []int64) (*store.Current, error) {
	current := &store.Current{Group: group, Features: features, Keys: keys,
		Values: make([]value.Value, len(keys)*len(features)), Stamps: make([]store.Stamp, len(keys)*len(features))}
	src, err := s.source(group, features)
	if err == nil && src != nil && len(current.Values) > 0 {
		err = (&asking{snapshot: s, source: src, current: current, times: times, since: since}).ask(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("looking up %d entities of group %s: %w", len(keys), group.Name, err)
	}
	return current, nil
}

// asking is one call of AsOf.
type asking struct {
	snapshot *snapshot
	source   *source
	current  *store.Current
	times    []int64
	since    []int64
	newest   [4]*statement // by place in questionSizes
	older    *statement
	partial  []int // questions whose newest row does not observe all
}

func (a *asking) ask(ctx context.Context) error {
	order := store.KeyOrder(a.current.Keys, a.times)
	dest := make([]driver.Value, 5+len(a.source.columns))
	return inSizes(len(order), questionSizes, func(at, size int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		a.partial = a.partial[:0]
		if err := a.askNewest(order[at:at+size], dest); err != nil {
			return err
		}
		for _, index := range a.partial {
			if err := a.askOlder(index, dest[1:]); err != nil {
				return err
			}
		}
		return nil
	})
}

// askNewest asks for the newest rows of some entities at their times.
func (a *asking) askNewest(asked []int32, dest []driver.Value) (err error) {
	place := slices.Index(questionSizes, len(asked))
	if a.newest[place] == nil {
		if a.newest[place], err = a.snapshot.conn.prepare(a.source.newestText(len(asked))); err != nil {
			return err
		}
	}
	statement := a.newest[place]
	arg := 0
	for _, index := range asked {
		for _, key := range a.current.Keys[index].Values {
			statement.args[arg].Value = encode(key)
			arg++
		}
		statement.args[arg].Value = a.times[index]
		arg++
	}
	n := len(a.source.features)
	return statement.each(context.Background(), dest, func() error {
		index := int(asked[integer(dest[0])])
		stamp := store.Stamp{EventTime: integer(dest[1]), IngestID: integer(dest[2])}
		found, err := a.source.take(observed(dest[3], dest[4]), dest[5:], stamp, a.current.Values[index*n:index*n+n], a.current.Stamps[index*n:index*n+n])
		if found < n {
			a.partial = append(a.partial, index)
		}
		return err
	})
}

// newestText asks size questions: their keys and times stand in q, numbered from 0.
func (src *source) newestText(size int) string {
	var b strings.Builder
	b.Grow(1024 + 32*size)
	b.WriteString("WITH q (i")
	for k := range src.keys {
		fmt.Fprintf(&b, ", k%d", k)
	}
	b.WriteString(", at) AS (VALUES ")
	for i := range size {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "(%d", i)
		for range src.keys {
			b.WriteString(",?")
		}
		b.WriteString(",?)")
	}
	fmt.Fprintf(&b, ") SELECT q.i, %s FROM q CROSS JOIN %s AS t ON t.ingest_id = (SELECT t.ingest_id FROM %s WHERE ", src.selected(), src.table, src.indexed())
	for k, column := range src.keys {
		fmt.Fprintf(&b, "%s = q.k%d AND ", column, k)
	}
	fmt.Fprintf(&b, "t.event_time <= q.at%s ORDER BY t.event_time DESC, t.ingest_id DESC LIMIT 1)", src.visible())
	return b.String()
}

// errFound ends the reading of older rows.
var errFound = errors.New("all features are found")

// askOlder completes an answer from the rows behind the newest.
func (a *asking) askOlder(index int, dest []driver.Value) (err error) {
	n := len(a.source.features)
	values, stamps := a.current.Values[index*n:index*n+n], a.current.Stamps[index*n:index*n+n]
	since := int64(math.MinInt64)
	if a.since != nil {
		since = a.since[index]
	}
	if a.older == nil {
		if a.older, err = a.snapshot.conn.prepare(a.source.olderText()); err != nil {
			return err
		}
	}
	statement := a.older
	for k, key := range a.current.Keys[index].Values {
		statement.args[k].Value = encode(key)
	}
	k := len(a.source.keys)
	statement.args[k].Value, statement.args[k+1].Value = a.times[index], since
	missing := 0
	for _, v := range values {
		if v.IsAbsent() {
			missing++
		}
	}
	err = statement.each(context.Background(), dest, func() error {
		stamp := store.Stamp{EventTime: integer(dest[0]), IngestID: integer(dest[1])}
		found, err := a.source.take(observed(dest[2], dest[3]), dest[4:], stamp, values, stamps)
		if missing -= found; missing == 0 && err == nil {
			err = errFound
		}
		return err
	})
	if errors.Is(err, errFound) {
		return nil
	}
	return err
}

func (src *source) olderText() string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s AND t.event_time <= +? AND t.event_time >= +?%s ORDER BY t.event_time DESC, t.ingest_id DESC",
		src.selected(), src.indexed(), src.sameKey(), src.visible())
}
