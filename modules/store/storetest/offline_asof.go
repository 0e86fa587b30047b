package storetest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

func (o *offline) asOfExact() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}}, Seen{TextKey("x"), noon + 1, Values{"a": value.OfInt(2)}}, Seen{TextKey("x"), noon + 1000, Values{"a": value.OfInt(3)}})
	o.look(func(s store.Snapshot) {
		for at, wanted := range map[int64]value.Value{noon - 1: {}, noon: value.OfInt(1), noon + 1: value.OfInt(2), noon + 999: value.OfInt(2), noon + 1000: value.OfInt(3),
			math.MaxInt64: value.OfInt(3), math.MinInt64 + 1: {}, 0: {}} {
			require.Equal(o, wanted, o.asOf(s, group, TextKey("x"), at)[0], "at %d", at-noon)
		}
	})
}

func (o *offline) asOfTies() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}}, Seen{TextKey("x"), noon, Values{"a": value.OfInt(2)}})
	require.Equal(o, value.OfInt(2), o.now(group, TextKey("x"))[0], "of two in one call the later one")
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.Null()}})
	require.Equal(o, value.Null(), o.now(group, TextKey("x"))[0])
	rows := RowsOf(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(4)}}, Seen{TextKey("x"), noon, Values{"a": value.OfInt(5)}}, Seen{TextKey("x"), noon - 1, Values{"a": value.OfInt(6)}})
	o.load(1, rows)
	require.Equal(o, value.OfInt(5), o.now(group, TextKey("x"))[0])
	last := o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(7)}})
	o.look(func(s store.Snapshot) {
		current, err := s.AsOf(o.ctx, group, group.Features[:1], []store.Key{TextKey("x")}, []int64{noon}, nil)
		require.NoError(o, err)
		require.Equal(o, value.OfInt(7), current.Values[0])
		require.Equal(o, store.Stamp{EventTime: noon, IngestID: last.IngestIDs[0]}, current.Stamps[0])
	})
}

func (o *offline) asOfPartial() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	first := o.see(group, Seen{x, noon, Values{"a": value.OfInt(1), "b": value.OfInt(2), "c": value.OfInt(3)}})
	second := o.see(group, Seen{x, noon + 5, Values{"b": value.Null()}})
	third := o.see(group, Seen{x, noon + 2, Values{"a": value.OfInt(4), "b": value.OfInt(5)}}) // late
	o.look(func(s store.Snapshot) {
		require.Equal(o, ints(1, 2, 3), o.asOf(s, group, x, noon+1))
		require.Equal(o, ints(4, 5, 3), o.asOf(s, group, x, noon+4))
		current, err := s.AsOf(o.ctx, group, group.Features, []store.Key{x}, []int64{noon + 9}, nil)
		require.NoError(o, err)
		require.Equal(o, []value.Value{value.OfInt(4), value.Null(), value.OfInt(3)}, current.Values)
		require.Equal(o, []store.Stamp{{EventTime: noon + 2, IngestID: third.IngestIDs[0]}, {EventTime: noon + 5, IngestID: second.IngestIDs[0]},
			{EventTime: noon, IngestID: first.IngestIDs[0]}}, current.Stamps)
		// Some of the features, in any choice.
		for _, chosen := range [][]int{{0}, {1}, {2}, {0, 2}, {1, 2}} {
			var features []*registry.Feature
			for _, i := range chosen {
				features = append(features, group.Features[i])
			}
			some, err := s.AsOf(o.ctx, group, features, []store.Key{x}, []int64{noon + 9}, nil)
			require.NoError(o, err)
			for j, i := range chosen {
				require.Equal(o, current.Values[i], some.Values[j])
				require.Equal(o, current.Stamps[i], some.Stamps[j])
			}
		}
	})
}

