package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// gate is an online store whose merges can be held up, that can be down, and that can ignore fences.
type gate struct {
	store.Online
	held      atomic.Pointer[hold]
	down      atomic.Bool
	fenceless bool
}

// hold lets the first merge of a kind wait: stalled tells that it does, free lets it go on.
type hold struct {
	unmarked      bool // materialization's; otherwise a writer's
	taken         atomic.Bool
	stalled, free chan struct{}
}

func newHold(unmarked bool) *hold {
	return &hold{unmarked: unmarked, stalled: make(chan struct{}), free: make(chan struct{})}
}

var errDown = errors.New("connection refused")

func (g *gate) Merge(ctx context.Context, group *registry.Group, fence int64, unmarked bool, rows []store.PackedRow) (store.Merged, error) {
	if h := g.held.Load(); h != nil && h.unmarked == unmarked && h.taken.CompareAndSwap(false, true) {
		close(h.stalled)
		<-h.free
	}
	if g.down.Load() {
		return store.Merged{}, errDown
	}
	if g.fenceless {
		fence = 1 << 62
	}
	return g.Online.Merge(ctx, group, fence, unmarked, rows)
}

func (g *gate) Drop(ctx context.Context, group *registry.Group, fence int64, rows []store.Dropping) (store.Merged, error) {
	if g.down.Load() {
		return store.Merged{}, errDown
	}
	return g.Online.Drop(ctx, group, fence, rows)
}

func (g *gate) Swap(ctx context.Context, group *registry.Group, from, to store.State) (bool, error) {
	if g.down.Load() {
		return false, errDown
	}
	return g.Online.Swap(ctx, group, from, to)
}

// gated opens a world whose online store is a gate. Without fences it is the control: what the fence would refuse is written.
func gated(t testing.TB, pair Pair, fenceless bool) (*World, *gate) {
	g := &gate{fenceless: fenceless}
	open := pair.Online
	pair.Online = func(t testing.TB, place string) store.Online {
		g.Online = open(t, place)
		return g
	}
	return NewWorld(t, pair), g
}

// loadSome loads a value of a for the entities.
func (w *World) loadSome(group *registry.Group, run, at, a int64, ids ...string) {
	w.Helper()
	load, err := w.Store.Offline().Load(w.ctx, group, run)
	require.NoError(w, err)
	for _, id := range ids {
		require.NoError(w, load.Add(w.ctx, RowsOf(group, Seen{TextKey(id), at, Values{"a": value.OfInt(a)}})))
	}
	require.NoError(w, load.Commit(w.ctx))
}

// newLoad is the id of a finished run of a load, for rows that a test brings itself.
func (w *World) newLoad(group *registry.Group) int64 {
	w.Helper()
	run, err := w.Runs.Begin(w.ctx, "load", group.Name, nil)
	require.NoError(w, err)
	require.NoError(w, run.Finish(w.ctx, nil, nil))
	return run.ID()
}

// online reads feature a of entities from the online copy.
func (w *World) online(group *registry.Group, ids ...string) []value.Value {
	w.Helper()
	read := store.Read{Rows: len(ids), Keys: map[string][]store.Key{}, Features: group.Features[:1]}
	for _, id := range ids {
		read.Keys[group.EntityType.Name] = append(read.Keys[group.EntityType.Name], TextKey(id))
	}
	cells, err := w.Ask(Online, read, 0)
	require.NoError(w, err)
	values := make([]value.Value, len(cells))
	for i := range cells {
		values[i] = cells[i].Value
	}
	return values
}

// RunStalledWriter holds a writer up between its commit and its online write, until what it wrote has been retracted.
func RunStalledWriter(t *testing.T, pair Pair) {
	besideStalledWriter(t, pair, value.OfInt(1), func(w *World, group *registry.Group) {
		retracted, err := w.Store.Retract(w.ctx, store.RetractRequest{EntityType: group.EntityType, Key: TextKey("x"), EventTime: start - 1})
		require.NoError(w, err)
		require.Equal(w, store.OnlineWritten, retracted.Online)
	})
}

// besideStalledWriter holds a writer up that stores 2 where 1 was before, between its commit and its online write, until takeBack has
// taken that back. What is wanted then is read at once and after the writer has ended; without fences, as the control, the 2 comes back.
func besideStalledWriter(t *testing.T, pair Pair, wanted value.Value, takeBack func(*World, *registry.Group)) {
	after := func(t *testing.T, fenceless bool) value.Value {
		w, g := gated(t, pair, fenceless)
		group := w.customers("stalled", nil)
		require.NoError(t, w.Store.Prepare(w.ctx, group))
		w.writeOne(t, "stalled", "x", start-2, Values{"a": value.OfInt(1)})
		w.Materialize(materialization.Incremental, group)
		h := newHold(false)
		g.held.Store(h)
		var writer sync.WaitGroup
		writer.Go(func() { w.writeOne(t, "stalled", "x", start-1, Values{"a": value.OfInt(2)}) })
		<-h.stalled
		takeBack(w, group)
		require.Equal(t, wanted, w.online(group, "x")[0])
		close(h.free)
		writer.Wait()
		w.Materialize(materialization.Incremental, group)
		return w.online(group, "x")[0]
	}
	require.Equal(t, wanted, after(t, false))
	t.Run("without fences", func(t *testing.T) {
		require.Equal(t, value.OfInt(2), after(t, true), "the control shows what was taken back")
	})
}

