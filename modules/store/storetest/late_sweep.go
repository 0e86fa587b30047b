package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// anyFence is not older than any.
const anyFence = 1 << 52

// sweep removes a group's online rows, whatever its fence.
func sweep(t testing.TB, online store.Online, group *registry.Group) {
	t.Helper()
	refused, err := online.Sweep(context.Background(), group, anyFence)
	require.NoError(t, err)
	require.False(t, refused)
}

// lateOnline holds the first sweep up until it is let go, and tells when it has ended.
type lateOnline struct {
	store.Online
	fenceless            bool
	reached, open, ended chan struct{}
	on                   chan struct{} // the run goes on
}

func (l *lateOnline) Sweep(ctx context.Context, group *registry.Group, fence int64) (bool, error) {
	reached := l.reached
	if reached == nil {
		return l.Online.Sweep(ctx, group, fence)
	}
	l.reached = nil
	close(reached)
	<-l.open
	if l.fenceless {
		fence = anyFence
	}
	refused, err := l.Online.Sweep(ctx, group, fence)
	close(l.ended)
	<-l.on
	return refused, err
}

// rebuildLateSweep has a rebuild that stands still before it sweeps, until another one has taken it over and is done: what it removes then is
// not missed by anyone any more. The control knows no fence.
func rebuildLateSweep(t *testing.T, pair Pair) {
	const entities = 1500
	missing := func(t *testing.T, fenceless bool) (missing int) {
		late := &lateOnline{fenceless: fenceless}
		w := NewWorld(t, pair.wrapped(func(online store.Online) store.Online { late.Online = online; return late }))
		group := w.customers("late", nil)
		w.fill(group, entities)
		reached := make(chan struct{})
		late.open, late.ended, late.on = make(chan struct{}), make(chan struct{}), make(chan struct{})
		late.reached = reached
		first := make(chan error, 1)
		go func() {
			_, err := w.Materialization.Group(w.ctx, group, materialization.Rebuild, nil)
			first <- err
		}()
		<-reached
		_, err := w.another().Group(w.ctx, group, materialization.Rebuild, nil)
		require.NoError(t, err)
		close(late.open)
		<-late.ended
		ids := make([]string, entities)
		for i := range ids {
			ids[i] = fmt.Sprint("entity ", i)
		}
		for i, v := range w.online(group, ids...) {
			if v != value.OfInt(int64(i)) {
				missing++
			}
		}
		close(late.on)
		require.NoError(t, <-first)
		w.requireClean(group, entities)
		return missing
	}
	require.Zero(t, missing(t, false))
	t.Run("without a fence", func(t *testing.T) { require.Equal(t, entities, missing(t, true), "the control") })
}
