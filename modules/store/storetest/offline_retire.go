package storetest

import (
	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

func (o *offline) retire(group *registry.Group, used bool) {
	o.Helper()
	got, err := o.store.Retire(o.ctx, group)
	require.NoError(o, err)
	require.Equal(o, used, got)
}

// refused wants every way of writing to a group to be outdated.
func (o *offline) refused(group *registry.Group) {
	o.Helper()
	one := Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}}
	require.ErrorIs(o, o.store.Append(o.ctx, []*store.Rows{RowsOf(group, one)}), store.ErrOutdated)
	_, err := o.store.EnsureLayout(o.ctx, group)
	require.ErrorIs(o, err, store.ErrOutdated)
	load, err := o.store.Load(o.ctx, group, 1)
	if err == nil {
		if err = load.Add(o.ctx, RowsOf(group, one)); err == nil {
			err = load.Commit(o.ctx)
		}
		require.NoError(o, load.Abort(o.ctx))
	}
	require.ErrorIs(o, err, store.ErrOutdated)
	require.Zero(o, o.count(group))
}

func (o *offline) retireEmpty() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	o.ensure(group, other)
	o.retire(group, false)
	o.refused(group)
	o.retire(group, false)
	o.restart()
	o.refused(group)
	o.see(other, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})

	// The next layout, as of a group that comes back, or whose keys have changed, opens it.
	next := WithColumn(group, Column{"d", value.Integer})
	o.ensure(next)
	o.see(next, Seen{TextKey("x"), noon, Values{"d": value.OfInt(1)}})
	require.ErrorIs(o, o.store.Append(o.ctx, []*store.Rows{RowsOf(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})}), store.ErrOutdated)
}

func (o *offline) retireWithoutTable() {
	group := Group(1, "purchases", Customers, counts...)
	o.retire(group, false)
	o.refused(group)
}

func (o *offline) retireUsed() {
	group, loaded := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	o.ensure(group, loaded)
	one := Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}}
	o.see(group, one)
	o.retire(group, true)
	o.see(group, one)

	load := o.begin(loaded, 1)
	require.NoError(o, load.Add(o.ctx, RowsOf(loaded, one)))
	used, err := o.store.Retire(o.ctx, loaded)
	if err == nil && !used { // it came before what the load has to store
		require.ErrorIs(o, load.Commit(o.ctx), store.ErrOutdated)
		require.NoError(o, load.Abort(o.ctx))
		o.refused(loaded)
		return
	}
	if err != nil { // the load holds the table
		problem, ok := fault.As(err)
		require.True(o, ok && problem.Kind == fault.Busy, "%v", err)
	}
	require.NoError(o, load.Commit(o.ctx))
	o.retire(loaded, true)
	require.Equal(o, 1, o.count(loaded))
}

func (o *offline) retireReopen() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	o.ensure(group, other)
	o.retire(group, false)
	changed := WithColumn(group, Column{"d", value.Integer})
	require.NoError(o, o.store.Reopen(o.ctx, []*registry.Group{changed, other}))
	o.refused(group) // it was retired under another layout than that
	require.NoError(o, o.store.Reopen(o.ctx, []*registry.Group{other, group}))
	for _, g := range []*registry.Group{group, other} {
		o.see(g, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})
	}
	require.NoError(o, o.store.Reopen(o.ctx, nil))
}
