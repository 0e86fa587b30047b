package sqlite

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

// hold keeps the writer busy until the function it returns is called.
func hold(t *testing.T, o *Offline) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	j := o.writer.submit(bare, func(*conn) error {
		close(held)
		<-free
		return nil
	})
	<-held
	return func() {
		close(free)
		require.NoError(t, j.wait(ctx))
	}
}

// waitFor waits until so many jobs of a kind wait for the writer.
func waitFor(o *Offline, k kind, n int) {
	for {
		o.writer.mu.Lock()
		waiting := len(o.writer.waiting[k])
		o.writer.mu.Unlock()
		if waiting >= n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// commits counts the writer's transactions from now on. It is read when the writer is idle.
func commits(t *testing.T, o *Offline) *int {
	t.Helper()
	n := new(int)
	require.NoError(t, o.writer.do(ctx, bare, func(*conn) error {
		after := o.writer.hooks.after
		o.writer.hooks.after = func(err error) { *n++; after(err) }
		return nil
	}))
	return n
}

func TestWhatWaitsIsCommittedTogether(t *testing.T) {
	o, group := withPurchases(t, Options{})
	n := commits(t, o)
	release := hold(t, o)
	var all sync.WaitGroup
	errs := make(chan error, 50)
	for i := range 50 {
		all.Go(func() {
			errs <- o.Append(ctx, []*store.Rows{storetest.RowsOf(group, seen(fmt.Sprint(i), 1, 1))})
		})
	}
	waitFor(o, single, 50)
	release()
	all.Wait()
	for range 50 {
		require.NoError(t, <-errs)
	}
	require.Equal(t, 1, *n)
	shown, _ := count(t, o, group)
	require.Equal(t, 50, shown)
}

// An outdated request in a commit fails alone.
func TestNeighboursDoNotFail(t *testing.T) {
	o, group := withPurchases(t, Options{})
	wider := storetest.WithColumn(group, storetest.Column{Name: "more", Type: value.String})
	_, err := o.EnsureLayout(ctx, wider)
	require.NoError(t, err)
	release := hold(t, o)
	outdated, fine := make(chan error, 1), make(chan error, 10)
	var all sync.WaitGroup
	for i := range 10 {
		if i == 5 {
			all.Go(func() { outdated <- o.Append(ctx, []*store.Rows{storetest.RowsOf(group, seen("old", 1, 1))}) })
			waitFor(o, single, 6)
		}
		all.Go(func() {
			fine <- o.Append(ctx, []*store.Rows{storetest.RowsOf(wider, seen(fmt.Sprint(i), 1, 1))})
		})
		waitFor(o, single, i+1)
	}
	release()
	all.Wait()
	require.ErrorIs(t, <-outdated, store.ErrOutdated)
	for range 10 {
		require.NoError(t, <-fine)
	}
	shown, _ := count(t, o, wider)
	require.Equal(t, 10, shown)
}

func TestSingleWritesGoBeforeBulkSteps(t *testing.T) {
	o, group := withPurchases(t, Options{})
	release := hold(t, o)
	var order []string
	steps := []*job{}
	for i := range 3 {
		steps = append(steps, o.writer.submit(bulk, func(*conn) error {
			order = append(order, fmt.Sprint("step ", i))
			return nil
		}))
	}
	written := o.writer.submit(single, func(*conn) error {
		order = append(order, "write")
		return nil
	})
	release()
	for _, j := range append(steps, written) {
		require.NoError(t, j.wait(ctx))
	}
	require.Equal(t, []string{"write", "step 0", "step 1", "step 2"}, order)
	see(t, o, group, seen("x", 1, 1))
}

func TestWriteThatWasGivenUpIsNotStored(t *testing.T) {
	o, group := withPurchases(t, Options{})
	release := hold(t, o)
	given, cancel := context.WithCancel(ctx)
	result := make(chan error, 1)
	go func() { result <- o.Append(given, []*store.Rows{storetest.RowsOf(group, seen("x", 1, 1))}) }()
	waitFor(o, single, 1)
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	release()
	see(t, o, group, seen("y", 1, 1))
	shown, _ := count(t, o, group)
	require.Equal(t, 1, shown)
}
