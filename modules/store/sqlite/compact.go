package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// retainedSchema came after the first files were made, so it is made wherever it is missing. Times are µs.
const retainedSchema = `CREATE TABLE IF NOT EXISTS __retained (group_id INTEGER PRIMARY KEY, retained_from INTEGER NOT NULL) STRICT;`

// Steps of a compaction: rows that are read in one transaction, which keeps the log from being cut meanwhile, and rows that one removes,
// which is what a write can have to wait for.
const (
	compactRead   = 5000
	compactRemove = 250
)

// Compact reads the group backwards by its index, in a snapshot for each step, and removes between them.
func (o *Offline) Compact(ctx context.Context, group *registry.Group, what store.Compaction, step func(store.Compacted) error) (done store.Compacted, err error) {
	c := &compacting{offline: o, group: group, what: what, sieve: store.NewSieve(group, what)}
	if done, err = c.run(ctx, step); err != nil {
		return done, fmt.Errorf("compacting group %s: %w", group.Name, err)
	}
	if what.Dry || done.Removed() == 0 {
		return done, nil
	}
	if err := o.checkpoint(ctx); err != nil {
		o.options.Log.Warn("the log could not be cut after a compaction; it is tried again after the next bulk work", "error", err)
	}
	return done, nil
}

// compacting is one Compact on its way.
type compacting struct {
	offline *Offline
	group   *registry.Group
	what    store.Compaction
	sieve   *store.Sieve
	table   string           // quoted
	by      map[int64]string // the names under which runs have published to the group
	entity  []driver.Value   // of the last row that was read; nil at first
	at, id  int64            // of that row
	inside  bool             // there may be more rows of the entity
	gone    []store.Unneeded
}

