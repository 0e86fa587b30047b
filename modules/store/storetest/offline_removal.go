package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

func (o *offline) remove(group *registry.Group, what store.Selection) store.Removed {
	o.Helper()
	var counted store.Removed
	o.look(func(s store.Snapshot) {
		var err error
		counted, err = s.Removable(o.ctx, group, what)
		require.NoError(o, err)
	})
	removed, err := o.store.Remove(o.ctx, group, what)
	require.NoError(o, err)
	require.Equal(o, counted, removed, "as it was counted before")
	return removed
}

// taken reads the notes after a number: ingest ids by entity, in ascending order.
func (o *offline) taken(group *registry.Group, after int64) map[string][]int64 {
	o.Helper()
	all := map[string][]int64{}
	o.look(func(s store.Snapshot) {
		require.NoError(o, s.Taken(o.ctx, group, after, func(batch []store.Taken) error {
			for _, t := range batch {
				require.Equal(o, store.NewKey(t.Key.Values).Encoded, t.Key.Encoded)
				all[t.Key.Encoded] = append(all[t.Key.Encoded], t.IDs...)
			}
			return nil
		}))
	})
	for key := range all {
		slices.Sort(all[key])
	}
	return all
}

func (o *offline) removals(group *registry.Group) store.Removals {
	o.Helper()
	var found store.Removals
	o.look(func(s store.Snapshot) {
		all, err := s.Removals(o.ctx)
		require.NoError(o, err)
		found = all[group.ID]
	})
	return found
}

func (o *offline) removeRun() {
	group, other := Group(1, "purchases", Trips, counts...), Group(2, "returns", Trips, counts...)
	o.ensure(group, other)
	o.see(group, Seen{TripKey(1, "eu"), noon, Values{"a": value.OfInt(1)}}, Seen{TripKey(2, "eu"), noon, Values{"a": value.OfInt(1)}})
	o.load(7, RowsOf(group, Seen{TripKey(1, "eu"), noon + 1, Values{"a": value.OfInt(7)}}, Seen{TripKey(1, "eu"), noon + 2, Values{"a": value.OfInt(7)}}, Seen{TripKey(3, "us"), noon, Values{"b": value.OfInt(7)}}))
	o.load(8, RowsOf(group, Seen{TripKey(1, "eu"), noon + 1, Values{"b": value.OfInt(8)}}))
	o.load(7, RowsOf(other, Seen{TripKey(1, "eu"), noon, Values{"a": value.OfInt(7)}}))
	ids := map[string][]int64{}
	o.look(func(s store.Snapshot) {
		for _, e := range o.entries(s, group, store.Range{Run: 7}) {
			ids[e.key] = append(ids[e.key], e.id)
		}
	})
	for key := range ids {
		slices.Sort(ids[key])
	}
	require.Equal(o, store.Removed{Rows: 3, Entities: 2}, o.remove(group, store.Selection{Run: 7}))
	gone := func() {
		o.Helper()
		require.Equal(o, 3, o.count(group))
		require.Equal(o, []value.Value{value.OfInt(1), value.OfInt(8), {}}, o.now(group, TripKey(1, "eu")))
		require.Equal(o, []value.Value{{}, {}, {}}, o.now(group, TripKey(3, "us")))
		o.look(func(s store.Snapshot) {
			require.Empty(o, o.entries(s, group, store.Range{Run: 7}))
			entities := 0
			require.NoError(o, s.Current(o.ctx, group, group.Features, func(c *store.Current) error {
				entities += len(c.Keys)
				return nil
			}))
			require.Equal(o, 2, entities)
			_, greatest, _, err := s.IntegerBounds(o.ctx, group.Features[0])
			require.NoError(o, err)
			require.EqualValues(o, 1, greatest)
		})
		require.Equal(o, 1, o.count(other))
	}
	gone()
	require.Equal(o, ids, o.taken(group, 0))
	require.Equal(o, store.Removals{Last: 1}, o.removals(group))
	require.Equal(o, store.Removals{}, o.removals(other))
	o.restart()
	gone()
	again, err := o.store.Remove(o.ctx, group, store.Selection{Run: 7})
	require.NoError(o, err)
	require.Equal(o, store.Removed{Rows: 3, Entities: 2}, again, "as long as its notes are there, it answers the same")
	require.Equal(o, store.Removals{Last: 1}, o.removals(group))
	require.NoError(o, o.store.ForgetRemovals(o.ctx, group, 1))
	gone()
	require.Equal(o, store.Removed{}, o.remove(group, store.Selection{Run: 7}))
}

