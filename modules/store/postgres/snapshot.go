package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// snapshot is a transaction of its own connection. A yield must not ask the same snapshot: the connection is busy with the
// rows that follow. After an error only Close is left to do.
type snapshot struct {
	offline  *Offline
	conn     *pgxpool.Conn
	now      int64
	position store.Position
	head     store.Position
	layouts  map[int64]layout // as they are in this snapshot; table "" : there is none
	known    *store.Known     // nil: all that is in the snapshot
	twin     *snapshot        // a second connection to it; nil: not yet, or none to be had
	alone    bool             // there is none to be had
	merged   map[string]int64 // what was counted for Measure
}

// Snapshot opens a transaction that sees what is committed now. Sorting is made unattractive: every read that has an order
// has it from the index, also in a table that the planner knows nothing of yet.
func (o *Offline) Snapshot(ctx context.Context) (store.Snapshot, error) {
	for attempt := 1; ; attempt++ {
		s, err := o.openSnapshot(ctx)
		if err == nil {
			return s, nil
		}
		if !lost(err) || attempt == attempts {
			return nil, fmt.Errorf("opening a snapshot: %w", err)
		}
	}
}

func (o *Offline) openSnapshot(ctx context.Context) (*snapshot, error) {
	conn, err := o.readers.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	s := &snapshot{offline: o, conn: conn, layouts: map[int64]layout{}}
	pg := conn.Conn().PgConn()
	var opening pgconn.Batch
	statements, err := prepareAll(ctx, pg,
		"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
		"SET LOCAL enable_sort = off",
		"SELECT pg_snapshot_xmin(s)::text, pg_snapshot_xmax(s)::text, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM pg_current_snapshot() s",
	)
	if err != nil {
		s.end(ctx)
		return nil, err
	}
	for _, statement := range statements {
		opening.ExecStatement(statement, nil, nil, binaryFormat)
	}
	answer := pg.ExecBatch(ctx, &opening)
	for answer.NextResult() {
		for result := answer.ResultReader(); result.NextRow(); {
			row := result.Values()
			s.position, s.head, s.now = store.Position(row[0]), store.Position(row[1]), decodeInt64(row[2])
		}
	}
	if err := answer.Close(); err != nil {
		s.end(ctx)
		return nil, err
	}
	return s, nil
}

func (s *snapshot) Now() int64               { return s.now }
func (s *snapshot) Position() store.Position { return s.position }
func (s *snapshot) Head() store.Position     { return s.head }

// closeTime is how long the end of a transaction may take that was only read in, or failed.
const closeTime = 5 * time.Second

func (s *snapshot) Close() error {
	if s.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if s.twin != nil {
		s.twin.end(ctx)
	}
	s.end(ctx)
	return nil
}

// end gives the connection back. One that broke, or is in the middle of something, is thrown away by the pool.
func (s *snapshot) end(ctx context.Context) {
	if pg := s.conn.Conn().PgConn(); !pg.IsClosed() && !pg.IsBusy() && pg.TxStatus() != 'I' {
		_, _ = s.conn.Exec(ctx, "ROLLBACK")
	}
	s.conn.Release()
	s.conn = nil
}

// query runs a statement that is kept for the next time, unless it names what is known, and calls row for each row of its result. What row is given is valid
// until it returns. When row fails, or ctx ends, the rest is not read and the connection given up.
func (s *snapshot) query(ctx context.Context, text string, parameters [][]byte, row func([][]byte) error) error {
	if s.known != nil {
		return s.queryOnce(ctx, text, parameters, row)
	}
	pg, err := s.ready()
	if err != nil {
		return err
	}
	statement, err := prepare(ctx, pg, text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return readRows(pg.ExecStatement(ctx, statement, parameters, binaryFormat, binaryFormat), cancel, row)
}

// queryOnce is query for a text that is not asked again.
func (s *snapshot) queryOnce(ctx context.Context, text string, parameters [][]byte, row func([][]byte) error) error {
	pg, err := s.ready()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return readRows(pg.ExecParams(ctx, text, parameters, nil, binaryFormat, binaryFormat), cancel, row)
}

func (s *snapshot) ready() (*pgconn.PgConn, error) {
	if s.conn == nil {
		return nil, errors.New("the snapshot is closed")
	}
	pg := s.conn.Conn().PgConn()
	if pg.IsBusy() {
		return nil, errors.New("the snapshot is busy: another of its answers is still being read")
	}
	return pg, nil
}

func readRows(result *pgconn.ResultReader, giveUp context.CancelFunc, row func([][]byte) error) error {
	for result.NextRow() {
		if err := row(result.Values()); err != nil {
			giveUp()
			_, _ = result.Close()
			return err
		}
	}
	_, err := result.Close()
	return err
}

// Fits reads the group's layout, which the reads that follow need anyway.
func (s *snapshot) Fits(ctx context.Context, group *registry.Group) error {
	_, err := s.layout(ctx, group)
	return err
}

// layout says which table and columns a group has in this snapshot.
func (s *snapshot) layout(ctx context.Context, group *registry.Group) (layout, error) {
	found, ok := s.layouts[group.ID]
	if !ok {
		var err error
		if found, _, err = s.offline.readLayout(ctx, s.conn, group.ID, ""); err != nil {
			return layout{}, err
		}
		s.layouts[group.ID] = found
	}
	if found.version > group.SchemaVersion && s.known == nil {
		return layout{}, fmt.Errorf("group %s, version %d: %w", group.Name, group.SchemaVersion, store.ErrOutdated)
	}
	if !found.keyedAs(group) {
		return layout{}, nil
	}
	return found, nil
}

// column is the SQL of a feature's value in the row o: NULL where the snapshot's table does not have it, older integers of a
// widened feature as floats.
func (l layout) column(feature *registry.Feature) string {
	own := "NULL::" + sqlTypes[feature.ValueType]
	if l.has(featureColumn(feature.Group, feature.Column)) {
		own = "o." + database.Quote(featureColumn(feature.Group, feature.Column))
	}
	if feature.Widened == "" || !l.has(featureColumn(feature.Group, feature.Widened)) {
		return own
	}
	return "coalesce(" + own + ", o." + database.Quote(featureColumn(feature.Group, feature.Widened)) + "::double precision)"
}

// observed is the SQL of the condition that the row o observes a feature.
func (l layout) observed(feature *registry.Feature) string {
	whole := fmt.Sprintf("o.presence IS NULL AND o.schema_version >= %d", feature.Since)
	if feature.Until != 0 {
		whole += fmt.Sprintf(" AND o.schema_version < %d", feature.Until)
	}
	return fmt.Sprintf("(%s IS NOT NULL OR %s OR %d = ANY (o.presence))", l.column(feature), whole, int16(feature.Ordinal))
}

// IntegerBounds looks at all rows.
func (s *snapshot) IntegerBounds(ctx context.Context, feature *registry.Feature) (least, greatest int64, found bool, err error) {
	l, err := s.layout(ctx, feature.Group)
	if err != nil || l.table == "" {
		return 0, 0, false, err
	}
	column := l.column(feature)
	err = s.query(ctx, fmt.Sprintf("SELECT min(%s), max(%s) FROM %s", column, column, s.rows(feature.Group, l)), nil, func(row [][]byte) error {
		if found = row[0] != nil; found {
			least, greatest = decode(value.Integer, row[0]).Int(), decode(value.Integer, row[1]).Int()
		}
		return nil
	})
	if err != nil {
		return 0, 0, false, fmt.Errorf("finding the bounds of %s: %w", feature.Reference(), err)
	}
	return least, greatest, found, nil
}
