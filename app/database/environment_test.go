package database

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
)

func TestEnvironments(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "registry.db")
	db, err := OpenSQLite(ctx, path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer Close(db) //nolint:errcheck // a test
	refused := func(environment, sentence string) {
		problem, ok := fault.As(BelongTo(ctx, db, environment))
		require.True(t, ok)
		require.Equal(t, fault.Conflict, problem.Kind)
		require.Contains(t, problem.Detail, sentence)
	}
	require.NoError(t, BelongTo(ctx, db, ""), "neither has a name")
	require.NoError(t, BelongTo(ctx, db, "production"), "it takes the first name")
	require.NoError(t, BelongTo(ctx, db, "production"))
	refused("staging", "belongs to the environment production, and this process is set to staging")
	refused("", "belongs to the environment production, and this process has no environment set")
	require.NoError(t, Adopt(ctx, db, "staging"))
	require.NoError(t, BelongTo(ctx, db, "staging"))
	refused("production", "belongs to the environment staging")
	require.NoError(t, Adopt(ctx, db, ""))
	require.NoError(t, BelongTo(ctx, db, ""))
}

// Of several processes that come first with different names, one has the database.
func TestOneEnvironmentComesFirst(t *testing.T) {
	ctx := context.Background()
	db, err := OpenSQLite(ctx, filepath.Join(t.TempDir(), "registry.db"), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer Close(db) //nolint:errcheck // a test
	names := []string{"a", "b", "c", "d"}
	outcomes := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { outcomes[i] = BelongTo(ctx, db, name) })
	}
	all.Wait()
	won := 0
	for _, err := range outcomes {
		if err == nil {
			won++
			continue
		}
		_, ok := fault.As(err)
		require.True(t, ok, err)
	}
	require.Equal(t, 1, won)
}
