package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// compactStep is how many rows one step of a compaction reads, and removes at most.
const compactStep = 5000

// Compact reads the group by its index, in a snapshot for each step, and removes between them, in transactions that wait for no disk:
// what a crash takes away of them is removed the next time.
func (o *Offline) Compact(ctx context.Context, group *registry.Group, what store.Compaction, step func(store.Compacted) error) (done store.Compacted, err error) {
	c := &compacting{offline: o, group: group, what: what, sieve: store.NewSieve(group, what)}
	if done, err = c.run(ctx, step); err != nil {
		return done, fmt.Errorf("compacting group %s: %w", group.Name, err)
	}
	return done, nil
}

// compacting is one Compact on its way. A row's mark is where it lies, its ctid: an update moves it.
type compacting struct {
	offline *Offline
	group   *registry.Group
	what    store.Compaction
	sieve   *store.Sieve
	table   string           // quoted
	by      map[int64]string // the names under which runs have published to the group
	entity  [][]byte         // the join keys of the last row that was read; nil at first
	at, id  int64            // of that row
	inside  bool             // there may be more rows of the entity
	gone    []store.Unneeded
}

func (c *compacting) run(ctx context.Context, step func(store.Compacted) error) (done store.Compacted, err error) {
	if !c.what.Dry && c.what.RetainFrom != value.NoTime {
		if err := c.note(ctx); err != nil {
			return done, err
		}
	}
	if c.by, err = c.offline.publishers(ctx, c.group); err != nil {
		return done, err
	}
	read := func() (int64, []store.Unneeded, bool, error) {
		rows, more, err := c.read(ctx)
		return rows, c.gone, more, err
	}
	return c.what.Steps(read, func(gone []store.Unneeded) (store.Compacted, error) { return c.remove(ctx, gone) }, step)
}

// note keeps what the group is retained from, before anything older goes.
func (c *compacting) note(ctx context.Context) error {
	o := c.offline
	_, err := o.writers.Exec(ctx, "INSERT INTO "+o.table("__retained")+" AS r (group_id, retained_from) SELECT group_id, $2 FROM "+o.table("__layouts")+
		" WHERE group_id = $1 ON CONFLICT (group_id) DO UPDATE SET retained_from = greatest(r.retained_from, excluded.retained_from)", c.group.ID, c.what.RetainFrom)
	return err
}

// read looks at the next rows.
func (c *compacting) read(ctx context.Context) (read int64, more bool, err error) {
	c.gone = c.gone[:0]
	opened, err := c.offline.Snapshot(ctx)
	if err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	s := opened.(*snapshot)
	l, err := s.layout(ctx, c.group)
	if err != nil || l.table == "" {
		return 0, false, err
	}
	c.table = c.offline.table(l.table)
	if c.inside {
		read, err = c.rows(ctx, s, true)
		if err != nil || read == compactStep {
			return read, true, err
		}
	}
	found, err := c.rows(ctx, s, false)
	c.inside = found == compactStep
	return read + found, c.inside, err
}

// rows looks at the rest of the last row's entity, or at the entities after it.
func (c *compacting) rows(ctx context.Context, s *snapshot, rest bool) (read int64, err error) {
	text, parameters := c.query(rest)
	keys := len(c.group.EntityType.JoinKeys)
	err = s.query(ctx, text, parameters, func(row [][]byte) error {
		read++
		if !sameEntity(c.entity, row[:keys]) {
			c.entity = make([][]byte, keys)
			for i := range keys {
				c.entity[i] = bytes.Clone(row[i])
			}
			c.sieve.Entity()
		}
		c.at, c.id = decodeTime(row[keys]), decodeInt64(row[keys+1])
		c.row(row[keys+2:])
		return nil
	})
	return read, err
}

// query is in the order of the index.
func (c *compacting) query(rest bool) (text string, parameters [][]byte) {
	place := func(parameter []byte) string {
		parameters = append(parameters, parameter)
		return "$" + strconv.Itoa(len(parameters))
	}
	long := func(i int64) string { return place(appendInt64(nil, i)) + "::bigint" }
	keys := keyColumns(c.group, "o.")
	settled := "o.ingest_time < " + place(appendInt64(nil, timestamp(c.what.Settled))) + "::timestamptz AND (o.run_id IS NULL OR o.run_id < " + long(c.what.Unsettled) + ")"
	columns := append(keys[:len(keys):len(keys)], "o.event_time", "o.ingest_id", "o.ctid", "o.schema_version", "o.presence", settled, "coalesce(o.run_id, 0)")
	var conditions []string
	if c.entity != nil {
		last := make([]string, len(keys))
		for i, k := range c.group.EntityType.JoinKeys {
			last[i] = place(c.entity[i]) + "::" + sqlTypes[k.ValueType]
			if k.ValueType == value.String {
				last[i] += ` COLLATE "C"`
			}
		}
		entity, before := "("+strings.Join(keys, ", ")+")", "("+strings.Join(last, ", ")+")"
		if rest {
			conditions = append(conditions, entity+" = "+before,
				"(o.event_time, o.ingest_id) < ("+place(appendInt64(nil, timestamp(c.at)))+"::timestamptz, "+long(c.id)+")")
		} else {
			conditions = append(conditions, entity+" > "+before)
		}
	}
	if c.group.Kind == registry.Events {
		conditions = append(conditions, "o.event_time < "+place(appendInt64(nil, timestamp(c.what.RetainFrom)))+"::timestamptz")
	}
	text = "SELECT " + strings.Join(columns, ", ") + " FROM " + c.table + " o"
	if len(conditions) > 0 {
		text += " WHERE " + strings.Join(conditions, " AND ")
	}
	return text + " ORDER BY " + strings.Join(keys, ", ") + ", o.event_time DESC, o.ingest_id DESC LIMIT " + strconv.Itoa(compactStep), parameters
}

