package store

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// keyColumns says which spine columns are the join keys of an entity type.
type keyColumns struct {
	entityType *registry.EntityType
	at         []int
}

func (j *join) read(ctx context.Context, out chan<- *chunk) error {
	c, sent, size := j.newChunk(0), false, firstChunkRows
	send := func() error {
		select {
		case out <- c:
			c, sent, size = j.newChunk(c.rows), true, 2*size
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		batch, err := j.spine.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := j.take(c, batch); err != nil {
			return err
		}
		if size = min(size, j.together); c.rows >= size {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if j.columns == nil {
		return fault.New(fault.Invalid, "empty-body", "the spine is empty: send at least a header with the join keys and a time column").At("body", "", "is empty")
	}
	if c.rows == 0 && sent {
		return nil
	}
	return send() // a header without rows is answered with a header without rows
}

// foresee looks at all times of a spine where some can lie before what is retained, so that the answer says so in place of its rows: what is
// found after the first of them can only break it off.
func (j *join) foresee(ctx context.Context) error {
	if j.kept.group == "" || j.request.Again == nil {
		return nil
	}
	ahead := &join{request: j.request, shares: j.shares}
	for c := ahead.newChunk(0); ; c = ahead.newChunk(len(c.times)) {
		batch, err := j.spine.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = ahead.take(c, batch)
		}
		if err == nil {
			err = j.kept.reach(c.times...)
		}
		if err != nil {
			return err
		}
	}
	var err error
	j.spine, err = j.request.Again()
	return err
}

func (j *join) newChunk(capacity int) *chunk {
	c := &chunk{keys: map[string][]Key{}, times: make([]int64, 0, capacity)}
	for _, k := range j.keys {
		c.keys[k.entityType.Name] = make([]Key, 0, capacity)
	}
	return c
}

// take checks a batch of the spine and copies it into a chunk.
func (j *join) take(c *chunk, batch *table.Batch) error {
	if len(batch.Bad) > 0 {
		b := batch.Bad[0]
		return badSpine().At(rowPlace(b.Number, b.Column), b.Value, "%s", b.Reason)
	}
	if j.columns == nil {
		if err := j.bind(batch); err != nil {
			return err
		}
	}
	if len(batch.Columns) > len(j.columns) {
		name := batch.Columns[len(j.columns)]
		return badSpine().At(rowPlace(batch.FirstRow, name), "", "the first rows have no member %q: give every row the same members", name)
	}
	for r := range batch.Rows {
		row := batch.Row(r)
		t, err := row[j.time].Value(value.Timestamp, j.request.Zone)
		if err != nil {
			return badSpine().At(rowPlace(batch.Number(r), j.columns[j.time]), row[j.time].Display(), "%s", err)
		}
		if t.IsAbsent() || t.IsNull() {
			return badSpine().At(rowPlace(batch.Number(r), j.columns[j.time]), "", "every row needs a time")
		}
		c.times = append(c.times, t.Time())
		for _, k := range j.keys {
			key, err := k.of(row)
			if err != nil {
				return badSpine().At(rowPlace(batch.Number(r), k.names()), "", "%s", err)
			}
			c.keys[k.entityType.Name] = append(c.keys[k.entityType.Name], key)
		}
	}
	c.cells = append(c.cells, batch.Cells[:batch.Rows*len(batch.Columns)]...)
	c.rows += batch.Rows
	return nil
}

func badSpine() *fault.Error {
	return fault.New(fault.Unprocessable, "invalid-spine", "the spine is not valid: every row needs its join keys and a time")
}

// bind finds the time column and the join keys among the spine's columns.
func (j *join) bind(batch *table.Batch) error {
	columns := slices.Clone(batch.Columns)
	j.columns = columns
	for i := range columns {
		j.typed = append(j.typed, batch.Column(i))
	}
	var err error
	if j.time, err = TimeColumn(columns, j.request.TimeColumn); err != nil {
		return err
	}
	if j.time < 0 {
		return badSpine().At("columns", "", "there is no time column: name it event_time, or say which one it is with time_column=")
	}
	for _, sh := range j.shares {
		et := sh.group.EntityType
		if slices.ContainsFunc(j.keys, func(k keyColumns) bool { return k.entityType.Name == et.Name }) {
			continue
		}
		k := keyColumns{entityType: et}
		for _, joinKey := range et.JoinKeys {
			at := slices.Index(columns, joinKey.Name)
			if at < 0 {
				return badSpine().At("columns", "", "there is no column %q, a join key of %s, which %s needs", joinKey.Name, et.Name, sh.group.Name)
			}
			k.at = append(k.at, at)
		}
		j.keys = append(j.keys, k)
	}
	j.together = j.rowsTogether()
	if j.request.Typed {
		j.retype()
	}
	for _, column := range j.outColumns()[len(columns):] {
		if slices.Contains(columns, column.Name) {
			return fault.New(fault.Conflict, "column-taken",
				"the spine has a column %q already, and the answer would have a second one: rename it, or ask with full_feature_names=true", column.Name).
				At("column "+column.Name, "", "has the name of a feature that is asked for")
		}
	}
	return nil
}

// TimeColumn finds the time column: the one that was named, else event_time, else event_timestamp; -1 if there is none and none was
// named.
func TimeColumn(columns []string, named string) (int, error) {
	if named != "" {
		at := slices.Index(columns, named)
		if at < 0 {
			return -1, fault.New(fault.Unprocessable, "unknown-column", "there is no column %q, which time_column names", named).
				At("query.time_column", named, "is no column of the table")
		}
		return at, nil
	}
	if at := slices.Index(columns, "event_time"); at >= 0 {
		return at, nil
	}
	return slices.Index(columns, "event_timestamp"), nil
}

func (k *keyColumns) of(row []table.Cell) (Key, error) {
	values := make([]value.Value, len(k.at))
	for i, at := range k.at {
		v, err := keyValue(k.entityType.JoinKeys[i], row[at])
		if err != nil {
			return Key{}, err
		}
		values[i] = v
	}
	return NewKey(values), nil
}

func (k *keyColumns) names() string {
	names := make([]string, len(k.entityType.JoinKeys))
	for i, key := range k.entityType.JoinKeys {
		names[i] = key.Name
	}
	return strings.Join(names, ",")
}
