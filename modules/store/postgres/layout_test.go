package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest/servers"
)

// PostgreSQL says in several ways, by how far the other one is, that another transaction makes the same table. So many are made.
func TestOneOfManyMakesTheTable(t *testing.T) {
	ctx := context.Background()
	url, schema := servers.Postgres(t)
	processes := make([]*Offline, 4)
	for i := range processes {
		o, err := Open(ctx, Options{URL: url, Schema: schema})
		require.NoError(t, err)
		defer o.Close() //nolint:errcheck // a test
		processes[i] = o
	}
	for id := range int64(40) {
		g := group(id+1, fmt.Sprintf("g%d", id), []value.Type{value.String}, value.Integer)
		var work sync.WaitGroup
		var makers atomic.Int64
		begin := make(chan struct{})
		for _, o := range processes {
			work.Go(func() {
				<-begin
				created, err := o.EnsureLayout(ctx, g)
				if err != nil {
					t.Errorf("%s: %v", g.Name, err)
				}
				if created {
					makers.Add(1)
				}
			})
		}
		close(begin)
		work.Wait()
		require.EqualValues(t, 1, makers.Load(), g.Name)
	}
}

func TestWritesUnderAnotherLayoutAreOutdatedAndStoreNothing(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	one, other := group(1, "one", []value.Type{value.String}, value.Integer), group(2, "other", []value.Type{value.String}, value.Integer)
	rowsOf := func(g *registry.Group) *store.Rows {
		r := rows(g, []store.Key{stringKey("a")}, []int64{value.NoTime})
		for range g.Features {
			r.Values = append(r.Values, value.OfInt(1))
		}
		return r
	}
	require.ErrorIs(t, o.Append(ctx, []*store.Rows{rowsOf(one)}), store.ErrOutdated, "there is no table yet")
	ensure(t, o, one, other)
	require.NoError(t, o.Append(ctx, []*store.Rows{rowsOf(one), rowsOf(other)}))
	newer := next(one, feature(one, 2, "f1", value.Integer, 2))
	require.ErrorIs(t, o.Append(ctx, []*store.Rows{rowsOf(other), rowsOf(newer)}), store.ErrOutdated, "there is no column yet")
	created, err := o.EnsureLayout(ctx, newer)
	require.NoError(t, err)
	require.False(t, created)
	for _, order := range [][]*store.Rows{{rowsOf(other), rowsOf(one)}, {rowsOf(one), rowsOf(other)}} {
		require.ErrorIs(t, o.Append(ctx, order), store.ErrOutdated)
		for _, r := range order {
			require.Equal(t, int64(value.NoTime), r.EventTimes[0], "a row that is not stored gets no time")
		}
	}
	_, err = o.Load(ctx, one, 1)
	require.ErrorIs(t, err, store.ErrOutdated)
	created, err = o.EnsureLayout(ctx, one) // by a process that does not know yet
	require.NoError(t, err)
	require.False(t, created)
	require.NoError(t, o.Append(ctx, []*store.Rows{rowsOf(newer), rowsOf(other)}))
	require.Len(t, all(t, o, newer, store.Range{}).Keys, 2)
	require.Len(t, all(t, o, other, store.Range{}).Keys, 2)
}

// TestTheLayoutChangesUnderWriters: what is written by the old layout and acknowledged comes before the change, whatever the
// moment; nothing is stored that is not acknowledged.
func TestTheLayoutChangesUnderWriters(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	for range 10 {
		newer := next(g, feature(g, uint16(len(g.Features)+1), "f"+string(rune('a'+len(g.Features))), value.Integer, g.SchemaVersion+1))
		before := len(all(t, o, g, store.Range{}).Keys)
		var writers sync.WaitGroup
		var mu sync.Mutex
		stored := 0
		started := make(chan struct{}, 100_000)
		for range 4 {
			writers.Go(func() {
				for {
					r := rows(g, []store.Key{stringKey("a")}, []int64{value.NoTime})
					for range g.Features {
						r.Values = append(r.Values, value.OfInt(1))
					}
					err := o.Append(ctx, []*store.Rows{r})
					if errors.Is(err, store.ErrOutdated) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					stored++
					mu.Unlock()
					started <- struct{}{}
				}
			})
		}
		for range 8 {
			<-started
		}
		ensure(t, o, newer)
		writers.Wait()
		g = newer
		require.Len(t, all(t, o, g, store.Range{}).Keys, before+stored)
	}
}

