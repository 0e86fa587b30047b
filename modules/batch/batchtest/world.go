package batchtest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/store/sqlite"
)

// tb is a test, or one of many that rapid makes.
type tb interface {
	require.TestingT
	Helper()
	TempDir() string
}

// world is a registry that knows pipelines, a store over the subject's offline engine, and a table's and files' place.
type world struct {
	tb
	Subject
	ctx      context.Context
	registry *registry.Registry
	compiler *batch.Compiler
	store    *store.Store
	tables   *pgx.Conn // nil: there are none
	label    string    // of all names
	number   int       // of the last thing that was told
}

// newWorld makes one, of whose names none is another's: label is no other world's of the subject, and does not end in a digit.
func newWorld(t *testing.T, s Subject, label string) *world {
	w := &world{label: label, tb: t, Subject: s, ctx: context.Background(), compiler: batch.NewCompiler(s.Config)}
	log := slog.New(slog.DiscardHandler)
	db := databasetest.SQLite(t)()
	require.NoError(t, registry.Migrate(w.ctx, db))
	require.NoError(t, runs.Migrate(w.ctx, db))
	var err error
	w.registry, err = registry.New(db, registry.DefaultConfig(), log, batch.PipelineKind(w.compiler))
	require.NoError(t, err)
	work := runs.New(db, runs.DefaultConfig(), time.Now, log)
	offline := s.Offline.Open(t, "batch")
	t.Cleanup(func() { require.NoError(t, offline.Close()) })
	online, err := sqlite.OpenOnline(filepath.Join(t.TempDir(), "online.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, online.Close()) })
	w.store = store.New(store.DefaultConfig(), w.registry, work, offline, online, time.Now, log)
	w.store.HandleRuns()
	w.registry.Guards = w.store.Guards()
	require.NoError(t, w.registry.Start(w.ctx))
	t.Cleanup(w.registry.Stop)
	require.NoError(t, offline.Claim(w.ctx, w.registry.Installation()))
	require.NoError(t, online.Claim(w.ctx, w.registry.Installation()))
	require.NoError(t, work.Start(w.ctx))
	t.Cleanup(work.Stop)
	require.NoError(t, w.store.Start(w.ctx))
	t.Cleanup(w.store.Stop)
	if s.Places.URL != "" {
		w.tables, err = pgx.Connect(w.ctx, s.Places.URL)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, w.tables.Close(w.ctx)) })
		_, err = w.tables.Exec(w.ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{s.Places.Schema}.Sanitize())
		require.NoError(t, err)
	}
	return w
}

// apply makes definitions.
func (w *world) apply(definitions map[string]any) error {
	w.Helper()
	body, err := json.Marshal(definitions)
	require.NoError(w, err)
	_, err = w.registry.Apply(w.ctx, body, "application/json", registry.Options{})
	return err
}

// own is a name that nothing before had.
func (w *world) own(name string) string { return fmt.Sprintf("%s_%s%d", name, w.label, w.number) }