func (o *offline) asOfAdded() {
	first := Group(1, "purchases", Customers, counts...)
	second := WithColumn(first, Column{"d", value.Integer})
	x := TextKey("x")
	o.ensure(first)
	whole := Values{"a": value.OfInt(1), "b": value.OfInt(2), "c": value.OfInt(3)}
	o.see(first, Seen{x, noon, whole}, Seen{TextKey("y"), noon, whole})
	o.ensure(second)
	require.Equal(o, append(ints(1, 2, 3), value.Value{}), o.now(second, x), "never observed, not null")
	o.see(second, Seen{x, noon - 10, Values{"a": value.OfInt(0), "b": value.OfInt(0), "c": value.OfInt(0), "d": value.OfInt(4)}})
	o.look(func(s store.Snapshot) {
		require.Equal(o, ints(1, 2, 3, 4), o.asOf(s, second, x, noon), "the newer whole row of the older layout does not wipe it")
		require.Equal(o, ints(0, 0, 0, 4), o.asOf(s, second, x, noon-1))
		require.NoError(o, s.Current(o.ctx, second, second.Features, func(c *store.Current) error {
			for i, key := range c.Keys {
				if key.Encoded == "x" {
					require.Equal(o, ints(1, 2, 3, 4), c.Values[i*4:i*4+4])
				} else {
					require.Equal(o, append(ints(1, 2, 3), value.Value{}), c.Values[i*4:i*4+4])
				}
			}
			return nil
		}))
		require.Equal(o, append(ints(1, 2, 3), value.Value{}), o.entries(s, second, store.Range{Key: &x})[0].values)
	})
	third := WithColumn(second, Column{"e", value.Integer})
	o.ensure(third)
	o.see(third, Seen{x, noon + 1, Values{"e": value.Null(), "d": value.Null()}})
	require.Equal(o, append(ints(1, 2, 3), value.Null(), value.Null()), o.now(third, x))
	require.Equal(o, append(ints(1, 2, 3), value.Value{}, value.Value{}), o.now(third, TextKey("y")))
}

func (o *offline) asOfWidened() {
	first := Group(1, "purchases", Customers, counts...)
	second := Widened(first, "b")
	x := TextKey("x")
	o.ensure(first)
	o.see(first, Seen{x, noon, Values{"a": value.OfInt(1), "b": value.OfInt(2), "c": value.OfInt(3)}}, Seen{x, noon + 2, Values{"b": value.Null()}},
		Seen{TextKey("y"), noon, Values{"b": value.OfInt(1 << 53)}}, Seen{TextKey("z"), noon, Values{"a": value.OfInt(1)}})
	o.ensure(second)
	o.see(second, Seen{x, noon + 4, Values{"b": value.OfFloat(2.5)}}, Seen{x, noon + 6, Values{"b": value.Null()}}, Seen{x, noon + 7, Values{"a": value.OfInt(9)}})
	o.look(func(s store.Snapshot) {
		for at, wanted := range map[int64]value.Value{-1: {}, 0: value.OfFloat(2), 1: value.OfFloat(2), 2: value.Null(), 3: value.Null(), 4: value.OfFloat(2.5), 6: value.Null(), 9: value.Null()} {
			require.Equal(o, wanted, o.asOf(s, second, x, noon+at)[1], "at %d", at)
		}
		require.Equal(o, value.OfFloat(1<<53), o.asOf(s, second, TextKey("y"), noon)[1])
		require.True(o, o.asOf(s, second, TextKey("z"), noon)[1].IsAbsent())
		history := o.entries(s, second, store.Range{Key: &x})
		var got []value.Value
		for _, e := range history {
			got = append(got, e.values[1])
		}
		require.Equal(o, []value.Value{{}, value.Null(), value.OfFloat(2.5), value.Null(), value.OfFloat(2)}, got)
	})
}

func (o *offline) asOfOrder() {
	group := Group(1, "purchases", Trips, counts...)
	o.ensure(group)
	var seen []Seen
	for i := range int64(300) {
		seen = append(seen, Seen{TripKey(i%30, fmt.Sprint(i%7)), noon + i%11, Values{"a": value.OfInt(i)}})
	}
	rows := o.see(group, seen...)
	var oracle Oracle
	oracle.Learn(rows)
	random := rand.New(rand.NewPCG(1, 2))
	var keys []store.Key
	var times []int64
	for range 500 { // many twice, many unknown, unsorted
		keys = append(keys, TripKey(random.Int64N(33), fmt.Sprint(random.IntN(9))))
		times = append(times, noon+random.Int64N(14)-2)
	}
	keys, times = append(keys, keys[:50]...), append(times, times[:50]...)
	o.look(func(s store.Snapshot) {
		current, err := s.AsOf(o.ctx, group, group.Features, keys, times, nil)
		require.NoError(o, err)
		require.Len(o, current.Values, 3*len(keys))
		require.Len(o, current.Keys, len(keys))
		for i, key := range keys {
			require.Equal(o, key.Encoded, current.Keys[i].Encoded)
			fact, _ := oracle.Newest(group.Features[0], key, times[i])
			require.Equal(o, fact.Value, current.Values[3*i])
			require.Equal(o, fact.Stamp, current.Stamps[3*i])
		}
	})
}

