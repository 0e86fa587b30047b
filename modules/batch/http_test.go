package batch_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/batch"
	"featurestore/modules/batch/local"
	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/validation"
	"featurestore/modules/validation/rules"
)

// Every call, by scenarios. Rows are those of files.
func TestHTTP(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "sales"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(root, "sales", "january.csv"), []byte(`Customer,Sold at,Amount
a,2026-01-01 10:00:00,1.5
a,2026-01-02 10:00:00,2.25
b,2026-01-02 11:00:00,10
c,2026-01-09 11:00:00,7
`), 0o600))
	config := batch.DefaultConfig()
	config.Roots = []string{"landing=" + root}
	config.Connections = []string{"warehouse=/nowhere"}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	db := databasetest.SQLite(t)()
	require.NoError(t, registry.Migrate(context.Background(), db))
	compiler := batch.NewCompiler(config)
	definitions, err := registry.New(db, registry.DefaultConfig(), log, validation.BaselineKind(), validation.RuleKind(), batch.PipelineKind(compiler))
	require.NoError(t, err)
	clock := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	definitions.Clock = clock
	definitions.Guards.InUse = func(context.Context, *registry.Group) (bool, error) { return false, nil }
	require.NoError(t, definitions.Start(context.Background()))
	t.Cleanup(definitions.Stop)
	folders := t.TempDir()
	previews := batch.NewPreviews(config, batch.PreviewParts{
		Definitions: definitions, Compiler: compiler, Engines: []batch.Engine{local.New(config)}, Clock: clock,
		Folder: func() (string, error) { return os.MkdirTemp(folders, "") },
		Verdicts: func(rows *store.Rows, _ int64) []rules.Outcome {
			return []rules.Outcome{{Rule: "counted", Rows: int64(len(rows.Keys)), Status: rules.Pass}}
		},
	})
	httpapitest.Listen(t, httpapitest.Serve(log, definitions.Routes, func(api huma.API) { batch.DefinitionRoutes(api, definitions) }, previews.Routes)).Run(t, "testdata/http/*.txt")
	left, err := os.ReadDir(folders)
	require.NoError(t, err)
	require.Empty(t, left, "previews leave nothing")
}
