package storetest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

func (o *offline) sampled(s store.Snapshot, n int) map[string]bool {
	o.Helper()
	keys, err := s.Sample(o.ctx, Group(1, "purchases", Trips, counts...), n)
	require.NoError(o, err)
	found := map[string]bool{}
	for _, key := range keys {
		found[key.Encoded] = true
		require.Equal(o, key, store.NewKey(key.Values))
	}
	require.Len(o, found, len(keys), "each once")
	require.LessOrEqual(o, len(keys), n)
	return found
}

func (o *offline) sample() {
	group, other := Group(1, "purchases", Trips, counts...), Group(2, "other", Trips, counts...)
	o.ensure(group)
	o.ensure(other)
	const entities = 10_000
	var seen, others []Seen
	for i := range int64(entities) {
		seen = append(seen, Seen{TripKey(i, "eu"), noon, Values{"a": value.OfInt(i)}})
		others = append(others, Seen{TripKey(i, "us"), noon, Values{"a": value.OfInt(i)}})
	}
	o.see(group, seen[:entities/2]...)
	o.see(other, others...)
	o.see(group, seen[entities/2:]...)
	s := o.snapshot()
	defer s.Close()
	found := map[string]bool{}
	for range 40 {
		for key := range o.sampled(s, 500) {
			found[key] = true
		}
	}
	quarters := [4]int{}
	for i := range int64(entities) {
		if found[TripKey(i, "eu").Encoded] {
			quarters[4*i/entities]++
		}
		require.False(o, found[TripKey(i, "us").Encoded])
	}
	for _, n := range quarters {
		require.Greater(o, n, entities/4/2, "%v of %d entities in each quarter", quarters, entities/4)
	}
	require.Empty(o, o.sampled(s, 0))
}

func (o *offline) sampleSmall() {
	group := Group(1, "purchases", Trips, counts...)
	s := o.snapshot()
	require.Empty(o, o.sampled(s, 10))
	require.NoError(o, s.Close())
	o.ensure(group)
	var seen []Seen
	for i := range int64(30) {
		seen = append(seen, Seen{TripKey(i/3, fmt.Sprint("r", i/3)), noon + i, Values{"a": value.OfInt(i)}})
	}
	o.see(group, seen...)
	load := o.begin(group, 1)
	require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{TripKey(99, "open"), noon, Values{"a": value.OfInt(1)}})))
	s = o.snapshot()
	defer s.Close()
	found := o.sampled(s, 30)
	require.Len(o, found, 10)
	require.False(o, found[TripKey(99, "open").Encoded])
	require.Len(o, o.sampled(s, 5), 5)
	require.NoError(o, load.Abort(o.ctx))
	_, err := s.Sample(o.ctx, Group(9, "never_used", Trips, counts...), 10)
	require.NoError(o, err)
}