// RunMaterializationInFlight holds a run up that has read the rows of a load, until the load has been reverted.
func RunMaterializationInFlight(t *testing.T, pair Pair) {
	for _, mode := range []materialization.Mode{materialization.Incremental, materialization.Full} {
		t.Run(string(mode), func(t *testing.T) {
			after := func(t *testing.T, fenceless bool) value.Value {
				w, g := gated(t, pair, fenceless)
				group := w.customers("flight", nil)
				require.NoError(t, w.Store.Prepare(w.ctx, group))
				w.writeOne(t, "flight", "x", start-2, Values{"a": value.OfInt(1)})
				w.Materialize(materialization.Incremental, group)
				run := w.newLoad(group)
				w.loadSome(group, run, start-1, 2, "x", "y")
				h := newHold(true)
				g.held.Store(h)
				var flying sync.WaitGroup
				flying.Go(func() {
					if _, err := w.Materialization.Group(w.ctx, group, mode, nil); err != nil {
						t.Errorf("materialize: %v", err)
					}
				})
				<-h.stalled
				require.NoError(t, w.Revert(run))
				close(h.free)
				flying.Wait()
				w.Materialize(materialization.Incremental, group)
				return w.online(group, "x")[0]
			}
			require.Equal(t, value.OfInt(1), after(t, false))
			t.Run("without fences", func(t *testing.T) {
				require.Equal(t, value.OfInt(2), after(t, true), "the control shows what was reverted")
			})
		})
	}
}

// RunRevertWhileOnlineIsDown reverts a load while the online store does not take writes: it goes on answering, with what it has.
func RunRevertWhileOnlineIsDown(t *testing.T, pair Pair) {
	w, g := gated(t, pair, false)
	group := w.customers("down", nil)
	require.NoError(t, w.Store.Prepare(w.ctx, group))
	w.writeOne(t, "down", "x", start-2, Values{"a": value.OfInt(1)})
	run := w.newLoad(group)
	w.loadSome(group, run, start-1, 2, "x")
	w.Materialize(materialization.Incremental, group)
	require.Equal(t, value.OfInt(2), w.online(group, "x")[0])
	g.down.Store(true)
	asked, err := w.Store.SubmitRevert(w.ctx, run)
	require.NoError(t, err)
	read := store.Read{Rows: 1, Keys: map[string][]store.Key{"down": {TextKey("x")}}, Features: group.Features[:1]}
	require.Eventually(t, func() bool {
		cells, err := w.Ask(Offline, read, 0)
		require.NoError(t, err)
		return cells[0].Value == value.OfInt(1)
	}, 20*time.Second, time.Millisecond)
	for range 20 {
		cells, err := w.Ask(Served, read, 0)
		require.NoError(t, err)
		require.Equal(t, value.OfInt(1), cells[0].Value, "what was reverted is not served")
	}
	_, err = w.Store.Retract(w.ctx, store.RetractRequest{EntityType: group.EntityType, Key: TextKey("x"), EventTime: start - 2})
	require.NoError(t, err)
	state, err := w.Runs.Get(w.ctx, asked.ID)
	require.NoError(t, err)
	require.False(t, state.State.Finished())
	g.down.Store(false)
	w.SetClock(start + second) // the online store is asked again some time after it failed
	ctx, cancel := context.WithTimeout(w.ctx, 30*time.Second)
	defer cancel()
	state, err = w.Runs.Wait(ctx, asked.ID)
	require.NoError(t, err)
	require.True(t, state.State.Finished())
	require.Eventually(t, func() bool {
		cells, err := w.Ask(Served, read, 0)
		require.NoError(t, err)
		require.Equal(t, store.NotFound, cells[0].Status)
		cells, err = w.Ask(Online, read, 0)
		return err == nil && cells[0].Status == store.NotFound
	}, 30*time.Second, 10*time.Millisecond, "the retraction is repaid, and the online copy answers again")
}