func (o *offline) removeOne() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	whole := o.see(group, Seen{x, noon, Values{"a": value.OfInt(1), "b": value.OfInt(1), "c": value.OfInt(1)}})
	part := o.see(group, Seen{x, noon, Values{"a": value.OfInt(2), "c": value.Null()}})
	o.see(group, Seen{x, noon, Values{"b": value.OfInt(3)}}, Seen{x, noon - 1, Values{"a": value.OfInt(9), "b": value.OfInt(9)}}, Seen{x, noon + 1, Values{"c": value.OfInt(9)}}, Seen{TextKey("y"), noon, Values{"a": value.OfInt(9)}})
	of := func(names ...string) store.Selection {
		what := store.Selection{Key: &x, At: noon}
		for _, f := range group.Features {
			if slices.Contains(names, f.Name) {
				what.Features = append(what.Features, f)
			}
		}
		return what
	}
	require.Equal(o, store.Removed{Narrowed: 2, Entities: 1}, o.remove(group, of("a")), "with all ingests of that time; one does not observe it")
	require.Equal(o, map[string][]int64{"x": {whole.IngestIDs[0], part.IngestIDs[0]}}, o.taken(group, 0))
	require.Equal(o, []value.Value{value.OfInt(9), value.OfInt(3), value.OfInt(9)}, o.now(group, x))
	require.Equal(o, 6, o.count(group))
	o.look(func(s store.Snapshot) {
		require.Equal(o, []value.Value{value.OfInt(9), value.OfInt(3), value.Null()}, o.asOf(s, group, x, noon))
	})
	require.Equal(o, store.Removed{}, o.remove(group, of("a")), "again")
	require.Equal(o, store.Removed{Rows: 1, Narrowed: 1, Entities: 1}, o.remove(group, of("a", "c")), "a row of which nothing is left goes")
	require.Equal(o, 5, o.count(group))
	require.Equal(o, store.Removed{Rows: 2, Entities: 1}, o.remove(group, store.Selection{Key: &x, At: noon}))
	require.Equal(o, []value.Value{value.OfInt(9), value.OfInt(9), value.OfInt(9)}, o.now(group, x))
	require.Equal(o, 3, o.count(group))
}

func (o *offline) removeKeys() {
	group := Group(1, "purchases", Trips, counts...)
	o.ensure(group)
	var keys []store.Key
	for _, text := range hostileText() {
		keys = append(keys, TripKey(-1, text), TripKey(1<<53+1, text))
	}
	var seen []Seen
	for i, key := range keys {
		seen = append(seen, Seen{key, noon, Values{"a": value.OfInt(int64(i))}})
	}
	rows := o.see(group, seen...)
	for i, key := range keys {
		require.Equal(o, store.Removed{Rows: 1, Entities: 1}, o.remove(group, store.Selection{Key: &key, At: noon}), "%q", key.Encoded)
		require.Equal(o, map[string][]int64{key.Encoded: {rows.IngestIDs[i]}}, o.taken(group, int64(i)))
		require.Equal(o, len(keys)-i-1, o.count(group))
	}
}

func (o *offline) removeNothing() {
	group := Group(1, "purchases", Customers, counts...)
	x := TextKey("x")
	one := store.Selection{Key: &x, At: noon}
	require.Equal(o, store.Removed{}, o.remove(group, one), "a group without a table")
	require.Equal(o, store.Removed{}, o.remove(group, store.Selection{Run: 1}))
	o.ensure(group)
	o.see(group, Seen{x, noon + 1, Values{"a": value.OfInt(1)}})
	require.Equal(o, store.Removed{}, o.remove(group, one))
	require.Equal(o, store.Removed{}, o.remove(group, store.Selection{Run: 1}))
	require.Equal(o, store.Removals{}, o.removals(group))
	require.Equal(o, 1, o.count(group))
	load := o.begin(group, 5)
	require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{x, noon, Values{"a": value.OfInt(2)}})))
	require.Equal(o, store.Removed{}, o.remove(group, one), "an open load does not show")
	require.NoError(o, load.Commit(o.ctx))
	require.Equal(o, 2, o.count(group))
}

func (o *offline) removeSnapshots() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	o.see(group, Seen{x, noon, Values{"a": value.OfInt(1), "b": value.OfInt(1)}})
	o.load(7, RowsOf(group, Seen{x, noon + 1, Values{"a": value.OfInt(7)}}))
	before := o.snapshot()
	require.Len(o, o.entries(before, group, store.Range{}), 2)
	o.remove(group, store.Selection{Run: 7})
	o.remove(group, store.Selection{Key: &x, At: noon, Features: group.Features[1:2]})
	require.Equal(o, []value.Value{value.OfInt(7), value.OfInt(1), {}}, o.asOf(before, group, x, noon+9))
	removals, err := before.Removals(o.ctx)
	require.NoError(o, err)
	require.Empty(o, removals)
	require.NoError(o, before.Close())
	require.Equal(o, []value.Value{value.OfInt(1), {}, {}}, o.now(group, x))
}

