// Package databasetest gives tests a fresh database of each kind.
package databasetest

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/modules/store/storetest/servers"
)

// Each runs the test on SQLite, and on PostgreSQL where there is a server. open opens the test's own database, empty at first;
// each call is a connection pool of its own, as another process would have, and is closed when the test ends.
func Each(t *testing.T, test func(t *testing.T, open func() *gorm.DB)) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, SQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		url, schema := servers.Postgres(t)
		test(t, func() *gorm.DB {
			db, err := database.OpenPostgres(context.Background(), url, schema, slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, database.Close(db)) })
			return db
		})
	})
}

// SQLite gives a function that opens a file of the test's own.
func SQLite(t testing.TB) (open func() *gorm.DB) {
	path := filepath.Join(t.TempDir(), "registry.db")
	return func() *gorm.DB {
		db, err := database.OpenSQLite(context.Background(), path, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, database.Close(db)) })
		return db
	}
}
