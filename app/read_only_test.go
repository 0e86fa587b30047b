package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"featurestore/app/database"
	"featurestore/config"
	"featurestore/modules/store/storetest/servers"
)

// installation is what settings name one on the test's servers.
func installation(t *testing.T) []string {
	postgres, schema := servers.Postgres(t)
	redis, prefix := servers.Redis(t)
	return []string{"FEATURESTORE_POSTGRES_URL=" + postgres, "FEATURESTORE_POSTGRES_SCHEMA=" + schema,
		"FEATURESTORE_REDIS_URL=" + redis, "FEATURESTORE_REDIS_PREFIX=" + prefix}
}

func send(t *testing.T, method, url, body string) (int, string) {
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer)
}

// written is what an installation holds: the rows of each table of its schemas, and its keys in Redis with their values' digests.
func written(t *testing.T, c *config.Config) map[string]string {
	conn, err := pgx.Connect(t.Context(), c.Postgres.URL.Reveal())
	require.NoError(t, err)
	defer conn.Close(context.Background()) //nolint:errcheck // a test
	rows, err := conn.Query(t.Context(), `SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ($1, $2)`, c.Postgres.Schema, registrySchema(c))
	require.NoError(t, err)
	type table struct{ Schema, Name string }
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	require.NoError(t, err)
	held := map[string]string{}
	for _, table := range tables {
		var digest string
		name := database.Quote(table.Schema) + "." + database.Quote(table.Name)
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, '' ORDER BY t::text)), '') FROM `+name+` t`).Scan(&digest))
		held[name] = digest
	}
	option, err := rueidis.ParseURL(c.Redis.URL.Reveal())
	require.NoError(t, err)
	option.DisableCache = true
	client, err := rueidis.NewClient(option)
	require.NoError(t, err)
	defer client.Close()
	keys, err := client.Do(t.Context(), client.B().Keys().Pattern(c.Redis.Prefix+":*").Build()).AsStrSlice()
	require.NoError(t, err)
	for _, key := range keys {
		dump, err := client.Do(t.Context(), client.B().Dump().Key(key).Build()).ToString()
		require.NoError(t, err)
		held[key] = dump
	}
	return held
}

// A process that only reads answers what is asked, refuses what changes something, and changes nothing by itself.
func TestReadOnly(t *testing.T) {
	where := installation(t)
	c := settings(t, append(where, "FEATURESTORE_READ_ONLY=true")...)
	_, err := New(t.Context(), c, slog.New(slog.DiscardHandler))
	var refusal *Refusal
	require.ErrorAs(t, err, &refusal, "there is nothing yet, and it makes nothing")
	require.ErrorAs(t, Migrate(t.Context(), c, false, slog.New(slog.DiscardHandler)), &refusal)

	writer := start(t, settings(t, where...))
	base := "http://" + writer.Addresses()[0]
	status, body := send(t, "POST", base+"/store/customer/12345", `{"purchase_count_30d": 5}`)
	require.Equal(t, http.StatusOK, status, body)
	status, body = send(t, "POST", base+"/materialize?wait=30s", `{"groups": ["customer"]}`)
	require.Equal(t, http.StatusOK, status, body)
	require.NoError(t, writer.Stop())

	before := written(t, c)
	a := start(t, c)
	base = "http://" + a.Addresses()[0]
	for _, path := range []string{"/healthz", "/readyz", "/features", "/apply", "/get/customer/12345/purchase_count_30d", "/get/customer/12345",
		"/history/customer/12345", "/explain/customer/12345/purchase_count_30d", "/rows/customer?format=csv", "/runs", "/rules", "/alerts", "/reports", "/metrics"} {
		status, _, body := get(t, base+path)
		require.Equal(t, http.StatusOK, status, "%s: %s", path, body)
	}
	_, _, body = get(t, base+"/get/customer/12345/purchase_count_30d")
	require.Contains(t, body, `"value":5`)
	for _, call := range []struct{ path, body, wanted string }{
		{"/get/customer", `{"entity_ids": ["12345"], "features": ["purchase_count_30d"]}`, `{"purchase_count_30d":[5]}`},
		{"/get-online-features", `{"features": ["customer:purchase_count_30d"], "entities": {"customer_id": ["12345"]}}`, `"values":[5]`},
		{"/training-sets?features=customer:purchase_count_30d", "customer_id,event_time\n12345,2020-01-01T00:00:00Z\n", "12345,2020-01-01T00:00:00Z,\n"},
	} {
		status, body := send(t, "POST", base+call.path, call.body)
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, call.wanted)
	}
	refused := 0
	for path, methods := range paths(t, a) {
		for _, method := range methods {
			if method == http.MethodGet || method == http.MethodPost && (path == "/get/{entity_type}" || path == "/get-online-features" || path == "/training-sets") {
				continue
			}
			status, body := send(t, method, base+strings.NewReplacer("{", "", "}", "").Replace(path), `{}`)
			require.Equal(t, http.StatusForbidden, status, "%s %s: %s", method, path, body)
			require.Contains(t, body, "urn:featurestore:problem:read-only")
			refused++
		}
	}
	require.Greater(t, refused, 30)
	require.NoError(t, a.Stop())
	require.Equal(t, before, written(t, c))
}

// What the server itself refuses to a process that only reads: its connections cannot write.
func TestReadOnlyConnections(t *testing.T) {
	where := installation(t)
	require.NoError(t, start(t, settings(t, where...)).Stop())
	a := start(t, settings(t, append(where, "FEATURESTORE_READ_ONLY=true")...))
	err := a.db.Exec("CREATE TABLE one_more (id integer)").Error
	require.True(t, database.ReadOnly(err), err)
}

// An environment's name keeps processes of others away from its databases, also from its Redis alone.
func TestEnvironments(t *testing.T) {
	where := installation(t)
	with := func(name string, changes ...string) *config.Config {
		return settings(t, append(append(where, "FEATURESTORE_ENVIRONMENT="+name), changes...)...)
	}
	refused := func(c *config.Config, sentence string) {
		a, err := New(t.Context(), c, slog.New(slog.DiscardHandler))
		if err == nil {
			err = a.Start(t.Context())
			require.NoError(t, a.Stop())
		}
		var refusal *Refusal
		require.ErrorAs(t, err, &refusal)
		require.Contains(t, err.Error(), sentence)
	}
	require.NoError(t, start(t, settings(t, where...)).Stop(), "without a name")
	require.NoError(t, start(t, with("production")).Stop(), "the first name stays")
	require.NoError(t, start(t, with("production")).Stop())
	refused(with("staging"), "the database belongs to the environment production, and this process is set to staging")
	refused(settings(t, where...), "this process has no environment set")
	refused(with("staging", "FEATURESTORE_READ_ONLY=true"), "belongs to the environment production")

	// A copy of the database that is another environment's, beside the original's Redis.
	c := with("staging")
	db, err := openDatabase(t.Context(), c, nil, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, database.Adopt(t.Context(), db, "staging"))
	require.NoError(t, database.Close(db))
	refused(c, "in Redis belong to the environment production")

	require.NoError(t, Migrate(t.Context(), c, true, slog.New(slog.DiscardHandler)))
	require.NoError(t, start(t, c).Stop())
	refused(with("production"), "belongs to the environment staging")

	embedded := settings(t, "FEATURESTORE_ENVIRONMENT=laptop")
	require.NoError(t, start(t, embedded).Stop())
	embedded.Environment = "production"
	refused(embedded, "the database belongs to the environment laptop")
}