func (c *compacting) run(ctx context.Context, step func(store.Compacted) error) (done store.Compacted, err error) {
	if !c.what.Dry && c.what.RetainFrom != value.NoTime {
		if err := c.offline.writer.do(ctx, single, c.note); err != nil {
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
	remove := func(all []store.Unneeded) (removed store.Compacted, err error) {
		for gone := range slices.Chunk(all, compactRemove) {
			some, err := c.remove(ctx, gone)
			if err != nil {
				return removed, err
			}
			removed.Add(some)
		}
		return removed, nil
	}
	return c.what.Steps(read, remove, step)
}

// note keeps what the group is retained from, before anything older goes.
func (c *compacting) note(conn *conn) error {
	l, err := conn.layoutOf(c.group.ID)
	if err != nil || l == nil {
		return err
	}
	return conn.exec("INSERT INTO __retained (group_id, retained_from) VALUES (?, ?) ON CONFLICT (group_id) DO UPDATE SET retained_from = max(retained_from, excluded.retained_from)",
		c.group.ID, c.what.RetainFrom)
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
	src, err := s.source(c.group, nil)
	if err != nil || src == nil {
		return 0, false, err
	}
	c.table = src.table
	keys := strings.Join(src.keys, ", ")
	text := "SELECT t.ingest_id, t.event_time, t.schema_version, t.presence, t.ingest_time < +? AND (t.run_id IS NULL OR t.run_id < +?), t.run_id, " + keys +
		" FROM " + src.indexed() + " WHERE %s"
	if c.group.Kind == registry.Events {
		text += " AND t.event_time < +?"
	}
	text += src.visible() + " ORDER BY %s LIMIT +?"
	if c.inside {
		rest := fmt.Sprintf(text, src.sameKey()+" AND (t.event_time, t.ingest_id) < (+?, +?)", "t.event_time DESC, t.ingest_id DESC")
		read, err = c.rows(ctx, s.conn, rest, append(slices.Clone(c.entity), c.at, c.id))
		if err != nil || read == compactRead {
			return read, true, err
		}
	}
	where, args := "true", []driver.Value(nil)
	if c.entity != nil {
		where, args = "("+keys+") < ("+strings.Repeat("+?, ", len(src.keys)-1)+"+?)", slices.Clone(c.entity)
	}
	next := fmt.Sprintf(text, where, strings.Join(src.keys, " DESC, ")+" DESC, t.event_time DESC, t.ingest_id DESC")
	found, err := c.rows(ctx, s.conn, next, args)
	c.inside = found == compactRead
	return read + found, c.inside, err
}

// rows looks at the rows of one query.
func (c *compacting) rows(ctx context.Context, conn *conn, text string, args []driver.Value) (read int64, err error) {
	statement, err := conn.prepare(text)
	if err != nil {
		return 0, err
	}
	all := append([]driver.Value{c.what.Settled, c.what.Unsettled}, args...)
	if c.group.Kind == registry.Events {
		all = append(all, c.what.RetainFrom)
	}
	const keys = 6
	dest := make([]driver.Value, keys+len(c.group.EntityType.JoinKeys))
	err = statement.with(append(all, int64(compactRead))...).each(ctx, dest, func() error {
		read++
		c.id, c.at = integer(dest[0]), integer(dest[1])
		if !slices.Equal(c.entity, dest[keys:]) {
			c.entity = append(c.entity[:0:0], dest[keys:]...)
			c.sieve.Entity()
		}
		c.row(dest)
		return nil
	})
	return read, err
}

func (c *compacting) row(dest []driver.Value) {
	if c.group.Kind == registry.Events {
		c.gone = append(c.gone, store.Unneeded{Stored: store.Stored{ID: c.id}, Retired: true})
		return
	}
	var presence []byte
	if named := text(dest[3]); named != "" {
		presence = []byte(named)
	}
	observer := observed(dest[2], dest[3])
	observing := c.sieve.Observing(int(integer(dest[2])), presence, observer.observes)
	if gone, unneeded := c.sieve.Row(c.at, c.id, presence, integer(dest[4]) != 0, c.by[integer(dest[5])], observing); unneeded {
		c.gone = append(c.gone, gone)
	}
}

// remove removes rows in the writer's transaction, which nothing comes between. A row stays if it, or one that stands for it, is not
// what it was: a later compaction looks at it again.
func (c *compacting) remove(ctx context.Context, gone []store.Unneeded) (removed store.Compacted, err error) {
	done, err := c.offline.alter(ctx)
	if err != nil {
		return removed, err
	}
	defer done()
	err = c.offline.writer.do(ctx, bulk, func(conn *conn) error {
		removed = store.Compacted{}
		visible, err := c.visible(conn)
		if err != nil {
			return err
		}
		there := map[store.Stored]bool{}
		for i := range gone {
			ok, err := c.allThere(conn, visible, gone[i].For, there)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if ok, err = conn.row(make([]driver.Value, 1), "DELETE FROM "+c.table+" AS t WHERE t.ingest_id = +?"+visible+" RETURNING 1", gone[i].ID); err != nil {
				return err
			}
			if ok {
				removed.Count(gone[i])
			}
		}
		return nil
	})
	return removed, err
}

// visible is the condition that a row shows, as of the writer's transaction. The table must still be the group's.
func (c *compacting) visible(conn *conn) (string, error) {
	l, err := conn.layoutOf(c.group.ID)
	if err != nil {
		return "", err
	}
	if l == nil || database.Quote(l.table) != c.table {
		return "", store.ErrOutdated
	}
	src := &source{}
	if src.hidden, err = openLoads(conn); err == nil {
		src.taken, err = takenRuns(conn)
	}
	src.taken = slices.DeleteFunc(src.taken, func(t takenRun) bool { return t.group != c.group.ID })
	return src.visible(), err
}

// allThere tells whether rows that stand for others are what they were; there keeps what it found of each.
func (c *compacting) allThere(conn *conn, visible string, rows []store.Stored, there map[store.Stored]bool) (bool, error) {
	dest := make([]driver.Value, 1)
	for _, row := range rows {
		ok, known := there[row]
		if !known {
			found, err := conn.row(dest, "SELECT t.presence FROM "+c.table+" AS t WHERE t.ingest_id = +?"+visible, row.ID)
			if err != nil {
				return false, err
			}
			ok = found && text(dest[0]) == row.Mark
			there[row] = ok
		}
		if !ok {
			return false, nil
		}
	}
	return true, nil
}

// RetainedFrom reads what was noted.
func (s *snapshot) RetainedFrom(_ context.Context, group *registry.Group) (int64, error) {
	dest := make([]driver.Value, 1)
	found, err := s.conn.row(dest, "SELECT retained_from FROM __retained WHERE group_id = +?", group.ID)
	if err != nil {
		return 0, fmt.Errorf("reading what group %s is retained from: %w", group.Name, err)
	}
	if !found {
		return value.NoTime, nil
	}
	return integer(dest[0]), nil
}
