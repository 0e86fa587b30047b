package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	columns []string // of features: "avg_order_value_90d REAL"
}

// layoutOf names the layout that a group's rows are written under.
type layoutOf struct {
	group   int64
	version int
}

// wantedLayout is the layout that a group asks for.
func wantedLayout(group *registry.Group) layout {
	l := layout{table: group.Name, version: group.SchemaVersion}
	if strings.HasPrefix(group.Name, "sqlite_") {
		l.table = "group__" + group.Name
	}
	l.keys = store.TableKeys(group.EntityType)
	for _, feature := range group.Features {
		if feature.Widened != "" {
			l.columns = append(l.columns, featureColumn(group, feature.Widened)+" INTEGER")
		}
		l.columns = append(l.columns, featureColumn(group, feature.Column)+" "+sqlType(feature.ValueType))
	}
	return l
}

func (l *layout) missing(wanted layout) (columns []string) {
	for _, column := range wanted.columns {
		if !slices.Contains(l.columns, column) {
			columns = append(columns, column)
		}
	}
	return columns
}

// has tells whether the table has a column of that name.
func (l *layout) has(column string) bool {
	return slices.ContainsFunc(l.columns, func(c string) bool {
		return len(c) > len(column) && c[len(column)] == ' ' && c[:len(column)] == column
	})
}

// keyedAs tells whether the table has the group's join keys. These change only while nothing is stored: a table of others has no rows, and
// stands until the next write makes it anew.
func (l *layout) keyedAs(group *registry.Group) bool {
	return slices.Equal(l.keys, store.TableKeys(group.EntityType))
}

// own are the columns that every group's table has beside its join keys and features.
var own = []string{"event_time", "ingest_time", "ingest_id", "run_id", "schema_version", "presence"}

// keyColumn is the name of a join key's column. Neither it nor featureColumn gives a name that another join key or feature
// has: those hold "__" only before digits.
func keyColumn(key registry.JoinKey) string {
	if slices.Contains(own, key.Name) {
		return key.Name + "__key"
	}
	return key.Name
}

// featureColumn is the name of the column for a Feature.Column or Feature.Widened.
func featureColumn(group *registry.Group, column string) string {
	if slices.Contains(own, column) || slices.ContainsFunc(group.EntityType.JoinKeys, func(key registry.JoinKey) bool { return key.Name == column }) {
		return column + "__"
	}
	return column
}

func sqlType(t value.Type) string {
	switch t {
	case value.Boolean, value.Integer, value.Timestamp:
		return "INTEGER"
	case value.Float:
		return "REAL"
	default:
		return "TEXT"
	}
}

// keyColumns are the join keys' columns, quoted, each after a prefix such as "o.".
func keyColumns(group *registry.Group, prefix string) []string {
	columns := make([]string, len(group.EntityType.JoinKeys))
	for i, key := range group.EntityType.JoinKeys {
		columns[i] = prefix + database.Quote(keyColumn(key))
	}
	return columns
}

// indexOf is the quoted name of the index of a group's table, which outlives a renaming of the table.
func indexOf(group int64) string { return database.Quote(fmt.Sprintf("by_entity__%d", group)) }

// layoutOf reads a group's layout; nil if it has no table.
func (c *conn) layoutOf(group int64) (*layout, error) {
	if l, ok := c.layouts[group]; ok {
		return l, nil
	}
	dest := make([]driver.Value, 4)
	found, err := c.row(dest, "SELECT table_name, version, join_keys, columns FROM __layouts WHERE group_id = +?", group)
	if err != nil {
		return nil, fmt.Errorf("reading a layout: %w", err)
	}
	var l *layout
	if found {
		l = &layout{table: text(dest[0]), version: int(integer(dest[1])), keys: lines(text(dest[2])), columns: lines(text(dest[3]))}
	}
	c.layouts[group] = l
	return l, nil
}

