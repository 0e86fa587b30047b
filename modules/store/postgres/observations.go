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

// Observations streams rows as the server gives them. Each batch is new memory, which the caller may keep; ingest times are
// always there. The Rows carry of.Run.
func (s *snapshot) Observations(ctx context.Context, group *registry.Group, features []*registry.Feature, of store.Range, yield func(*store.Rows) error) error {
	l, err := s.layout(ctx, group)
	if err == nil && l.table != "" {
		err = s.observations(ctx, l, group, features, of, yield)
	}
	if err != nil {
		return fmt.Errorf("reading group %s: %w", group.Name, err)
	}
	return nil
}

func (s *snapshot) observations(ctx context.Context, l layout, group *registry.Group, features []*registry.Feature, of store.Range, yield func(*store.Rows) error) error {
	text, parameters, err := s.observationsQuery(l, group, features, of)
	if err != nil {
		return err
	}
	b := &batcher{group: group, features: features, run: of.Run, yield: yield}
	err = s.queryOnce(ctx, text, parameters, b.add)
	if err != nil {
		return err
	}
	return b.flush()
}

// observationsQuery puts bounds into the text as numbers, since a plan for unknown bounds would not know which index pays.
func (s *snapshot) observationsQuery(l layout, group *registry.Group, features []*registry.Feature, of store.Range) (text string, parameters [][]byte, err error) {
	columns := append(keyColumns(group, "o."), "o.event_time", "o.ingest_id", "o.ingest_time", "o.schema_version", "o.presence")
	for _, feature := range features {
		columns = append(columns, l.column(feature))
	}
	var conditions []string
	if of.Key != nil {
		for i, column := range keyColumns(group, "o.") {
			parameters = append(parameters, appendField(nil, of.Key.Values[i])[4:])
			conditions = append(conditions, fmt.Sprintf("%s = $%d::%s", column, i+1, sqlTypes[group.EntityType.JoinKeys[i].ValueType]))
		}
	}
	if of.From != nil {
		conditions = append(conditions, "o.event_time >= "+timeLiteral(*of.From))
	}
	if of.To != nil {
		conditions = append(conditions, "o.event_time < "+timeLiteral(*of.To))
	}
	if of.After != "" {
		position, err := strconv.ParseUint(string(of.After), 10, 63)
		if err != nil {
			return "", nil, fmt.Errorf("%q is no position of this store: %w", of.After, err)
		}
		conditions = append(conditions, fmt.Sprintf("o.ingest_xid >= %d", position))
	}
	if of.Run != 0 {
		conditions = append(conditions, fmt.Sprintf("o.run_id = %d", of.Run))
	}
	text = "SELECT " + strings.Join(columns, ", ") + " FROM " + s.rows(group, l)
	if len(conditions) > 0 {
		text += " WHERE " + strings.Join(conditions, " AND ")
	}
	switch {
	case of.Ordered && of.Oldest: // the index backwards
		text += " ORDER BY " + strings.Join(keyColumns(group, "o."), " DESC, ") + " DESC, o.event_time, o.ingest_id"
	case of.Ordered:
		text += " ORDER BY " + strings.Join(keyColumns(group, "o."), ", ") + ", o.event_time DESC, o.ingest_id DESC"
	case of.Key != nil:
		text += " ORDER BY o.event_time DESC, o.ingest_id DESC"
	case of.After != "":
		text += " ORDER BY o.ingest_xid" // a snapshot does not sort: this is the index, also in a table without statistics
	case of.Limit == 0:
		text += " ORDER BY o.ingest_id" // on disk: no index has this order
	}
	if of.Limit != 0 {
		text += fmt.Sprintf(" LIMIT %d", of.Limit)
	}
	return text, parameters, nil
}

// timeLiteral is a time as SQL, exact to the microsecond.
func timeLiteral(us int64) string {
	switch t := timestamp(us); {
	case t == timestamp(value.NoTime):
		return "timestamptz '-infinity'"
	case t == timestamp(1<<63-1):
		return "timestamptz 'infinity'"
	default:
		return fmt.Sprintf("timestamptz '2000-01-01 00:00:00+00' + interval '%d us'", t)
	}
}

// batchValues is about how many values a batch holds.
const batchValues = 20_000

// batchRows is how many rows of so many features make a batch.
func batchRows(features int) int { return min(max(batchValues/(features+1), 50), 5000) }

// batcher collects a result's rows into batches.
type batcher struct {
	group    *registry.Group
	features []*registry.Feature
	run      int64
	yield    func(*store.Rows) error

	rows *store.Rows
	keys []value.Value
}

func (b *batcher) add(row [][]byte) error {
	size, joined := batchRows(len(b.features)), len(b.group.EntityType.JoinKeys)
	if b.rows == nil {
		b.rows = &store.Rows{Group: b.group, Features: b.features, Run: b.run, Keys: make([]store.Key, 0, size),
			EventTimes: make([]int64, 0, size), IngestIDs: make([]int64, 0, size), IngestTimes: make([]int64, 0, size),
			Values: make([]value.Value, 0, size*len(b.features))}
		b.keys = make([]value.Value, 0, size*joined)
	}
	rows := b.rows
	b.keys = appendKey(b.keys, b.group, row)
	rows.Keys = append(rows.Keys, store.NewKey(b.keys[len(b.keys)-joined:len(b.keys):len(b.keys)]))
	row = row[joined:]
	rows.EventTimes = append(rows.EventTimes, decodeTime(row[0]))
	rows.IngestIDs = append(rows.IngestIDs, decodeInt64(row[1]))
	rows.IngestTimes = append(rows.IngestTimes, decodeTime(row[2]))
	found := storedObservation(row[3], row[4])
	for j, feature := range b.features {
		v := value.Value{}
		if found.observes(feature, row[5+j]) {
			v = decode(feature.ValueType, row[5+j])
		}
		rows.Values = append(rows.Values, v)
	}
	if len(rows.Keys) == size {
		return b.flush()
	}
	return nil
}

func (b *batcher) flush() error {
	rows := b.rows
	if rows == nil {
		return nil
	}
	b.rows = nil
	return b.yield(rows)
}

// appendKey decodes the join keys that a row begins with.
func appendKey(into []value.Value, group *registry.Group, row [][]byte) []value.Value {
	for i, key := range group.EntityType.JoinKeys {
		into = append(into, decode(key.ValueType, row[i]))
	}
	return into
}