func TestAColumnWaitsForALoad(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	newer := next(g, feature(g, 2, "f1", value.Integer, 2))
	l, err := o.Load(ctx, g, 1)
	require.NoError(t, err)
	require.NoError(t, l.Add(ctx, rows(g, []store.Key{stringKey("a")}, []int64{value.NoTime}, value.OfInt(1))))

	done := make(chan error, 1)
	go func() { _, err := o.EnsureLayout(ctx, newer); done <- err }()
	for range 20 { // meanwhile writes wait no longer than the lock is tried for
		waiting, cancel := context.WithTimeout(ctx, 30*time.Second) // the load is not committed before
		require.NoError(t, o.Append(waiting, []*store.Rows{rows(g, []store.Key{stringKey("b")}, []int64{value.NoTime}, value.OfInt(1))}))
		cancel()
	}
	require.NoError(t, l.Commit(ctx))
	require.NoError(t, <-done)
	require.Len(t, all(t, o, newer, store.Range{}).Keys, 21)

	l, err = o.Load(ctx, newer, 2)
	require.NoError(t, err)
	_, err = o.EnsureLayout(ctx, next(newer, feature(g, 3, "f2", value.Integer, 3)))
	problem, ok := fault.As(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, fault.Busy, problem.Kind)
	require.NoError(t, l.Abort(ctx))
}

func TestJoinKeysChangeWhileThereAreNoRows(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	current := func(g *registry.Group) (n int) {
		s := snapshotOf(t, o)
		require.NoError(t, s.Current(ctx, g, g.Features, func(c *store.Current) error { n += len(c.Keys); return nil }))
		require.NoError(t, s.Close())
		return n
	}
	before := group(1, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, before)
	require.Zero(t, current(before))
	after := group(1, "g", []value.Type{value.Integer}, value.Integer)
	ensure(t, o, after)
	require.Zero(t, current(after))
	require.NoError(t, o.Append(ctx, []*store.Rows{rows(after, []store.Key{store.NewKey([]value.Value{value.OfInt(7)})}, []int64{at(0)}, value.OfInt(1))}))
	require.Equal(t, int64(7), all(t, o, after, store.Range{}).Keys[0].Values[0].Int())
	require.Equal(t, 1, current(after))
	_, err := o.EnsureLayout(ctx, before)
	problem, ok := fault.As(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "join-keys-in-use", problem.Slug)
}

func TestAGroupWithoutFeatures(t *testing.T) {
	o := open(t)
	empty := group(1, "g", []value.Type{value.String})
	ensure(t, o, empty)
	require.Empty(t, all(t, o, empty, store.Range{}).Keys)
	ensure(t, o, next(empty, feature(empty, 1, "f", value.Integer, 1)))
}

func TestAGroupTakesTheNameOfADeletedOne(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	deleted, successor := group(1, "g", []value.Type{value.String}, value.Integer), group(2, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, deleted)
	row := func(g *registry.Group) []*store.Rows {
		return []*store.Rows{rows(g, []store.Key{stringKey("a")}, []int64{at(0)}, value.OfInt(1))}
	}
	require.NoError(t, o.Append(ctx, row(deleted)))
	ensure(t, o, successor)
	require.Empty(t, all(t, o, successor, store.Range{}).Keys)
	require.Len(t, all(t, o, deleted, store.Range{}).Keys, 1)
	require.ErrorIs(t, o.Append(ctx, row(deleted)), store.ErrOutdated)
	require.NoError(t, o.Append(ctx, row(successor)))
	require.Len(t, all(t, o, successor, store.Range{}).Keys, 1)
}

func TestNamesThatPostgreSQLOrTheTableHas(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "select", []value.Type{value.String, value.String})
	g.EntityType.JoinKeys[1].Name = "run_id"
	for i, name := range []string{"presence", "xmin", "event_time", "key0", "run_id", "order", "ctid", "user", "k0", "n", "s", "until"} {
		g.Features = append(g.Features, feature(g, uint16(i+1), name, value.Integer, 1))
	}
	ensure(t, o, g)
	r := rows(g, []store.Key{store.NewKey([]value.Value{value.OfString("a"), value.OfString("b")})}, []int64{at(0)})
	for i := range g.Features {
		r.Values = append(r.Values, value.OfInt(int64(i)))
	}
	r.Values[3] = value.Value{}
	require.NoError(t, o.Append(ctx, []*store.Rows{r}))
	require.Equal(t, r.Values, all(t, o, g, store.Range{}).Values)
	answer, err := snapshotOf(t, o).AsOf(ctx, g, g.Features, r.Keys, []int64{at(0)}, []int64{at(0)})
	require.NoError(t, err)
	require.Equal(t, r.Values, answer.Values)
}
