package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/mattn/go-sqlite3"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// A group with a row id has a unique index over that column, and its inserts leave rows out whose id is there. The ids of a load that is
// under way are there too, although its rows do not show yet and may be taken back: so loads of such groups are committed one at a
// time, and a single row that meets one of those ids is refused, to be sent again. The same holds for the ids of a run that was taken
// back, until its rows are removed.

// idColumn is the column of the group's row ids; "" if it has none.
func idColumn(group *registry.Group) string {
	if f := group.RowID(); f != nil {
		return featureColumn(group, f.Column)
	}
	return ""
}

// idIndex is the name of the unique index over a group's row ids.
func idIndex(group int64) string { return fmt.Sprintf("by_id__%d", group) }

// idIndexed is the column over which the group's table has that index; "" if it has none.
func (c *conn) idIndexed(group *registry.Group) (string, error) {
	dest := make([]driver.Value, 1)
	_, err := c.row(dest, "SELECT name FROM pragma_index_info(?)", idIndex(group.ID))
	return text(dest[0]), err
}

// indexIDs makes the index what the group asks for.
func (c *conn) indexIDs(group *registry.Group, table string) error {
	wanted := idColumn(group)
	found, err := c.idIndexed(group)
	if err != nil || found == wanted {
		return err
	}
	index := database.Quote(idIndex(group.ID))
	if err := c.run("DROP INDEX IF EXISTS " + index); err != nil || wanted == "" {
		return err
	}
	err = c.run(fmt.Sprintf("CREATE UNIQUE INDEX %s ON %s (%s)", index, database.Quote(table), database.Quote(wanted)))
	var refused sqlite3.Error
	if errors.As(err, &refused) && refused.ExtendedCode == sqlite3.ErrConstraintUnique {
		return fault.New(fault.Conflict, "ids-repeat", "%s cannot be the id column of %s: rows stored there have the same id", group.IDColumn, group.Name)
	}
	return err
}

// onConflict is what an insert into the group ends with: it answers the ingest ids of the rows that were stored.
func onConflict(group *registry.Group) string {
	if column := idColumn(group); column != "" {
		return " ON CONFLICT (" + database.Quote(column) + ") DO NOTHING RETURNING ingest_id"
	}
	return ""
}

// exec inserts the rows that are bound and answers how many were stored; those with these ingest ids that were not lose them.
func (ins *insert) exec(s *statement, ids []int64) (stored int, err error) {
	if !ins.unique {
		return len(ids), s.exec()
	}
	inserted := make(map[int64]bool, len(ids))
	dest := make([]driver.Value, 1)
	err = s.each(context.Background(), dest, func() error { inserted[integer(dest[0])] = true; return nil })
	for i, id := range ids {
		if !inserted[id] {
			ids[i] = store.NotStored
		}
	}
	return len(inserted), err
}

// held answers a fault if one of the rows that were not stored met an id of a load that is under way, or of a run that was taken back.
func (ins *insert) held(c *conn, rows *store.Rows, ids []int64, places []int) error {
	for i, id := range ids {
		if id != store.NotStored {
			continue
		}
		rowID := encode(rows.Row(i)[places[ins.idPlace]])
		met := "SELECT 1 FROM " + ins.table + " AS t, "
		same := " WHERE t." + database.Quote(idColumn(ins.group)) + " = ? AND x.group_id = +? AND "
		loading, err := c.row(make([]driver.Value, 1), met+"__loads AS x"+same+"t.ingest_id BETWEEN x.first_id AND x.last_id", rowID, ins.group.ID)
		if err != nil {
			return err
		}
		if loading {
			return fault.New(fault.Busy, "id-being-loaded", "a load of %s that is under way has a row of the same id: send the row again when it is done", ins.group.Name)
		}
		taken, err := c.row(make([]driver.Value, 1), met+"__removed AS x"+same+"t.run_id = x.run_id", rowID, ins.group.ID)
		if err != nil {
			return err
		}
		if taken {
			return fault.New(fault.Busy, "id-being-removed", "a row of %s with the same id was taken back and is being removed: send the row again", ins.group.Name)
		}
	}
	return nil
}

// alone waits until no other load of a group with a row id is being committed; done ends the turn.
func (l *load) alone(ctx context.Context) (done func(), err error) {
	if !l.insert.unique {
		return func() {}, nil
	}
	select {
	case l.offline.uniqueLoad <- struct{}{}:
		return func() { <-l.offline.uniqueLoad }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// noneOpen answers a fault while rows of a load that a crash broke off, or of a run that was taken back, are being removed.
func (l *load) noneOpen(c *conn) error {
	if !l.insert.unique {
		return nil
	}
	open, err := c.row(make([]driver.Value, 1), "SELECT 1 FROM __loads WHERE group_id = +?", l.group.ID)
	if err == nil && open {
		err = fault.New(fault.Busy, "load-being-removed", "what a crash left of a load of %s is being removed: try again", l.group.Name)
	}
	if err != nil {
		return err
	}
	taken, err := c.row(make([]driver.Value, 1), "SELECT 1 FROM __removed WHERE group_id = +? AND run_id IS NOT NULL", l.group.ID)
	if err == nil && taken {
		err = fault.New(fault.Busy, "load-being-removed", "what a reverted load brought to %s is being removed: try again", l.group.Name)
	}
	return err
}

// Duplicates is how many rows were left out.
func (l *load) Duplicates() int64 { return l.duplicates }
