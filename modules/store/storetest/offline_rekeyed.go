package storetest

import (
	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/validation/rules"
)

// Join keys change while nothing is stored, and a group that was deleted comes back with those of another entity type. The table of the
// earlier ones stands until the next write: until then the group is empty, whatever is asked of it.
func (o *offline) rekeyed() {
	texts := EntityType("driver", registry.JoinKey{Name: "driver_id", ValueType: value.String})
	for i, keys := range [][2]*registry.EntityType{{texts, Drivers}, {Drivers, texts}, {Customers, Drivers}, {Drivers, Trips}, {Trips, Drivers}} {
		for j, retired := range []bool{false, true} {
			first := Group(int64(10*i+j+1), "group_"+string(rune('a'+2*i+j)), keys[0], counts...)
			o.ensure(first)
			key := keyFor(keys[0], 1)
			o.append(rowsChecked(o.ledgerState().Version, first, Seen{key, noon, Values{"a": value.OfInt(1)}}))
			require.True(o, o.remove(first, store.Selection{Key: &key, At: noon}).Any())
			if retired {
				o.retire(first, false)
			}
			next := nextLayout(first)
			next.EntityType = keys[1]
			o.emptyFor(next, keyFor(keys[1], 1))

			o.ensure(next)
			o.append(rowsChecked(o.ledgerState().Version, next, Seen{keyFor(keys[1], 1), noon, Values{"a": value.OfInt(2)}}))
			require.Equal(o, []value.Value{value.OfInt(2), {}, {}}, o.now(next, keyFor(keys[1], 1)))
			o.look(func(s store.Snapshot) { require.ErrorIs(o, s.Fits(o.ctx, first), store.ErrOutdated) })
			_, err := o.store.Remove(o.ctx, first, store.Selection{Key: &key, At: noon})
			require.ErrorIs(o, err, store.ErrOutdated)
		}
	}
}

// keyFor is an entity whose join keys are n.
func keyFor(entityType *registry.EntityType, n int64) store.Key {
	var values []value.Value
	for _, key := range entityType.JoinKeys {
		if key.ValueType == value.Integer {
			values = append(values, value.OfInt(n))
		} else {
			values = append(values, value.OfString(string(value.AppendText(nil, value.OfInt(n)))))
		}
	}
	return store.NewKey(values)
}

// emptyFor asks everything of a group without rows.
func (o *offline) emptyFor(group *registry.Group, key store.Key) {
	o.Helper()
	o.look(func(s store.Snapshot) {
		require.NoError(o, s.Fits(o.ctx, group))
		require.Empty(o, o.entries(s, group, store.Range{}))
		require.Empty(o, o.entries(s, group, store.Range{Key: &key, Limit: 5}))
		require.Empty(o, o.entries(s, group, store.Range{Ordered: true}))
		has, err := s.HasEntities(o.ctx, group, []store.Key{key})
		require.NoError(o, err)
		require.Equal(o, []bool{false}, has)
		n, err := s.CountEntities(o.ctx, []*registry.Group{group})
		require.NoError(o, err)
		require.Zero(o, n)
		sample, err := s.Sample(o.ctx, group, 10)
		require.NoError(o, err)
		require.Empty(o, sample)
		size, err := s.GroupSize(o.ctx, group)
		require.NoError(o, err)
		require.Zero(o, size.Rows)
		require.NoError(o, s.Current(o.ctx, group, group.Features, func(c *store.Current) error {
			require.Empty(o, c.Keys)
			return nil
		}))
		_, _, found, err := s.IntegerBounds(o.ctx, group.Features[0])
		require.NoError(o, err)
		require.False(o, found)
		current, err := s.AsOf(o.ctx, group, group.Features, []store.Key{key}, []int64{noon + 1}, nil)
		require.NoError(o, err)
		require.Equal(o, []value.Value{{}, {}, {}}, asServed(group.Features, current.Values))
	})
	require.Zero(o, o.measure(group, store.Range{}, false, rules.Measure{Of: rules.Counts})[0].Rows)
	require.Zero(o, o.remove(group, store.Selection{Key: &key, At: noon}))
	require.Zero(o, o.remove(group, store.Selection{Run: 1 << 40}))
	require.Zero(o, o.compact(group, store.Compaction{RetainFrom: value.NoTime}))
	e := store.Erasure{EntityType: group.EntityType.ID, Secret: sum(1), Hash: sum(byte(group.ID)), Entity: "entity"}
	require.NoError(o, o.store.Erase(o.ctx, &e, key, []*registry.Group{group}))
	require.Empty(o, e.Rows)
}
