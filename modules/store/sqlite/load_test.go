package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

// beginLoad prepares a load of n rows.
func beginLoad(t *testing.T, o *Offline, group *registry.Group, n int) store.Load {
	t.Helper()
	l, err := o.Load(ctx, group, 7)
	require.NoError(t, err)
	for at := 0; at < n; at += 1000 {
		all := make([]storetest.Seen, 0, 1000)
		for i := at; i < min(n, at+1000); i++ {
			all = append(all, seen(fmt.Sprint((i*7919)%n), int64(i), int64(i)))
		}
		require.NoError(t, l.Add(ctx, storetest.RowsOf(group, all...)))
	}
	return l
}

func TestLoadShowsWholeOrNotAtAll(t *testing.T) {
	const n = 20_000
	o, group := withPurchases(t, Options{})
	before := see(t, o, group, seen("x", 1, 1)).IngestIDs[0]
	l := beginLoad(t, o, group, n)
	var looks atomic.Int64
	looks.Store(-1) // nobody looks
	require.NoError(t, o.writer.do(ctx, bare, func(*conn) error {
		after := o.writer.hooks.after
		o.writer.hooks.after = func(err error) { // the next step waits until somebody has looked
			after(err)
			for before := looks.Load(); before >= 0 && looks.Load() == before; {
				time.Sleep(100 * time.Microsecond)
			}
		}
		return nil
	}))
	looks.Store(0)
	committed := make(chan error, 1)
	go func() { committed <- l.Commit(ctx) }()
	half, done := 0, false
	for !done {
		select {
		case err := <-committed:
			require.NoError(t, err)
			done = true
		default:
		}
		there := raw(t, o, "purchases")
		shown, position := count(t, o, group)
		require.Contains(t, []int{1, n + 1}, shown)
		if there > 1 && there <= n {
			half++
		}
		if shown == 1 && there > 1 {
			require.Equal(t, store.Position(fmt.Sprint(before+1)), position, "what is not in the snapshot is at or above its position")
		}
		looks.Add(1)
	}
	looks.Store(-1)
	require.Positive(t, half, "the control: a part of the rows was in the table")
	shown, position := count(t, o, group)
	require.Equal(t, n+1, shown)
	require.Equal(t, store.Position(fmt.Sprint(before+n+1)), position)
}

// The files as a kill leaves them in the middle of a commit.
func TestKilledLoadLeavesNothing(t *testing.T) {
	const n = 20_000
	o, group := withPurchases(t, Options{})
	see(t, o, group, seen("x", 1, 1))
	l := beginLoad(t, o, group, n)
	killed := filepath.Join(t.TempDir(), "killed.db")
	committed := make(chan error, 1)
	go func() { committed <- l.Commit(ctx) }()
	for copied := false; !copied; {
		select {
		case err := <-committed:
			t.Fatal("the load was committed before it could be interrupted", err)
		default:
		}
		require.NoError(t, o.writer.do(ctx, bare, func(c *conn) error {
			there := asked(t, c, "SELECT count(*) FROM purchases")
			if copied = there > 1 && there < n; copied {
				copyFile(t, o.path, killed)
				copyFile(t, o.path+"-wal", killed+"-wal")
			}
			return nil
		}))
	}
	require.NoError(t, <-committed)

	k := open(t, killed, Options{})
	shown, _ := count(t, k, group)
	require.Equal(t, 1, shown)
	k.removed.Wait()
	require.EqualValues(t, 1, raw(t, k, "purchases"), "what was left is removed")
	require.Zero(t, raw(t, k, "__loads"))
	shown, position := count(t, k, group)
	require.Equal(t, 1, shown)
	next := see(t, k, group, seen("x", 2, 2)).IngestIDs[0]
	require.Equal(t, store.Position(fmt.Sprint(next)), position, "nothing holds the position back any more")
	require.Greater(t, next, int64(n), "the ids of the load are used up")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, content, 0o600))
}

func TestCancelledLoadIsRemoved(t *testing.T) {
	const n = 20_000
	o, group := withPurchases(t, Options{})
	l := beginLoad(t, o, group, n)
	cancelled, cancel := context.WithCancel(ctx)
	committed := make(chan error, 1)
	go func() { committed <- l.Commit(cancelled) }()
	for raw(t, o, "purchases") == 0 {
	}
	cancel()
	require.ErrorIs(t, <-committed, context.Canceled)
	require.NoError(t, l.Abort(ctx))
	require.Zero(t, raw(t, o, "purchases"))
	require.Zero(t, raw(t, o, "__loads"))
}
