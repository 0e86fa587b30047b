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

	"featurestore/app/database"
	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/store/postgres"
	"featurestore/modules/store/sqlite"
	"featurestore/modules/store/storetest/servers"
	"featurestore/modules/validation"
	"featurestore/modules/validation/rules"
)

// Variables by which a test starts this test program as a store with rules, and as a control.
const (
	ruledListen   = "FAULTS_TEST_RULED_LISTEN"
	ruledFolder   = "FAULTS_TEST_RULED_FOLDER"
	ruledPostgres = "FAULTS_TEST_RULED_POSTGRES" // "": embedded
	ruledApart    = "FAULTS_TEST_RULED_APART"    // the control
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

// apart is a control: it commits what goes into quarantine in a transaction of its own, before the rows and the key, and that entries were
// replayed after the rows.
type apart struct{ store.Offline }

func (a apart) AppendTogether(ctx context.Context, all *store.Together) error {
	for _, request := range all.Requests {
		if known, err := a.Recall(ctx, request.Key); known != nil || err != nil {
			return a.Offline.AppendTogether(ctx, all)
		}
	}
	if err := a.Offline.AppendTogether(ctx, &store.Together{Entries: all.Entries}); err != nil {
		return err
	}
	if err := a.Offline.AppendTogether(ctx, &store.Together{Rows: all.Rows, Requests: all.Requests}); err != nil {
		return err
	}
	return a.Offline.AppendTogether(ctx, &store.Together{Replayed: all.Replayed})
}

// openRuled opens the offline store of the program.
func openRuled(ctx context.Context, folder string) (store.Offline, error) {
	if url := os.Getenv(ruledPostgres); url != "" {
		return postgres.Open(ctx, postgres.Options{URL: url, Schema: "ruled"})
	}
	return sqlite.OpenOffline(filepath.Join(folder, "offline.db"), sqlite.Options{Log: slog.Default()})
}

// serveRuled is the program. It ends with an error, or is killed.
func serveRuled() int {
	ctx, folder, log := context.Background(), os.Getenv(ruledFolder), slog.Default()
	failed := func(err error) bool {
		if err != nil {
			log.Error("the store with rules ends", "error", err)
		}
		return err != nil
	}
	db, err := database.OpenSQLite(ctx, filepath.Join(folder, "registry.db"), log)
	if failed(err) || failed(registry.Migrate(ctx, db)) || failed(runs.Migrate(ctx, db)) {
		return 1
	}
	definitions, err := registry.New(db, registry.DefaultConfig(), log, validation.RuleKind(), validation.BaselineKind())
	if failed(err) || failed(definitions.Start(ctx)) {
		return 1
	}
	offline, err := openRuled(ctx, folder)
	if failed(err) {
		return 1
	}
	online, err := sqlite.OpenOnline(filepath.Join(folder, "online.db"), sqlite.Options{Log: log})
	if failed(err) || failed(offline.Claim(ctx, definitions.Installation())) || failed(online.Claim(ctx, definitions.Installation())) {
		return 1
	}
	if os.Getenv(ruledApart) != "" {
		offline = apart{offline}
	}
	lease := runs.DefaultConfig()
	lease.Lease = 3 * time.Second // runs of a dead process are soon known as such
	work := runs.New(db, lease, time.Now, log)
	values := store.New(store.DefaultConfig(), definitions, work, offline, online, time.Now, log)
	values.CheckWith(registered{validation.NewGuards(definitions, log)})
	values.HandleRuns()
	if failed(values.Start(ctx)) || failed(work.Start(ctx)) {
		return 1
	}
	calls := http.NewServeMux()
	calls.Handle("/", httpapitest.Serve(log, definitions.Routes, values.Routes, work.Routes, values.RunRoutes))
	calls.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	failed(http.ListenAndServe(os.Getenv(ruledListen), calls))
	return 1
}

// ruledProgram is this test program as a store with rules.
func ruledProgram(t *testing.T, variables ...string) *program {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	address, folder := freeAddress(t), t.TempDir()
	return &program{registry: "http://" + address, store: "http://" + address, what: servers.Start{
		Program: self, Args: []string{"-test.run=^$"}, Folder: folder,
		Environment: append([]string{ruledListen + "=" + address, ruledFolder + "=" + folder}, variables...),
	}}
}
