package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// A group with a row id has a unique index over that column, and its inserts leave rows out whose id is there, or comes with a transaction
// that is under way, for whose end they wait. They go in the order of the ids, so that two transactions do not wait for each other.

// idColumn is the column of the group's row ids; "" if it has none.
func idColumn(group *registry.Group) string {
	if f := group.RowID(); f != nil {
		return featureColumn(group, f.Column)
	}
	return ""
}

// idIndex is the quoted name of the unique index over a group's row ids.
func (o *Offline) idIndex(group int64) string { return o.table(fmt.Sprintf("by_id__%d", group)) }

// indexIDs makes the index what the group asks for.
func (o *Offline) indexIDs(ctx context.Context, tx pgx.Tx, group *registry.Group, found, wanted layout) error {
	if found.id == wanted.id {
		return nil
	}
	if _, err := tx.Exec(ctx, `DROP INDEX IF EXISTS `+o.idIndex(group.ID)); err != nil || wanted.id == "" {
		return err
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(`CREATE UNIQUE INDEX %s ON %s (%s)`, database.Quote(fmt.Sprintf("by_id__%d", group.ID)), o.table(wanted.table), database.Quote(wanted.id)))
	if code(err) == uniqueViolation {
		return fault.New(fault.Conflict, "ids-repeat", "%s cannot be the id column of %s: rows stored there have the same id", group.IDColumn, group.Name)
	}
	return err
}

// onConflict is what an insert of the group says about ids that are there.
func onConflict(group *registry.Group) string {
	if column := idColumn(group); column != "" {
		return " ON CONFLICT (" + database.Quote(column) + ") DO NOTHING"
	}
	return ""
}

// fillByID fills in what the server gave the rows that it stored. It answers those only, each with its id.
func (s *batchInsert) fillByID() error {
	stored := make(map[string]int, len(s.given))
	for i, id := range s.given {
		stored[string(id)] = i
	}
	for _, span := range s.spans {
		span.rows.IngestIDs = grown(span.rows)
		for row := span.from; row < span.to; row++ {
			id := string(appendField(nil, span.rows.Row(row)[s.insert.id])[4:])
			i, ok := stored[id]
			if !ok {
				span.rows.IngestIDs[row] = store.NotStored
				continue
			}
			delete(stored, id) // of rows with the same id one was stored
			span.rows.IngestIDs[row], span.rows.EventTimes[row] = s.ids[i], s.times[i]
		}
	}
	if len(stored) > 0 {
		return fmt.Errorf("PostgreSQL answered %d ids for %s that were not sent: is there a trigger?", len(stored), s.insert.group.Name)
	}
	return nil
}

// checkIDs finds rows without an id: a defect of the caller.
func checkIDs(rows *store.Rows) error {
	if rows.Group.IDColumn == "" {
		return nil
	}
	at := placeOf(rows.Features, rows.Group.RowID())
	for i := range rows.Keys {
		if at < 0 || rows.Row(i)[at].Type() == value.Invalid {
			return fmt.Errorf("row %d has no %s, the row id of group %s", i, rows.Group.IDColumn, rows.Group.Name)
		}
	}
	return nil
}

// placeOf is where a feature stands among others; -1: nowhere.
func placeOf(features []*registry.Feature, feature *registry.Feature) int {
	for i, f := range features {
		if feature != nil && f.Ordinal == feature.Ordinal {
			return i
		}
	}
	return -1
}

// stagingTable is where a load of a group with a row id goes first, and one that is compared with what is there: COPY cannot leave rows out.
const stagingTable = `pg_temp."__loaded"`

// stage makes that table, for this transaction.
func (l *load) stage(ctx context.Context) error {
	_, err := l.conn.Exec(ctx, fmt.Sprintf(`CREATE TEMPORARY TABLE "__loaded" ON COMMIT DROP AS SELECT %s FROM %s WITH NO DATA`,
		strings.Join(l.columns, ", "), l.offline.table(l.group.Name)))
	return err
}

// insertStaged brings the rows from there into the group's table.
func (l *load) insertStaged(ctx context.Context) error {
	columns := strings.Join(l.columns, ", ")
	_, err := l.conn.Exec(ctx, `ANALYZE `+stagingTable)
	if err != nil {
		return err
	}
	inserted, err := l.conn.Exec(ctx, fmt.Sprintf(`INSERT INTO %s (%s) SELECT %s FROM %s ORDER BY %s%s`, l.offline.table(l.group.Name), columns, columns,
		stagingTable, database.Quote(idColumn(l.group)), onConflict(l.group)))
	if code(err) == deadlockDetected {
		return fault.New(fault.Busy, "load-collided", "rows with ids of this load of %s were being stored in another order: send it again", l.group.Name).Because(err)
	}
	l.duplicates = l.added - inserted.RowsAffected()
	return err
}

// Duplicates is how many rows were left out.
func (l *load) Duplicates() int64 { return l.duplicates }
