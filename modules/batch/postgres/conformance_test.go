package postgres_test

import (
	"context"
	"hash/fnv"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"featurestore/modules/batch/batchtest"
	"featurestore/modules/batch/postgres"
	"featurestore/modules/store"
	offline "featurestore/modules/store/postgres"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/storetest/servers"
)

func TestEngine(t *testing.T) {
	url, schema := servers.Postgres(t)
	places, config := batchtest.NewPlaces(t, url, schema+"_tables")
	batchtest.Run(t, batchtest.Subject{
		Engine: postgres.New(config, true), Config: config, Places: places,
		Homes:  []string{"events", "history", "table", "query"},
		Random: batchtest.Count(100, 2_000),
		Leftovers: func(t testing.TB) (left []string) {
			conn, err := pgx.Connect(context.Background(), url)
			require.NoError(t, err)
			defer func() { require.NoError(t, conn.Close(context.Background())) }()
			require.Eventually(t, func() bool { // a server is told to end a statement, and does so a moment later
				rows, err := conn.Query(context.Background(), `SELECT pid || ': ' || query FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%width_bucket%' AND pid <> pg_backend_pid()`)
				require.NoError(t, err)
				left, err = pgx.CollectRows(rows, pgx.RowTo[string])
				require.NoError(t, err)
				return len(left) == 0
			}, time.Minute, time.Millisecond)
			return left
		},
		Offline: storetest.OfflineEngine{Open: func(t testing.TB, place string) store.Offline {
			h := fnv.New64a()
			_, _ = h.Write([]byte(t.Name() + " " + place))
			s, err := offline.Open(context.Background(), offline.Options{URL: url, Schema: schema + "_" + strconv.FormatUint(h.Sum64(), 36)})
			require.NoError(t, err)
			return s
		}},
	})
}
