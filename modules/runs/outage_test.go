package runs

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/store/storetest/servers"
)

func TestWithoutItsDatabase(t *testing.T) {
	t.Parallel()
	server := servers.StartPostgres(t)
	db, err := database.OpenPostgres(t.Context(), server.URL(), "runs", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { database.Close(db) }) //nolint:errcheck // a test
	r := process(t, db, nil)
	known, err := r.Submit(t.Context(), "double", "two", nil)
	require.NoError(t, err)

	require.NoError(t, server.Kill())
	for what, call := range map[string]func() error{
		"submit": func() error { _, err := r.Submit(t.Context(), "double", "two", nil); return err },
		"begin":  func() error { _, err := r.Begin(t.Context(), "load", "a", nil); return err },
		"read":   func() error { _, err := r.Get(t.Context(), known.ID); return err },
		"list":   func() error { _, err := r.List(t.Context(), Filter{}); return err },
		"wait":   func() error { _, err := r.Wait(t.Context(), known.ID); return err },
		"cancel": func() error { _, err := r.Cancel(t.Context(), known.ID); return err },
	} {
		problem, ok := fault.As(call())
		require.True(t, ok, what)
		require.Equal(t, fault.Busy, problem.Kind, what)
		require.Equal(t, "runs-unavailable", problem.Slug, what)
	}
}
