package registry_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/database"
	"featurestore/modules/registry"
)

// Where there is no room left, whoever registers something is told so; once there is, it works again.
func TestWithoutRoomOnTheDisk(t *testing.T) {
	db, err := database.OpenSQLite(ctx, filepath.Join(t.TempDir(), "registry.db"), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer database.Close(db) //nolint:errcheck // a test
	pool, err := db.DB()
	require.NoError(t, err)
	pool.SetMaxOpenConns(1) // the pragma is a connection's own
	r := startOn(t, db)
	feature := []byte(`{"name": "x", "entity_type": "customer", "value_type": "FLOAT", "description": "` + strings.Repeat("long ", 1000) + `"}`)
	var pages int
	require.NoError(t, db.Raw("PRAGMA max_page_count = 1").Scan(&pages).Error) // as many as there are
	_, err = r.Define(ctx, "feature", "", feature, registry.Options{})
	requireFault(t, err, "registry-unavailable")
	require.ErrorContains(t, err, "is full")
	require.NoError(t, db.Raw("PRAGMA max_page_count = 1000000").Scan(&pages).Error)
	_, err = r.Define(ctx, "feature", "", feature, registry.Options{})
	require.NoError(t, err)
}
