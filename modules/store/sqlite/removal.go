package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// takenRun is a run whose rows were taken back and are still in the table.
type takenRun struct{ group, run int64 }

func takenRuns(c *conn) (runs []takenRun, err error) {
	dest := make([]driver.Value, 2)
	err = c.each(dest, func() error {
		runs = append(runs, takenRun{integer(dest[0]), integer(dest[1])})
		return nil
	}, "SELECT group_id, run_id FROM __removed WHERE run_id IS NOT NULL")
	return runs, err
}

// Remove takes one entity's rows out of the table with its commit. A run's rows, of which there may be millions, are only hidden by it:
// ForgetRemovals removes them.
func (o *Offline) Remove(ctx context.Context, group *registry.Group, what store.Selection) (store.Removed, error) {
	r := &removing{group: group, what: what}
	done, err := o.alter(ctx)
	if err != nil {
		return store.Removed{}, fmt.Errorf("taking back rows of group %s: %w", group.Name, err)
	}
	defer done()
	if what.Run != 0 {
		err = o.removeRun(ctx, r)
	} else {
		err = o.writer.do(ctx, single, r.entity)
	}
	if err != nil {
		return store.Removed{}, fmt.Errorf("taking back rows of group %s: %w", group.Name, err)
	}
	return r.removed, nil
}

// removeRun is Remove of a run. Where nothing of it is stored, entries of the quarantine may be replayed until they are gone: then it is looked
// for rows once more.
func (o *Offline) removeRun(ctx context.Context, r *removing) error {
	if err := o.writer.do(ctx, single, func(*conn) error { o.closed[r.what.Run] = true; return nil }); err != nil {
		return err
	}
	for quarantined := int64(0); ; {
		removed, noted, err := o.removableRun(ctx, r)
		if err != nil {
			return err
		}
		r.removed = removed
		released := int64(0)
		err = o.writer.do(ctx, alone, func(c *conn) (err error) {
			if removed.Any() && !noted {
				if err := r.run(c); err != nil {
					return err
				}
			}
			if err := r.unpublish(c); err != nil {
				return err
			}
			released, err = r.releaseRun(c)
			return err
		})
		if err == nil && released > 0 {
			o.removeRevertedLater(takenRun{r.group.ID, r.what.Run})
		}
		quarantined += r.removed.Quarantined
		r.removed.Quarantined = quarantined
		if err != nil || removed.Any() || released == 0 {
			return err
		}
	}
}

// removableRun counts a run's rows, those too that were taken back and are still there: noted.
func (o *Offline) removableRun(ctx context.Context, r *removing) (removed store.Removed, noted bool, err error) {
	opened, err := o.Snapshot(ctx)
	if err != nil {
		return removed, false, err
	}
	s := opened.(*snapshot)
	before := s.taken
	s.taken = slices.DeleteFunc(slices.Clone(before), func(t takenRun) bool { return t == takenRun{r.group.ID, r.what.Run} })
	removed, err = s.removableOf(ctx, r)
	return removed, len(s.taken) < len(before), errors.Join(err, s.Close())
}

// Removable reads the whole table for a run, and the index for an entity.
func (s *snapshot) Removable(ctx context.Context, group *registry.Group, what store.Selection) (removed store.Removed, err error) {
	return s.removableOf(ctx, &removing{group: group, what: what, dry: true})
}

// removableOf is Removable, and of a run also between which event times lie its rows.
func (s *snapshot) removableOf(ctx context.Context, r *removing) (removed store.Removed, err error) {
	src, err := s.source(r.group, nil)
	if err != nil || src == nil {
		return removed, err
	}
	if r.what.Run == 0 {
		err = r.entity(s.conn)
		return r.removed, err
	}
	statement, err := s.conn.prepare(fmt.Sprintf("SELECT sum(n), count(*), min(least), max(latest) FROM "+
		"(SELECT count(*) AS n, min(t.event_time) AS least, max(t.event_time) AS latest FROM %s AS t NOT INDEXED WHERE t.run_id = +?%s GROUP BY %s)",
		src.table, src.visible(), strings.Join(src.keys, ", ")))
	if err != nil {
		return removed, err
	}
	dest := make([]driver.Value, 4)
	err = statement.with(r.what.Run).each(ctx, dest, func() error {
		removed.Rows, removed.Entities, r.least, r.latest = integer(dest[0]), integer(dest[1]), integer(dest[2]), integer(dest[3])
		return nil
	})
	if err != nil {
		return removed, err
	}
	hidden, err := hiddenEntries(s.conn, "")
	if err != nil {
		return removed, err
	}
	_, err = s.conn.row(dest[:1], "SELECT count(*) FROM __quarantine WHERE "+ofRun+" AND state = 'waiting'"+hidden, r.what.Run, r.group.ID)
	removed.Quarantined = integer(dest[0])
	return removed, err
}

