package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// layout is what __layouts says of one group's table.
type layout struct {
	table   string
	version int      // below 0: retired under that version
	keys    []string // "customer_id STRING"
	columns []string // of features
	id      string   // the column over which there is a unique index of row ids; ""
}

// wanted is the layout that a group asks for.
func wanted(group *registry.Group) layout {
	l := layout{table: group.Name, version: group.SchemaVersion, columns: []string{}, id: idColumn(group)} // an empty list is not null
	l.keys = store.TableKeys(group.EntityType)
	for _, feature := range group.Features {
		if feature.Widened != "" {
			l.columns = append(l.columns, featureColumn(group, feature.Widened))
		}
		l.columns = append(l.columns, featureColumn(group, feature.Column))
	}
	return l
}

// fits tells whether the table serves the group as it is.
func (l layout) fits(wanted layout) bool {
	return l.version >= wanted.version && slices.Equal(l.keys, wanted.keys) && len(l.missing(wanted)) == 0 && l.id == wanted.id
}

// keyedAs tells whether the table has the group's join keys. These change only while nothing is stored: a table of others has no rows, and
// stands until the next write makes it anew.
func (l layout) keyedAs(group *registry.Group) bool {
	return slices.Equal(l.keys, store.TableKeys(group.EntityType))
}

// retired tells whether the group was retired under the wanted layout or a newer one.
func (l layout) retired(wanted layout) bool { return l.version < 0 && -l.version >= wanted.version }

func (l layout) missing(wanted layout) (columns []string) {
	for _, column := range wanted.columns {
		if !l.has(column) {
			columns = append(columns, column)
		}
	}
	return columns
}

func (l layout) has(column string) bool { return slices.Contains(l.columns, column) }

const (
	lockTimeout = "200ms"         // how long adding a column may make writes wait
	layoutTime  = 5 * time.Second // how long it is tried
)

// EnsureLayout makes or changes the group's table. The new columns and the layout's version become visible in one moment.
// While a load of the group is open, which holds the table, a column cannot be added: that is the fault of kind Busy.
func (o *Offline) EnsureLayout(ctx context.Context, group *registry.Group) (created bool, err error) {
	want := wanted(group)
	found, exists, err := o.readLayout(ctx, o.writers, group.ID, "")
	if err != nil {
		return false, fmt.Errorf("the layout of group %s: %w", group.Name, err)
	}
	if exists && found.fits(want) {
		return false, nil
	}
	err = o.changing(ctx, group, func(tx pgx.Tx) (err error) {
		created, err = o.changeLayout(ctx, tx, group, want)
		return err
	})
	return created && err == nil, err
}

