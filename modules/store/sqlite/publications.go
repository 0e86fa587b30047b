package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// publicationsSchema is the record of what pipelines published, which came after the first files were made, so that it is made wherever it is missing. __published has
// each tick's latest publication; own says that all rows of the tick are of that run. __publications has each publication with its ticks, 8 bytes
// big-endian each and none once its run was removed, and the ids that its rows are among, and in the same form each row that was replayed from quarantine since. __removal_times
// says of each removal between which event times lay what it took. Times are µs.
const publicationsSchema = `
CREATE TABLE IF NOT EXISTS __published (group_id INTEGER NOT NULL, name TEXT NOT NULL, tick INTEGER NOT NULL, run_id INTEGER NOT NULL, version INTEGER NOT NULL,
	rows INTEGER NOT NULL, own INTEGER NOT NULL, source TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (group_id, name, tick)) STRICT;
CREATE TABLE IF NOT EXISTS __publications (number INTEGER PRIMARY KEY, group_id INTEGER NOT NULL, name TEXT NOT NULL, run_id INTEGER NOT NULL,
	first_id INTEGER NOT NULL, last_id INTEGER NOT NULL, ticks BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS __publications_by_name ON __publications (group_id, name);
CREATE INDEX IF NOT EXISTS __publications_by_run ON __publications (run_id, group_id);
CREATE TABLE IF NOT EXISTS __removal_times (group_id INTEGER NOT NULL, number INTEGER NOT NULL, least INTEGER NOT NULL, latest INTEGER NOT NULL,
	PRIMARY KEY (group_id, number)) STRICT;`

// among tells whether a tick is one of some, which ascend.
func among(ticks []int64, tick int64) bool {
	_, found := slices.BinarySearch(ticks, tick)
	return found
}

// publication is what brought rows to some ticks.
type publication struct {
	run, first, last int64 // ingest ids
	ticks            []int64
}

// publicationsOf reads those of a name that have some of the ticks.
func publicationsOf(c *conn, group int64, name string, ticks []int64) (found []publication, err error) {
	dest := make([]driver.Value, 4)
	err = c.each(dest, func() error {
		p := publication{integer(dest[0]), integer(dest[1]), integer(dest[2]), unpackIntegers(bytesIn(dest[3]))}
		if slices.ContainsFunc(p.ticks, func(tick int64) bool { return among(ticks, tick) }) {
			found = append(found, p)
		}
		return nil
	}, "SELECT run_id, first_id, last_id, ticks FROM __publications WHERE group_id = +? AND name = +? ORDER BY first_id", group, name)
	return found, err
}

// Published reads what was committed last.
func (o *Offline) Published(ctx context.Context, group *registry.Group, name string, of store.TickRange) (found []store.PublishedTick, err error) {
	query := "SELECT tick, run_id, version, rows, source, at FROM __published WHERE group_id = +? AND name = +?"
	args := []driver.Value{group.ID, name}
	if of.From != nil {
		query, args = query+" AND tick >= +?", append(args, *of.From)
	}
	if of.To != nil {
		query, args = query+" AND tick <= +?", append(args, *of.To)
	}
	dest := make([]driver.Value, 6)
	err = o.reading(ctx, func(c *conn) error {
		return c.each(dest, func() error {
			found = append(found, store.PublishedTick{Tick: integer(dest[0]), Run: integer(dest[1]), Version: integer(dest[2]), Rows: integer(dest[3]), At: integer(dest[5])})
			return json.Unmarshal([]byte(text(dest[4])), &found[len(found)-1].Source)
		}, query+" ORDER BY tick", args...)
	})
	if err != nil {
		return nil, fmt.Errorf("reading what %s published to group %s: %w", name, group.Name, err)
	}
	return found, nil
}

// PublishedBy reads what was committed last.
func (o *Offline) PublishedBy(ctx context.Context, run int64) (group int64, since store.Position, err error) {
	dest := make([]driver.Value, 2)
	err = o.reading(ctx, func(c *conn) error {
		found, err := c.row(dest, "SELECT group_id, min(first_id) FROM __publications WHERE run_id = +? GROUP BY group_id LIMIT 1", run)
		if found {
			group, since = integer(dest[0]), store.Position(strconv.FormatInt(integer(dest[1]), 10))
		}
		return err
	})
	if err != nil {
		return 0, "", fmt.Errorf("reading what run %d published: %w", run, err)
	}
	return group, since, nil
}