// removing is one call of Remove, or the count of what it would do.
type removing struct {
	group   *registry.Group
	what    store.Selection
	dry     bool
	removed store.Removed

	least, latest int64 // event times of what is removed, µs
}

// run notes that a run's rows do not count any more.
func (r *removing) run(c *conn) error {
	noted, err := c.row(make([]driver.Value, 1), "SELECT 1 FROM __removed WHERE group_id = +? AND run_id = +?", r.group.ID, r.what.Run)
	if err != nil || noted { // another call was first
		return err
	}
	number, err := nextRemoval(c, r.group)
	if err != nil {
		return err
	}
	if err := c.exec("INSERT INTO __removed (group_id, number, run_id) VALUES (?, ?, ?)", r.group.ID, number, r.what.Run); err != nil {
		return err
	}
	return noteTimes(c, r.group, number, r.least, r.latest)
}

// nextRemoval gives a removal its number.
func nextRemoval(c *conn, group *registry.Group) (int64, error) {
	dest := make([]driver.Value, 1)
	_, err := c.row(dest, "INSERT INTO __removals (group_id, last, forgotten) VALUES (?, 1, 0) ON CONFLICT (group_id) DO UPDATE SET last = last + 1 RETURNING last", group.ID)
	return integer(dest[0]), err
}

// observedRow is a row that may be narrowed.
type observedRow struct{ id, version, presence, at, run driver.Value }