func (o *offline) asOfSince() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1), "b": value.OfInt(1)}}, Seen{TextKey("x"), noon + 10, Values{"b": value.OfInt(2)}}, Seen{TextKey("x"), noon + 20, Values{"c": value.OfInt(3)}})
	o.look(func(s store.Snapshot) {
		for since := int64(-1); since <= 21; since++ {
			current, err := s.AsOf(o.ctx, group, group.Features, []store.Key{TextKey("x"), TextKey("x")}, []int64{noon + 20, noon + 15}, []int64{noon + since, noon + since})
			require.NoError(o, err)
			for i, observed := range []int64{0, 10, 20, 0, 10, -1} { // when each answer was observed
				switch v := current.Values[i]; {
				case observed < 0:
					require.True(o, v.IsAbsent())
				case observed >= since:
					require.Equal(o, []value.Value{value.OfInt(1), value.OfInt(2), value.OfInt(3)}[i%3], v, "since %d", since)
					require.Equal(o, noon+observed, current.Stamps[i].EventTime)
				default: // need not be found, but if it is, it is this one
					if !v.IsAbsent() {
						require.Equal(o, noon+observed, current.Stamps[i].EventTime, "since %d", since)
					}
				}
			}
		}
	})
}

func (o *offline) asOfNothing() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})
	o.look(func(s store.Snapshot) {
		current, err := s.AsOf(o.ctx, group, group.Features, nil, nil, nil)
		require.NoError(o, err)
		require.Empty(o, current.Values)
	})
}

func (o *offline) asOfMany() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	var seen []Seen
	for i := range int64(2000) {
		seen = append(seen, Seen{TextKey(fmt.Sprint(i)), noon + i%3, Values{"a": value.OfInt(i), "b": value.OfInt(-i)}})
	}
	o.load(1, RowsOf(group, seen...))
	const n = 40_000
	keys, times := make([]store.Key, n), make([]int64, n)
	for i := range keys {
		keys[i], times[i] = TextKey(fmt.Sprint((i*7919)%2100)), noon+1
	}
	o.look(func(s store.Snapshot) {
		current, err := s.AsOf(o.ctx, group, group.Features[:2], keys, times, nil)
		require.NoError(o, err)
		for i := range keys {
			entity := int64(i*7919) % 2100
			if entity >= 2000 || entity%3 == 2 {
				require.True(o, current.Values[2*i].IsAbsent())
				continue
			}
			require.Equal(o, ints(entity, -entity), current.Values[2*i:2*i+2])
		}
	})
}

func (o *offline) current() {
	group := Group(1, "purchases", Trips, counts...)
	o.ensure(group)
	var oracle Oracle
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 60 {
		var seen []Seen
		for range 50 {
			values := Values{counts[random.IntN(3)].Name: value.OfInt(random.Int64N(1000))}
			if random.IntN(3) == 0 {
				values[counts[random.IntN(3)].Name] = value.Null()
			}
			seen = append(seen, Seen{TripKey(random.Int64N(40), fmt.Sprint(random.IntN(25))), noon + random.Int64N(20), values})
		}
		rows := RowsOf(group, seen...)
		if i%3 == 0 {
			o.load(int64(i+1), rows)
			o.look(func(s store.Snapshot) {
				var loaded Oracle
				require.NoError(o, s.Observations(o.ctx, group, group.Features, store.Range{Run: int64(i + 1)}, func(r *store.Rows) error {
					loaded.Learn(r)
					return nil
				}))
				oracle = append(oracle, loaded...)
			})
			continue
		}
		o.append(rows)
		oracle.Learn(rows)
	}
	entities := map[string]bool{}
	for _, f := range oracle {
		entities[f.Key] = true
	}
	for _, features := range [][]*registry.Feature{group.Features, group.Features[1:2]} {
		once := map[string]bool{}
		o.look(func(s store.Snapshot) {
			require.NoError(o, s.Current(o.ctx, group, features, func(c *store.Current) error {
				for i, key := range c.Keys {
					require.False(o, once[key.Encoded], "each entity once")
					once[key.Encoded] = true
					for j, f := range features {
						fact, _ := oracle.Newest(f, key, math.MaxInt64)
						require.Equal(o, fact.Value, c.Values[i*len(features)+j])
						require.Equal(o, fact.Stamp, c.Stamps[i*len(features)+j])
					}
				}
				return nil
			}))
		})
		if len(features) == 3 {
			require.Equal(o, entities, once)
		}
	}
}

func (o *offline) yieldError() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})
	enough := errors.New("enough")
	o.look(func(s store.Snapshot) {
		require.ErrorIs(o, s.Current(o.ctx, group, group.Features, func(*store.Current) error { return enough }), enough)
		require.ErrorIs(o, s.Observations(o.ctx, group, group.Features, store.Range{}, func(*store.Rows) error { return enough }), enough)
		key := TextKey("x")
		require.ErrorIs(o, s.Observations(o.ctx, group, group.Features, store.Range{Key: &key}, func(*store.Rows) error { return enough }), enough)
		require.Equal(o, value.OfInt(1), o.asOf(s, group, key, noon)[0], "the snapshot can still be used")
	})
}
