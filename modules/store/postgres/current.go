package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// Current walks the index by entity, in pages. A page's query gives each entity's newest row; what that row does not observe is
// looked up as in AsOf. Each page is new memory, which the caller may keep.
func (s *snapshot) Current(ctx context.Context, group *registry.Group, features []*registry.Feature, yield func(*store.Current) error) error {
	l, err := s.layout(ctx, group)
	if err == nil && l.table != "" {
		w := &walk{snapshot: s, layout: l, group: group, features: features, size: 4 * batchRows(len(features))}
		err = w.run(ctx, yield)
	}
	if err != nil {
		return fmt.Errorf("reading the newest values of group %s: %w", group.Name, err)
	}
	return nil
}

// walk is one Current on its way. It can go over all rows of an entity, or jump to the next entity by a look-up of its own. The
// look-up costs as much as deepRows rows.
type walk struct {
	snapshot *snapshot
	layout   layout
	group    *registry.Group
	features []*registry.Feature
	size     int // entities of a page
	jump     bool
}

const deepRows = 6

func (w *walk) run(ctx context.Context, yield func(*store.Current) error) error {
	var last *store.Key
	for pages := 0; ; pages++ {
		if pages%4 == 0 {
			if err := w.weigh(ctx, last); err != nil {
				return err
			}
		}
		page, err := w.page(ctx, last)
		if err != nil {
			return err
		}
		if len(page.Keys) > 0 {
			if err := yield(page); err != nil {
				return err
			}
		}
		if len(page.Keys) < w.size {
			return nil
		}
		last = &page.Keys[len(page.Keys)-1]
	}
}

// weigh looks at how many entities the next thousand rows belong to, and chooses how to go on.
func (w *walk) weigh(ctx context.Context, last *store.Key) error {
	const rows = 1000
	keys := strings.Join(keyColumns(w.group, ""), ", ")
	after, parameters := w.after(last)
	text := fmt.Sprintf("SELECT count(*), count(DISTINCT (%s)) FROM (SELECT %s FROM %s%s ORDER BY %s LIMIT %d) o",
		keys, keys, w.snapshot.rows(w.group, w.layout), after, keys, rows)
	return w.snapshot.query(ctx, text, parameters, func(row [][]byte) error {
		w.jump = decodeInt64(row[0]) > deepRows*decodeInt64(row[1])
		return nil
	})
}

// after is the condition that a row is of an entity after that one.
func (w *walk) after(last *store.Key) (condition string, parameters [][]byte) {
	if last == nil {
		return "", nil
	}
	places := make([]string, len(last.Values))
	for i, v := range last.Values {
		parameters = append(parameters, appendField(nil, v)[4:])
		places[i] = fmt.Sprintf("$%d::%s", i+1, sqlTypes[w.group.EntityType.JoinKeys[i].ValueType])
		if v.Type() == value.String {
			places[i] += ` COLLATE "C"`
		}
	}
	return fmt.Sprintf(" WHERE (%s) > (%s)", strings.Join(keyColumns(w.group, "o."), ", "), strings.Join(places, ", ")), parameters
}

func (w *walk) page(ctx context.Context, last *store.Key) (*store.Current, error) {
	n, joined := len(w.features), len(w.group.EntityType.JoinKeys)
	page := &store.Current{Group: w.group, Features: w.features, Keys: make([]store.Key, 0, w.size)}
	q := w.snapshot.newLookUp(w.layout, page, nil)
	var open []question
	keys := make([]value.Value, 0, w.size*joined)
	text, parameters := w.query(q, last)
	err := w.snapshot.query(ctx, text, parameters, func(row [][]byte) error {
		if page.Values == nil {
			page.Values, page.Stamps = make([]value.Value, w.size*n), make([]store.Stamp, w.size*n)
		}
		keys = appendKey(keys, w.group, row)
		page.Keys = append(page.Keys, store.NewKey(keys[len(keys)-joined:len(keys):len(keys)]))
		row = row[joined:]
		index, stamp := len(page.Keys)-1, store.Stamp{EventTime: decodeTime(row[0]), IngestID: decodeInt64(row[1])}
		if q.take(index, stamp, row[2:]); q.lacks(index) {
			open = append(open, question{index: index, stamp: stamp})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	page.Values, page.Stamps = page.Values[:len(page.Keys)*n], page.Stamps[:len(page.Keys)*n]
	return page, q.complete(ctx, open)
}

// query gives the newest row of each of the entities after last, as many as make a page.
func (w *walk) query(q *lookUp, last *store.Key) (text string, parameters [][]byte) {
	keys := keyColumns(w.group, "o.")
	var columns []string
	for i, key := range w.group.EntityType.JoinKeys {
		columns = append(columns, keys[i]+"::"+sqlTypes[key.ValueType]) // another statement once the type has changed
	}
	columns = append(columns, "o.event_time", "o.ingest_id")
	columns = append(append(columns, w.layout.observedColumns()...), q.columns...)
	order := strings.Join(keys, ", ")
	table := w.snapshot.rows(w.group, w.layout)
	after, parameters := w.after(last)
	if !w.jump {
		return fmt.Sprintf("SELECT DISTINCT ON (%s) %s FROM %s%s ORDER BY %s, o.event_time DESC, o.ingest_id DESC LIMIT %d",
			order, strings.Join(columns, ", "), table, after, order, w.size), parameters
	}
	names, found := make([]string, len(columns)), make([]string, len(keys))
	for i := range columns {
		names[i] = "c" + strconv.Itoa(i)
	}
	for i := range keys {
		found[i] = "e.c" + strconv.Itoa(i)
	}
	one := func(after string) string {
		return fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s, o.event_time DESC, o.ingest_id DESC LIMIT 1", strings.Join(columns, ", "), table, after, order)
	}
	return fmt.Sprintf("WITH RECURSIVE e(%s) AS ((%s) UNION ALL SELECT n.* FROM e CROSS JOIN LATERAL (%s) n) SELECT * FROM e LIMIT %d",
		strings.Join(names, ", "), one(after), one(fmt.Sprintf(" WHERE (%s) > (%s)", order, strings.Join(found, ", "))), w.size), parameters
}
