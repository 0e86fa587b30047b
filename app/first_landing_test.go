package app

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"featurestore/config"
	"featurestore/modules/store/storetest/servers"
)

// testdata/first_landing is what the first release left behind: dumps of its three SQLite files and of its schemas in PostgreSQL, after it was
// given late, partial, null and draft values, entities of two keys, a service, equal events and a load.

// firstFolder is a data folder as the first release left it.
func firstFolder(t *testing.T) *config.Config {
	c := settings(t)
	require.NoError(t, os.MkdirAll(c.Data, 0o750))
	for _, name := range []string{"registry", "offline", "online"} {
		text, err := os.ReadFile("testdata/first_landing/" + name + ".sql")
		require.NoError(t, err)
		db, err := sql.Open("sqlite3", filepath.Join(c.Data, name+".db"))
		require.NoError(t, err)
		_, err = db.Exec(string(text))
		require.NoError(t, err, name)
		require.NoError(t, db.Close())
	}
	return c
}

// firstServers is a database of the test's own as the first release left it, with a Redis that has lost everything.
func firstServers(t *testing.T) *config.Config {
	postgres, _ := servers.Postgres(t)
	redis, prefix := servers.Redis(t)
	do := func(at, text string) {
		conn, err := pgx.Connect(context.Background(), at)
		require.NoError(t, err)
		defer conn.Close(context.Background()) //nolint:errcheck // a test
		_, err = conn.Exec(context.Background(), text, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
	}
	name := fmt.Sprintf("first_landing_%d", time.Now().UnixNano())
	do(postgres, "CREATE DATABASE "+name)
	t.Cleanup(func() { do(postgres, "DROP DATABASE "+name+" WITH (FORCE)") })
	at, err := url.Parse(postgres)
	require.NoError(t, err)
	at.Path = "/" + name
	text, err := os.ReadFile("testdata/first_landing/postgres.sql")
	require.NoError(t, err)
	do(at.String(), string(text))
	return settings(t, "FEATURESTORE_POSTGRES_URL="+at.String(), "FEATURESTORE_REDIS_URL="+redis, "FEATURESTORE_REDIS_PREFIX="+prefix)
}

// What the first release stored opens in this one and is answered as it was, also after the next start; and it goes on from there.
func TestDataOfTheFirstRelease(t *testing.T) {
	for name, c := range map[string]func(*testing.T) *config.Config{"embedded": firstFolder, "servers": firstServers} {
		t.Run(name, func(t *testing.T) {
			c := c(t)
			for round := range 2 {
				a := start(t, c)
				base := "http://" + a.Addresses()[0]
				for _, call := range []struct{ path, contains string }{
					{"/get/customer/12345", `"features":{"customer_purchase_count_30d":5,"avg_order_value_90d":null,"segments":["gold","web"],"last_purchase":"2026-01-30T08:00:00Z","drafted":null}`},
					{"/get/customer/12345", `"statuses":{"customer_purchase_count_30d":"PRESENT","avg_order_value_90d":"NULL_VALUE","segments":"PRESENT","last_purchase":"PRESENT","drafted":"NOT_FOUND"}`},
					{"/get/customer/777/drafted", `"value":1.5`},
					{"/get/customer/00002/customer_purchase_count_30d", `"value":0`},
					{"/get/shop/country=NL,shop_id=7", `"features":{"open":true,"profile":{"size":3}}`},
					{"/history/customer/12345?features=customer_purchase_count_30d&to=2026-01-20T00:00:00Z", `"features":{"customer_purchase_count_30d":3}`},
					{"/rows/purchases?format=csv", "customer_id,event_time,quantity,amount\n12345,2026-01-10T00:00:00Z,1,9.99\n12345,2026-01-10T00:00:00Z,1,9.99\n777,2026-01-11T00:00:00Z,2,20.0\n"},
					{"/services/churn", `"customer_purchases:customer_purchase_count_30d"`},
					{"/features/customer/drafted", `"status":"draft"`},
					{"/runs", `"kind":"load"`},
				} {
					status, _, body := get(t, base+call.path)
					require.Equal(t, http.StatusOK, status, body)
					require.Contains(t, body, call.contains, call.path)
				}
				status, body := send(t, http.MethodPost, base+"/training-sets?features=customer_purchases:customer_purchase_count_30d",
					"customer_id,event_time\n12345,2026-01-20T00:00:00Z\n12345,2026-02-20T00:00:00Z\n00001,2026-01-01T00:00:00Z\n")
				require.Equal(t, http.StatusOK, status, body)
				require.Equal(t, "customer_id,event_time,customer_purchase_count_30d\n12345,2026-01-20T00:00:00Z,3\n12345,2026-02-20T00:00:00Z,5\n00001,2026-01-01T00:00:00Z,\n", body)

				// New values beside the old ones.
				id := fmt.Sprint("new", round)
				status, body = send(t, http.MethodPost, base+"/store/customer/"+id, `{"customer_purchase_count_30d": 9}`)
				require.Equal(t, http.StatusOK, status, body)
				_, _, body = get(t, base+"/get/customer/"+id+"/customer_purchase_count_30d")
				require.Contains(t, body, `"value":9`)
				status, body = send(t, http.MethodPost, base+"/materialize/check?wait=30s", `{"group": "customer_purchases", "sample": "all"}`)
				require.Equal(t, http.StatusOK, status, body)
				require.NoError(t, a.Stop())
			}
			a := start(t, c)
			base := "http://" + a.Addresses()[0]
			status, body := send(t, http.MethodDelete, base+"/store/customer/12345?wait=30s", "")
			require.Equal(t, http.StatusOK, status, body)
			require.Contains(t, body, `"state":"succeeded"`)
			_, _, body = get(t, base+"/get/customer/12345/customer_purchase_count_30d")
			require.Contains(t, body, `"status":"NOT_FOUND"`)
			_, _, body = get(t, base+"/rows/purchases?format=csv")
			require.Equal(t, 2, strings.Count(body, "\n"), "the header and the other customer's purchase")
		})
	}
}
