package postgres_test

import (
	"context"
	"hash/fnv"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"featurestore/modules/store"
	"featurestore/modules/store/postgres"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/storetest/servers"
)

func TestOffline(t *testing.T) {
	url, prefix := servers.Postgres(t)
	schema := func(t testing.TB, place string) string {
		h := fnv.New64a()
		_, _ = h.Write([]byte(t.Name() + " " + place))
		return prefix + "_" + strconv.FormatUint(h.Sum64(), 36)
	}
	open := func(t testing.TB, place string) store.Offline {
		offline, err := postgres.Open(context.Background(), postgres.Options{URL: url, Schema: schema(t, place)})
		require.NoError(t, err)
		return offline
	}
	// Ending the sessions that hold something in the schema is what the server does when their process dies.
	crash := func(t testing.TB, place string) store.Offline {
		conn, err := pgx.Connect(context.Background(), url)
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close(context.Background())) }()
		var ended int
		require.NoError(t, conn.QueryRow(context.Background(), `SELECT count(pg_terminate_backend(pid, 10000)) FROM (SELECT DISTINCT pid FROM pg_locks
			WHERE relation IN (SELECT oid FROM pg_class WHERE relnamespace = $1::regnamespace)) AS sessions`, schema(t, place)).Scan(&ended))
		require.Positive(t, ended)
		return open(t, place)
	}
	storetest.RunOffline(t, storetest.OfflineEngine{Open: open, Crash: crash})
}
