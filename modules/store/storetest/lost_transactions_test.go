package storetest_test

import (
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"featurestore/modules/store"
	"featurestore/modules/store/postgres"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/storetest/servers"
)

// PostgreSQL is killed with transactions ended of which its log writer has brought nothing to the disk.
func TestLostTransactions(t *testing.T) {
	server := servers.StartPostgres(t, "autovacuum=off")
	connect := func() *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), server.URL())
		require.NoError(t, err)
		return conn
	}
	spend := func() {
		conn := connect()
		defer conn.Close(t.Context())
		for range 100 {
			tx, err := conn.Begin(t.Context())
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), "SELECT pg_current_xact_id()")
			require.NoError(t, err)
			require.NoError(t, tx.Rollback(t.Context()))
		}
	}
	lose := func() {
		conn := connect()
		defer conn.Close(t.Context())
		var writer int
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'").Scan(&writer))
		require.NoError(t, syscall.Kill(writer, syscall.SIGSTOP))
		t.Cleanup(func() { _ = syscall.Kill(writer, syscall.SIGCONT) }) // where the test ends before the crash
		spend()
	}
	crash := func() {
		require.NoError(t, server.Kill())
		require.NoError(t, server.Start())
	}
	pair := storetest.Pair{Online: onlineSQLite(t), Offline: storetest.OfflineEngine{Open: func(t testing.TB, place string) store.Offline {
		s, err := postgres.Open(t.Context(), postgres.Options{URL: server.URL(), Schema: "lost_" + corner(t, place), Writers: 4, Readers: 8})
		require.NoError(t, err)
		return s
	}}}
	storetest.RunLostTransactions(t, pair, lose, crash, spend)
}
