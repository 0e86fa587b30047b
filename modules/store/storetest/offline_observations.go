package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/valuetest"
	"featurestore/modules/store"
)

func (o *offline) observations() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	one := o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1), "b": value.OfInt(1), "c": value.OfInt(1)}})
	two := o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(2)}})
	same := o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(2)}}, Seen{TextKey("y"), noon - 1, Values{"b": value.Null()}})
	o.look(func(s store.Snapshot) {
		// In the order in which they came in, so that of a tie the same one is the newest when they are loaded again.
		wanted := []entry{
			{"x", noon, one.IngestIDs[0], ints(1, 1, 1)},
			{"x", noon, two.IngestIDs[0], []value.Value{value.OfInt(2), {}, {}}},
			{"x", noon, same.IngestIDs[0], []value.Value{value.OfInt(2), {}, {}}},
			{"y", noon - 1, same.IngestIDs[1], []value.Value{{}, value.Null(), {}}},
		}
		require.Equal(o, wanted, o.entries(s, group, store.Range{}))
		require.Equal(o, wanted, o.entries(s, group, store.Range{From: new(int64(noon - 1)), To: new(int64(noon + 1))}))
		// Of some features: every row, those too that observe none of them.
		some := map[int64]value.Value{}
		require.NoError(o, s.Observations(o.ctx, group, group.Features[1:2], store.Range{}, func(rows *store.Rows) error {
			for i := range rows.Keys {
				some[rows.IngestIDs[i]] = rows.Row(i)[0]
			}
			return nil
		}))
		require.Equal(o, map[int64]value.Value{one.IngestIDs[0]: value.OfInt(1), two.IngestIDs[0]: {}, same.IngestIDs[0]: {}, same.IngestIDs[1]: value.Null()}, some)
		// Of none: every row, with its key and stamp only.
		rows := 0
		require.NoError(o, s.Observations(o.ctx, group, nil, store.Range{}, func(r *store.Rows) error {
			rows += len(r.Keys)
			require.Empty(o, r.Values)
			require.Len(o, r.IngestIDs, len(r.Keys))
			return nil
		}))
		require.Equal(o, 4, rows)
	})
}

func (o *offline) observationsOfKey() {
	group := Group(1, "purchases", Trips, counts...)
	o.ensure(group)
	var wanted []entry
	random := rand.New(rand.NewPCG(5, 6))
	for i := range int64(40) {
		at := noon + random.Int64N(8)
		rows := o.see(group, Seen{TripKey(1, "eu"), at, Values{"a": value.OfInt(i)}}, Seen{TripKey(1, "eu "), at, Values{"a": value.OfInt(-1)}}, Seen{TripKey(11, "eu"), at, Values{"a": value.OfInt(-1)}})
		wanted = append(wanted, entry{TripKey(1, "eu").Encoded, at, rows.IngestIDs[0], []value.Value{value.OfInt(i), {}, {}}})
	}
	slices.SortFunc(wanted, func(a, b entry) int {
		if a.at != b.at {
			return int(b.at - a.at)
		}
		return int(b.id - a.id)
	})
	key := TripKey(1, "eu")
	o.look(func(s store.Snapshot) {
		require.Equal(o, wanted, o.entries(s, group, store.Range{Key: &key}), "newest first, of the same time the one ingested last")
		require.Equal(o, wanted[:7], o.entries(s, group, store.Range{Key: &key, Limit: 7}))
		require.Equal(o, wanted, o.entries(s, group, store.Range{Key: &key, Limit: 1000}))
		inside := slices.DeleteFunc(slices.Clone(wanted), func(e entry) bool { return e.at < noon+2 || e.at >= noon+5 })
		require.Equal(o, inside, o.entries(s, group, store.Range{Key: &key, From: new(int64(noon + 2)), To: new(int64(noon + 5))}))
	})
}

func (o *offline) observationsRange() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	times := []int64{-1_000_000_000_000_000, -2, -1, 0, 1, 2, noon - 1, noon, noon + 1}
	for _, at := range times {
		o.see(group, Seen{TextKey("x"), at, Values{"a": value.OfInt(at)}}, Seen{TextKey("y"), at, Values{"a": value.OfInt(at)}})
	}
	bounds := append([]int64{math.MinInt64 + 1}, times...)
	o.look(func(s store.Snapshot) {
		for _, from := range bounds {
			for _, to := range bounds {
				wanted := 0
				for _, at := range times {
					if at >= from && at < to {
						wanted += 2
					}
				}
				require.Len(o, o.entries(s, group, store.Range{From: &from, To: &to}), wanted, "from %d to %d", from, to)
			}
		}
	})
}

func (o *offline) observationsOfRun() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(0)}})
	for run := range int64(3) {
		o.load(run+10, RowsOf(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(run)}}, Seen{TextKey("y"), noon, Values{"a": value.OfInt(run)}}))
	}
	o.look(func(s store.Snapshot) {
		for run := range int64(3) {
			got := o.entries(s, group, store.Range{Run: run + 10})
			require.Len(o, got, 2)
			require.Equal(o, value.OfInt(run), got[0].values[0])
			require.Greater(o, max(got[0].id, got[1].id), min(got[0].id, got[1].id))
		}
		require.Empty(o, o.entries(s, group, store.Range{Run: 99}))
		require.Len(o, o.entries(s, group, store.Range{}), 7)
	})
}

