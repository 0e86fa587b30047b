package storetest

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// cutOff is an online store that does not answer while it is cut off.
type cutOff struct {
	store.Online
	off atomic.Bool
}

func (c *cutOff) Merge(ctx context.Context, group *registry.Group, fence int64, unmarked bool, rows []store.PackedRow) (store.Merged, error) {
	if c.off.Load() {
		return store.Merged{}, errDown
	}
	return c.Online.Merge(ctx, group, fence, unmarked, rows)
}

func (c *cutOff) State(ctx context.Context, group *registry.Group) (store.State, error) {
	if c.off.Load() {
		return store.State{}, errDown
	}
	return c.Online.State(ctx, group)
}

// RunCompactionBehind compacts a group whose online copy does not have yet what supersedes a row, and then takes that back: the copy must not
// go on holding the row. While the online store does not answer, nothing is removed. The control does not look at the copy.
func RunCompactionBehind(t *testing.T, pair Pair) {
	online := &cutOff{}
	w := NewWorld(t, pair.wrapped(func(o store.Online) store.Online { online.Online = o; return online }))
	group := w.customers("behind", nil)
	compact := func() store.CompactedGroup {
		done, err := w.Store.Compact(w.ctx, group, false, func(store.CompactedGroup) {})
		require.NoError(t, err)
		return done
	}
	supersede := func(id string) {
		w.writeOne(t, "behind", id, start-2, Values{"a": value.OfInt(1)})
		w.Materialize(materialization.Incremental, group)
		online.off.Store(true)
		require.Equal(t, store.OnlinePending, w.writeOne(t, "behind", id, start-2, Values{"a": value.OfInt(2)}))
	}
	// read answers what is online once everything has been brought there.
	read := func(id string) value.Value {
		_, err := w.Store.Retract(w.ctx, store.RetractRequest{EntityType: group.EntityType, Key: TextKey(id), EventTime: start - 2})
		require.NoError(t, err)
		w.SetClock(w.Now().UnixMicro() + second) // the online store is asked again some time after it failed
		_, err = w.Store.TakeBack(w.ctx, group)
		require.NoError(t, err)
		w.Materialize(materialization.Incremental, group)
		return w.online(group, id)[0]
	}

	supersede("x")
	done := compact()
	require.Zero(t, done.Removed())
	require.Contains(t, done.Reason, "the online store cannot be asked now how far the copy of behind is")
	online.off.Store(false)
	done = compact()
	require.Zero(t, done.Removed())
	require.Contains(t, done.Reason, "the online copy of behind is behind: what came in since ")
	require.True(t, read("x").IsNull(), "what is taken back is gone")

	supersede("y")
	online.off.Store(false)
	for done.Superseded == 0 { // a transaction of somebody else on the server holds the watermark back for as long as it is open
		require.NoError(t, w.ctx.Err())
		w.Materialize(materialization.Incremental, group)
		done = compact()
	}
	require.EqualValues(t, 1, done.Superseded)
	require.Empty(t, done.Reason)
	require.True(t, read("y").IsNull())

	t.Run("a copy that is rebuilt", func(t *testing.T) {
		supersede("v")
		online.off.Store(false)
		require.NoError(t, w.Lose(group))
		done = compact()
		require.EqualValues(t, 1, done.Superseded)
		require.Empty(t, done.Reason)
		require.True(t, read("v").IsNull())
	})
	t.Run("a compaction that does not look", func(t *testing.T) {
		supersede("z")
		online.off.Store(false)
		what := store.Compaction{Settled: w.moment(), Unsettled: store.NoRun, RetainFrom: value.NoTime}
		compacted, err := w.Store.Offline().Compact(w.ctx, group, what, func(store.Compacted) error { return nil })
		require.NoError(t, err)
		require.EqualValues(t, 1, compacted.Superseded)
		require.Equal(t, value.OfInt(1), read("z"), "the control shows the superseded value")
	})
}