func sameEntity(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// row takes what stands behind the ingest id: ctid, schema version, presence, whether it is settled, and the run.
func (c *compacting) row(row [][]byte) {
	if c.group.Kind == registry.Events {
		c.gone = append(c.gone, store.Unneeded{Stored: store.Stored{ID: c.id, Mark: string(row[0])}, Retired: true})
		return
	}
	o := storedObservation(row[1], row[2])
	observing := c.sieve.Observing(o.version, o.presence, func(f *registry.Feature) bool { return o.observes(f, nil) })
	if gone, unneeded := c.sieve.Row(c.at, c.id, row[0], row[3][0] != 0, c.by[decodeInt64(row[4])], observing); unneeded {
		c.gone = append(c.gone, gone)
	}
}

// remove removes rows in one transaction. It holds the lock by which the group's removals follow each other, so none comes between the
// look at the rows that stand for others and the commit. A row stays if it, or one that stands for it, is not where it was: a later
// compaction looks at it again.
func (c *compacting) remove(ctx context.Context, unneeded []store.Unneeded) (removed store.Compacted, err error) {
	o := c.offline
	err = o.inTransaction(ctx, "removing rows", func(tx pgx.Tx) error {
		removed = store.Compacted{}
		// The table first, as a removal has it.
		for _, text := range []string{"SET LOCAL synchronous_commit = off", "LOCK TABLE " + c.table + " IN ROW EXCLUSIVE MODE"} {
			if _, err := tx.Exec(ctx, text); err != nil {
				return writeError(err)
			}
		}
		removals := o.table("__removals")
		if _, err := tx.Exec(ctx, "INSERT INTO "+removals+" (group_id, last, forgotten) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING", c.group.ID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT FROM "+removals+" WHERE group_id = $1 FOR UPDATE", c.group.ID); err != nil {
			return err
		}
		there, err := c.there(ctx, tx, unneeded)
		if err != nil {
			return err
		}
		var ids []int64
		var places []pgtype.TID
		leaving := map[int64]store.Unneeded{}
		for i := range unneeded {
			if gone := &unneeded[i]; allThere(gone.For, there) {
				ids, places = append(ids, gone.ID), append(places, placeOfMark(gone.Mark))
				leaving[gone.ID] = *gone
			}
		}
		rows, err := tx.Query(ctx, "DELETE FROM "+c.table+" WHERE ctid = ANY ($1) AND ingest_id = ANY ($2) RETURNING ingest_id", places, ids)
		if err != nil {
			return err
		}
		var id int64
		_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
			removed.Count(leaving[id])
			return nil
		})
		return err
	})
	return removed, err
}

// there finds those of the rows that stand for others which are where they were.
func (c *compacting) there(ctx context.Context, tx pgx.Tx, unneeded []store.Unneeded) (map[store.Stored]bool, error) {
	wanted := map[store.Stored]bool{}
	var ids []int64
	var places []pgtype.TID
	for i := range unneeded {
		for _, row := range unneeded[i].For {
			if !wanted[row] {
				wanted[row] = true
				ids, places = append(ids, row.ID), append(places, placeOfMark(row.Mark))
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, "SELECT ctid, ingest_id FROM "+c.table+" WHERE ctid = ANY ($1) AND ingest_id = ANY ($2)", places, ids)
	if err != nil {
		return nil, err
	}
	there := make(map[store.Stored]bool, len(ids))
	var place pgtype.TID
	var id int64
	_, err = pgx.ForEachRow(rows, []any{&place, &id}, func() error {
		mark := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(nil, place.BlockNumber), place.OffsetNumber)
		there[store.Stored{ID: id, Mark: string(mark)}] = true
		return nil
	})
	return there, err
}

func allThere(rows []store.Stored, there map[store.Stored]bool) bool {
	for _, row := range rows {
		if !there[row] {
			return false
		}
	}
	return true
}

func placeOfMark(mark string) pgtype.TID {
	b := []byte(mark)
	return pgtype.TID{BlockNumber: binary.BigEndian.Uint32(b), OffsetNumber: binary.BigEndian.Uint16(b[4:]), Valid: true}
}

// RetainedFrom reads what was noted.
func (s *snapshot) RetainedFrom(ctx context.Context, group *registry.Group) (from int64, err error) {
	from = value.NoTime
	err = s.query(ctx, "SELECT retained_from FROM "+s.offline.table("__retained")+" WHERE group_id = $1", [][]byte{appendInt64(nil, group.ID)}, func(row [][]byte) error {
		from = decodeInt64(row[0])
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("reading what group %s is retained from: %w", group.Name, err)
	}
	return from, nil
}