func (o *offline) removeOutdated() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	next := WithColumn(group, Column{"d", value.Integer})
	o.ensure(next)
	o.see(next, Seen{x, noon, Values{"d": value.OfInt(1)}})
	_, err := o.store.Remove(o.ctx, group, store.Selection{Key: &x, At: noon, Features: group.Features[:1]})
	require.ErrorIs(o, err, store.ErrOutdated)
	require.Equal(o, 1, o.count(next))
	require.Equal(o, store.Removals{}, o.removals(next))
}

func (o *offline) removeOlder() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	o.see(group, Seen{x, noon, Values{"a": value.OfInt(1), "b": value.OfInt(1), "c": value.OfInt(1)}})
	o.see(group, Seen{x, noon + 1, Values{"a": value.OfInt(2)}})
	next := Widened(WithColumn(group, Column{"d", value.Integer}), "a")
	fewer := WithoutColumn(next, "c")
	o.ensure(next)
	require.Equal(o, store.Removed{}, o.remove(next, store.Selection{Key: &x, At: noon, Features: []*registry.Feature{FeatureOf(next, "d")}}), "an older row does not observe what came later")
	require.Equal(o, store.Removed{Rows: 1, Entities: 1}, o.remove(next, store.Selection{Key: &x, At: noon + 1, Features: []*registry.Feature{FeatureOf(next, "a")}}))
	require.Equal(o, store.Removed{Narrowed: 1, Entities: 1}, o.remove(next, store.Selection{Key: &x, At: noon, Features: []*registry.Feature{FeatureOf(next, "a")}}))
	require.Equal(o, []value.Value{{}, value.OfInt(1), value.OfInt(1), {}}, o.now(next, x))
	o.ensure(fewer)
	require.Equal(o, store.Removed{Rows: 1, Entities: 1}, o.remove(fewer, store.Selection{Key: &x, At: noon, Features: []*registry.Feature{FeatureOf(fewer, "b")}}),
		"a feature that was deleted is nothing that a row is left with")
}

func (o *offline) removeCrash() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	var seen []Seen
	for i := range 3000 {
		seen = append(seen, Seen{TextKey(fmt.Sprint(i)), noon, Values{"a": value.OfInt(2)}})
	}
	o.load(7, RowsOf(group, seen...))
	x := TextKey("x")
	o.see(group, Seen{x, noon, Values{"a": value.OfInt(1)}}, Seen{x, noon + 1, Values{"a": value.OfInt(1)}})
	o.remove(group, store.Selection{Run: 7})
	o.remove(group, store.Selection{Key: &x, At: noon})
	load := o.begin(group, 9)
	require.NoError(o, load.Add(o.ctx, RowsOf(group, seen...)))
	killed := o.store
	o.store = o.engine.Crash(o, "store")
	_ = load.Abort(o.ctx) // of a process that is no more
	_ = killed.Close()
	require.Equal(o, 1, o.count(group))
	require.Len(o, o.taken(group, 0), 3001)
	require.Equal(o, store.Removals{Last: 2}, o.removals(group))
}

// removeConcurrent reads the numbers while they are given: a removal that shows has its notes, and so have all before it.
func (o *offline) removeConcurrent() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	const entities = 60
	for i := range entities {
		o.see(group, Seen{TextKey(fmt.Sprint(i)), noon, Values{"a": value.OfInt(1)}})
	}
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(o.ctx)
	for w := range 4 {
		all.Go(func() {
			for i := w; i < entities; i += 4 {
				key := TextKey(fmt.Sprint(i))
				if removed, err := o.store.Remove(o.ctx, group, store.Selection{Key: &key, At: noon}); err != nil || removed.Rows != 1 {
					o.Errorf("Remove: %v %v", removed, err)
				}
			}
		})
	}
	var follower sync.WaitGroup
	follower.Go(func() {
		for ctx.Err() == nil {
			s, err := o.store.Snapshot(o.ctx)
			if err != nil {
				o.Errorf("Snapshot: %v", err)
				return
			}
			removals, err := s.Removals(o.ctx)
			if err == nil {
				err = s.Taken(o.ctx, group, 0, func(batch []store.Taken) error {
					if int64(len(batch)) != removals[group.ID].Last {
						o.Errorf("%d notes of %d removals", len(batch), removals[group.ID].Last)
					}
					return nil
				})
			}
			if err != nil {
				o.Errorf("Removals: %v", err)
			}
			_ = s.Close()
		}
	})
	all.Wait()
	cancel()
	follower.Wait()
	require.Equal(o, store.Removals{Last: entities}, o.removals(group))
	require.Len(o, o.taken(group, 0), entities)
	require.Zero(o, o.count(group))
}

