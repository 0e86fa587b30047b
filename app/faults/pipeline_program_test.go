package faults

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/batch"
	"featurestore/modules/batch/local"
	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/store/postgres"
	"featurestore/modules/store/sqlite"
	"featurestore/modules/store/storetest/servers"
	"featurestore/modules/store/table"
	"featurestore/modules/validation"
)

// Variables by which a test starts this test program as one that computes pipelines.
const (
	pipelineListen   = "FAULTS_TEST_PIPELINE_LISTEN"
	pipelineFolder   = "FAULTS_TEST_PIPELINE_FOLDER"
	pipelinePostgres = "FAULTS_TEST_PIPELINE_POSTGRES" // "": embedded
	pipelineHalves   = "FAULTS_TEST_PIPELINE_HALVES"   // a control: ticks are published before all their rows are there
	pipelineUnfenced = "FAULTS_TEST_PIPELINE_UNFENCED" // "true": the other: nobody asks whether the run is still held
	pipelineDeaf     = "FAULTS_TEST_PIPELINE_DEAF"     // publishing goes on when the run was taken away
	pipelineSchema   = "FAULTS_TEST_PIPELINE_SCHEMA"   // in PostgreSQL
)

// openPipelines opens the databases of the program.
func openPipelines(ctx context.Context, folder string, log *slog.Logger) (db *gorm.DB, offline store.Offline, err error) {
	if url := os.Getenv(pipelinePostgres); url != "" {
		schema := os.Getenv(pipelineSchema)
		if db, err = database.OpenPostgres(ctx, url, schema+"_registry", log); err != nil {
			return nil, nil, err
		}
		offline, err = postgres.Open(ctx, postgres.Options{URL: url, Schema: schema})
		return db, offline, err
	}
	if db, err = database.OpenSQLite(ctx, filepath.Join(folder, "registry.db"), log); err != nil {
		return nil, nil, err
	}
	offline, err = sqlite.OpenOffline(filepath.Join(folder, "offline.db"), sqlite.Options{Log: log})
	return db, offline, err
}

// servePipelines is the program. It ends with an error, or is killed. A run of it computes seven ticks at a time.
func servePipelines() int {
	ctx, folder, log := context.Background(), os.Getenv(pipelineFolder), slog.Default()
	failed := func(err error) bool {
		if err != nil {
			log.Error("the program that computes pipelines ends", "error", err)
		}
		return err != nil
	}
	db, offline, err := openPipelines(ctx, folder, log)
	if failed(err) || failed(registry.Migrate(ctx, db)) || failed(runs.Migrate(ctx, db)) {
		return 1
	}
	config := batch.DefaultConfig()
	config.Folder, config.ChunkTicks = filepath.Join(folder, "batch"), 7
	plans := batch.NewCompiler(config)
	definitions, err := registry.New(db, registry.DefaultConfig(), log, validation.RuleKind(), validation.BaselineKind(), batch.PipelineKind(plans))
	if failed(err) || failed(definitions.Start(ctx)) {
		return 1
	}
	online, err := sqlite.OpenOnline(filepath.Join(folder, "online.db"), sqlite.Options{Log: log})
	if failed(err) || failed(offline.Claim(ctx, definitions.Installation())) || failed(online.Claim(ctx, definitions.Installation())) {
		return 1
	}
	lease := runs.DefaultConfig()
	lease.Poll, lease.Lease = 100*time.Millisecond, 3*time.Second // runs of a dead process are soon known as such
	work := runs.New(db, lease, time.Now, log)
	end := &ending{}
	values := store.New(store.DefaultConfig(), definitions, work, endingOffline{offline, end}, online, time.Now, log)
	values.CheckWith(registered{validation.NewGuards(definitions, log)})
	values.PublishWith(endingPublisher{materialization.Publications{Runs: work}, end})
	values.HandleRuns()
	copies := materialization.New(materialization.DefaultConfig(), definitions, values, work, time.Now, log)
	pipelines := batch.NewRunner(config, batch.Parts{
		Definitions: definitions, Plans: plans, Runs: work,
		Values: endingValues{Store: values, ending: end, halves: os.Getenv(pipelineHalves) != "", unfenced: os.Getenv(pipelineUnfenced) == "true",
			deaf: os.Getenv(pipelineDeaf) != ""},
		Engines: []batch.Engine{endingEngine{local.New(config), end}}, Clock: time.Now, Log: log,
	})
	pipelines.HandleRuns()
	if failed(values.Start(ctx)) || failed(pipelines.Start(ctx)) || failed(copies.Start(ctx)) || failed(work.Start(ctx)) {
		return 1
	}
	calls := http.NewServeMux()
	calls.Handle("/", httpapitest.Serve(log, definitions.Routes, values.Routes, work.Routes, values.RunRoutes, copies.Routes, pipelines.RunRoutes))
	calls.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	calls.Handle("POST /end", end)
	failed(http.ListenAndServe(os.Getenv(pipelineListen), calls))
	return 1
}

// pipelineProgram is this test program as one that computes pipelines.
func pipelineProgram(t *testing.T, variables ...string) *program {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	address, folder := freeAddress(t), t.TempDir()
	return &program{registry: "http://" + address, store: "http://" + address, what: servers.Start{
		Program: self, Args: []string{"-test.run=^$"}, Folder: folder,
		Environment: append([]string{pipelineListen + "=" + address, pipelineFolder + "=" + folder}, variables...),
	}}
}

// heldTable is a table that is in memory.
type heldTable struct{ left []*table.Batch }

// hold reads a table row by row.
func hold(rows table.Reader) (all []*table.Batch, err error) {
	for {
		b, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		for r := range b.Rows {
			all = append(all, &table.Batch{Columns: b.Columns, Rows: 1, Cells: slices.Clone(b.Row(r)), FirstRow: b.Number(r)})
		}
	}
}

func (h *heldTable) Next() (*table.Batch, error) {
	if len(h.left) == 0 {
		return nil, io.EOF
	}
	b := h.left[0]
	h.left = h.left[1:]
	return b, nil
}

func (h *heldTable) Ignored() []string { return nil }
