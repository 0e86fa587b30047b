package batch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/batch"
	"featurestore/modules/batch/local"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/store/sqlite"
	"featurestore/modules/validation"
	"featurestore/modules/validation/rules"
)

// world is a runner over the embedded engines, with a registry, runs and a store, and a clock that stands still.
type world struct {
	*testing.T
	runs        *runs.Runs
	definitions *registry.Registry
	runner      *batch.Runner
	server      *httpapitest.Server
	now         time.Time
	before      func(*batch.Job) error // is called before the engine computes; nil: nothing
	judged      chan int64             // the runs whose rows are to be judged once more, now that all are published
}

// interrupted is the engine, before which the test does something.
type interrupted struct {
	batch.Engine
	w *world
}

func (e interrupted) Compute(ctx context.Context, job *batch.Job) (*batch.Staged, error) {
	if e.w.before != nil {
		if err := e.w.before(job); err != nil {
			return nil, err
		}
	}
	return e.Engine.Compute(ctx, job)
}

// checked are the registry's rules; what the store tells of them is lost.
type checked struct {
	*validation.Guards
	judged chan int64
}

func (checked) Written(*registry.Group, []rules.Outcome) {}
func (checked) Loaded(context.Context, *registry.Group, int64, bool, []rules.Outcome) (int64, error) {
	return 0, nil
}

func (checked) Audit(context.Context, *registry.Group, int64) (*rules.Set, rules.Options) {
	return nil, rules.Options{}
}

func (c checked) Published(_ context.Context, _ *registry.Group, run int64, last bool, _ []rules.Outcome) (int64, error) {
	if last {
		c.judged <- run
	}
	return 0, nil
}

var quiet = slog.New(slog.DiscardHandler)

// newWorld has the definitions of a file in YAML applied. It is 2026-02-01.
func newWorld(t *testing.T, definitions string, change ...func(*batch.Config)) *world {
	w := &world{T: t, now: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), judged: make(chan int64, 1000)}
	ctx, folder := t.Context(), t.TempDir()
	db := databasetest.SQLite(t)()
	require.NoError(t, registry.Migrate(ctx, db))
	require.NoError(t, runs.Migrate(ctx, db))
	config := batch.DefaultConfig()
	config.Folder = filepath.Join(folder, "batch")
	for _, c := range change {
		c(&config)
	}
	plans := batch.NewCompiler(config)
	var err error
	w.definitions, err = registry.New(db, registry.DefaultConfig(), quiet, validation.RuleKind(), validation.BaselineKind(), batch.PipelineKind(plans))
	require.NoError(t, err)
	require.NoError(t, w.definitions.Start(ctx))
	t.Cleanup(w.definitions.Stop)
	offline, err := sqlite.OpenOffline(filepath.Join(folder, "offline.db"), sqlite.Options{Log: quiet})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, offline.Close()) })
	online, err := sqlite.OpenOnline(filepath.Join(folder, "online.db"), sqlite.Options{Log: quiet})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, online.Close()) })
	require.NoError(t, errors.Join(offline.Claim(ctx, w.definitions.Installation()), online.Claim(ctx, w.definitions.Installation())))
	w.runs = runs.New(db, runs.DefaultConfig(), time.Now, quiet)
	values := store.New(store.DefaultConfig(), w.definitions, w.runs, offline, online, time.Now, quiet)
	values.CheckWith(checked{validation.NewGuards(w.definitions, quiet), w.judged})
	values.HandleRuns()
	require.NoError(t, values.Start(ctx))
	t.Cleanup(values.Stop)
	w.runner = batch.NewRunner(config, batch.Parts{
		Definitions: w.definitions, Plans: plans, Runs: w.runs, Values: values, Engines: []batch.Engine{interrupted{local.New(config), w}},
		Clock: func() time.Time { return w.now }, Log: quiet,
	})
	w.runner.HandleRuns()
	require.NoError(t, w.runner.Start(ctx))
	t.Cleanup(w.runner.Stop)
	require.NoError(t, w.runs.Start(ctx))
	t.Cleanup(w.runs.Stop)
	w.server = httpapitest.Listen(t, httpapitest.Serve(quiet, w.definitions.Routes, values.Routes, w.runs.Routes, values.RunRoutes, w.runner.RunRoutes))
	w.apply(definitions)
	return w
}

