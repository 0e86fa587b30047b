package storetest

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// remember takes down what a snapshot shows of a group now, in every way of asking that AsKnown limits.
func (o *offline) remember(s store.Snapshot, group *registry.Group) string {
	o.Helper()
	var seen strings.Builder
	key := TextKey("x")
	for _, of := range []store.Range{{}, {Key: &key}} {
		for _, e := range o.entries(s, group, of) {
			fmt.Fprintln(&seen, e.key, e.at, e.id, valuesText(e.values))
		}
	}
	for _, at := range []int64{noon, noon + 1, math.MaxInt64} {
		current, err := s.AsOf(o.ctx, group, group.Stored(), []store.Key{TextKey("x"), TextKey("y"), TextKey("loaded 7")}, []int64{at, at, at}, nil)
		require.NoError(o, err)
		fmt.Fprintln(&seen, valuesText(asServed(group.Stored(), current.Values)), current.Stamps)
	}
	require.NoError(o, s.Current(o.ctx, group, group.Stored(), func(c *store.Current) error {
		for i, key := range c.Keys {
			n := len(c.Features)
			fmt.Fprintln(&seen, key.Encoded, valuesText(asServed(c.Features, c.Values[i*n:i*n+n])), c.Stamps[i*n:i*n+n])
		}
		return nil
	}))
	for _, f := range group.Stored() {
		if f.ValueType == value.Integer {
			least, greatest, found, err := s.IntegerBounds(o.ctx, f)
			require.NoError(o, err)
			fmt.Fprintln(&seen, f.Name, least, greatest, found)
		}
	}
	return seen.String()
}

func valuesText(values []value.Value) (text string) {
	for _, v := range values {
		if v.IsAbsent() {
			text += " -"
		} else {
			text += " " + string(value.AppendJSON(nil, v))
		}
	}
	return text
}

func (o *offline) knownNow(s store.Snapshot) store.Known {
	o.Helper()
	known, err := s.Known(o.ctx)
	require.NoError(o, err)
	return known
}

// then takes down what a snapshot of now shows of what is known.
func (o *offline) then(known store.Known, group *registry.Group) (seen string) {
	o.Helper()
	o.look(func(s store.Snapshot) {
		s.AsKnown(known)
		seen = o.remember(s, group)
	})
	return seen
}

// loadOf makes a load of many rows of entities that nothing else is about, but for one.
func loadOf(group *registry.Group, n int64) *store.Rows {
	seen := make([]Seen, 1500)
	for i := range seen {
		seen[i] = Seen{TextKey(fmt.Sprint("loaded ", i)), noon + n%2, Values{"a": value.OfInt(n)}}
	}
	seen[0].Key = TextKey("x")
	return RowsOf(group, seen...)
}

type rememberedAs struct {
	known store.Known
	seen  string
}

// knownThen remembers moments with loads under way, which a later snapshot must not show as of then; the control, which does not know that they
// were, does.
func (o *offline) knownThen() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	var moments []rememberedAs
	take := func(s store.Snapshot) { moments = append(moments, rememberedAs{o.knownNow(s), o.remember(s, group)}) }
	remember := func() { o.look(take) }
	without, looked := 0, 0 // moments that would read otherwise without what was under way
	compare := func() {
		for ; looked < len(moments); looked++ {
			if m := moments[looked]; m.known.Open != nil && m.seen != o.then(store.Known{Head: m.known.Head}, group) {
				without++
			}
		}
	}
	remember()
	end := time.Now().Add(time.Minute)
	for n := int64(0); n < 4 || without == 0 && time.Now().Before(end); n++ { // an engine may insert a load with its commit only
		o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(n)}}, Seen{TextKey("y"), noon + n, Values{"b": value.OfInt(n)}})
		load := o.begin(group, n+1)
		require.NoError(o, load.Add(o.ctx, loadOf(group, n)))
		o.see(group, Seen{TextKey("x"), noon + 1, Values{"c": value.OfInt(n)}})
		remember()
		if n == 2 {
			require.NoError(o, load.Abort(o.ctx))
			continue
		}
		done := make(chan error, 1)
		go func() { done <- load.Commit(o.ctx) }()
		var during []store.Snapshot // opened in quick succession, since reading one takes longer than the commit
		for wait := range 4 {
			time.Sleep(time.Duration(wait) * time.Millisecond)
			s, err := o.store.Snapshot(o.ctx)
			require.NoError(o, err)
			during = append(during, s)
		}
		for _, s := range during {
			take(s)
			require.NoError(o, s.Close())
		}
		require.NoError(o, <-done)
		compare()
	}
	require.Positive(o, without, "without what was under way another answer would have been given")
	o.restart()
	for i, m := range moments {
		require.Equal(o, m.seen, o.then(m.known, group), "moment %d of %d: %+v", i, len(moments), m.known)
	}
	o.Logf("measured: %d moments, %d of them would read otherwise without what was under way", len(moments), without)
}

