package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// moment is a time that all rows so far were ingested before, and all later ones at or after.
func (o *offline) moment() int64 {
	o.Helper()
	now := func() (at int64) {
		o.look(func(s store.Snapshot) { at = s.Now() })
		return at
	}
	for first := now(); ; {
		if at := now(); at > first {
			return at
		}
	}
}

// everything is settled, and nothing too old.
func (o *offline) everything() store.Compaction {
	return store.Compaction{Settled: o.moment(), Unsettled: store.NoRun, RetainFrom: value.NoTime}
}

// compact counts first, which changes nothing, and compacts then.
func (o *offline) compact(group *registry.Group, what store.Compaction) store.Compacted {
	o.Helper()
	before := o.count(group)
	retained := o.retainedFrom(group)
	dry := what
	dry.Dry = true
	step := func(store.Compacted) error { return nil }
	counted, err := o.store.Compact(o.ctx, group, dry, step)
	require.NoError(o, err)
	require.Equal(o, before, o.count(group), "a count changes nothing")
	require.Equal(o, retained, o.retainedFrom(group))
	last := store.Compacted{}
	compacted, err := o.store.Compact(o.ctx, group, what, func(so store.Compacted) error {
		last = so
		return nil
	})
	require.NoError(o, err)
	require.Equal(o, counted, compacted, "as it was counted before")
	require.Equal(o, compacted, last)
	require.Equal(o, before-int(compacted.Removed()), o.count(group))
	again, err := o.store.Compact(o.ctx, group, what, step)
	require.NoError(o, err)
	require.Zero(o, again.Removed(), "there is nothing left to be done")
	return compacted
}

func (o *offline) retainedFrom(group *registry.Group) (from int64) {
	o.Helper()
	o.look(func(s store.Snapshot) {
		var err error
		from, err = s.RetainedFrom(o.ctx, group)
		require.NoError(o, err)
	})
	return from
}

func (o *offline) compactSuperseded() {
	group := Group(1, "purchases", Trips, counts...)
	require.Equal(o, store.Compacted{}, o.compact(group, o.everything()), "a group without a table")
	o.ensure(group)
	x, y := TripKey(1, "eu"), TripKey(1, "us")
	whole := func(i int64) Values {
		return Values{"a": value.OfInt(i), "b": value.OfInt(i), "c": value.Null()}
	}
	o.see(group, Seen{x, noon, whole(1)}, Seen{y, noon, whole(1)}, Seen{x, noon + 1, whole(1)})
	o.see(group, Seen{x, noon, whole(2)})
	o.see(group, Seen{x, noon, Values{"a": value.OfInt(3), "b": value.OfInt(3)}})
	require.Equal(o, store.Compacted{Read: 5, Superseded: 1}, o.compact(group, o.everything()), "what observes c is needed, and only the later one")
	o.see(group, Seen{x, noon, Values{"c": value.OfInt(4)}})
	require.Equal(o, store.Compacted{Read: 5, Superseded: 1}, o.compact(group, o.everything()), "two partial rows stand for a whole one")
	o.see(group, Seen{x, noon, Values{"c": value.Null()}}, Seen{x, noon, Values{"a": value.OfInt(5)}})
	require.Equal(o, store.Compacted{Read: 6, Superseded: 1}, o.compact(group, o.everything()))
	require.Equal(o, []value.Value{value.OfInt(5), value.OfInt(3), value.Null()}, func() (v []value.Value) {
		o.look(func(s store.Snapshot) { v = o.asOf(s, group, x, noon) })
		return v
	}())
	require.Equal(o, []value.Value{value.OfInt(1), value.OfInt(1), value.Null()}, o.now(group, x))
	require.Equal(o, []value.Value{value.OfInt(1), value.OfInt(1), value.Null()}, o.now(group, y))
}

