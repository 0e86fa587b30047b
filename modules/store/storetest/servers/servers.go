// Package servers gives tests the PostgreSQL and Redis they need: a corner of a server that is already running, or a server
// of their own that they may kill.
//
// The running ones are named by FEATURESTORE_TEST_POSTGRES_URL and FEATURESTORE_TEST_REDIS_URL, which scripts/test sets. With
// FEATURESTORE_TEST_SERVERS=required a missing one fails the test, otherwise the test is left out and says so.
package servers

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres returns the URL of the running PostgreSQL and the name of a schema that does not exist yet. When the test ends
// that schema is dropped, and every schema whose name begins with that name and "_".
func Postgres(t testing.TB) (url, schema string) {
	t.Helper()
	url = running(t, "FEATURESTORE_TEST_POSTGRES_URL")
	schema = fresh()
	t.Cleanup(func() {
		if err := dropSchemas(url, schema); err != nil {
			t.Errorf("dropping schema %s: %v", schema, err)
		}
	})
	return url, schema
}

// Redis returns the URL of the running Redis and a key prefix that nobody uses. When the test ends all keys that begin with
// it are removed.
func Redis(t testing.TB) (url, prefix string) {
	t.Helper()
	url = running(t, "FEATURESTORE_TEST_REDIS_URL")
	prefix = fresh()
	t.Cleanup(func() {
		if err := dropKeys(url, prefix); err != nil {
			t.Errorf("removing the keys under %s: %v", prefix, err)
		}
	})
	return url, prefix
}

func running(t testing.TB, variable string) string {
	t.Helper()
	url := os.Getenv(variable)
	switch {
	case url != "":
	case os.Getenv("FEATURESTORE_TEST_SERVERS") == "required":
		t.Fatalf("%s is not set, and FEATURESTORE_TEST_SERVERS=required", variable)
	default:
		t.Skipf("left out: %s is not set (scripts/test starts the servers)", variable)
	}
	return url
}

// fresh is a name that is a PostgreSQL identifier and holds nothing that Redis takes for a pattern.
func fresh() string {
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err)
	}
	return "test_" + hex.EncodeToString(b[:])
}

func dropSchemas(url, schema string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(ctx, `SELECT nspname FROM pg_namespace WHERE nspname = $1 OR starts_with(nspname, $1 || '_')`, schema)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := dropTables(ctx, conn, name); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, `DROP SCHEMA `+pgx.Identifier{name}.Sanitize()+` CASCADE`); err != nil {
			return err
		}
	}
	return nil
}

// dropTables drops the tables of a schema some at a time: thousands in one transaction are more locks than a server has room for.
func dropTables(ctx context.Context, conn *pgx.Conn, schema string) error {
	for {
		rows, err := conn.Query(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = $1 LIMIT 100`, schema)
		if err != nil {
			return err
		}
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(tables) == 0 {
			return err
		}
		for i, table := range tables {
			tables[i] = pgx.Identifier{schema, table}.Sanitize()
		}
		if _, err := conn.Exec(ctx, `DROP TABLE `+strings.Join(tables, ", ")+` CASCADE`); err != nil {
			return err
		}
	}
}

func dropKeys(url, prefix string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, err := dial(url)
	if err != nil {
		return err
	}
	defer client.Close()
	for cursor := uint64(0); ; {
		page, err := client.Do(ctx, client.B().Scan().Cursor(cursor).Match(prefix+"*").Count(1000).Build()).AsScanEntry()
		if err != nil {
			return err
		}
		if len(page.Elements) > 0 {
			if err := client.Do(ctx, client.B().Unlink().Key(page.Elements...).Build()).Error(); err != nil {
				return err
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			return nil
		}
	}
}