// LastPublished reads what was committed last.
func (o *Offline) LastPublished(ctx context.Context, group *registry.Group) (run int64, err error) {
	dest := make([]driver.Value, 1)
	err = o.reading(ctx, func(c *conn) error {
		_, err := c.row(dest, "SELECT max(run_id) FROM __publications WHERE group_id = +? AND ticks <> x''", group.ID)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading what was published to group %s: %w", group.Name, err)
	}
	return integer(dest[0]), nil
}

// publishers are the names under which runs have published to a group. Rows of one that is not among them yet are not settled.
func (o *Offline) publishers(ctx context.Context, group *registry.Group) (map[int64]string, error) {
	names, dest := map[int64]string{}, make([]driver.Value, 2)
	err := o.reading(ctx, func(c *conn) error {
		return c.each(dest, func() error {
			names[integer(dest[0])] = text(dest[1])
			return nil
		}, "SELECT run_id, name FROM __publications WHERE group_id = +?", group.ID)
	})
	return names, err
}

// unpublish ends the publications of the run that is removed.
func (r *removing) unpublish(c *conn) error {
	type tick struct {
		name string
		tick int64
	}
	var ended []tick
	dest := make([]driver.Value, 2)
	err := c.each(dest, func() error {
		for _, at := range unpackIntegers(bytesIn(dest[1])) {
			ended = append(ended, tick{text(dest[0]), at})
		}
		return nil
	}, "SELECT name, ticks FROM __publications WHERE run_id = +? AND group_id = +?", r.what.Run, r.group.ID)
	if err != nil || len(ended) == 0 {
		return err
	}
	for _, t := range ended {
		err := c.exec("DELETE FROM __published WHERE group_id = +? AND name = +? AND tick = +? AND (run_id = +? OR NOT own)", r.group.ID, t.name, t.tick, r.what.Run)
		if err != nil {
			return err
		}
	}
	return c.exec("UPDATE __publications SET ticks = x'' WHERE run_id = +? AND group_id = +?", r.what.Run, r.group.ID)
}

// noteReplayed notes the rows of publications that were replayed from quarantine.
func (a *appending) noteReplayed(c *conn) error {
	if len(a.all.Replayed) == 0 {
		return nil
	}
	for i, rows := range a.all.Rows {
		for r, id := range a.ids[i] {
			if rows.Run == 0 || id == store.NotStored {
				continue
			}
			err := c.exec("INSERT INTO __publications (group_id, name, run_id, first_id, last_id, ticks) SELECT group_id, name, run_id, ?, ?, ? FROM __publications "+
				"WHERE run_id = +? AND group_id = +? LIMIT 1", id, id, packIntegers([]int64{a.times[i][r]}), rows.Run, rows.Group.ID)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// noteTimes notes between which event times lay what a removal took.
func noteTimes(c *conn, group *registry.Group, number, least, latest int64) error {
	return c.exec("INSERT INTO __removal_times (group_id, number, least, latest) VALUES (?, ?, ?, ?)", group.ID, number, least, latest)
}

// Late reads the rows from the first id on that is not known.
func (s *snapshot) Late(ctx context.Context, group *registry.Group, since store.Known, removal int64, ticks []int64) ([]int64, error) {
	times := store.NewLateTimes(ticks)
	if err := s.late(ctx, group, since, removal, times); err != nil {
		return nil, fmt.Errorf("looking what came into group %s: %w", group.Name, err)
	}
	return times.Times(), nil
}

func (s *snapshot) late(ctx context.Context, group *registry.Group, since store.Known, removal int64, times *store.LateTimes) error {
	src, err := s.source(group, nil)
	if err != nil || src == nil {
		return err
	}
	first, unknown := since.Head, fmt.Sprintf("t.ingest_id >= %d", since.Head)
	for _, span := range since.Open {
		first = min(first, span.First)
		unknown += fmt.Sprintf(" OR t.ingest_id BETWEEN %d AND %d", span.First, span.Last)
	}
	statement, err := s.conn.prepare(fmt.Sprintf("SELECT t.event_time FROM %s AS t NOT INDEXED WHERE t.ingest_id >= %d AND (%s)%s", src.table, first, unknown, src.visible()))
	if err != nil {
		return err
	}
	dest := make([]driver.Value, 2)
	err = statement.each(ctx, dest[:1], func() error {
		times.Add(integer(dest[0]))
		return nil
	})
	if err != nil {
		return err
	}
	return s.conn.each(dest, func() error {
		times.Between(integer(dest[0]), integer(dest[1]))
		return nil
	}, "SELECT least, latest FROM __removal_times WHERE group_id = +? AND number > +?", group.ID, removal)
}
