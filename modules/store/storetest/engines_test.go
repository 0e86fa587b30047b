package storetest_test

import (
	"context"
	"hash/fnv"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store"
	"featurestore/modules/store/postgres"
	"featurestore/modules/store/redis"
	"featurestore/modules/store/sqlite"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/storetest/servers"
)

// eachPair runs a test on the pairs of engines that are promised: all in one process, and all on servers.
func eachPair(t *testing.T, test func(t *testing.T, pair storetest.Pair)) {
	t.Run("embedded", func(t *testing.T) { test(t, storetest.Pair{Offline: offlineSQLite(t), Online: onlineSQLite(t)}) })
	t.Run("servers", func(t *testing.T) { test(t, storetest.Pair{Offline: offlinePostgres(t), Online: onlineRedis(t)}) })
}

// mixedPairs runs a test on the pairs that each take one engine from either.
func mixedPairs(t *testing.T, test func(t *testing.T, pair storetest.Pair)) {
	t.Run("postgres and sqlite", func(t *testing.T) { test(t, storetest.Pair{Offline: offlinePostgres(t), Online: onlineSQLite(t)}) })
	t.Run("sqlite and redis", func(t *testing.T) { test(t, storetest.Pair{Offline: offlineSQLite(t), Online: onlineRedis(t)}) })
}

// corner is a short name for a place of a test.
func corner(t testing.TB, place string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(t.Name() + " " + place))
	return strconv.FormatUint(h.Sum64(), 36)
}

func offlineSQLite(t *testing.T) storetest.OfflineEngine {
	folder := t.TempDir()
	return storetest.OfflineEngine{Open: func(t testing.TB, place string) store.Offline {
		s, err := sqlite.OpenOffline(filepath.Join(folder, corner(t, place)+".db"), sqlite.Options{})
		require.NoError(t, err)
		return s
	}}
}

func onlineSQLite(t *testing.T) storetest.OpenOnline {
	folder := t.TempDir()
	return func(t testing.TB, place string) store.Online {
		s, err := sqlite.OpenOnline(filepath.Join(folder, corner(t, place)+".db"), sqlite.Options{})
		require.NoError(t, err)
		return s
	}
}

func onlineRedis(t *testing.T) storetest.OpenOnline {
	url, prefix := servers.Redis(t)
	return func(t testing.TB, place string) store.Online {
		s, err := redis.Open(context.Background(), redis.Options{URL: url, Prefix: prefix + "_" + corner(t, place)})
		require.NoError(t, err)
		return s
	}
}

func offlinePostgres(t *testing.T) storetest.OfflineEngine {
	url, schema := servers.Postgres(t)
	return storetest.OfflineEngine{Open: func(t testing.TB, place string) store.Offline {
		s, err := postgres.Open(context.Background(), postgres.Options{URL: url, Schema: schema + "_" + corner(t, place), Writers: 4, Readers: 8})
		require.NoError(t, err)
		return s
	}}
}
