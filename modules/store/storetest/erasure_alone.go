package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/materialization"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/store"
)

// RunErasedWithoutMaterialization erases an entity while the online copy would have to be rebuilt, which nobody does. The run ends all the same,
// nothing of the entity is online any more, and whoever was at a rebuild before begins anew.
func RunErasedWithoutMaterialization(t *testing.T, pair Pair) {
	w, g := gated(t, pair, false)
	group := w.customers("alone", nil)
	for _, id := range []string{"x", "y"} {
		w.writeOne(t, "alone", id, start-2, Values{"a": value.OfInt(1)})
	}
	w.Materialize(materialization.Incremental, group)
	w.change(group, func(s *store.State) { s.Watermark.Store += " of before" })

	// A rebuild stands still with the entity's row in its hands; its process is taken for dead.
	h := newHold(true)
	g.held.Store(h)
	flying := make(chan error, 1)
	go func() {
		_, err := w.another().Group(w.ctx, group, materialization.Rebuild, nil)
		flying <- err
	}()
	<-h.stalled
	working, err := w.Runs.List(w.ctx, runs.Filter{Kind: materialization.Kind, State: runs.Running})
	require.NoError(t, err)
	require.Len(t, working, 1)
	require.NoError(t, w.db.Exec("UPDATE runs SET state = 'failed', finished_at = created_at WHERE id = ?", working[0].ID).Error)

	asked, err := w.Store.Erase(w.ctx, group.EntityType, TextKey("x"))
	require.NoError(t, err)
	w.until(func() bool { return w.rowsOfKey(group, "x") == 0 })
	w.until(func() bool { // the clock goes on
		w.SetClock(w.Now().Add(time.Second).UnixMicro())
		snapshot, err := w.Store.Offline().Snapshot(w.ctx)
		require.NoError(t, err)
		removals, err := snapshot.Removals(w.ctx)
		require.NoError(t, err)
		require.NoError(t, snapshot.Close())
		return removals[group.ID].Last == 1 && removals[group.ID].Forgotten == 1
	})
	state, err := w.Store.Online().State(w.ctx, group)
	require.NoError(t, err)
	require.Empty(t, state.Marker)
	stored, _, err := w.Store.Online().Walk(w.ctx, group, "")
	require.NoError(t, err)
	require.Empty(t, stored)

	close(h.free)
	<-flying // it may have ended well, or have been told that its run is not its own
	require.EqualValues(t, 1, w.erased(asked.ID).Rows, "what it read before held up the scrubbing")
	w.Materialize(materialization.Incremental, group)
	require.Equal(t, []value.Value{value.Null(), value.OfInt(1)}, w.online(group, "x", "y"))
}
