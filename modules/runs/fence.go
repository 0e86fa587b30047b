package runs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// Querier asks something of the database in a transaction that is the caller's. It and Row are aliases, so that a caller's own alias of
// the same form is the same type.
type Querier = interface {
	QueryRow(ctx context.Context, sql string, args ...any) Row
}

// Row is an answer of one row, or an error.
type Row = interface{ Scan(into ...any) error }

// Token is this claim's number, which grows with each claim of the run.
func (a *Active) Token() int64 { return a.run.Token }

// Forced tells whether the run was asked for in spite of what would hold it.
func (a *Active) Forced() bool { return a.run.Forced }

// Run is the run as it was when it was claimed or begun.
func (a *Active) Run() Run { return a.run }

// StillHeld is the fence of what the work publishes: it refuses, and ends the run's context, unless this process holds the run still, by
// this claim, within its lease. tx is the publishing transaction where it runs on the PostgreSQL that runs are in (READ COMMITTED): the
// run's row is locked in it, so that no other process can take the run over until it has ended. Ask it last: while it is open the lease
// cannot be renewed either. Where tx is nil, or runs are in SQLite, which one process has to itself, the table is asked on its own.
func (a *Active) StillHeld(ctx context.Context, tx Querier) error {
	held, err := a.runs.repository.stillHeld(ctx, tx, a.run.ID, a.runs.owner, a.run.Token)
	if err != nil {
		return fmt.Errorf("ask whether run %d is still held: %w", a.run.ID, err)
	}
	if held {
		return nil
	}
	a.end(errTaken)
	a.runs.counts.refused.Inc()
	return fault.New(fault.Conflict, "run-taken", "run %d is not this process's any more: its lease ended, and what it would publish now may be done by another", a.run.ID).
		Because(errTaken)
}

// stillHeld asks the table, in tx where that is of the same PostgreSQL.
func (r repository) stillHeld(ctx context.Context, tx Querier, id int64, owner string, token int64) (held bool, err error) {
	if tx == nil || !database.Postgres(r.db) {
		var found []int64
		err = r.db.WithContext(ctx).Raw("SELECT id FROM runs WHERE id = ? AND owner = ? AND token = ? AND state = 'running' AND lease_until >= ?",
			id, owner, token, r.now()).Scan(&found).Error
		return len(found) > 0, unavailable(err)
	}
	schema, err := r.schema(ctx)
	if err != nil {
		return false, unavailable(err)
	}
	err = tx.QueryRow(ctx, "SELECT true FROM "+database.Quote(schema)+".runs WHERE id = $1 AND owner = $2 AND token = $3 AND state = 'running'"+
		" AND lease_until >= clock_timestamp() FOR SHARE", id, owner, token).Scan(&held)
	if errors.Is(err, sql.ErrNoRows) { // pgx's own is one of these
		return false, nil
	}
	return held, unavailable(err)
}

// schema is where the table is in PostgreSQL.
func (r repository) schema(ctx context.Context) (name string, err error) {
	err = r.db.WithContext(ctx).Raw("SELECT current_schema()").Scan(&name).Error
	return name, err
}