// knownBefore reads what came in up to times that are settled, while others write. The control takes the clock instead.
func (o *offline) knownBefore() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	var writing sync.WaitGroup
	var ended atomic.Bool
	for w := range int64(4) {
		writing.Go(func() {
			for i := range int64(12) {
				if w > 1 {
					if err := o.store.Append(o.ctx, []*store.Rows{RowsOf(group, Seen{TextKey("x"), noon + i, Values{"a": value.OfInt(w)}})}); err != nil {
						o.Errorf("Append: %v", err)
					}
					continue
				}
				load, err := o.store.Load(o.ctx, group, w*100+i+1)
				if err == nil {
					if err = load.Add(o.ctx, loadOf(group, i)); err == nil {
						err = load.Commit(o.ctx)
					}
				}
				if err != nil {
					o.Errorf("load: %v", err)
				}
			}
		})
	}
	go func() { writing.Wait(); ended.Store(true) }()
	count := func(at int64) (n int) {
		o.look(func(s store.Snapshot) {
			s.AsKnown(store.Known{Time: at})
			n = len(o.entries(s, group, store.Range{}))
		})
		return n
	}
	settled, unsettled := map[int64]int{}, map[int64]int{}
	for last := false; !last; {
		last = ended.Load()
		at, err := o.store.Settled(o.ctx)
		require.NoError(o, err)
		settled[at-1] = count(at - 1)
		o.look(func(s store.Snapshot) { at = s.Now() })
		unsettled[at] = count(at)
	}
	differ := 0
	for at, n := range settled {
		require.Equal(o, n, count(at), "as of a time that was settled")
	}
	for at, n := range unsettled {
		if n != count(at) {
			differ++
		}
	}
	require.Positive(o, differ, "of times that were not settled some would read otherwise later")
	o.Logf("measured: %d settled times read the same, %d of %d others do not", len(settled), differ, len(unsettled))

	at, err := o.store.Settled(o.ctx)
	require.NoError(o, err)
	o.see(group, Seen{TextKey("y"), noon, Values{"a": value.OfInt(1)}})
	o.restart()
	o.see(group, Seen{TextKey("y"), noon, Values{"a": value.OfInt(1)}})
	later, err := o.store.Settled(o.ctx)
	require.NoError(o, err)
	require.GreaterOrEqual(o, later, at)
	require.Equal(o, o.count(group)-2, count(at-1))
	require.Equal(o, o.count(group), count(later))
}

// A load under way holds settling up at a time not after any of its rows; all of them have one.
func (o *offline) knownLoad() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	load := o.begin(group, 1)
	require.NoError(o, load.Add(o.ctx, loadOf(group, 1)))
	settled, err := o.store.Settled(o.ctx)
	require.NoError(o, err)
	require.NoError(o, load.Add(o.ctx, loadOf(group, 2)))
	require.NoError(o, load.Commit(o.ctx))
	times := map[int64]int{}
	o.look(func(s store.Snapshot) {
		require.NoError(o, s.Observations(o.ctx, group, group.Features, store.Range{}, func(rows *store.Rows) error {
			for _, t := range rows.IngestTimes {
				times[t]++
				require.GreaterOrEqual(o, t, settled)
			}
			return nil
		}))
	})
	require.Len(o, times, 1)
	after, err := o.store.Settled(o.ctx)
	require.NoError(o, err)
	for t := range times {
		require.GreaterOrEqual(o, after, t)
	}
}

// knownByOlder reads by the definitions of then after the group has changed: columns, a widened feature, another generation.
func (o *offline) knownByOlder() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1), "b": value.OfInt(2)}}, Seen{TextKey("y"), noon, Values{"a": value.OfInt(3), "b": value.Null(), "c": value.OfInt(4)}})
	var known store.Known
	var seen string
	o.look(func(s store.Snapshot) { known, seen = o.knownNow(s), o.remember(s, group) })
	settled, err := o.store.Settled(o.ctx)
	require.NoError(o, err)
	ways := []store.Known{known, {Time: settled - 1}}

	wider := Widened(WithColumn(group, Column{"d", value.Integer}), "a")
	newest := Retyped(wider, "b", value.String)
	for _, next := range []*registry.Group{wider, newest} {
		o.ensure(next)
		o.see(next, Seen{TextKey("x"), noon, Values{"a": value.OfFloat(0.5), "d": value.OfInt(9)}}, Seen{TextKey("z"), noon, Values{"a": value.Null()}})
		for _, known := range ways {
			require.Equal(o, seen, o.then(known, group))
		}
		o.look(func(s store.Snapshot) { require.ErrorIs(o, s.Fits(o.ctx, group), store.ErrOutdated) })
	}
	o.look(func(s store.Snapshot) {
		s.AsKnown(store.Known{Time: math.MaxInt64})
		require.Equal(o, seen, o.remember(s, group), "rows of a newer version are not known with an older definition")
	})
}

// knownEmpty reads groups that had no rows then and have been deleted, or got other keys, since.
func (o *offline) knownEmpty() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	later := Group(3, "later", Customers, counts...)
	o.ensure(group, other)
	var known store.Known
	var seen string
	o.look(func(s store.Snapshot) {
		known, seen = o.knownNow(s), o.remember(s, group)
		require.Equal(o, seen, o.remember(s, later))
	})
	o.retire(group, false)
	o.retire(other, false)
	numbered := Group(2, "returns", Drivers, counts...)
	numbered.SchemaVersion = 2
	o.ensure(numbered, later)
	o.see(numbered, Seen{IntKey(1), noon, Values{"a": value.OfInt(1)}})
	o.see(later, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})
	for _, g := range []*registry.Group{group, other, later} {
		require.Equal(o, seen, o.then(known, g))
	}
}
