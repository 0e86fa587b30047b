package storetest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

func (o *offline) hasEntities() {
	group := Group(1, "purchases", Trips, counts...)
	o.look(func(s store.Snapshot) {
		has, err := s.HasEntities(o.ctx, group, []store.Key{TripKey(1, "eu")})
		require.NoError(o, err)
		require.Equal(o, []bool{false}, has)
	})
	o.ensure(group)
	o.see(group, Seen{TripKey(1, "eu"), noon, Values{"a": value.OfInt(1)}}, Seen{TripKey(2, ""), noon, Values{"b": value.Null()}})
	load := o.begin(group, 1)
	require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{TripKey(3, "eu"), noon, Values{"a": value.OfInt(1)}})))
	o.look(func(s store.Snapshot) {
		has, err := s.HasEntities(o.ctx, group, []store.Key{TripKey(2, ""), TripKey(1, "us"), TripKey(1, "eu"), TripKey(3, "eu"), TripKey(1, "eu")})
		require.NoError(o, err)
		require.Equal(o, []bool{true, false, true, false, true}, has, "not the open load's")
		has, err = s.HasEntities(o.ctx, group, nil)
		require.NoError(o, err)
		require.Empty(o, has)
	})
	require.NoError(o, load.Abort(o.ctx))
}

func (o *offline) hasValues() {
	group := Group(1, "purchases", Customers, Column{"b", value.Boolean}, Column{"i", value.Integer}, Column{"f", value.Float}, Column{"s", value.String}, Column{"t", value.Timestamp})
	there := Values{"b": value.OfBool(true), "i": value.OfInt(1<<62 + 1), "f": value.OfFloat(0.1), "s": value.OfString(`"a'b\ü`), "t": value.OfTime(noon)}
	missing := Values{"b": value.OfBool(false), "i": value.OfInt(1 << 62), "f": value.OfFloat(0.2), "s": value.OfString(""), "t": value.OfTime(noon + 1)}
	for _, f := range group.Features {
		o.look(func(s store.Snapshot) {
			has, err := s.HasValues(o.ctx, f, []value.Value{there[f.Name]})
			require.NoError(o, err)
			require.Equal(o, []bool{false}, has)
		})
	}
	o.ensure(group)
	o.see(group, Seen{TextKey("x"), noon, there}, Seen{TextKey("y"), noon, Values{"i": value.OfInt(-5), "s": value.Null()}})
	for _, f := range group.Features {
		o.look(func(s store.Snapshot) {
			has, err := s.HasValues(o.ctx, f, []value.Value{missing[f.Name], there[f.Name], there[f.Name], missing[f.Name]})
			require.NoError(o, err)
			require.Equal(o, []bool{false, true, true, false}, has, f.Name)
			has, err = s.HasValues(o.ctx, f, nil)
			require.NoError(o, err)
			require.Empty(o, has)
		})
	}
	// A widened feature has the integers from before.
	widened := Widened(group, "i")
	o.ensure(widened)
	o.see(widened, Seen{TextKey("z"), noon, Values{"i": value.OfFloat(2.5)}})
	o.look(func(s store.Snapshot) {
		has, err := s.HasValues(o.ctx, FeatureOf(widened, "i"), []value.Value{value.OfFloat(-5), value.OfFloat(2.5), value.OfFloat(-4)})
		require.NoError(o, err)
		require.Equal(o, []bool{true, true, false}, has)
	})
}

func (o *offline) countEntities() {
	first, second, empty := Group(1, "purchases", Trips, counts...), Group(2, "visits", Trips, counts...), Group(3, "never_used", Trips, counts...)
	count := func(wanted int64, groups ...*registry.Group) {
		o.Helper()
		o.look(func(s store.Snapshot) {
			n, err := s.CountEntities(o.ctx, groups)
			require.NoError(o, err)
			require.Equal(o, wanted, n)
		})
	}
	count(0)
	count(0, first, empty)
	o.ensure(first, second)
	count(0, first, second)
	for i := range int64(10) {
		o.see(first, Seen{TripKey(i/2, "eu"), noon + i, Values{"a": value.OfInt(i)}})
		o.see(second, Seen{TripKey(i, "eu"), noon + i, Values{"a": value.OfInt(i)}}, Seen{TripKey(1, "us"), noon + i, Values{"a": value.OfInt(i)}})
	}
	load := o.begin(first, 1)
	require.NoError(o, load.Add(o.ctx, RowsOf(first, Seen{TripKey(99, "eu"), noon, Values{"a": value.OfInt(1)}})))
	count(5, first)
	count(5, first, empty)
	count(11, first, second, empty)
	require.NoError(o, load.Abort(o.ctx))
}

// Every row, entity by entity, each newest first.
func (o *offline) observationsOrdered() {
	group := Group(1, "purchases", Trips, counts...)
	o.look(func(s store.Snapshot) { require.Empty(o, o.entries(s, group, store.Range{Ordered: true})) })
	o.ensure(group)
	random := rand.New(rand.NewPCG(7, 8))
	for i := range int64(200) {
		o.see(group, Seen{TripKey(random.Int64N(5), strings.Repeat("e", int(random.Int64N(3)))), noon + random.Int64N(4), Values{"a": value.OfInt(i)}})
	}
	o.load(7, RowsOf(group, Seen{TripKey(1, "e"), noon, Values{"b": value.OfInt(7)}}, Seen{TripKey(1, "e"), noon, Values{"b": value.OfInt(8)}}))
	o.look(func(s store.Snapshot) {
		for i, of := range []store.Range{{}, {From: new(int64(noon + 1))}, {From: new(int64(noon + 1)), To: new(int64(noon + 3))}, {Run: 7}} {
			wanted := o.entries(s, group, of)
			of.Ordered = true
			got := o.entries(s, group, of)
			require.ElementsMatch(o, wanted, got, "range %d", i)
			seen := map[string]bool{}
			for n, e := range got {
				if n == 0 || got[n-1].key != e.key {
					require.False(o, seen[e.key], "%d: the rows of an entity follow each other", n)
					seen[e.key] = true
					continue
				}
				require.True(o, got[n-1].at > e.at || got[n-1].at == e.at && got[n-1].id > e.id, fmt.Sprint(got[n-1], e))
			}
		}
		rows := 0
		require.NoError(o, s.Observations(o.ctx, group, nil, store.Range{Ordered: true}, func(r *store.Rows) error { rows += len(r.Keys); return nil }))
		require.Equal(o, 202, rows)
	})
}