// compactSettled: what was ingested later, or can be reverted, stands for nothing.
func (o *offline) compactSettled() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	one := func(i int64) Seen { return Seen{x, noon, Values{"a": value.OfInt(i)}} }
	o.see(group, one(1))
	before := o.everything()
	o.see(group, one(2))
	after := o.everything()
	o.load(7, RowsOf(group, one(3)))
	last := o.everything()
	require.Zero(o, o.compact(group, before).Removed())
	require.EqualValues(o, 1, o.compact(group, after).Superseded, "the second stands for the first, but goes itself with the load only")
	last.Unsettled = 7
	require.Zero(o, o.compact(group, last).Removed())
	last.Unsettled = 8
	require.EqualValues(o, 1, o.compact(group, last).Superseded)
	require.Equal(o, value.OfInt(3), o.now(group, x)[0])
}

func (o *offline) compactGenerations() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	o.see(group, Seen{x, noon, Values{"a": value.OfInt(1), "b": value.OfInt(1), "c": value.OfInt(1)}})
	next := Retyped(WithColumn(Widened(group, "b"), Column{"d", value.Integer}), "a", value.String)
	o.ensure(next)
	o.see(next, Seen{x, noon, Values{"a": value.OfString("2"), "b": value.OfFloat(2), "c": value.OfInt(2), "d": value.OfInt(2)}})
	require.Zero(o, o.compact(next, o.everything()).Removed(), "the older row has the older generation of a")
	o.see(next, Seen{x, noon, Values{"a": value.OfString("3"), "b": value.OfFloat(3), "c": value.OfInt(3)}})
	require.Zero(o, o.compact(next, o.everything()).Removed(), "a row that observes d is needed")
	fewer := WithoutColumn(next, "d")
	o.ensure(fewer)
	late := o.everything()
	late.Deleted = []*registry.Feature{FeatureOf(next, "d")}
	require.Zero(o, o.compact(fewer, late).Removed(), "d can still be asked for as it was known")
	require.EqualValues(o, 1, o.compact(fewer, o.everything()).Superseded, "a feature that was deleted needs no row")
	_, err := o.store.Compact(o.ctx, group, o.everything(), func(store.Compacted) error { return nil })
	require.ErrorIs(o, err, store.ErrOutdated, "an older definition does not know what rows observe")
	require.Equal(o, Values{"a INTEGER": value.OfInt(1), "a STRING": value.OfString("3"), "b FLOAT": value.OfFloat(3), "c INTEGER": value.OfInt(3)}, o.all(fewer, x))
}

func (o *offline) compactRetention() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	require.EqualValues(o, value.NoTime, o.retainedFrom(group))
	x, y := TextKey("x"), TextKey("y")
	o.see(group,
		Seen{x, noon, Values{"a": value.OfInt(1)}},
		Seen{x, noon + 1, Values{"a": value.OfInt(2), "b": value.OfInt(2)}},
		Seen{x, noon + 2, Values{"a": value.OfInt(3)}},
		Seen{x, noon + 5, Values{"a": value.OfInt(4), "b": value.OfInt(4)}},
		Seen{y, noon - 100, Values{"c": value.Null()}},
		Seen{y, noon - 200, Values{"c": value.OfInt(1)}},
	)
	what := o.everything()
	what.RetainFrom = noon + 4
	require.Equal(o, store.Compacted{Read: 6, Retired: 2}, o.compact(group, what), "the newest of each feature stay, nulls too")
	require.EqualValues(o, noon+4, o.retainedFrom(group))
	o.look(func(s store.Snapshot) {
		require.Equal(o, []value.Value{value.OfInt(3), value.OfInt(2), {}}, o.asOf(s, group, x, noon+4))
		require.Equal(o, []value.Value{value.OfInt(4), value.OfInt(4), {}}, o.asOf(s, group, x, noon+5))
		require.Equal(o, []value.Value{{}, {}, value.Null()}, o.asOf(s, group, y, noon+9))
	})
	what.RetainFrom = noon + 5
	require.Equal(o, store.Compacted{Read: 4, Retired: 2}, o.compact(group, what), "an observation of that very time stands for older ones")
	what.RetainFrom = noon + 3
	require.Zero(o, o.compact(group, what).Removed())
	require.EqualValues(o, noon+5, o.retainedFrom(group), "what is gone does not come back")

	late := what.Settled
	o.see(group, Seen{x, noon + 6, Values{"a": value.OfInt(5), "b": value.OfInt(5)}})
	what.RetainFrom, what.Settled = noon+7, late
	require.Zero(o, o.compact(group, what).Removed(), "what came in later stands for nothing")
	o.see(group, Seen{x, noon, Values{"b": value.OfInt(6)}})
	require.Zero(o, o.compact(group, what).Removed(), "and stays")
	what.Settled = o.moment()
	require.Equal(o, store.Compacted{Read: 4, Retired: 2}, o.compact(group, what), "until it is settled")
	require.Equal(o, []value.Value{value.OfInt(5), value.OfInt(5), {}}, o.now(group, x))
	o.restart()
	require.EqualValues(o, noon+7, o.retainedFrom(group))
}

