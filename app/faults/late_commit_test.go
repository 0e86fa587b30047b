package faults

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"featurestore/modules/store/storetest/servers"
)

// stillTicker keeps the program from bringing the copies in step by itself, so that a test decides when a run is.
const stillTicker = "FEATURESTORE_MATERIALIZATION_INTERVAL=1h"

// A transaction that is opened before a run and committed after it is in the next run. The control goes by the highest ingest id that a
// run has seen: the late row's is lower, so the next run would pass it by.
func TestALateCommitIsInTheNextRun(t *testing.T) {
	ctx := context.Background()
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{Fsync: "no"})
	p := newProgram(t, append(onServers(postgres, redis), stillTicker)...)
	p.start(t)
	define(t, p)
	p.mustWrite(t, "first", 1)
	db := connect(t, postgres.URL())
	numbers := findTable(t, db, "numbers")
	other := connect(t, postgres.URL())

	const commits = 200
	passedBy := 0
	for i := range int64(commits) {
		account := fmt.Sprint("late-", i)
		late, err := db.Begin(ctx)
		require.NoError(t, err)
		id := numbers.insert(t, late, account, i)
		p.mustWrite(t, "meanwhile", i)
		p.materialize(t, "incremental")
		var highest int64
		require.NoError(t, other.QueryRow(ctx, `SELECT max(ingest_id) FROM `+numbers.name).Scan(&highest))
		require.NoError(t, late.Commit(ctx))
		if id <= highest {
			passedBy++
		}
		p.materialize(t, "incremental")
		p.requireOnline(t, account, i)
	}
	require.Equal(t, commits, passedBy, "the control passes them by")
	t.Logf("measured: %d of %d late commits were in the next run; a run that goes by ids would have passed by %d", commits, commits, passedBy)
}

// An idle transaction anywhere in the cluster holds the watermark back, but never the rows. The control copies only what lies below
// the oldest open transaction: it would see none of them.
func TestAnIdleTransactionElsewhereHidesNothing(t *testing.T) {
	ctx := context.Background()
	postgres, redis := servers.StartPostgres(t), servers.StartRedis(t, servers.RedisOptions{Fsync: "no"})
	p := newProgram(t, append(onServers(postgres, redis), stillTicker)...)
	p.start(t)
	define(t, p)
	p.mustWrite(t, "first", 1)
	db := connect(t, postgres.URL())
	numbers := findTable(t, db, "numbers")

	_, err := db.Exec(ctx, `CREATE DATABASE elsewhere`)
	require.NoError(t, err)
	config, err := pgx.ParseConfig(postgres.URL())
	require.NoError(t, err)
	config.Database = "elsewhere"
	elsewhere, err := pgx.ConnectConfig(ctx, config)
	require.NoError(t, err)
	defer func() { _ = elsewhere.Close(ctx) }()
	idle, err := elsewhere.Begin(ctx)
	require.NoError(t, err)
	_, err = idle.Exec(ctx, `SELECT pg_current_xact_id()`)
	require.NoError(t, err)

	const rows = 100
	for i := range int64(rows) {
		account := fmt.Sprint("committed-", i)
		tx, err := db.Begin(ctx)
		require.NoError(t, err)
		numbers.insert(t, tx, account, i)
		require.NoError(t, tx.Commit(ctx))
		p.materialize(t, "incremental")
		p.requireOnline(t, account, i)
	}
	var below int
	require.NoError(t, db.QueryRow(ctx, `SELECT count(*) FROM `+numbers.name+`
		WHERE account_id LIKE 'committed-%' AND ingest_xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint`).Scan(&below))
	require.Zero(t, below, "the control sees none of them")
	require.NoError(t, idle.Rollback(ctx))
	t.Logf("measured: %d of %d rows were copied while a transaction in another database was idle; %d lie below it", rows, rows, below)
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// offlineTable is a group's table, written to as another process would.
type offlineTable struct {
	name    string
	group   int64
	version int
}

func findTable(t *testing.T, db *pgx.Conn, group string) offlineTable {
	t.Helper()
	var schema string
	require.NoError(t, db.QueryRow(context.Background(), `SELECT nspname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relname = $1 AND relkind = 'r'`, group).Scan(&schema))
	table := offlineTable{name: pgx.Identifier{schema, group}.Sanitize()}
	require.NoError(t, db.QueryRow(context.Background(), `SELECT group_id, version FROM `+pgx.Identifier{schema, "__layouts"}.Sanitize()+`
		WHERE table_name = $1`, group).Scan(&table.group, &table.version))
	return table
}

// insert adds a whole row of the group numbers and returns its ingest id.
func (o offlineTable) insert(t *testing.T, tx pgx.Tx, account string, n int64) (id int64) {
	t.Helper()
	require.NoError(t, tx.QueryRow(context.Background(), `INSERT INTO `+o.name+` (account_id, event_time, schema_version, n, n_text)
		VALUES ($1, now(), $2, $3, $4) RETURNING ingest_id`, account, o.version, n, fmt.Sprint(n)).Scan(&id))
	return id
}