func (c *conn) forgetLayouts() { clear(c.layouts) }

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// EnsureLayout makes or changes the group's table, in a transaction of the writer, which takes no longer on a large table.
func (o *Offline) EnsureLayout(ctx context.Context, group *registry.Group) (created bool, err error) {
	err = o.writer.do(ctx, alone, func(c *conn) (err error) {
		created, err = o.changeLayout(c, group)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("the layout of group %s: %w", group.Name, err)
	}
	return created, nil
}

func (o *Offline) changeLayout(c *conn, group *registry.Group) (created bool, err error) {
	wanted := wantedLayout(group)
	found, err := c.layoutOf(group.ID)
	if err != nil {
		return false, err
	}
	if found != nil && found.version < 0 && -found.version >= wanted.version {
		return false, fmt.Errorf("version %d: %w", wanted.version, store.ErrOutdated)
	}
	indexed, err := c.idIndexed(group)
	if err != nil {
		return false, err
	}
	if found != nil && found.version >= wanted.version && slices.Equal(found.keys, wanted.keys) && len(found.missing(wanted)) == 0 && indexed == idColumn(group) {
		return false, nil
	}
	o.layoutChanges(c)
	if found != nil && !slices.Equal(found.keys, wanted.keys) {
		if err := dropEmpty(c, group, found); err != nil {
			return false, err
		}
		wanted.version = max(wanted.version, found.version)
		found = nil
	}
	if found == nil {
		created, err = true, createTable(c, group, wanted)
	} else {
		wanted.table, err = found.table, addColumns(c, group, found, wanted)
	}
	if err == nil {
		err = c.indexIDs(group, wanted.table)
	}
	return created && err == nil, err
}

// layoutChanges makes everybody read layouts again.
func (o *Offline) layoutChanges(c *conn) {
	o.ledger.layouts++
	clear(o.inserts)
	c.forgetLayouts()
}

// dropEmpty removes the table of a group whose join keys have changed, if it has no rows.
func dropEmpty(c *conn, group *registry.Group, found *layout) error {
	table := database.Quote(found.table)
	rows, err := c.row(make([]driver.Value, 1), "SELECT 1 FROM "+table+" LIMIT 1")
	if err != nil {
		return err
	}
	if rows {
		return fault.New(fault.Conflict, "join-keys-in-use", "the join keys of group %s cannot change from %s: it has rows",
			group.Name, strings.Join(found.keys, ", "))
	}
	waits, err := c.waits(group.ID)
	if err != nil {
		return err
	}
	if waits {
		return fault.New(fault.Conflict, "join-keys-in-use", "the join keys of group %s cannot change from %s: rows of it wait in quarantine",
			group.Name, strings.Join(found.keys, ", "))
	}
	return errors.Join(c.run("DROP TABLE "+table), c.exec("DELETE FROM __layouts WHERE group_id = +?", group.ID))
}

func createTable(c *conn, group *registry.Group, wanted layout) error {
	// An earlier group of that name, deleted since, leaves it the name and keeps its rows.
	dest := make([]driver.Value, 1)
	former, err := c.row(dest, "SELECT group_id FROM __layouts WHERE table_name = +?", wanted.table)
	if err != nil {
		return err
	}
	if former {
		kept := fmt.Sprintf("%s__%d", wanted.table, integer(dest[0]))
		if err := c.run("ALTER TABLE " + database.Quote(wanted.table) + " RENAME TO " + database.Quote(kept)); err != nil {
			return err
		}
		if err := c.exec("UPDATE __layouts SET table_name = ? WHERE group_id = +?", kept, dest[0]); err != nil {
			return err
		}
	}
	if err := c.run(tableText(group, wanted.table, wanted.columns)); err != nil {
		return err
	}
	if err := c.run(fmt.Sprintf("CREATE INDEX %s ON %s (%s, event_time)", indexOf(group.ID), database.Quote(wanted.table),
		strings.Join(keyColumns(group, ""), ", "))); err != nil {
		return err
	}
	return c.exec("INSERT INTO __layouts (group_id, table_name, version, join_keys, columns) VALUES (?, ?, ?, ?, ?)",
		group.ID, wanted.table, int64(wanted.version), strings.Join(wanted.keys, "\n"), strings.Join(wanted.columns, "\n"))
}

// tableText is the definition of a group's table with these columns of features.
func tableText(group *registry.Group, table string, features []string) string {
	var columns []string
	for i, key := range group.EntityType.JoinKeys {
		columns = append(columns, keyColumns(group, "")[i]+" "+sqlType(key.ValueType)+" NOT NULL")
	}
	columns = append(columns, "event_time INTEGER NOT NULL", "ingest_time INTEGER NOT NULL", "ingest_id INTEGER PRIMARY KEY",
		"run_id INTEGER", "schema_version INTEGER NOT NULL", "presence TEXT")
	for _, feature := range features {
		name, sqlType, _ := strings.Cut(feature, " ")
		columns = append(columns, database.Quote(name)+" "+sqlType)
	}
	return "CREATE TABLE " + database.Quote(table) + " (" + strings.Join(columns, ", ") + ") STRICT"
}

// addColumns puts the missing columns at the end of the table's definition, which changes nothing in its rows. ALTER TABLE … ADD
// COLUMN writes the same text into the schema, but then reads a STRICT table from its beginning to its end, 2 s for a million rows.
func addColumns(c *conn, group *registry.Group, found *layout, wanted layout) error {
	missing := found.missing(wanted)
	columns := slices.Concat(found.columns, missing)
	if len(missing) > 0 {
		dest := make([]driver.Value, 1)
		if _, err := c.row(dest, "PRAGMA schema_version"); err != nil {
			return err
		}
		if err := c.run("PRAGMA writable_schema = ON"); err != nil {
			return err
		}
		err := c.exec("UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = +?", tableText(group, found.table, columns), found.table)
		if err == nil {
			err = c.run(fmt.Sprintf("PRAGMA schema_version = %d", integer(dest[0])+1))
		}
		// RESET also makes this connection read the schema again.
		if err = errors.Join(err, c.run("PRAGMA writable_schema = RESET")); err != nil {
			return err
		}
		for _, column := range missing {
			name, _, _ := strings.Cut(column, " ")
			if _, err := c.row(make([]driver.Value, 1), "SELECT t."+database.Quote(name)+" FROM "+database.Quote(found.table)+" AS t LIMIT 0"); err != nil {
				return fmt.Errorf("adding column %s: %w", name, err)
			}
		}
	}
	return c.exec("UPDATE __layouts SET version = max(version, ?), columns = ? WHERE group_id = +?",
		int64(wanted.version), strings.Join(columns, "\n"), group.ID)
}

// checkLayout answers store.ErrOutdated unless the table has the layout that rows of the group are written for.
func checkLayout(c *conn, group *registry.Group) (*layout, error) {
	l, err := c.layoutOf(group.ID)
	if err != nil {
		return nil, err
	}
	if l == nil || l.version != group.SchemaVersion {
		return nil, fmt.Errorf("group %s, version %d: %w", group.Name, group.SchemaVersion, store.ErrOutdated)
	}
	return l, nil
}
