package storetest

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/modules/materialization"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/store"
)

// RunLostRemoval lets the online store forget that a load was reverted, as a server that comes back without its last seconds: with the
// rows and the state, marker and all, that it had before. The notes of the removal are given up by then.
func RunLostRemoval(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	group := w.customers("lost", nil)
	w.Materialize(materialization.Incremental, group)
	w.writeOne(t, "lost", "x", start-2, Values{"a": value.OfInt(1)})
	run := w.newLoad(group)
	w.loadSome(group, run, start-1, 2, "x", "y")
	w.Materialize(materialization.Incremental, group)
	online := w.Store.Online()
	before, err := online.State(w.ctx, group)
	require.NoError(t, err)
	keys := []store.Key{TextKey("x"), TextKey("y")}
	rows, _, err := online.Read(w.ctx, []store.Question{{Group: group, Marker: before.Marker, Keys: keys}})
	require.NoError(t, err)

	require.NoError(t, w.Revert(run))
	require.Equal(t, []value.Value{value.OfInt(1), value.Null()}, w.online(group, "x", "y"))
	after, err := online.State(w.ctx, group)
	require.NoError(t, err)
	require.EqualValues(t, 1, after.Watermark.Removal)
	_, err = online.Merge(w.ctx, group, after.Fence, true, []store.PackedRow{{Key: keys[0], Row: rows[0][0]}, {Key: keys[1], Row: rows[0][1]}})
	require.NoError(t, err)
	swapped, err := online.Swap(w.ctx, group, after, before)
	require.NoError(t, err)
	require.True(t, swapped)
	require.Equal(t, []value.Value{value.OfInt(2), value.OfInt(2)}, w.online(group, "x", "y"), "the reverted values are back")

	w.Materialize(materialization.Incremental, group)
	require.Equal(t, []value.Value{value.OfInt(1), value.Null()}, w.online(group, "x", "y"))
}

// RunRevertAndEmptied empties the online store, fences and all, after a load was reverted, while a run is held up that has read the rows
// of the load. It must not bring them back behind the run that fills the store anew.
func RunRevertAndEmptied(t *testing.T, pair Pair) {
	after := func(t *testing.T, fenceless bool) value.Value {
		w, g := gated(t, pair, fenceless)
		group := w.customers("emptied", nil)
		w.writeOne(t, "emptied", "x", start-2, Values{"a": value.OfInt(1)})
		w.Materialize(materialization.Incremental, group)
		run := w.newLoad(group)
		w.loadSome(group, run, start-1, 2, "x")
		h := newHold(true)
		g.held.Store(h)
		var flying sync.WaitGroup
		flying.Go(func() { w.try(t, group, materialization.Incremental) })
		<-h.stalled
		require.NoError(t, w.Revert(run))
		online := w.Store.Online()
		state, err := online.State(w.ctx, group)
		require.NoError(t, err)
		sweep(t, online, group)
		_, err = online.Swap(w.ctx, group, state, store.State{Server: state.Server})
		require.NoError(t, err)
		log := slog.New(slog.DiscardHandler)
		db := databasetest.SQLite(t)()
		require.NoError(t, runs.Migrate(w.ctx, db))
		elsewhere := materialization.New(materialization.DefaultConfig(), w.Registry, w.Store, runs.New(db, runs.DefaultConfig(), time.Now, log), w.Now, log)
		_, err = elsewhere.Group(w.ctx, group, materialization.Incremental, nil)
		require.NoError(t, err)
		require.Equal(t, value.OfInt(1), w.online(group, "x")[0])
		close(h.free)
		flying.Wait()
		return w.online(group, "x")[0]
	}
	require.Equal(t, value.OfInt(1), after(t, false))
	t.Run("without fences", func(t *testing.T) {
		require.Equal(t, value.OfInt(2), after(t, true), "the control shows what was reverted")
	})
}
