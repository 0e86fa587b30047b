package storetest_test

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

// onPostgres gives each test schemas of its own.
func onPostgres(t *testing.T) storetest.OfflineEngine {
	url, schema := servers.Postgres(t)
	open := func(t testing.TB, place string) store.Offline {
		s, err := postgres.Open(context.Background(), postgres.Options{URL: url, Schema: schema + "_" + corner(t, place), Writers: 4, Readers: 8})
		require.NoError(t, err)
		return s
	}
	// Ending the sessions that hold something in the schema is what the server does when their process dies.
	crash := func(t testing.TB, place string) store.Offline {
		conn, err := pgx.Connect(context.Background(), url)
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close(context.Background())) }()
		var ended int
		require.NoError(t, conn.QueryRow(context.Background(), `SELECT count(pg_terminate_backend(pid, 10000)) FROM (SELECT DISTINCT pid FROM pg_locks
			WHERE relation IN (SELECT oid FROM pg_class WHERE relnamespace = $1::regnamespace)) AS sessions`, schema+"_"+corner(t, place)).Scan(&ended))
		require.Positive(t, ended)
		return open(t, place)
	}
	return storetest.OfflineEngine{Open: open, Crash: crash}
}

func TestPostgresOffline(t *testing.T) { storetest.RunOffline(t, onPostgres(t)) }

// corner is a short name for a place of a test.
func corner(t testing.TB, place string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(t.Name() + " " + place))
	return strconv.FormatUint(h.Sum64(), 36)
}
