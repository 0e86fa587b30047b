package postgres

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/batch"
)

// memoryShare is how many sorts and hash tables of one statement may be in memory at once.
const memoryShare = 4

// leastMemory is the least that PostgreSQL takes for work_mem, in bytes.
const leastMemory = 64 << 10

// settle sets what holds for a job in its transaction: a statement ends by itself where this process does not live to end it, takes no more memory for a sort
// than the job may have, and what it answers does not depend on the session.
func settle(ctx context.Context, tx pgx.Tx, job *batch.Job) error {
	_, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', $1, true), set_config('TimeZone', 'UTC', true), set_config('extra_float_digits', '1', true)`,
		strconv.FormatInt(job.Timeout.Milliseconds(), 10))
	if err == nil && job.Memory > 0 {
		_, err = tx.Exec(ctx, `SELECT set_config('work_mem', (least(pg_size_bytes(current_setting('work_mem')), $1) / 1024)::text || 'kB', true)`,
			max(job.Memory/memoryShare, leastMemory))
	}
	if err != nil {
		return fmt.Errorf("set up the transaction: %w", err)
	}
	return nil
}

// confine takes from the transaction all rights but that to read tables, where it has those of a superuser. Names are those of PostgreSQL's own
// functions, whatever the session's search path has.
func confine(ctx context.Context, tx pgx.Tx) error {
	var superuser bool
	var version int
	err := tx.QueryRow(ctx, "SELECT current_setting('is_superuser')::boolean, current_setting('server_version_num')::integer").Scan(&superuser, &version)
	if err == nil && superuser && version >= readersSince {
		_, err = tx.Exec(ctx, "SET LOCAL ROLE pg_read_all_data")
	}
	if err != nil {
		return fmt.Errorf("give up rights: %w", err)
	}
	return nil
}

// readersSince is the version that has pg_read_all_data: 14.
const readersSince = 140000
