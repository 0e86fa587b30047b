package storetest

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

func (o *offline) sized(group *registry.Group) (size store.GroupSize) {
	o.Helper()
	o.look(func(s store.Snapshot) {
		var err error
		size, err = s.GroupSize(o.ctx, group)
		require.NoError(o, err)
	})
	return size
}

func (o *offline) groupSize() {
	group, other := Group(1, "purchases", Trips, counts...), Group(2, "visits", Trips, counts...)
	require.Equal(o, store.GroupSize{}, o.sized(group), "no table")
	o.ensure(group, other)
	require.Zero(o, o.sized(group).Rows)
	for i := range int64(10) {
		o.see(group, Seen{TripKey(i/2, "eu"), noon + i/3, Values{"a": value.OfInt(i)}})
		o.see(other, Seen{TripKey(i, "eu"), noon, Values{"a": value.OfInt(i)}}, Seen{TripKey(i, "us"), noon, Values{"a": value.Null()}})
	}
	load := o.begin(group, 1)
	require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{TripKey(99, "eu"), noon, Values{"a": value.OfInt(1)}})))
	size := o.sized(group)
	require.EqualValues(o, 10, size.Rows, "every observation, none of an open load")
	require.False(o, size.Estimated)
	require.Positive(o, size.Bytes)
	require.NoError(o, load.Commit(o.ctx))
	require.EqualValues(o, 11, o.sized(group).Rows)
	require.EqualValues(o, 20, o.sized(other).Rows)
	whole, err := o.store.Size(o.ctx)
	require.NoError(o, err)
	require.NotEmpty(o, whole.Engine)
	require.Positive(o, whole.Bytes)
	require.False(o, whole.InMemory)
}

// What is too much to be counted is estimated, in any order of ingestion.
func (o *offline) groupSizeLarge() {
	group, other := Group(1, "purchases", Customers, Column{"s", value.String}), Group(2, "visits", Customers, Column{"s", value.String})
	o.ensure(group, other)
	const each, length = 4_500, 200
	text := value.OfString(strings.Repeat("x", length))
	rows := func(group *registry.Group, n int) *store.Rows {
		rows := &store.Rows{Group: group, Features: group.Features}
		for i := range n {
			rows.Keys = append(rows.Keys, TextKey(fmt.Sprint(i)))
			rows.EventTimes = append(rows.EventTimes, noon)
			rows.Values = append(rows.Values, text)
		}
		return rows
	}
	for run := range int64(6) {
		o.load(2*run+1, rows(group, each))
		o.load(2*run+2, rows(other, each/10*int(run)))
	}
	size := o.sized(group)
	require.True(o, size.Estimated)
	require.InEpsilon(o, 6*each, size.Rows, 0.2)
	require.Greater(o, size.Bytes, int64(0.8*6*each*length))
	require.Less(o, size.Bytes, int64(3*6*each*length))
	counted := o.sized(other)
	require.InEpsilon(o, 15*each/10, counted.Rows, 0.2)
}

func (o *online) size() {
	size, err := o.store.Size(o.ctx)
	require.NoError(o, err)
	require.NotEmpty(o, size.Engine)
	require.Positive(o, size.Bytes)
}