func (o *offline) removeAndAppend() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	first := o.see(group, Seen{x, noon, Values{"a": value.OfInt(1)}})
	o.remove(group, store.Selection{Key: &x, At: noon})
	again := o.see(group, Seen{x, noon, Values{"a": value.OfInt(2)}})
	require.Greater(o, again.IngestIDs[0], first.IngestIDs[0], "no ingest id is used twice")
	require.Equal(o, value.OfInt(2), o.now(group, x)[0])
	o.load(7, RowsOf(group, Seen{x, noon + 1, Values{"a": value.OfInt(3)}}))
	o.remove(group, store.Selection{Run: 7})
	o.load(8, RowsOf(group, Seen{x, noon + 1, Values{"a": value.OfInt(4)}}))
	require.Equal(o, value.OfInt(4), o.now(group, x)[0])
	require.NoError(o, o.store.ForgetRemovals(o.ctx, group, 2))
	require.Equal(o, value.OfInt(4), o.now(group, x)[0])
	require.Equal(o, 2, o.count(group))
}

func (o *offline) forgetRemovals() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	o.ensure(group, other)
	x := TextKey("x")
	for _, g := range []*registry.Group{group, other} {
		o.see(g, Seen{x, noon, Values{"a": value.OfInt(1)}}, Seen{x, noon + 1, Values{"a": value.OfInt(1)}})
		run := 6 + g.ID
		o.load(run, RowsOf(g, Seen{x, noon + 1, Values{"a": value.OfInt(7)}}))
		o.remove(g, store.Selection{Key: &x, At: noon})
		o.remove(g, store.Selection{Run: run})
	}
	require.NoError(o, o.store.ForgetRemovals(o.ctx, group, 1))
	require.Equal(o, store.Removals{Last: 2, Forgotten: 1}, o.removals(group))
	require.Len(o, o.taken(group, 0)["x"], 1)
	for _, upTo := range []int64{2, 2, 1, 99} {
		require.NoError(o, o.store.ForgetRemovals(o.ctx, group, upTo))
		require.Equal(o, store.Removals{Last: 2, Forgotten: 2}, o.removals(group))
		require.Empty(o, o.taken(group, 0))
		require.Equal(o, 1, o.count(group))
	}
	require.Len(o, o.taken(other, 0)["x"], 2)
	require.Equal(o, 1, o.count(other))
	require.NoError(o, o.store.ForgetRemovals(o.ctx, Group(99, "never_used", Customers, counts...), 5))
	o.remove(group, store.Selection{Key: &x, At: noon + 1})
	require.Equal(o, store.Removals{Last: 3, Forgotten: 2}, o.removals(group))
}

// removeOpen takes runs back whose loads are open, of processes that were taken for dead: none of them commits, with a key or without; the
// control is a load whose run was left alone.
func (o *offline) removeOpen() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	loads := map[int64]store.Load{}
	for run := range int64(3) {
		loads[run+1] = o.begin(group, run+1)
		require.NoError(o, loads[run+1].Add(o.ctx, RowsOf(group, Seen{TextKey(fmt.Sprint(run)), noon, Values{"a": value.OfInt(run)}})))
	}
	for run := range int64(2) {
		require.Zero(o, o.remove(group, store.Selection{Run: run + 1}))
	}
	request := &store.KeyedRequest{Key: [32]byte{1}, Keep: time.Hour, Remembered: store.Remembered{Run: 2, Status: 200}}
	for _, err := range []error{loads[1].Commit(o.ctx), loads[2].CommitOnce(o.ctx, request)} {
		problem, ok := fault.As(err)
		require.True(o, ok, err)
		require.Equal(o, "run-reverted", problem.Slug)
	}
	require.Zero(o, o.count(group))
	known, err := o.store.Recall(o.ctx, request.Key)
	require.NoError(o, err)
	require.Nil(o, known)
	require.NoError(o, loads[3].Commit(o.ctx))
	require.Equal(o, 1, o.count(group))
	require.EqualValues(o, 1, o.remove(group, store.Selection{Run: 3}).Rows)
}
