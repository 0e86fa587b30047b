package faults

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
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
	"featurestore/modules/validation"
	"featurestore/modules/validation/rules"
)

// Variables by which a test starts this test program as one that is put together of the modules' parts, some of which do wrong: controls.
const (
	partsListen   = "FAULTS_TEST_PARTS_LISTEN"
	partsFolder   = "FAULTS_TEST_PARTS_FOLDER"
	partsPostgres = "FAULTS_TEST_PARTS_POSTGRES" // "": embedded
	partsSchema   = "FAULTS_TEST_PARTS_SCHEMA"   // in PostgreSQL

	partsApart    = "FAULTS_TEST_PARTS_APART"    // a control: what goes into quarantine is committed apart
	partsHalves   = "FAULTS_TEST_PARTS_HALVES"   // a control: ticks are published before all their rows are there
	partsUnfenced = "FAULTS_TEST_PARTS_UNFENCED" // "true": a control: nobody asks whether the run is still held
	partsDeaf     = "FAULTS_TEST_PARTS_DEAF"     // publishing goes on when the run was taken away
)

// registered are the registry's rules; what the store tells of them is lost.
type registered struct{ *validation.Guards }

func (registered) Written(*registry.Group, []rules.Outcome) {}
func (registered) Loaded(context.Context, *registry.Group, int64, bool, []rules.Outcome) (int64, error) {
	return 0, nil
}
func (registered) Audit(context.Context, *registry.Group, int64) (*rules.Set, rules.Options) {
	return nil, rules.Options{}
}
func (registered) Published(context.Context, *registry.Group, int64, bool, []rules.Outcome) (int64, error) {
	return 0, nil
}

// openParts opens the databases of the program.
func openParts(ctx context.Context, folder string, log *slog.Logger) (db *gorm.DB, offline store.Offline, err error) {
	if url := os.Getenv(partsPostgres); url != "" {
		schema := os.Getenv(partsSchema)
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

// serveParts is the program. It ends with an error, or is killed. A run of a pipeline computes seven ticks at a time.
func serveParts() int {
	ctx, folder, log := context.Background(), os.Getenv(partsFolder), slog.Default()
	failed := func(err error) bool {
		if err != nil {
			log.Error("the program ends", "error", err)
		}
		return err != nil
	}
	db, offline, err := openParts(ctx, folder, log)
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
	if os.Getenv(partsApart) != "" {
		offline = apart{offline}
	}
	end := &ending{}
	values := store.New(store.DefaultConfig(), definitions, work, endingOffline{offline, end}, online, time.Now, log)
	values.CheckWith(registered{validation.NewGuards(definitions, log)})
	values.PublishWith(endingPublisher{materialization.Publications{Runs: work}, end})
	values.HandleRuns()
	copies := materialization.New(materialization.DefaultConfig(), definitions, values, work, time.Now, log)
	copies.HandleRuns()
	pipelines := batch.NewRunner(config, batch.Parts{
		Definitions: definitions, Plans: plans, Runs: work,
		Values: endingValues{Store: values, ending: end, halves: os.Getenv(partsHalves) != "", unfenced: os.Getenv(partsUnfenced) == "true",
			deaf: os.Getenv(partsDeaf) != ""},
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
	failed(http.ListenAndServe(os.Getenv(partsListen), calls))
	return 1
}

// partsProgram is this test program as that one.
func partsProgram(t *testing.T, variables ...string) *program {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	address, folder := freeAddress(t), t.TempDir()
	return &program{registry: "http://" + address, store: "http://" + address, what: servers.Start{
		Program: self, Args: []string{"-test.run=^$"}, Folder: folder,
		Environment: append([]string{partsListen + "=" + address, partsFolder + "=" + folder}, variables...),
	}}
}
