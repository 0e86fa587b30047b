package storetest

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/store"
)

// Pair is an offline and an online engine that work together.
type Pair struct {
	Offline OfflineEngine
	Online  OpenOnline
}

// World is a whole store over a pair of engines, with a real registry, runs and materialization, and a clock that stands still
// until it is moved. The clock is in the year 2040, so that nothing is old enough for a server to reclaim it.
type World struct {
	testing.TB
	ctx             context.Context
	Registry        *registry.Registry
	Store           *store.Store
	Materialization *materialization.Materialization
	Runs            *runs.Runs

	db         *gorm.DB
	clock      atomic.Int64 // µs
	forgetting atomic.Bool  // a control: what was under way when a token was made counts as known
	blind      *store.Store // the same store, whose online copy never answers
}

// NewWorld opens a pair of engines at places of their own. All of it is closed when the test ends.
func NewWorld(t testing.TB, pair Pair) *World { return NewRuledWorld(t, pair, nil) }

// NewRuledWorld is NewWorld with rules.
func NewRuledWorld(t testing.TB, pair Pair, checks store.Rules) *World {
	w := &World{TB: t, ctx: context.Background()}
	w.SetClock(start)
	log := slog.New(slog.DiscardHandler)
	db := databasetest.SQLite(t)()
	require.NoError(t, registry.Migrate(w.ctx, db))
	require.NoError(t, runs.Migrate(w.ctx, db))
	w.db = db
	var err error
	w.Registry, err = registry.New(db, registry.DefaultConfig(), log)
	require.NoError(t, err)
	work := runs.New(db, runs.DefaultConfig(), time.Now, log)
	w.Runs = work
	offline, online := pair.Offline.Open(t, "store"), pair.Online(t, "store")
	t.Cleanup(func() { shut(t, offline) })
	t.Cleanup(func() { shut(t, online) })
	config := store.DefaultConfig()
	config.OfflineReads = config.MaxEntities
	open := func(online store.Online) *store.Store {
		return store.New(config, w.Registry, work, clockedOffline{offline, w}, online, w.Now, log)
	}
	w.Store, w.blind = open(online), open(unmarkedOnline{online})
	w.Store.HandleRuns()
	w.Materialization = materialization.New(materialization.DefaultConfig(), w.Registry, w.Store, work, w.Now, log)
	w.Materialization.HandleRuns()

	w.Registry.Guards = w.Store.Guards()
	require.NoError(t, w.Registry.Start(w.ctx))
	t.Cleanup(w.Registry.Stop)
	require.NoError(t, offline.Claim(w.ctx, w.Registry.Installation()))
	require.NoError(t, online.Claim(w.ctx, w.Registry.Installation()))
	require.NoError(t, work.Start(w.ctx))
	t.Cleanup(work.Stop)
	for _, s := range []*store.Store{w.Store, w.blind} {
		s.CheckWith(checks)
		require.NoError(t, s.Start(w.ctx))
		t.Cleanup(s.Stop)
	}
	return w
}

// start is 2040-01-01T00:00:00Z.
const start int64 = 2_208_988_800_000_000

// Now is the world's clock.
func (w *World) Now() time.Time { return time.UnixMicro(w.clock.Load()).UTC() }

// SetClock moves the clock to a time in µs.
func (w *World) SetClock(us int64) { w.clock.Store(us) }

// moment is a time of the engine's own clock that all rows so far were ingested before, and all later ones at or after.
func (w *World) moment() int64 {
	w.Helper()
	now := func() int64 {
		s, err := w.Store.Offline().(clockedOffline).Offline.Snapshot(w.ctx)
		require.NoError(w, err)
		defer func() { require.NoError(w, s.Close()) }()
		return s.Now()
	}
	for first := now(); ; {
		if at := now(); at > first {
			return at
		}
	}
}

// Apply makes definitions, given as what POST /apply takes in JSON.
func (w *World) Apply(definitions map[string]any) error {
	w.Helper()
	return w.apply(definitions, registry.Options{})
}

func (w *World) apply(definitions map[string]any, options registry.Options) error {
	w.Helper()
	body, err := json.Marshal(definitions)
	require.NoError(w, err)
	_, err = w.Registry.Apply(w.ctx, body, "application/json", options)
	return err
}

// Group finds a group as it is registered now.
func (w *World) Group(name string) *registry.Group {
	w.Helper()
	group, ok := w.Registry.Catalog().Group(name)
	require.True(w, ok, "no group %s", name)
	return group
}

// Materialize brings groups online.
func (w *World) Materialize(mode materialization.Mode, groups ...*registry.Group) {
	w.Helper()
	for _, group := range groups {
		if group.Kind == registry.Features {
			_, err := w.Materialization.Group(w.ctx, group, mode, nil)
			require.NoError(w, err)
		}
	}
}

// Lose empties the online copy of a group, as a server that came back without its data.
func (w *World) Lose(group *registry.Group) error {
	online := w.Store.Online()
	state, err := online.State(w.ctx, group)
	if err != nil {
		return err
	}
	if _, err := online.Sweep(w.ctx, group, state.Fence); err != nil {
		return err
	}
	_, err = online.Swap(w.ctx, group, state, store.State{Server: state.Server, Fence: state.Fence})
	return err
}

// clockedOffline is an engine under the world's clock instead of its own.
type clockedOffline struct {
	store.Offline
	world *World
}

func (c clockedOffline) Append(ctx context.Context, rows []*store.Rows) error {
	for _, r := range rows {
		c.date(r)
	}
	return c.Offline.Append(ctx, rows)
}

func (c clockedOffline) date(rows *store.Rows) {
	for i, at := range rows.EventTimes {
		if at == value.NoTime {
			rows.EventTimes[i] = c.world.clock.Load()
		}
	}
}

func (c clockedOffline) Erase(ctx context.Context, erasure *store.Erasure, key store.Key, groups []*registry.Group) error {
	erasure.CutOff = c.world.clock.Load()
	return c.Offline.Erase(ctx, erasure, key, groups)
}

func (c clockedOffline) Load(ctx context.Context, group *registry.Group, run int64) (store.Load, error) {
	load, err := c.Offline.Load(ctx, group, run)
	return clockedLoad{load, c}, err
}

type clockedLoad struct {
	store.Load
	offline clockedOffline
}

func (c clockedLoad) Add(ctx context.Context, rows *store.Rows) error {
	c.offline.date(rows)
	return c.Load.Add(ctx, rows)
}

func (c clockedOffline) Snapshot(ctx context.Context) (store.Snapshot, error) {
	snapshot, err := c.Offline.Snapshot(ctx)
	return clockedSnapshot{snapshot, c.world, c.world.clock.Load()}, err
}

func (c clockedOffline) Settled(ctx context.Context) (int64, error) {
	_, err := c.Offline.Settled(ctx)
	return c.world.clock.Load(), err
}

type clockedSnapshot struct {
	store.Snapshot
	world *World
	now   int64
}

func (c clockedSnapshot) AsKnown(known store.Known) {
	if c.world.forgetting.Load() {
		known.Open = nil
	}
	c.Snapshot.AsKnown(known)
}

func (c clockedSnapshot) Now() int64 { return c.now }

// unmarkedOnline is an online copy that says of itself that it is not complete.
type unmarkedOnline struct{ store.Online }

func (u unmarkedOnline) Read(ctx context.Context, questions []store.Question) ([][]string, []bool, error) {
	rows := make([][]string, len(questions))
	for i, q := range questions {
		rows[i] = make([]string, len(q.Keys))
	}
	return rows, make([]bool, len(questions)), nil
}
