package database

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyProgramsThatAreTooOldAreRefused(t *testing.T) {
	ctx := context.Background()
	db, err := OpenSQLite(ctx, filepath.Join(t.TempDir(), "registry.db"), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer Close(db) //nolint:errcheck // a test

	require.NoError(t, admit(ctx, db, 3, 2), "a newer program that leaves a place for level 2")
	require.NoError(t, admit(ctx, db, 2, 1), "a program of level 2 beside it")
	require.ErrorContains(t, admit(ctx, db, 1, 1), "needs level 2 at least, this program has level 1")
	require.NoError(t, admit(ctx, db, 4, 4))
	require.ErrorContains(t, admit(ctx, db, 3, 2), "install the newer release")
}

func TestUnknownNewerMigrationsAreLeftAlone(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "registry.db")
	db, err := OpenSQLite(ctx, path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, db.Exec("INSERT INTO database_migrations (version_id, is_applied) VALUES (2, 1)").Error)
	require.NoError(t, Close(db))

	db, err = OpenSQLite(ctx, path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, Close(db))
}
