package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// Observations reads one entity's rows, and those in the order of entities, by the index, and all others in the order of ingestion.
func (s *snapshot) Observations(ctx context.Context, group *registry.Group, features []*registry.Feature, of store.Range, yield func(*store.Rows) error) error {
	src, err := s.source(group, features)
	if err == nil && src != nil {
		var text string
		var args []driver.Value
		if text, args, err = src.observations(of); err == nil {
			err = src.stream(ctx, s.conn, of, yield, text, args)
		}
	}
	if err != nil {
		return fmt.Errorf("reading the observations of group %s: %w", group.Name, err)
	}
	return nil
}

func (src *source) observations(of store.Range) (string, []driver.Value, error) {
	var where []string
	var args []driver.Value
	condition := func(text string, values ...driver.Value) {
		where, args = append(where, text), append(args, values...)
	}
	from, order := src.table+" AS t NOT INDEXED", "t.ingest_id"
	switch {
	case of.Ordered && of.Oldest:
		from, order = src.indexed(), strings.Join(src.keys, ", ")+", t.event_time, t.ingest_id"
	case of.Ordered:
		from, order = src.indexed(), strings.Join(src.keys, " DESC, ")+" DESC, t.event_time DESC, t.ingest_id DESC"
	}
	if of.Key != nil {
		from, order = src.indexed(), "t.event_time DESC, t.ingest_id DESC"
		keys := make([]driver.Value, len(of.Key.Values))
		for i, v := range of.Key.Values {
			keys[i] = encode(v)
		}
		condition(src.sameKey(), keys...)
	}
	if of.From != nil {
		condition("t.event_time >= +?", *of.From)
	}
	if of.To != nil {
		condition("t.event_time < +?", *of.To)
	}
	if of.After != "" {
		after, err := strconv.ParseInt(string(of.After), 10, 64)
		if err != nil {
			return "", nil, fmt.Errorf("%q is no position of this store", of.After)
		}
		condition("t.ingest_id >= +?", after)
	}
	if of.Run != 0 {
		condition("t.run_id = +?", of.Run)
	}
	limit := int64(-1)
	if of.Limit > 0 {
		limit = int64(of.Limit)
	}
	if len(where) == 0 {
		where = []string{"true"}
	}
	text := fmt.Sprintf("SELECT %s, t.ingest_time, %s FROM %s WHERE %s%s ORDER BY %s LIMIT +?",
		src.selected(), strings.Join(src.keys, ", "), from, strings.Join(where, " AND "), src.visible(), order)
	return text, append(args, limit), nil
}

// stream yields the rows of a query in batches.
func (src *source) stream(ctx context.Context, c *conn, of store.Range, yield func(*store.Rows) error, text string, args []driver.Value) error {
	n, size := len(src.features), batchOf(len(src.features))
	begin := func() *store.Rows {
		return &store.Rows{Group: src.group, Features: src.features, Run: of.Run, Keys: make([]store.Key, 0, size), EventTimes: make([]int64, 0, size),
			IngestIDs: make([]int64, 0, size), IngestTimes: make([]int64, 0, size), Values: make([]value.Value, 0, size*n)}
	}
	rows, stamps := begin(), make([]store.Stamp, n)
	dest := make([]driver.Value, 4+n+1+len(src.keys))
	statement, err := c.prepare(text)
	if err != nil {
		return err
	}
	passing := context.Background()
	if of.From != nil || of.To != nil || of.Run != 0 || of.Ordered {
		passing = ctx // it may be long from one row to the next
	}
	err = statement.with(args...).each(passing, dest, func() error {
		if len(rows.Keys) == size {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := yield(rows); err != nil {
				return err
			}
			rows = begin()
		}
		rows.Keys = append(rows.Keys, keyOf(dest[4+n+1:]))
		rows.EventTimes = append(rows.EventTimes, integer(dest[0]))
		rows.IngestIDs = append(rows.IngestIDs, integer(dest[1]))
		rows.IngestTimes = append(rows.IngestTimes, integer(dest[4+n]))
		rows.Values = rows.Values[:len(rows.Values)+n]
		_, err := src.take(observed(dest[2], dest[3]), dest[4:], store.Stamp{}, rows.Values[len(rows.Values)-n:], stamps)
		return err
	})
	if err != nil || len(rows.Keys) == 0 {
		return err
	}
	return yield(rows)
}