func (o *offline) compactEvents() {
	group := orders(1, "orders", "order_id")
	o.ensure(group)
	var seen []Seen
	for i := range int64(300) {
		seen = append(seen, order(i)) // at noon, and one and two µs later
	}
	o.load(7, RowsOf(group, seen...))
	require.Zero(o, o.compact(group, o.everything()).Removed(), "every row counts")
	what := o.everything()
	what.RetainFrom = noon + 1
	require.EqualValues(o, 100, o.compact(group, what).Retired)
	require.EqualValues(o, noon+1, o.retainedFrom(group))
	again := RowsOf(group, order(0), order(1))
	o.append(again)
	require.Equal(o, []bool{true, false}, kept(again), "the id of a row that is gone is free")
}

// compactMany: entities of more rows than a step reads, and more than a step removes; what is read is in the order of the index, whatever
// the keys are.
func (o *offline) compactMany() {
	group := Group(1, "purchases", Trips, counts...)
	o.ensure(group)
	var seen []Seen
	for i := range int64(6_000) {
		seen = append(seen, Seen{TripKey(1, "eu"), noon + i%5, Values{"a": value.OfInt(i)}}, Seen{TripKey(2, "eu"), noon + i, Values{"a": value.OfInt(i)}})
	}
	for i, text := range hostileText() {
		for _, n := range []int64{-1, 1 << 53} {
			seen = append(seen, Seen{TripKey(n, text), noon, Values{"b": value.OfInt(0)}}, Seen{TripKey(n, text), noon, Values{"b": value.OfInt(int64(i))}})
		}
	}
	o.load(7, RowsOf(group, seen...))
	n := int64(len(hostileText()))
	steps := 0
	what := o.everything()
	_, err := o.store.Compact(o.ctx, group, what, func(so store.Compacted) error {
		steps++
		return errBroken
	})
	require.ErrorIs(o, err, errBroken)
	require.Equal(o, 1, steps, "the caller's error ends it")
	require.Greater(o, o.count(group), 6_000)
	require.Less(o, o.count(group), len(seen))
	require.Positive(o, o.compact(group, what).Superseded)
	require.EqualValues(o, 5+6_000+2*n, o.count(group))
	require.Equal(o, []value.Value{value.OfInt(5_999), {}, {}}, o.now(group, TripKey(1, "eu")))
	for i, text := range hostileText() {
		require.Equal(o, []value.Value{{}, value.OfInt(int64(i)), {}}, o.now(group, TripKey(1<<53, text)))
	}
	what.RetainFrom = noon + 10_000
	require.EqualValues(o, 4+5_999, o.compact(group, what).Retired)
}

