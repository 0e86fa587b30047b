package postgres

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest/servers"
)

// open gives a store in a schema of its own.
func open(t testing.TB) *Offline {
	url, schema := servers.Postgres(t)
	return openAt(t, Options{URL: url, Schema: schema})
}

func openAt(t testing.TB, options Options) *Offline {
	o, err := Open(context.Background(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	return o
}

// group makes a group whose features have the given types and are called f0, f1, and so on.
func group(id int64, name string, keys []value.Type, features ...value.Type) *registry.Group {
	g := &registry.Group{About: registry.About{ID: id, Name: name}, EntityType: &registry.EntityType{}, SchemaVersion: 1}
	for i, t := range keys {
		g.EntityType.JoinKeys = append(g.EntityType.JoinKeys, registry.JoinKey{Name: fmt.Sprintf("key%d", i), ValueType: t})
	}
	for i, t := range features {
		g.Features = append(g.Features, feature(g, uint16(i+1), fmt.Sprintf("f%d", i), t, 1))
	}
	return g
}

func feature(g *registry.Group, ordinal uint16, name string, t value.Type, since int) *registry.Feature {
	return &registry.Feature{About: registry.About{ID: int64(ordinal), Name: name}, Group: g, ValueType: t, Ordinal: ordinal, Column: name, Since: since}
}

// next is the group's next version, with further features.
func next(g *registry.Group, features ...*registry.Feature) *registry.Group {
	n := *g
	n.SchemaVersion++
	n.Features = nil
	for _, f := range append(append([]*registry.Feature{}, g.Features...), features...) {
		copied := *f
		copied.Group = &n
		n.Features = append(n.Features, &copied)
	}
	return &n
}

func stringKey(s string) store.Key { return store.NewKey([]value.Value{value.OfString(s)}) }

// at is a time on one day.
func at(seconds int) int64 { return time.Date(2024, 5, 1, 0, 0, seconds, 0, time.UTC).UnixMicro() }

// rows makes observations of the group's features; values row by row.
func rows(g *registry.Group, keys []store.Key, times []int64, values ...value.Value) *store.Rows {
	return &store.Rows{Group: g, Features: g.Features, Keys: keys, EventTimes: times, Values: values}
}

func ensure(t testing.TB, o *Offline, groups ...*registry.Group) {
	for _, g := range groups {
		_, err := o.EnsureLayout(context.Background(), g)
		require.NoError(t, err)
	}
}

func snapshotOf(t testing.TB, o *Offline) *snapshot {
	s, err := o.Snapshot(context.Background())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s.(*snapshot)
}

// all reads a range as one Rows.
func all(t testing.TB, o *Offline, g *registry.Group, of store.Range) *store.Rows {
	s := snapshotOf(t, o)
	got := &store.Rows{Group: g, Features: g.Features}
	require.NoError(t, s.Observations(context.Background(), g, g.Features, of, func(r *store.Rows) error {
		got.Keys = append(got.Keys, r.Keys...)
		got.EventTimes = append(got.EventTimes, r.EventTimes...)
		got.IngestIDs = append(got.IngestIDs, r.IngestIDs...)
		got.IngestTimes = append(got.IngestTimes, r.IngestTimes...)
		got.Values = append(got.Values, r.Values...)
		return nil
	}))
	require.NoError(t, s.Close())
	return got
}
