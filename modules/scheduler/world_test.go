package scheduler

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/modules/batch/timetable"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

var quiet = slog.New(slog.DiscardHandler)

// pipelines is as much of the kind as schedules look at.
func pipelines() *registry.Kind {
	return &registry.Kind{Name: pipelineKind, Plural: "pipelines", Members: []registry.Member{
		{Name: "target", Read: registry.Text(48)}, {Name: "schedule", Read: timetable.Read}, {Name: "after", Read: registry.Texts(50, 48)}, {Name: "owner", Read: registry.Text(100)},
	}}
}

// rules are as much of theirs.
func rules() *registry.Kind {
	return &registry.Kind{Name: "rule", Plural: "rules", Members: []registry.Member{{Name: "group", Read: registry.Text(48)}}}
}

// world is a scheduler among what it works with, under a clock of the test's own.
type world struct {
	t           *testing.T
	definitions *registry.Registry
	work        *runs.Runs
	*Scheduler

	mu        sync.Mutex
	now       time.Time
	published map[string]time.Time // up to which tick, by pipeline
	succeeded map[string][]time.Time
	busy      chan struct{} // closed: runs end at once
	fails     bool
	told      []Missed
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) Succeeded(_ context.Context, pipeline string, at time.Time) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.published[pipeline].Before(at) || slices.ContainsFunc(w.succeeded[pipeline], at.Equal), nil
}

func (w *world) Missed(_ context.Context, m Missed) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, m)
	return nil
}

// newWorld makes one at a time. Its definitions are a group that two pipelines can feed.
func newWorld(t *testing.T, db *gorm.DB, now time.Time) *world {
	ctx := context.Background()
	for _, migrate := range []func(context.Context, *gorm.DB) error{registry.Migrate, runs.Migrate, Migrate} {
		require.NoError(t, migrate(ctx, db))
	}
	w := &world{t: t, now: now, published: map[string]time.Time{}, succeeded: map[string][]time.Time{}, busy: make(chan struct{})}
	close(w.busy)
	var err error
	w.definitions, err = registry.New(db, registry.DefaultConfig(), quiet, ScheduleKind(), pipelines(), rules())
	require.NoError(t, err)
	w.definitions.Clock = w.clock
	w.definitions.Guards.InUse = func(context.Context, *registry.Group) (bool, error) { return false, nil }
	require.NoError(t, w.definitions.Start(ctx))
	t.Cleanup(w.definitions.Stop)
	config := runs.DefaultConfig()
	config.Poll, config.Lease = 10*time.Millisecond, 10*time.Minute
	w.work = runs.New(db, config, w.clock, quiet)
	for _, kind := range []string{"pipeline", "materialization", "validate", "profile", "compaction", "expiry"} {
		w.work.Handle(kind, 10, w.do)
	}
	require.NoError(t, w.work.Start(ctx))
	t.Cleanup(w.work.Stop)
	w.Scheduler = New(DefaultConfig(), Parts{DB: db, Definitions: w.definitions, Runs: w.work, Pipelines: w, Told: w, Clock: w.clock, Log: quiet})
	w.repository.now = func(context.Context) (time.Time, error) { return w.clock(), nil }
	w.apply(`{"entity_types": [{"name": "customer", "join_keys": [{"name": "customer_id", "value_type": "STRING"}]}],
		"groups": [{"name": "spending", "entity_type": "customer", "features": [{"name": "amount", "value_type": "FLOAT"}]},
			{"name": "purchases", "entity_type": "customer", "kind": "events", "features": [{"name": "price", "value_type": "FLOAT"}]}],
		"pipelines": [{"name": "upstream", "target": "spending"}, {"name": "other", "target": "spending"}]}`)
	return w
}

func (w *world) apply(file string) {
	w.t.Helper()
	_, err := w.definitions.Apply(context.Background(), []byte(file), "", registry.Options{})
	require.NoError(w.t, err)
}

// do is what every run does: nothing, as soon as it may.
func (w *world) do(ctx context.Context, run *runs.Active) (any, error) {
	w.mu.Lock()
	busy, fails := w.busy, w.fails
	w.mu.Unlock()
	select {
	case <-busy:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if fails {
		return nil, runs.Hold("it looks wrong")
	}
	return nil, nil
}

// at moves the clock and lets happen what happens then, until nothing does any more.
func (w *world) at(now time.Time) {
	w.t.Helper()
	w.mu.Lock()
	w.now = now
	w.mu.Unlock()
	w.settle()
}

func (w *world) settle() {
	w.t.Helper()
	for before := ""; ; {
		require.NoError(w.t, w.pass(w.t.Context()))
		open, err := w.repository.open(w.repository.db, "")
		require.NoError(w.t, err)
		for _, o := range open {
			for _, id := range o.Runs {
				w.await(id)
			}
		}
		text, err := json.Marshal(open)
		require.NoError(w.t, err)
		if string(text) == before {
			return
		}
		before = string(text)
	}
}

// await waits until a run has ended, or cannot because the test holds it up.
func (w *world) await(id int64) {
	for {
		run, err := w.work.Get(w.t.Context(), id)
		require.NoError(w.t, err)
		held := false
		select {
		case <-w.busy:
		default:
			held = true
		}
		if run.State.Finished() || held && w.stuck(run) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// stuck tells whether a run is under way, or waits for one of the same key or a place that is.
func (w *world) stuck(run runs.Run) bool {
	if run.State == runs.Running {
		return true
	}
	running, err := w.work.List(w.t.Context(), runs.Filter{State: runs.Running})
	require.NoError(w.t, err)
	return slices.ContainsFunc(running, func(other runs.Run) bool { return other.Key == run.Key || other.Heavy && run.Heavy })
}