// changing runs a transaction that needs the group's table for itself, again while others hold it or are at the same.
func (o *Offline) changing(ctx context.Context, group *registry.Group, change func(pgx.Tx) error) error {
	for end := time.Now().Add(layoutTime); ; {
		err := pgx.BeginFunc(ctx, o.writers, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '`+lockTimeout+`'`); err != nil {
				return err
			}
			return change(tx)
		})
		switch code(err) {
		case lockNotAvailable, deadlockDetected, serializationFailure, duplicateTable, duplicateColumn, duplicateObject, uniqueViolation:
			// others are at it, or hold the table
		default:
			if err != nil {
				err = fmt.Errorf("the layout of group %s: %w", group.Name, err)
			}
			return err
		}
		if time.Now().After(end) {
			return fault.New(fault.Busy, "layout-busy", "the table of group %s is in use, by a load or a long transaction, and cannot be changed now: try again later",
				group.Name).Because(err)
		}
		if err := pause(ctx, attempts); err != nil {
			return err
		}
	}
}

// querier is a pool, a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func (o *Offline) readLayout(ctx context.Context, q querier, group int64, suffix string) (l layout, exists bool, err error) {
	err = q.QueryRow(ctx, `SELECT table_name, version, join_keys, columns,
		coalesce((SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($2) AND attnum = 1), '')
		FROM `+o.table("__layouts")+` WHERE group_id = $1`+suffix, group, o.idIndex(group)).
		Scan(&l.table, &l.version, &l.keys, &l.columns, &l.id)
	if errors.Is(err, pgx.ErrNoRows) {
		return layout{}, false, nil
	}
	return l, err == nil, err
}

func (o *Offline) changeLayout(ctx context.Context, tx pgx.Tx, group *registry.Group, want layout) (created bool, err error) {
	found, exists, err := o.readLayout(ctx, tx, group.ID, " FOR UPDATE")
	if err != nil {
		return false, err
	}
	if exists && found.retired(want) {
		return false, fmt.Errorf("group %s, version %d: %w", group.Name, want.version, store.ErrOutdated)
	}
	if exists && !slices.Equal(found.keys, want.keys) {
		if err := o.dropEmpty(ctx, tx, group, found); err != nil {
			return false, err
		}
		want.table, want.version = found.table, max(want.version, found.version)
		exists = false
	}
	if !exists {
		if err := o.createTable(ctx, tx, group, want); err != nil {
			return false, err
		}
		return true, o.indexIDs(ctx, tx, group, layout{}, want)
	}
	if missing := found.missing(want); len(missing) > 0 {
		var add []string
		for _, column := range columnDefinitions(group) {
			if slices.Contains(missing, column.name) {
				add = append(add, "ADD COLUMN "+database.Quote(column.name)+" "+column.sqlType)
			}
		}
		if _, err := tx.Exec(ctx, `ALTER TABLE `+o.table(found.table)+` `+strings.Join(add, ", ")); err != nil {
			return false, err
		}
		found.columns = append(found.columns, missing...)
	}
	_, err = tx.Exec(ctx, `UPDATE `+o.table("__layouts")+` SET version = greatest(version, $2), columns = $3 WHERE group_id = $1`,
		group.ID, want.version, found.columns)
	if err != nil {
		return false, err
	}
	want.table = found.table
	return false, o.indexIDs(ctx, tx, group, found, want)
}

// dropEmpty removes the table of a group whose join keys have changed, if it has no rows.
func (o *Offline) dropEmpty(ctx context.Context, tx pgx.Tx, group *registry.Group, found layout) error {
	table := o.table(found.table)
	if _, err := tx.Exec(ctx, `LOCK TABLE `+table+` IN ACCESS EXCLUSIVE MODE`); err != nil {
		return err
	}
	var rows bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+table+`)`).Scan(&rows); err != nil {
		return err
	}
	if rows {
		return fault.New(fault.Conflict, "join-keys-in-use", "the join keys of group %s cannot change from %s: it has rows",
			group.Name, strings.Join(found.keys, ", "))
	}
	if err := tx.QueryRow(ctx, `SELECT `+o.waits(), group.ID).Scan(&rows); err != nil {
		return err
	}
	if rows {
		return fault.New(fault.Conflict, "join-keys-in-use", "the join keys of group %s cannot change from %s: rows of it wait in quarantine",
			group.Name, strings.Join(found.keys, ", "))
	}
	_, err := tx.Exec(ctx, `DROP TABLE `+table)
	return err
}

type columnDefinition struct{ name, sqlType string }

func columnDefinitions(group *registry.Group) (columns []columnDefinition) {
	for _, feature := range group.Features {
		if feature.Widened != "" {
			columns = append(columns, columnDefinition{featureColumn(group, feature.Widened), sqlTypes[value.Integer]})
		}
		columns = append(columns, columnDefinition{featureColumn(group, feature.Column), sqlTypes[feature.ValueType]})
	}
	return columns
}

func (o *Offline) createTable(ctx context.Context, tx pgx.Tx, group *registry.Group, want layout) error {
	// An earlier group of that name, deleted since, leaves it the name and keeps its rows.
	var former int64
	err := tx.QueryRow(ctx, `UPDATE `+o.table("__layouts")+` SET table_name = table_name || '__' || group_id
		WHERE table_name = $1 AND group_id <> $2 RETURNING group_id`, want.table, group.ID).Scan(&former)
	switch {
	case err == nil:
		if _, err := tx.Exec(ctx, fmt.Sprintf(`ALTER TABLE %s RENAME TO %s`, o.table(want.table), database.Quote(fmt.Sprintf("%s__%d", want.table, former)))); err != nil {
			return err
		}
	case !errors.Is(err, pgx.ErrNoRows):
		return err
	}
	var columns, index []string
	for _, key := range group.EntityType.JoinKeys {
		sqlType := `bigint`
		if key.ValueType == value.String {
			sqlType = `text COLLATE "C"`
		}
		columns = append(columns, database.Quote(keyColumn(key))+" "+sqlType+" NOT NULL")
		index = append(index, database.Quote(keyColumn(key)))
	}
	columns = append(columns,
		"event_time timestamptz NOT NULL",
		"ingest_time timestamptz NOT NULL DEFAULT clock_timestamp()",
		"ingest_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY",
		"ingest_xid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint",
		"run_id bigint",
		"schema_version integer NOT NULL",
		"presence smallint[]")
	for _, column := range columnDefinitions(group) {
		columns = append(columns, database.Quote(column.name)+" "+column.sqlType)
	}
	index = append(index, "event_time DESC", "ingest_id DESC")
	table := o.table(want.table)
	for _, statement := range []string{
		`CREATE TABLE ` + table + ` (` + strings.Join(columns, ", ") + `)`,
		`CREATE INDEX ON ` + table + ` (` + strings.Join(index, ", ") + `)`,
		`CREATE INDEX ON ` + table + ` (ingest_xid)`,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `INSERT INTO `+o.table("__layouts")+` (group_id, table_name, version, join_keys, columns) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (group_id) DO UPDATE SET version = excluded.version, join_keys = excluded.join_keys, columns = excluded.columns`,
		group.ID, want.table, want.version, want.keys, want.columns)
	return err
}
