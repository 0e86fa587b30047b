package materialization_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/store/sqlite"
)

// Every route, by scenarios that go on from each other. The ticker does not run.
func TestHTTP(t *testing.T) {
	serve(t, func(online store.Online) store.Online { return online }).Run(t, "testdata/http/*.txt")
}

// Feast's clients are told why by a 409: of a 5xx they repeat the call and lose the reason.
func TestHTTPWithoutOnlineStore(t *testing.T) {
	serve(t, func(online store.Online) store.Online { return stateless{online} }).Run(t, "testdata/http_down/*.txt")
}

// stateless is an online store that does not answer what it holds.
type stateless struct{ store.Online }

func (stateless) State(context.Context, *registry.Group) (store.State, error) {
	return store.State{}, errors.New("dial tcp: connection refused")
}

// serve serves this module's routes over the embedded engines, the online one as it is made by change.
func serve(t *testing.T, change func(store.Online) store.Online) *httpapitest.Server {
	log := slog.New(slog.DiscardHandler)
	folder, db := t.TempDir(), databasetest.SQLite(t)()
	require.NoError(t, registry.Migrate(t.Context(), db))
	require.NoError(t, runs.Migrate(t.Context(), db))
	definitions, err := registry.New(db, registry.DefaultConfig(), log)
	require.NoError(t, err)
	require.NoError(t, definitions.Start(t.Context()))
	t.Cleanup(definitions.Stop)
	offline, err := sqlite.OpenOffline(filepath.Join(folder, "offline.db"), sqlite.Options{Log: log})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, offline.Close()) })
	online, err := sqlite.OpenOnline(filepath.Join(folder, "online.db"), sqlite.Options{Log: log})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, online.Close()) })
	work := runs.New(db, runs.DefaultConfig(), time.Now, log)
	values := store.New(store.DefaultConfig(), definitions, work, offline, change(online), time.Now, log)
	copies := materialization.New(materialization.DefaultConfig(), definitions, values, work, time.Now, log)
	copies.HandleRuns()
	values.PublishWith(materialization.Publications{Runs: work})
	require.NoError(t, values.Start(t.Context()))
	t.Cleanup(values.Stop)
	require.NoError(t, work.Start(t.Context()))
	t.Cleanup(work.Stop)
	return httpapitest.Listen(t, httpapitest.Serve(log, definitions.Routes, values.Routes, copies.Routes, work.Routes))
}
