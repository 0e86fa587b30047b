package storetest

import (
	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// removeIDs sends rows again whose ids were taken back: by a single row and by a load, while the notes are there and when they are not.
// Of an observation they are free at once.
func (o *offline) removeIDs() {
	group := orders(1, "orders", "order_id")
	o.ensure(group)
	o.load(7, RowsOf(group, order(1), order(2), order(3)))
	require.Equal(o, store.Removed{Rows: 3, Entities: 3}, o.remove(group, store.Selection{Run: 7}))

	single := RowsOf(group, order(1), order(4))
	err := o.store.Append(o.ctx, []*store.Rows{single})
	busy := o.storedOrBusy(err)
	if !busy {
		require.Equal(o, []bool{true, true}, kept(single), "what was taken back is no duplicate")
	}
	load := o.begin(group, 8)
	require.NoError(o, load.Add(o.ctx, RowsOf(group, order(2), order(5))))
	if err = load.Commit(o.ctx); !o.storedOrBusy(err) {
		require.Zero(o, load.Duplicates())
	}

	require.NoError(o, o.store.ForgetRemovals(o.ctx, group, 1))
	if busy {
		single = RowsOf(group, order(1), order(4))
		o.append(single)
		require.Equal(o, []bool{true, true}, kept(single))
	}
	if err != nil {
		o.load(8, RowsOf(group, order(2), order(5)))
	}
	require.Equal(o, 4, o.count(group))

	key, at := order(1).Key, order(1).At
	require.Equal(o, store.Removed{Rows: 1, Entities: 1}, o.remove(group, store.Selection{Key: &key, At: at}))
	again := RowsOf(group, Seen{TextKey("another"), noon, Values{"order_id": value.OfInt(1)}})
	o.append(again)
	require.Equal(o, []bool{true}, kept(again))
	require.Equal(o, 4, o.count(group))
}

// storedOrBusy tells whether a caller was asked to send rows again.
func (o *offline) storedOrBusy(err error) (busy bool) {
	o.Helper()
	if err == nil {
		return false
	}
	problem, ok := fault.As(err)
	require.True(o, ok && problem.Kind == fault.Busy, "%v", err)
	return true
}