// RunUndoUnderWriters lets 8 writers store observations out of order while loads come and are reverted, observations are retracted and
// materialization runs, incremental and full. In the end the online copy must hold what history says of every entity.
func RunUndoUnderWriters(t *testing.T, pair Pair, writes int) {
	w := NewWorld(t, pair)
	group := w.customers("undone", nil)
	require.NoError(t, w.Store.Prepare(w.ctx, group))
	const entities = 40
	var kept atomic.Int64
	var all sync.WaitGroup
	for i := range contenders {
		all.Go(func() {
			random := rand.New(rand.NewPCG(4, uint64(i)))
			for range writes / contenders {
				values := Values{"a": value.OfInt(random.Int64N(1000))}
				for _, name := range []string{"b", "c"} {
					if random.IntN(2) == 0 {
						values[name] = value.OfInt(random.Int64N(1000))
					}
				}
				w.writeOne(t, "undone", fmt.Sprint(random.IntN(entities)), start+random.Int64N(50), values)
				kept.Add(1)
			}
		})
	}
	stop := make(chan struct{})
	var beside sync.WaitGroup
	going := func() bool {
		select {
		case <-stop:
			return false
		case <-time.After(2 * time.Millisecond):
			return true
		}
	}
	var reverts, retractions atomic.Int64
	for range 2 {
		beside.Go(func() {
			for i := int64(0); going() || reverts.Load() == 0; i++ {
				run := w.newLoad(group)
				ids := make([]string, 0, entities/2)
				for e := i % 2; e < entities; e += 2 {
					ids = append(ids, fmt.Sprint(e))
				}
				w.loadSome(group, run, start+i%60, -run, ids...)
				if i%2 == 0 {
					w.try(t, group, materialization.Incremental)
				}
				if err := w.Revert(run); err != nil {
					t.Errorf("revert: %v", err)
				}
				reverts.Add(1)
			}
		})
	}
	beside.Go(func() {
		random := rand.New(rand.NewPCG(5, 5))
		for going() || retractions.Load() == 0 { // those that name nothing that was observed are refused
			retracted, err := w.Store.Retract(w.ctx, store.RetractRequest{EntityType: group.EntityType, Key: TextKey(fmt.Sprint(random.IntN(entities))),
				EventTime: start + random.Int64N(50), Features: group.Features[:1+random.IntN(3)]})
			if err == nil {
				retractions.Add(1)
				for _, g := range retracted.Groups {
					kept.Add(-g.Removed.Rows)
				}
			}
		}
	})
	beside.Go(func() {
		for i := 0; going(); i++ {
			w.try(t, group, []materialization.Mode{materialization.Incremental, materialization.Incremental, materialization.Full}[i%3])
		}
	})
	all.Wait()
	close(stop)
	beside.Wait()
	// A retraction may have taken rows of a load that was reverted afterwards: the rows are counted in history.
	w.Materialize(materialization.Incremental, group)
	n, err := (&scriptRun{World: w}).rowsOf(group)
	require.NoError(t, err)
	w.compareAll(t, group, n)
	t.Logf("measured: %d writes, %d loads reverted, %d observations retracted beside them: online equals history", writes, reverts.Load(), retractions.Load())
	require.Positive(t, reverts.Load())
	require.Positive(t, retractions.Load())
}

// try materializes; it may give way to another.
func (w *World) try(t *testing.T, group *registry.Group, mode materialization.Mode) {
	if _, err := w.Materialization.Group(w.ctx, group, mode, nil); err != nil && !fault.Is(err, "superseded") {
		t.Errorf("materialize: %v", err)
	}
}

// RunLargeRevert reverts a load of more entities than the online copy is kept answering for, after another one of the same entities whose revert
// did not come so far: both are taken out of the online copy together.
func RunLargeRevert(t *testing.T, pair Pair, entities int) {
	w := NewWorld(t, pair)
	group := w.customers("large", nil)
	require.NoError(t, w.Store.Prepare(w.ctx, group))
	ids := make([]string, entities)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	w.loadSome(group, w.newLoad(group), start-2, 1, ids[:entities/2]...)
	run := w.newLoad(group)
	w.loadSome(group, run, start-1, 2, ids...)
	half := w.newLoad(group)
	w.loadSome(group, half, start-1, 3, ids...)
	w.Materialize(materialization.Incremental, group)
	removed, err := w.Store.Offline().Remove(w.ctx, group, store.Selection{Run: half})
	require.NoError(t, err)
	require.EqualValues(t, entities, removed.Entities)
	began := time.Now()
	require.NoError(t, w.Revert(run))
	took := time.Since(began)
	w.Materialize(materialization.Incremental, group)
	n, err := (&scriptRun{World: w}).rowsOf(group)
	require.NoError(t, err)
	require.Equal(t, entities/2, n)
	for first := 0; first < entities; first += 5000 {
		for i, v := range w.online(group, ids[first:min(first+5000, entities)]...) {
			require.Equal(t, first+i < entities/2, v == value.OfInt(1), "%d: %v", first+i, v)
		}
	}
	t.Logf("measured: a load of %d entities was reverted in %s", entities, took.Round(time.Millisecond))
}
