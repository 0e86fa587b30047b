package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

func (o *offline) loadCommit() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	before := o.snapshot()
	load := o.begin(group, 5)
	for i := range int64(3) {
		require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{TextKey("x"), noon + i, Values{"a": value.OfInt(i)}}, Seen{TextKey(fmt.Sprint(i)), noon, Values{"b": value.Null()}})))
		require.Zero(o, o.count(group), "an open load does not show")
		require.True(o, o.now(group, TextKey("x"))[0].IsAbsent())
	}
	during := o.snapshot()
	require.Empty(o, o.entries(during, group, store.Range{}))
	require.NoError(o, load.Commit(o.ctx))

	require.Equal(o, 6, o.count(group))
	require.Equal(o, value.OfInt(2), o.now(group, TextKey("x"))[0])
	for _, early := range []store.Snapshot{before, during} {
		require.Empty(o, o.entries(early, group, store.Range{}))
		require.True(o, o.asOf(early, group, TextKey("x"), noon+9)[0].IsAbsent())
		require.NoError(o, early.Current(o.ctx, group, group.Features, func(c *store.Current) error {
			require.Empty(o, c.Keys)
			return nil
		}))
		require.NoError(o, early.Close())
	}
	o.restart()
	require.Equal(o, 6, o.count(group))
}

func (o *offline) loadAbort() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})
	for i := range 3 {
		load := o.begin(group, int64(i+1))
		for range i {
			require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{TextKey("x"), noon + 1, Values{"a": value.OfInt(2)}})))
		}
		require.NoError(o, load.Abort(o.ctx))
		require.NoError(o, load.Abort(o.ctx), "again")
	}
	require.Equal(o, 1, o.count(group))
	o.restart()
	require.Equal(o, 1, o.count(group))
	o.load(9, RowsOf(group, Seen{TextKey("x"), noon + 2, Values{"a": value.OfInt(3)}}))
	require.Equal(o, 2, o.count(group), "nothing of the aborted ones came back")
	require.Equal(o, value.OfInt(3), o.now(group, TextKey("x"))[0])
}

func (o *offline) loadCancelled() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	seen := make([]Seen, 1000)
	for i := range seen {
		seen[i] = Seen{TextKey(fmt.Sprint(i)), noon, Values{"a": value.OfInt(1), "b": value.OfInt(2), "c": value.OfInt(3)}}
	}
	rows := RowsOf(group, seen...)
	for run := range int64(10) {
		ctx, cancel := context.WithCancel(o.ctx)
		load, err := o.store.Load(ctx, group, run+1)
		require.NoError(o, err)
		time.AfterFunc(time.Duration(run)*3*time.Millisecond, cancel)
		for err == nil {
			err = load.Add(ctx, rows)
		}
		require.ErrorIs(o, err, context.Canceled)
		require.NoError(o, load.Abort(o.ctx))
	}
	require.Zero(o, o.count(group))
}

func (o *offline) loadCrash() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	committed := o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})
	load := o.begin(group, 1)
	var seen []Seen
	for i := range 3000 {
		seen = append(seen, Seen{TextKey(fmt.Sprint(i)), noon, Values{"a": value.OfInt(2)}})
	}
	require.NoError(o, load.Add(o.ctx, RowsOf(group, seen...)))
	between := o.see(group, Seen{TextKey("x"), noon + 1, Values{"a": value.OfInt(3)}})
	killed := o.store
	o.store = o.engine.Crash(o, "store")
	_ = load.Abort(o.ctx) // of a process that is no more
	_ = killed.Close()
	require.Equal(o, 2, o.count(group))
	require.Equal(o, value.OfInt(3), o.now(group, TextKey("x"))[0])
	after := o.see(group, Seen{TextKey("x"), noon + 1, Values{"a": value.OfInt(4)}})
	require.Greater(o, after.IngestIDs[0], between.IngestIDs[0])
	require.Greater(o, between.IngestIDs[0], committed.IngestIDs[0])
	require.Equal(o, 3, o.count(group))
	require.Equal(o, value.OfInt(4), o.now(group, TextKey("x"))[0])
}

