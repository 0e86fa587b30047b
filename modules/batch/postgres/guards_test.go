package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/batch/batchtest"
	"featurestore/modules/batch/gate"
	"featurestore/modules/batch/postgres"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/storetest/servers"
)

// ungated is a job whose SQL no gate has seen, over a table of three rows; the session is a superuser's.
func ungated(t *testing.T, sql string) (*postgres.Engine, *batch.Job, *pgx.Conn) {
	url, schema := servers.Postgres(t)
	_, config := batchtest.NewPlaces(t, url, schema)
	conn, err := pgx.Connect(context.Background(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	_, err = conn.Exec(context.Background(), fmt.Sprintf(`CREATE SCHEMA %[1]s; CREATE TABLE %[1]s.sales (customer_id text, event_time timestamptz);
		INSERT INTO %[1]s.sales SELECT 'c' || i, timestamptz '2020-01-01 00:00:00+00' FROM generate_series(1, 3) i`, schema))
	require.NoError(t, err)
	group := storetest.Group(1, "seen", storetest.Customers, storetest.Column{Name: "n", Type: value.Integer}, storetest.Column{Name: "word", Type: value.String})
	plan := &batch.Plan{Name: "p", Target: group, Keys: group.EntityType.JoinKeys, Outputs: group.Features,
		Source: batch.Source{Table: &batch.Table{Connection: "warehouse", Schema: schema, Name: "sales"}, Entity: []string{"customer_id"}},
		SQL:    &gate.Query{Text: strings.ReplaceAll(sql, "SCHEMA", schema), PerTick: true}}
	return postgres.New(config, false), &batch.Job{Plan: plan, Ticks: []int64{1_600_000_000_000_000}, Folder: t.TempDir(), Memory: 64 << 20, Timeout: time.Minute}, conn
}

// Behind the gate stands the session: it writes nothing, and reads and runs nothing but tables, though its role could.
func TestWhatTheGateWouldNotLetThrough(t *testing.T) {
	const from = ` AS word FROM events`
	for name, sql := range map[string]string{
		"a file":            `SELECT customer_id, 1 AS n, pg_read_file('/etc/passwd')` + from,
		"a folder":          `SELECT customer_id, 1 AS n, pg_ls_dir('/etc')` + from,
		"a binary file":     `SELECT customer_id, 1 AS n, pg_read_binary_file('/etc/passwd')::text` + from,
		"a large object":    `SELECT customer_id, 1 AS n, lo_import('/etc/passwd')::text` + from,
		"writing a file":    `SELECT customer_id, 1 AS n, lo_export(1, '/tmp/x')::text` + from,
		"another session":   `SELECT customer_id, 1 AS n, pg_terminate_backend(pg_backend_pid())::text` + from,
		"a row":             `WITH gone AS (DELETE FROM SCHEMA.sales RETURNING 1) SELECT customer_id, 1 AS n, 'x'` + from,
		"a second":          `SELECT customer_id, 1 AS n, 'x' AS word FROM events) q) y; DROP TABLE SCHEMA.sales; SELECT * FROM (SELECT * FROM (SELECT 1`,
		"the server's log":  `SELECT customer_id, 1 AS n, pg_current_logfile()` + from,
		"the server":        `SELECT customer_id, 1 AS n, pg_reload_conf()::text` + from,
		"a lock that stays": `SELECT customer_id, 1 AS n, (SELECT 'x' FROM SCHEMA.sales FOR UPDATE LIMIT 1)` + from,
	} {
		t.Run(name, func(t *testing.T) {
			engine, job, conn := ungated(t, sql)
			_, err := engine.Compute(context.Background(), job)
			if name == "another session" { // it may end itself, and nothing else
				require.Error(t, err)
				return
			}
			problem, ok := fault.As(err)
			require.True(t, ok, "got %v", err)
			require.Equal(t, "computation-failed", problem.Slug)
			var rows int
			require.NoError(t, conn.QueryRow(context.Background(), "SELECT count(*) FROM "+job.Plan.Source.Table.Schema+".sales").Scan(&rows))
			require.Equal(t, 3, rows)
		})
	}
}

// What holds in the session: time and memory end there too, and texts and times do not depend on it.
func TestSession(t *testing.T) {
	engine, job, _ := ungated(t, `SELECT customer_id, 1 AS n, current_setting('statement_timeout') || ' ' || current_setting('transaction_read_only') || ' ' || current_setting('TimeZone') || ' ' ||
		current_setting('work_mem') || ' ' || current_user AS word FROM events WHERE customer_id = 'c1'`)
	job.Memory = 1 << 20
	staged, err := engine.Compute(context.Background(), job)
	require.NoError(t, err)
	require.Equal(t, int64(1), staged.Rows)
	require.Equal(t, []string{"1min on UTC 256kB pg_read_all_data"}, batchtest.Texts(t, staged, "word"))
}

// The limit of time ends a statement in the server.
func TestTimeout(t *testing.T) {
	engine, job, conn := ungated(t, `SELECT customer_id, 1 AS n, pg_sleep(3600)::text AS word FROM events`)
	job.Timeout = 50 * time.Millisecond
	_, err := engine.Compute(context.Background(), job)
	problem, ok := fault.As(err)
	require.True(t, ok && problem.Slug == "took-too-long", "got %v", err)
	require.Eventually(t, func() bool {
		var sleeping int
		require.NoError(t, conn.QueryRow(context.Background(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`).Scan(&sleeping))
		return sleeping == 0
	}, time.Minute, time.Millisecond)
}