// call wants that status, and decodes the answer into it, unless that is nil.
func (w *world) call(status int, request, body string, into any, headers ...string) {
	w.Helper()
	answer := w.server.Call(w, request, body, headers...)
	require.Equal(w, status, answer.Status, "%s: %s", request, answer.Body)
	if into != nil {
		require.NoError(w, json.Unmarshal([]byte(answer.Body), into), answer.Body)
	}
}

func (w *world) apply(definitions string) {
	w.Helper()
	w.call(http.StatusOK, "POST /apply", definitions, nil, "Content-Type: application/yaml")
}

// load loads rows of a group in CSV, without their head, and answers the run.
func (w *world) load(group string, rows ...string) int64 {
	w.Helper()
	var answer struct {
		Run int64 `json:"run_id"`
	}
	w.call(http.StatusOK, "POST /rows/"+group, strings.Join(rows, "\n")+"\n", &answer, "Content-Type: text/csv")
	return answer.Run
}

// ran is a run as far as the tests look at it.
type ran struct {
	ID      int64           `json:"id"`
	State   string          `json:"state"`
	Reason  string          `json:"reason"`
	Inputs  json.RawMessage `json:"inputs"`
	Outputs json.RawMessage `json:"outputs"`
	Result  batch.Result    `json:"result"`
}

// run asks for a run of the pipeline p and waits for its end.
func (w *world) run(call string) (run ran) {
	w.Helper()
	w.call(http.StatusOK, "POST /pipelines/p/"+call+"wait=30s", "", &run)
	return run
}

// succeeded is run, and wants that it does.
func (w *world) succeeded(call string) batch.Result {
	w.Helper()
	run := w.run(call)
	require.Equal(w, "succeeded", run.State, run.Reason)
	return run.Result
}

// revert takes back what a run brought.
func (w *world) revert(run int64) {
	w.Helper()
	var reverted ran
	w.call(http.StatusOK, fmt.Sprintf("POST /runs/%d/revert?wait=30s", run), "", &reverted)
	require.Equal(w, "succeeded", reverted.State, reverted.Reason)
}

// rows are the newest rows of the target t at each entity and tick, as "entity tick values", in their order.
func (w *world) rows() []string {
	w.Helper()
	answer := w.server.Call(w, "GET /rows/t?presence=true", "", "Accept: text/csv")
	require.Equal(w, http.StatusOK, answer.Status, answer.Body)
	newest := map[string]string{}
	for line := range strings.Lines(answer.Body) {
		if cells := strings.SplitN(strings.TrimSpace(line), ",", 3); cells[1] != "event_time" {
			newest[cells[0]+" "+strings.TrimSuffix(cells[1], "T00:00:00Z")] = cells[2]
		}
	}
	var all []string
	for key, values := range newest {
		all = append(all, key+" "+values)
	}
	slices.Sort(all)
	return all
}

// stored is how many rows the history of the target has.
func (w *world) stored() int {
	w.Helper()
	answer := w.server.Call(w, "GET /rows/t", "", "Accept: text/csv")
	require.Equal(w, http.StatusOK, answer.Status, answer.Body)
	return strings.Count(answer.Body, "\n") - 1
}

// ticks are the ticks of the pipeline with their states, the newest first.
func (w *world) ticks(query string) []string {
	w.Helper()
	var answer struct {
		Ticks []batch.TickAnswer `json:"ticks"`
	}
	w.call(http.StatusOK, "GET /pipelines/p/ticks"+query, "", &answer)
	all := []string{}
	for _, tick := range answer.Ticks {
		all = append(all, strings.TrimSuffix(tick.Tick.String(), "T00:00:00Z")+" "+string(tick.State))
	}
	return all
}