func (o *offline) loadAbortAfterCommit() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	load := o.begin(group, 1)
	require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})))
	require.NoError(o, load.Commit(o.ctx))
	require.NoError(o, load.Abort(o.ctx))
	require.Equal(o, 1, o.count(group))
	o.restart()
	require.Equal(o, 1, o.count(group))
}

func (o *offline) loadMemory() {
	group := Group(1, "purchases", Trips, Column{"a", value.Integer}, Column{"s", value.String})
	o.ensure(group)
	load := o.begin(group, 1)
	for i := range int64(5) {
		text := []byte(fmt.Sprintf("text %d", i))
		rows := RowsOf(group, Seen{TripKey(i, "eu"), noon + i, Values{"a": value.OfInt(i), "s": value.OfString(string(text))}})
		require.NoError(o, load.Add(o.ctx, rows))
		rows.Keys[0], rows.EventTimes[0] = TripKey(99, "overwritten"), noon+99
		rows.Values[0], rows.Values[1] = value.OfInt(99), value.OfString("overwritten")
	}
	require.NoError(o, load.Commit(o.ctx))
	require.Equal(o, 5, o.count(group))
	require.Equal(o, []value.Value{value.OfInt(3), value.OfString("text 3")}, o.now(group, TripKey(3, "eu")))
}

func (o *offline) loadAndAppend() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	o.ensure(group, other)
	load := o.begin(group, 1)
	for i := range int64(20) {
		require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{TextKey("loaded"), noon + i, Values{"a": value.OfInt(i)}})))
		for _, g := range []*registry.Group{group, other} {
			o.within(20*time.Second, func(ctx context.Context) error {
				return o.store.Append(ctx, []*store.Rows{RowsOf(g, Seen{TextKey("written"), noon + i, Values{"a": value.OfInt(i)}})})
			})
			require.Equal(o, value.OfInt(i), o.now(g, TextKey("written"))[0])
		}
	}
	o.within(20*time.Second, func(ctx context.Context) error {
		_, err := o.store.EnsureLayout(ctx, Group(3, "made_meanwhile", Customers, counts...))
		return err
	})
	require.Equal(o, 20, o.count(group))
	require.NoError(o, load.Commit(o.ctx))
	require.Equal(o, 40, o.count(group))
	require.Equal(o, 20, o.count(other))
}

func (o *offline) loadsAtOnce() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	loads := []store.Load{o.begin(group, 1), o.begin(group, 2), o.begin(group, 3)}
	var all sync.WaitGroup
	for i, load := range loads {
		all.Go(func() {
			for j := range 30 {
				if err := load.Add(o.ctx, RowsOf(group, Seen{TextKey(fmt.Sprint(j)), noon + int64(i), Values{"a": value.OfInt(int64(i))}})); err != nil {
					o.Errorf("Add: %v", err)
				}
			}
		})
	}
	all.Wait()
	require.NoError(o, loads[2].Commit(o.ctx))
	require.Equal(o, 30, o.count(group))
	require.NoError(o, loads[0].Abort(o.ctx))
	require.Equal(o, 30, o.count(group))
	require.NoError(o, loads[1].Commit(o.ctx))
	require.Equal(o, 60, o.count(group))
	o.look(func(s store.Snapshot) {
		require.Empty(o, o.entries(s, group, store.Range{Run: 1}))
		require.Len(o, o.entries(s, group, store.Range{Run: 2}), 30)
		require.Len(o, o.entries(s, group, store.Range{Run: 3}), 30)
	})
	require.Equal(o, value.OfInt(2), o.now(group, TextKey("7"))[0])
}

func (o *offline) loadOutdated() {
	first := Group(1, "purchases", Customers, counts...)
	second := WithColumn(first, Column{"d", value.Integer})
	o.ensure(second)
	load, err := o.store.Load(o.ctx, first, 1)
	if err == nil { // it may be noticed with the first rows, or at the end
		err = load.Add(o.ctx, RowsOf(first, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}}))
		if err == nil {
			err = load.Commit(o.ctx)
		}
		require.NoError(o, load.Abort(o.ctx))
	}
	require.ErrorIs(o, err, store.ErrOutdated)
	require.Zero(o, o.count(second))
}

