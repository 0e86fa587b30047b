package database

import (
	"context"
	"fmt"
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

	require.NoError(t, admit(ctx, db, Level+1, Level), "a newer program that leaves a place for this one")
	require.NoError(t, admit(ctx, db, Level, Level-1), "this one beside it")
	require.ErrorContains(t, admit(ctx, db, Level-1, Level-1), fmt.Sprintf("needs level %d at least, this program has level %d", Level, Level-1))
	require.NoError(t, admit(ctx, db, Level+2, Level+2))
	require.ErrorContains(t, admit(ctx, db, Level+1, Level), "install the newer release")
}

func TestUnknownNewerMigrationsAreLeftAlone(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "registry.db")
	db, err := OpenSQLite(ctx, path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, db.Exec("INSERT INTO database_migrations (version_id, is_applied) VALUES (1000, 1)").Error)
	require.NoError(t, Close(db))

	db, err = OpenSQLite(ctx, path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, Close(db))
}
