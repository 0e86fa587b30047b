package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// prepareSchema makes the schema and the store's own tables where they are missing, and looks after what a restore into
// another cluster left behind.
func (o *Offline) prepareSchema(ctx context.Context) error {
	return o.inTransaction(ctx, "preparing the schema "+o.schema, func(tx pgx.Tx) error {
		var version int
		var encoding string
		err := tx.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding')`).Scan(&version, &encoding)
		if err != nil {
			return err
		}
		if version < 130000 {
			return fmt.Errorf("PostgreSQL %d is too old: 13 or later is needed", version/10000)
		}
		if encoding != "UTF8" {
			return fmt.Errorf("the database has the encoding %s: it must be UTF8", encoding)
		}
		// Processes that start at the same time would make the same things: one after the other, until the commit.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('featurestore ' || $1, 0))`, o.schema); err != nil {
			return err
		}
		// CREATE SCHEMA IF NOT EXISTS asks for the right to make one, even where it exists.
		var exists bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`, o.schema).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			if _, err := tx.Exec(ctx, `CREATE SCHEMA `+database.Quote(o.schema)); err != nil {
				return err
			}
		}
		for _, table := range append([]string{
			`CREATE TABLE IF NOT EXISTS ` + o.table("__store") + ` (
				the_only     boolean PRIMARY KEY DEFAULT true CHECK (the_only),
				identity     uuid NOT NULL DEFAULT gen_random_uuid(),
				installation text,
				cluster      bigint NOT NULL)`,
			`CREATE TABLE IF NOT EXISTS ` + o.table("__layouts") + ` (
				group_id   bigint PRIMARY KEY,
				table_name text COLLATE "C" NOT NULL UNIQUE,
				version    integer NOT NULL,
				join_keys  text[] NOT NULL,
				columns    text[] NOT NULL)`,
			`CREATE TABLE IF NOT EXISTS ` + o.table("__idempotency") + ` (
				key         bytea PRIMARY KEY,
				fingerprint bytea NOT NULL,
				at          timestamptz NOT NULL DEFAULT now(),
				until       timestamptz NOT NULL,
				run_id      bigint NOT NULL,
				reserved    boolean NOT NULL,
				status      integer NOT NULL,
				answer      bytea NOT NULL,
				outcome     text COLLATE "C" NOT NULL)`,
			`CREATE INDEX IF NOT EXISTS __idempotency_until ON ` + o.table("__idempotency") + ` (until)`,
			`CREATE TABLE IF NOT EXISTS ` + o.table("__removals") + ` (
				group_id  bigint PRIMARY KEY,
				last      bigint NOT NULL,
				forgotten bigint NOT NULL)`,
			`CREATE TABLE IF NOT EXISTS ` + o.table("__removed") + ` (
				group_id bigint NOT NULL,
				number   bigint NOT NULL,
				run_id   bigint,
				entity   text[] COLLATE "C" NOT NULL,
				ids      bigint[] NOT NULL)`,
			`CREATE TABLE IF NOT EXISTS ` + o.table("__retained") + ` (
				group_id      bigint PRIMARY KEY,
				retained_from bigint NOT NULL)`,
			`CREATE TABLE IF NOT EXISTS ` + o.table("__reverted") + ` (run_id bigint PRIMARY KEY)`,
			`CREATE INDEX IF NOT EXISTS __removed_by_number ON ` + o.table("__removed") + ` (group_id, number)`,
		}, slices.Concat(o.erasuresSchema(), o.quarantineSchema(), o.publicationsSchema(), o.retractionsSchema())...) {
			if _, err := tx.Exec(ctx, table); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `INSERT INTO `+o.table("__store")+` (cluster)
			SELECT system_identifier FROM pg_control_system() ON CONFLICT DO NOTHING`); err != nil {
			return err
		}
		return o.adopt(ctx, tx)
	})
}

// lookAtSchema only looks whether the store is there.
func (o *Offline) lookAtSchema(ctx context.Context) error {
	var there bool
	if err := o.writers.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, o.table("__store")).Scan(&there); err != nil {
		return fmt.Errorf("looking at the schema %s: %w", o.schema, err)
	}
	if !there {
		return fmt.Errorf("the schema %s holds no values yet, and this process makes nothing", o.schema)
	}
	return nil
}

// adopt takes over tables that a dump brought from another cluster. Its transaction numbers mean nothing here: those ahead of
// this cluster's would count as new until it has caught up. 0 is below every position; the identity has changed with the
// cluster, so everything is materialized again anyway.
func (o *Offline) adopt(ctx context.Context, tx pgx.Tx) error {
	found, err := tx.Exec(ctx, `UPDATE `+o.table("__store")+` SET cluster = system_identifier FROM pg_control_system()
		WHERE cluster <> system_identifier`)
	if err != nil || found.RowsAffected() == 0 {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE `+o.table("__publications")+` SET xids = NULL`); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT table_name FROM `+o.table("__layouts"))
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := tx.Exec(ctx, `UPDATE `+o.table(name)+` SET ingest_xid = 0
			WHERE ingest_xid >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint`); err != nil {
			return err
		}
	}
	return nil
}

// Claim stamps a new store with the installation's identity, or checks that it carries it: a fault of kind Conflict if it
// belongs to another installation.
func (o *Offline) Claim(ctx context.Context, installation string) error {
	var owner string
	claim := `UPDATE ` + o.table("__store") + ` SET installation = coalesce(installation, $1) RETURNING installation`
	if o.reading {
		claim = `SELECT coalesce(installation, $1) FROM ` + o.table("__store")
	}
	err := o.writers.QueryRow(ctx, claim, installation).Scan(&owner)
	if err != nil {
		return fmt.Errorf("claiming the schema %s: %w", o.schema, err)
	}
	if owner != installation {
		return fault.New(fault.Conflict, "foreign-store", "the schema %s in PostgreSQL belongs to the installation %s, this is %s: use another schema name",
			o.schema, owner, installation)
	}
	return nil
}

// Identity is of the store, the cluster, its timeline and the database: it changes when the server is restored to an earlier time or
// a standby takes over, and a copy of the database has another.
func (o *Offline) Identity(ctx context.Context) (string, error) {
	var identity string
	err := o.writers.QueryRow(ctx, `SELECT concat_ws('/', identity, (SELECT system_identifier FROM pg_control_system()),
		left(pg_walfile_name(pg_current_wal_lsn()), 8), (SELECT oid FROM pg_database WHERE datname = current_database()))
		FROM `+o.table("__store")).Scan(&identity)
	if err != nil {
		return "", fmt.Errorf("reading the identity of the schema %s: %w", o.schema, err)
	}
	return identity, nil
}

// attempts is how often a transaction is tried that lost against another one.
const attempts = 5

// inTransaction runs work in a transaction, again where it lost against another one.
func (o *Offline) inTransaction(ctx context.Context, doing string, work func(pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := pgx.BeginFunc(ctx, o.writers, work)
		if err == nil {
			return nil
		}
		if !lost(err) || attempt == attempts {
			return fmt.Errorf("%s: %w", doing, err)
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// pause waits a little longer with each attempt.
func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(time.Duration(attempt) * 10 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