// Whichever comes first holds: the load ends under its own layout, and the column is there afterwards.
func (o *offline) loadAndColumn() {
	first := Group(1, "purchases", Customers, counts...)
	second := WithColumn(first, Column{"d", value.Integer})
	o.ensure(first)
	o.see(first, Seen{TextKey("x"), noon, Values{"a": value.OfInt(0), "b": value.OfInt(0), "c": value.OfInt(0)}})
	load := o.begin(first, 1)
	whole := Values{"a": value.OfInt(1), "b": value.OfInt(2), "c": value.OfInt(3)}
	require.NoError(o, load.Add(o.ctx, RowsOf(first, Seen{TextKey("x"), noon + 10, whole})))
	_, err := o.store.EnsureLayout(o.ctx, second)
	if err != nil {
		problem, ok := fault.As(err)
		require.True(o, ok, "%v", err)
		require.Equal(o, fault.Busy, problem.Kind)
	}
	added := err == nil
	if added {
		o.see(second, Seen{TextKey("x"), noon + 5, Values{"d": value.OfInt(4)}})
	}
	err = load.Add(o.ctx, RowsOf(first, Seen{TextKey("y"), noon, whole}))
	if err == nil {
		err = load.Commit(o.ctx)
	}
	require.NoError(o, load.Abort(o.ctx))
	loaded := err == nil
	if !loaded {
		require.True(o, errors.Is(err, store.ErrOutdated), "%v", err)
	}
	require.True(o, added || loaded, "one of them must go on")
	o.ensure(second)
	if !added {
		o.see(second, Seen{TextKey("x"), noon + 5, Values{"d": value.OfInt(4)}})
	}
	wanted := ints(0, 0, 0, 4)
	if loaded {
		wanted = ints(1, 2, 3, 4) // the load's whole row is newer, but observes nothing of the column it did not know
		require.Equal(o, append(ints(1, 2, 3), value.Value{}), o.now(second, TextKey("y")))
	}
	require.Equal(o, wanted, o.now(second, TextKey("x")))
}

func (o *offline) loadLarge() {
	group := Group(1, "purchases", Customers, Column{"a", value.Integer}, Column{"f", value.Float}, Column{"s", value.String})
	o.ensure(group)
	const batches, each = 40, 1000
	load := o.begin(group, 1)
	for b := range batches {
		rows := &store.Rows{Group: group, Features: group.Features, Run: 1}
		for i := range each {
			n := int64(b*each + i)
			rows.Keys = append(rows.Keys, TextKey(fmt.Sprintf("%x", n*7919%(batches*each)/2)))
			rows.EventTimes = append(rows.EventTimes, noon+n)
			rows.Values = append(rows.Values, value.OfInt(n), value.OfFloat(float64(n)/3), value.OfString(fmt.Sprint(n)))
		}
		require.NoError(o, load.Add(o.ctx, rows))
	}
	require.NoError(o, load.Commit(o.ctx))
	entities, last := 0, map[string]int64{}
	for n := range int64(batches * each) {
		last[fmt.Sprintf("%x", n*7919%(batches*each)/2)] = n
	}
	o.look(func(s store.Snapshot) {
		require.NoError(o, s.Current(o.ctx, group, group.Features, func(c *store.Current) error {
			for i, key := range c.Keys {
				n := last[key.Encoded]
				require.Equal(o, []value.Value{value.OfInt(n), value.OfFloat(float64(n) / 3), value.OfString(fmt.Sprint(n))}, c.Values[i*3:i*3+3])
				require.Equal(o, noon+n, c.Stamps[i*3].EventTime)
				entities++
			}
			return nil
		}))
		require.Equal(o, len(last), entities)
		rows := 0
		require.NoError(o, s.Observations(o.ctx, group, group.Features[:1], store.Range{Run: 1}, func(r *store.Rows) error {
			rows += len(r.Keys)
			return nil
		}))
		require.Equal(o, batches*each, rows)
	})
}
