package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// snapshot is a read transaction on a connection of its own.
type snapshot struct {
	offline *Offline
	conn    *conn
	now     int64
	next    int64 // the ingest id that comes next
	loads   []openLoad
	taken   []takenRun
	known   *store.Known     // nil: all that is in the snapshot
	merged  map[string]int64 // what was counted for Measure
}

// Snapshot waits for a connection, if all are in use.
func (o *Offline) Snapshot(ctx context.Context) (store.Snapshot, error) {
	c, err := o.readers.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the offline store: %w", err)
	}
	s := &snapshot{offline: o, conn: c}
	if err := s.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("reading the offline store: %w", err), o.readers.put(c, true))
	}
	s.now = o.clock.time() // not before any time that was given to a row in the snapshot
	return s, nil
}

func (s *snapshot) begin() error {
	if err := s.conn.exec("BEGIN"); err != nil {
		return err
	}
	dest := make([]driver.Value, 2)
	if _, err := s.conn.row(dest, "SELECT next_id, layouts FROM __store"); err != nil { // the transaction's moment is this first read
		return err
	}
	s.next = integer(dest[0])
	if revision := integer(dest[1]); s.conn.revision != revision {
		s.conn.forgetLayouts()
		s.conn.revision = revision
	}
	var err error
	if s.loads, err = openLoads(s.conn); err == nil {
		s.taken, err = takenRuns(s.conn)
	}
	return err
}

func (s *snapshot) Now() int64 { return s.now }

func (s *snapshot) Position() store.Position {
	position := s.next
	if len(s.loads) > 0 {
		position = s.loads[0].first // they are in order
	}
	return store.Position(strconv.FormatInt(position, 10))
}

func (s *snapshot) Head() store.Position { return store.Position(strconv.FormatInt(s.next, 10)) }

func (s *snapshot) Close() error {
	if s.conn == nil {
		return nil
	}
	c := s.conn
	s.conn = nil
	err := c.exec("COMMIT")
	return errors.Join(err, s.offline.readers.put(c, err != nil))
}

// source is a group's table as a snapshot reads it. In its SQL the table is t: a bare name could be another table's column, or
// text.
type source struct {
	group    *registry.Group
	features []*registry.Feature
	table    string // quoted
	keys     []string
	columns  []string // of the features
	hidden   []openLoad
	taken    []takenRun
	known    *store.Known
}

// Fits compares the versions of layout and group.
func (s *snapshot) Fits(_ context.Context, group *registry.Group) error {
	_, err := s.source(group, nil)
	return err
}

// source finds the group's table; nil if there is none for the group's join keys.
func (s *snapshot) source(group *registry.Group, features []*registry.Feature) (*source, error) {
	l, err := s.conn.layoutOf(group.ID)
	if err != nil || l == nil {
		return nil, err
	}
	if l.version > group.SchemaVersion && s.known == nil {
		return nil, fmt.Errorf("group %s, version %d: %w", group.Name, group.SchemaVersion, store.ErrOutdated)
	}
	if !l.keyedAs(group) {
		return nil, nil
	}
	src := &source{group: group, features: features, table: database.Quote(l.table), keys: keyColumns(group, "t."), columns: make([]string, len(features)), known: s.known}
	for i, feature := range features {
		src.columns[i] = columnOf(group, l, feature)
	}
	for _, load := range s.loads {
		if load.group == group.ID {
			src.hidden = append(src.hidden, load)
		}
	}
	for _, run := range s.taken {
		if run.group == group.ID {
			src.taken = append(src.taken, run)
		}
	}
	return src, nil
}

// columnOf is the SQL of a feature, null where the table does not have its column yet.
func columnOf(group *registry.Group, l *layout, feature *registry.Feature) string {
	column, widened := "", ""
	if name := featureColumn(group, feature.Column); l.has(name) {
		column = "t." + database.Quote(name)
	}
	if name := featureColumn(group, feature.Widened); feature.Widened != "" && l.has(name) {
		widened = "CAST(t." + database.Quote(name) + " AS REAL)"
	}
	switch {
	case column != "" && widened != "":
		return "coalesce(" + column + ", " + widened + ")"
	case column+widened != "":
		return column + widened
	default:
		return "NULL"
	}
}

// selected is what is read of a row: its event time, ingest id, schema version, presence and features.
func (src *source) selected() string {
	return strings.Join(append([]string{"t.event_time", "t.ingest_id", "t.schema_version", "t.presence"}, src.columns...), ", ")
}

// indexed is the table to be read by its index.
func (src *source) indexed() string {
	return src.table + " AS t INDEXED BY " + indexOf(src.group.ID)
}

// sameKey is the condition that a row is of the entity whose join keys are the next arguments.
func (src *source) sameKey() string {
	return strings.Join(src.keys, " = +? AND ") + " = +?"
}

// visible is the condition that a row is neither of an open load nor of a run that was taken back, and known where that is asked, to be
// put after others; "" if there is none.
func (src *source) visible() string {
	b := []byte(nil)
	for _, load := range src.hidden {
		b = fmt.Appendf(b, " AND t.ingest_id NOT BETWEEN %d AND %d", load.first, load.last)
	}
	for _, run := range src.taken {
		b = fmt.Appendf(b, " AND t.run_id IS NOT %d", run.run)
	}
	if src.known != nil {
		b = src.isKnown(b)
	}
	return string(b)
}

// take decodes those features that the row observes and that have no value yet, and answers how many they are.
func (src *source) take(o observer, columns []driver.Value, stamp store.Stamp, values []value.Value, stamps []store.Stamp) (found int, err error) {
	for i, feature := range src.features {
		if !values[i].IsAbsent() || !o.observes(feature) {
			continue
		}
		if values[i], err = decode(feature.ValueType, columns[i]); err != nil {
			return found, fmt.Errorf("%s: %w", feature.Reference(), err)
		}
		stamps[i] = stamp
		found++
	}
	return found, nil
}

// IntegerBounds reads the whole column.
func (s *snapshot) IntegerBounds(ctx context.Context, feature *registry.Feature) (least, greatest int64, found bool, err error) {
	src, err := s.source(feature.Group, []*registry.Feature{feature})
	if err == nil && src != nil {
		var statement *statement
		if statement, err = s.conn.prepare(fmt.Sprintf("SELECT min(%[1]s), max(%[1]s) FROM %[2]s AS t WHERE true%[3]s", src.columns[0], src.table, src.visible())); err == nil {
			dest := make([]driver.Value, 2)
			err = statement.each(ctx, dest, func() error {
				least, found = dest[0].(int64)
				greatest = integer(dest[1])
				return nil
			})
		}
	}
	if err != nil {
		return 0, 0, false, fmt.Errorf("reading the bounds of %s: %w", feature.Reference(), err)
	}
	return least, greatest, found, nil
}
