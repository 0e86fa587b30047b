package storetest

import (
	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// retractions are noted in the transaction that takes the observation, until they are told, and no other removal is.
func (o *offline) retractions() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "other", Customers, counts...)
	o.ensure(group, other)
	x := TextKey("x")
	untold := func(wanted ...store.Retraction) {
		o.Helper()
		found, err := o.store.Untold(o.ctx)
		require.NoError(o, err)
		require.Len(o, found, len(wanted))
		for i, w := range wanted {
			require.ElementsMatch(o, w.Runs, found[i].Runs)
			w.Runs, found[i].Runs = nil, nil
			require.Equal(o, w, found[i])
		}
	}
	o.see(group, Seen{x, noon, a(1)}, Seen{x, noon - 5, Values{"a": value.OfInt(1), "b": value.OfInt(1)}}, Seen{x, noon + 1, a(1)})
	o.see(other, Seen{x, noon, a(1)})
	for run := range int64(3) {
		o.load(7+run, RowsOf(group, Seen{x, noon, a(run)}, Seen{x, noon - 9, a(run)}))
	}
	untold()
	o.remove(group, store.Selection{Run: 9})
	o.remove(group, store.Selection{Key: &x, At: noon - 9, UpTo: true})
	o.remove(group, store.Selection{Key: &x, At: noon + 7})
	untold()

	o.remove(group, store.Selection{Key: &x, At: noon})
	o.remove(other, store.Selection{Key: &x, At: noon})
	o.remove(group, store.Selection{Key: &x, At: noon - 5, Features: group.Features[:1]})
	first := store.Retraction{Group: 1, Number: 3, At: noon, Runs: []int64{7, 8}}
	narrowed := store.Retraction{Group: 1, Number: 4, At: noon - 5}
	elsewhere := store.Retraction{Group: 2, Number: 1, At: noon}
	untold(first, narrowed, elsewhere)
	o.restart()
	require.NoError(o, o.store.ForgetRemovals(o.ctx, group, 99))
	untold(first, narrowed, elsewhere)
	for range 2 {
		require.NoError(o, o.store.Told(o.ctx, first))
		untold(narrowed, elsewhere)
	}
	require.NoError(o, o.store.Told(o.ctx, elsewhere))
	require.NoError(o, o.store.Told(o.ctx, narrowed))
	untold()
}