func (o *offline) observationsLimit() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	for i := range int64(20) {
		o.see(group, Seen{TextKey(fmt.Sprint(i)), noon + i, Values{"a": value.OfInt(i)}})
	}
	o.look(func(s store.Snapshot) {
		for _, limit := range []int{1, 5, 20, 21} {
			require.Len(o, o.entries(s, group, store.Range{Limit: limit}), min(limit, 20))
		}
		require.Len(o, o.entries(s, group, store.Range{Limit: 5, From: new(int64(noon + 17))}), 3)
	})
}

func (o *offline) observationsMany() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	const n = 30_000
	rows := &store.Rows{Group: group, Features: group.Features[:1], Run: 1}
	for i := range int64(n) {
		rows.Keys, rows.EventTimes, rows.Values = append(rows.Keys, TextKey(fmt.Sprint(i%5000))), append(rows.EventTimes, noon+i), append(rows.Values, value.OfInt(i))
	}
	o.load(1, rows)
	o.look(func(s store.Snapshot) {
		seen, largest := map[int64]bool{}, 0
		require.NoError(o, s.Observations(o.ctx, group, group.Features, store.Range{}, func(r *store.Rows) error {
			largest = max(largest, len(r.Keys))
			for i := range r.Keys {
				seen[r.Row(i)[0].Int()] = true
				require.Equal(o, noon+r.Row(i)[0].Int(), r.EventTimes[i])
			}
			return nil
		}))
		require.Equal(o, n, len(seen))
		require.Less(o, largest, n, "they do not all come at once")
	})
}

func (o *offline) integerBounds() {
	group := Group(1, "purchases", Customers, append(slices.Clone(counts), Column{"f", value.Float})...)
	o.ensure(group)
	bounds := func(name string) (int64, int64, bool) {
		var least, greatest int64
		var found bool
		o.look(func(s store.Snapshot) {
			var err error
			least, greatest, found, err = s.IntegerBounds(o.ctx, FeatureOf(group, name))
			require.NoError(o, err)
		})
		return least, greatest, found
	}
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(5), "b": value.Null()}})
	least, greatest, found := bounds("a")
	require.True(o, found)
	require.Equal(o, []int64{5, 5}, []int64{least, greatest})
	for _, empty := range []string{"b", "c"} {
		_, _, found = bounds(empty)
		require.False(o, found, empty)
	}
	o.load(1, RowsOf(group, Seen{TextKey("y"), noon - 5, Values{"a": value.OfInt(math.MinInt64), "c": value.OfInt(-3)}}, Seen{TextKey("y"), noon - 5, Values{"a": value.OfInt(math.MaxInt64)}}))
	least, greatest, found = bounds("a")
	require.True(o, found)
	require.Equal(o, []int64{math.MinInt64, math.MaxInt64}, []int64{least, greatest})
	least, greatest, _ = bounds("c")
	require.Equal(o, []int64{-3, -3}, []int64{least, greatest})
}

// random appends and loads random rows of all types in changing layouts and compares every way of reading with the oracle.
func (o *offline) random() {
	random := rand.New(rand.NewPCG(7, 8))
	var columns []Column
	for i, t := range valuetest.Types[:6] {
		columns = append(columns, Column{fmt.Sprintf("f%d", i), t})
	}
	group := Group(1, "purchases", Trips, columns...)
	var oracle Oracle
	key := func() store.Key { return TripKey(random.Int64N(4), []string{"a", "a'"}[random.IntN(2)]) }
	draw := func(f *registry.Feature) value.Value {
		if random.IntN(4) == 0 {
			return value.Null()
		}
		boundaries := valuetest.Boundaries(f.ValueType)
		return boundaries[random.IntN(len(boundaries))]
	}
	for round := range 12 {
		if round%4 == 3 {
			group = WithColumn(group, Column{fmt.Sprintf("added%d", round), valuetest.Types[round%len(valuetest.Types)]})
		}
		o.ensure(group)
		for call := range 5 {
			var seen []Seen
			for range random.IntN(12) + 1 {
				values := Values{}
				for _, f := range group.Features {
					if call%2 == 0 || random.IntN(3) == 0 {
						values[f.Name] = draw(f)
					}
				}
				if len(values) == 0 {
					values["f0"] = value.Null()
				}
				seen = append(seen, Seen{key(), noon + random.Int64N(6), values})
			}
			rows := RowsOf(group, seen...)
			if call == 4 {
				run := int64(round + 1)
				o.load(run, rows)
				o.look(func(s store.Snapshot) {
					require.NoError(o, s.Observations(o.ctx, group, group.Features, store.Range{Run: run}, func(r *store.Rows) error { oracle.Learn(r); return nil }))
				})
				continue
			}
			o.append(rows)
			oracle.Learn(rows)
		}
		var keys []store.Key
		var times []int64
		for range 40 {
			keys, times = append(keys, key()), append(times, noon-1+random.Int64N(8))
		}
		n := len(group.Features)
		o.look(func(s store.Snapshot) {
			current, err := s.AsOf(o.ctx, group, group.Features, keys, times, nil)
			require.NoError(o, err)
			for i, k := range keys {
				for j, f := range group.Features {
					fact, _ := oracle.Newest(f, k, times[i])
					require.Equal(o, fact.Value, current.Values[i*n+j], "%s of %q at %d", f.Name, k.Encoded, times[i]-noon)
					require.Equal(o, fact.Stamp, current.Stamps[i*n+j])
				}
			}
		})
	}
}
