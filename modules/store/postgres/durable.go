package postgres

import (
	"context"
	"fmt"
)

// Durable has the log of all that has ended before the snapshot on disk. A transaction that was rolled back, or committed without waiting for
// the disk, has ended before its log is there; a server that crashes then gives its number to another one. What ends later does not matter: it
// is at or above the position, or hidden. Mostly everything is on disk already; else a commit that waits for the disk brings
// there what came before it, whoever wrote it.
func (s *snapshot) Durable(ctx context.Context) error {
	flushed := false
	err := s.queryOnce(ctx, "SELECT pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn()", nil, func(row [][]byte) error {
		flushed = row[0][0] != 0
		return nil
	})
	if err == nil && !flushed {
		_, err = s.offline.writers.Exec(ctx, "SELECT pg_logical_emit_message(true, 'featurestore', '')")
	}
	if err != nil {
		return fmt.Errorf("waiting until what a snapshot shows is on disk: %w", err)
	}
	return nil
}
