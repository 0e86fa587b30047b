package store_test

import (
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/store/sqlite"
)

// served is a store on the embedded engines with everything that it stands on, behind its routes.
type served struct {
	*httpapitest.Server
	definitions *registry.Registry
	folder      string
}

// noon is where the clock of these tests stands.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func serve(t *testing.T, change ...func(*store.Config)) *served {
	log, clock := slog.New(slog.DiscardHandler), func() time.Time { return noon }
	s := &served{folder: t.TempDir()}
	db := databasetest.SQLite(t)()
	require.NoError(t, registry.Migrate(t.Context(), db))
	require.NoError(t, runs.Migrate(t.Context(), db))
	var err error
	s.definitions, err = registry.New(db, registry.DefaultConfig(), log)
	require.NoError(t, err)
	require.NoError(t, s.definitions.Start(t.Context()))
	t.Cleanup(s.definitions.Stop)
	work := runs.New(db, runs.DefaultConfig(), time.Now, log)
	offline, err := sqlite.OpenOffline(filepath.Join(s.folder, "offline.db"), sqlite.Options{Now: clock, Log: log})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, offline.Close()) })
	online, err := sqlite.OpenOnline(filepath.Join(s.folder, "online.db"), sqlite.Options{Now: clock, Log: log})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, online.Close()) })
	config := store.DefaultConfig()
	config.Writers = 1
	for _, c := range change {
		c(&config)
	}
	values := store.New(config, s.definitions, work, offline, online, clock, log)
	values.PublishWith(&publisher{work, values})
	work.Handle("materialization", 1, (&publisher{work, values}).publish)
	require.NoError(t, values.Start(t.Context()))
	t.Cleanup(values.Stop)
	require.NoError(t, work.Start(t.Context()))
	t.Cleanup(work.Stop)
	s.Server = httpapitest.Listen(t, httpapitest.Serve(log, s.definitions.Routes, values.Routes, work.Routes))
	return s
}