// compactHidden: rows of an open load are not there, those of a removal go with it and its notes stay whole.
func (o *offline) compactHidden() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	one := func(i int64) Seen { return Seen{x, noon, Values{"a": value.OfInt(i)}} }
	o.see(group, one(1))
	load := o.begin(group, 5)
	require.NoError(o, load.Add(o.ctx, RowsOf(group, one(5))))
	require.Zero(o, o.compact(group, o.everything()).Removed())
	require.NoError(o, load.Abort(o.ctx))

	o.load(6, RowsOf(group, one(6)))
	o.load(7, RowsOf(group, one(7)))
	o.remove(group, store.Selection{Run: 7})
	require.EqualValues(o, 1, o.compact(group, o.everything()).Superseded, "a row that was taken back stands for nothing")
	require.Equal(o, value.OfInt(6), o.now(group, x)[0])
	o.see(group, one(8))
	require.EqualValues(o, 1, o.compact(group, o.everything()).Superseded)
	require.Len(o, o.taken(group, 0)["x"], 1)
	require.NoError(o, o.store.ForgetRemovals(o.ctx, group, 1))
	require.Equal(o, 1, o.count(group))
	require.Equal(o, store.Removals{Last: 1, Forgotten: 1}, o.removals(group))
	o.remove(group, store.Selection{Key: &x, At: noon})
	require.Equal(o, store.Removals{Last: 2, Forgotten: 1}, o.removals(group))
}

// compactConcurrent compacts again and again under writers and removals. An observation that shows after the removal of the only one that
// stood for it stays from then on, whatever a compaction had read before.
func (o *offline) compactConcurrent() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	const writers, each = 8, 25
	what := store.Compaction{Settled: 1 << 60, Unsettled: store.NoRun, RetainFrom: noon + 1}
	compact := func() {
		if _, err := o.store.Compact(o.ctx, group, what, func(store.Compacted) error { return nil }); err != nil {
			o.Errorf("Compact: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(o.ctx)
	var compacting, writing sync.WaitGroup
	for range 2 {
		compacting.Go(func() {
			for ctx.Err() == nil {
				compact()
			}
		})
	}
	var mu sync.Mutex
	left := map[string]store.Key{}
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				key := TextKey(fmt.Sprint(w, "/", i))
				for n, at := range []int64{noon, noon + 1, noon + 1} {
					values := Values{"a": value.OfInt(int64(n)), "b": value.OfInt(int64(n))}
					if err := o.store.Append(o.ctx, []*store.Rows{RowsOf(group, Seen{key, at, values})}); err != nil {
						o.Errorf("Append: %v", err)
					}
				}
				if removed, err := o.store.Remove(o.ctx, group, store.Selection{Key: &key, At: noon + 1, Features: group.Features[:1]}); err != nil || !removed.Any() {
					o.Errorf("Remove: %v %v", removed, err)
				}
				s, err := o.store.Snapshot(o.ctx)
				if err != nil {
					o.Errorf("Snapshot: %v", err)
					return
				}
				current, err := s.AsOf(o.ctx, group, group.Features, []store.Key{key}, []int64{noon + 1}, nil)
				if err != nil || current.Values[1] != value.OfInt(2) {
					o.Errorf("AsOf: %v %v", current, err)
				} else if !current.Values[0].IsAbsent() {
					mu.Lock()
					left[key.Encoded] = key
					mu.Unlock()
				}
				_ = s.Close()
			}
		})
	}
	writing.Wait()
	cancel()
	compacting.Wait()
	compact()
	for _, key := range left {
		require.Equal(o, ints(0, 2), o.now(group, key)[:2], "%s", key.Encoded)
	}
	o.Logf("measured: of %d observations %d were left by the removal of what stood for them, and stay", writers*each, len(left))
}

// Superseded stores an observation of the entity x, and a later one, of the feature b too, that stands for it under the compaction.
func Superseded(t testing.TB, o store.Offline) (group *registry.Group, what store.Compaction) {
	t.Helper()
	group = Group(1, "purchases", Customers, Column{Name: "a", Type: value.Integer}, Column{Name: "b", Type: value.Integer})
	_, err := o.EnsureLayout(t.Context(), group)
	require.NoError(t, err)
	for at, values := range []Values{{"a": value.OfInt(1)}, {"a": value.OfInt(2), "b": value.OfInt(2)}} {
		require.NoError(t, o.Append(t.Context(), []*store.Rows{RowsOf(group, Seen{Key: TextKey("x"), At: int64(at), Values: values})}))
	}
	return group, store.Compaction{Settled: 1 << 60, Unsettled: store.NoRun, RetainFrom: 5}
}
