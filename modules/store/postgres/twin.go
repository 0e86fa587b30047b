package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	twinFrom = 8192                   // questions: of fewer, the second connection would save less than it costs
	twinTime = 200 * time.Millisecond // how long it is waited for a second connection
)

// twinFor gives a second connection to the same snapshot where that many questions are worth one: the server looks up on one processor for
// each connection. It is nil where there is none to be had; then it is not asked for again. It ends with the snapshot.
func (s *snapshot) twinFor(ctx context.Context, questions int) *snapshot {
	if questions < twinFrom || s.alone {
		return nil
	}
	if s.twin == nil {
		s.twin = s.openTwin(ctx)
		s.alone = s.twin == nil
	}
	if s.twin != nil {
		s.twin.known = s.known
	}
	return s.twin
}

// openTwin takes the connection first: naming the snapshot for it cannot be undone, and would fail only where nothing can be read any more.
func (s *snapshot) openTwin(ctx context.Context) *snapshot {
	waiting, cancel := context.WithTimeout(ctx, twinTime)
	defer cancel()
	conn, err := s.offline.readers.Acquire(waiting)
	if err != nil {
		return nil
	}
	twin := &snapshot{offline: s.offline, conn: conn, now: s.now, position: s.position, head: s.head, layouts: s.layouts}
	name := ""
	err = s.queryOnce(ctx, "SELECT pg_export_snapshot()", nil, func(row [][]byte) error {
		name = string(row[0])
		return nil
	})
	if err == nil {
		err = twin.begin(ctx, name)
	}
	if err != nil {
		twin.end(ctx)
		return nil
	}
	return twin
}

// begin takes over the snapshot that another connection has named.
func (s *snapshot) begin(ctx context.Context, name string) error {
	pg := s.conn.Conn().PgConn()
	var opening pgconn.Batch
	for _, text := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "SET TRANSACTION SNAPSHOT '" + name + "'", "SET LOCAL enable_sort = off"} {
		opening.ExecParams(text, nil, nil, nil, nil)
	}
	return pg.ExecBatch(ctx, &opening).Close()
}