// entity removes or narrows one entity's rows.
func (r *removing) entity(c *conn) error {
	r.removed = store.Removed{}
	if err := r.release(c); err != nil {
		return err
	}
	l, err := c.layoutOf(r.group.ID)
	if err != nil || l == nil {
		return err
	}
	if l.version > r.group.SchemaVersion {
		return fmt.Errorf("group %s, version %d: %w", r.group.Name, r.group.SchemaVersion, store.ErrOutdated)
	}
	if !l.keyedAs(r.group) {
		return nil
	}
	rows, err := r.rows(c, l)
	if err != nil {
		return err
	}
	var ids []int64
	r.least, r.latest = math.MaxInt64, math.MinInt64
	for _, row := range rows {
		changed, err := r.row(c, l, row)
		if err != nil {
			return err
		}
		if changed {
			ids = append(ids, integer(row.id))
			r.least, r.latest = min(r.least, integer(row.at)), max(r.latest, integer(row.at))
			r.removed.Runs = store.WithRun(r.removed.Runs, integer(row.run))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	r.removed.Entities = 1
	if r.dry {
		return nil
	}
	number, err := nextRemoval(c, r.group)
	if err != nil {
		return err
	}
	err = c.exec("INSERT INTO __removed (group_id, number, entity, ids) VALUES (?, ?, ?, ?)",
		r.group.ID, number, appendSortKey(nil, r.what.Key.Values, 0), packIntegers(ids))
	if err == nil {
		err = noteTimes(c, r.group, number, r.least, r.latest)
	}
	if err != nil || r.what.UpTo {
		return err
	}
	return noteRetraction(c, store.Retraction{Group: r.group.ID, Number: number, At: r.what.At, Runs: r.removed.Runs})
}

// compared is how event times of rows that are selected relate to the selection's.
func compared(what store.Selection) string {
	if what.UpTo {
		return "<="
	}
	return "="
}

// rows reads the entity's rows of the event times that show.
func (r *removing) rows(c *conn, l *layout) (rows []observedRow, err error) {
	src, args, err := r.source(c, l)
	if err != nil {
		return nil, err
	}
	dest := make([]driver.Value, 5)
	err = c.each(dest, func() error {
		rows = append(rows, observedRow{dest[0], dest[1], dest[2], dest[3], dest[4]})
		return nil
	}, fmt.Sprintf("SELECT t.ingest_id, t.schema_version, t.presence, t.event_time, t.run_id FROM %s WHERE %s AND t.event_time %s +?%s", src.indexed(), src.sameKey(), compared(r.what), src.visible()),
		append(args, r.what.At)...)
	return rows, err
}

// row removes or narrows one row; changed is false for one that observes nothing of what goes.
func (r *removing) row(c *conn, l *layout, row observedRow) (changed bool, err error) {
	table := database.Quote(l.table)
	var rest []uint16
	if r.what.Features != nil {
		o := observed(row.version, row.presence)
		if rest, changed = store.Rest(r.group, r.what.Features, o.observes); !changed {
			return false, nil
		}
	}
	if len(rest) == 0 {
		r.removed.Rows++
		if r.dry {
			return true, nil
		}
		return true, c.exec("DELETE FROM "+table+" WHERE ingest_id = +?", row.id)
	}
	r.removed.Narrowed++
	if r.dry {
		return true, nil
	}
	set, presence := "", "."
	for _, ordinal := range rest {
		presence += strconv.Itoa(int(ordinal)) + "."
	}
	for _, f := range r.what.Features {
		for _, column := range []string{f.Column, f.Widened} {
			if name := featureColumn(r.group, column); column != "" && l.has(name) {
				set += ", " + database.Quote(name) + " = NULL"
			}
		}
	}
	return true, c.exec("UPDATE "+table+" SET presence = ?"+set+" WHERE ingest_id = +?", presence, row.id)
}

// Removals reads the numbers of all groups.
func (s *snapshot) Removals(context.Context) (map[int64]store.Removals, error) {
	all, dest := map[int64]store.Removals{}, make([]driver.Value, 3)
	err := s.conn.each(dest, func() error {
		all[integer(dest[0])] = store.Removals{Last: integer(dest[1]), Forgotten: integer(dest[2])}
		return nil
	}, "SELECT group_id, last, forgotten FROM __removals")
	if err != nil {
		return nil, fmt.Errorf("reading the removals: %w", err)
	}
	return all, nil
}

// takenBatch is how many entities are yielded at once.
const takenBatch = 500

// Taken reads the notes of entities, then the rows of the runs.
func (s *snapshot) Taken(ctx context.Context, group *registry.Group, after int64, yield func([]store.Taken) error) error {
	t := &taking{yield: yield}
	var runs []int64
	dest := make([]driver.Value, 3)
	err := s.conn.each(dest, func() error {
		if run, ok := dest[0].(int64); ok {
			runs = append(runs, run)
			return nil
		}
		key, _ := dest[1].([]byte)
		ids, _ := dest[2].([]byte)
		entity, _ := cutSortKey(key)
		return t.add(store.Taken{Key: keyOf(splitSortKey(nil, entity, group.EntityType.JoinKeys)), IDs: unpackIntegers(ids)})
	}, "SELECT run_id, entity, ids FROM __removed WHERE group_id = +? AND number > +? ORDER BY number", group.ID, after)
	for i := 0; i < len(runs) && err == nil; i++ {
		err = s.takenOf(ctx, group, runs[i], t)
	}
	if err == nil {
		err = t.flush()
	}
	if err != nil {
		return fmt.Errorf("reading what was taken back from group %s: %w", group.Name, err)
	}
	return nil
}

// takenOf reads the rows of a run. Those of a load are in the order of their entities.
func (s *snapshot) takenOf(ctx context.Context, group *registry.Group, run int64, t *taking) error {
	src, err := s.source(group, nil)
	if err != nil || src == nil {
		return err
	}
	statement, err := s.conn.prepare(fmt.Sprintf("SELECT t.ingest_id, %s FROM %s AS t NOT INDEXED WHERE t.run_id = +? ORDER BY t.ingest_id", strings.Join(src.keys, ", "), src.table))
	if err != nil {
		return err
	}
	dest := make([]driver.Value, 1+len(src.keys))
	var last store.Taken
	err = statement.with(run).each(ctx, dest, func() error {
		key := keyOf(dest[1:])
		if last.IDs != nil && last.Key.Encoded == key.Encoded {
			last.IDs = append(last.IDs, integer(dest[0]))
			return nil
		}
		done := last
		last = store.Taken{Key: key, IDs: []int64{integer(dest[0])}}
		return t.add(done)
	})
	if err != nil {
		return err
	}
	return t.add(last)
}

// taking collects batches.
type taking struct {
	yield func([]store.Taken) error
	batch []store.Taken
}

func (t *taking) add(taken store.Taken) error {
	if taken.IDs == nil {
		return nil
	}
	if t.batch = append(t.batch, taken); len(t.batch) < takenBatch {
		return nil
	}
	return t.flush()
}

func (t *taking) flush() error {
	batch := t.batch
	t.batch = nil
	if len(batch) == 0 {
		return nil
	}
	return t.yield(batch)
}
