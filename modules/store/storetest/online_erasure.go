package storetest

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store"
)

func (o *online) erasures() {
	count := func() int64 {
		o.Helper()
		n, err := o.store.CountErasures(o.ctx)
		require.NoError(o, err)
		return n
	}
	kept := func() []store.Erasure {
		o.Helper()
		found, err := o.store.KeptErasures(o.ctx)
		require.NoError(o, err)
		slices.SortFunc(found, func(a, b store.Erasure) int { return int(a.At - b.At) })
		return found
	}
	require.Zero(o, count())
	require.Empty(o, kept())
	require.NoError(o, o.store.KeepErasures(o.ctx, nil))
	one := store.Erasure{EntityType: 1, Secret: sum(1), Hash: sum(2), CutOff: noon, At: 1, Run: 7}
	other, early := one, one
	other.EntityType, other.At = 2, 2
	early.Secret, early.At, early.CutOff = sum(3), 3, -noon
	require.NoError(o, o.store.KeepErasures(o.ctx, []store.Erasure{one, other, early}))
	require.Equal(o, []store.Erasure{one, other, early}, kept())
	for _, change := range []int64{-1, 1, -1 << 40, 1 << 40, 0} {
		changed := one
		changed.CutOff += change
		require.NoError(o, o.store.KeepErasures(o.ctx, []store.Erasure{changed}))
		if change > 0 {
			one = changed
		}
		require.Equal(o, []store.Erasure{one, other, early}, kept(), "%d", change)
	}
	early.CutOff = 1
	require.NoError(o, o.store.KeepErasures(o.ctx, []store.Erasure{early}))
	require.Equal(o, []store.Erasure{one, other, early}, kept())
	many := make([]store.Erasure, 2500)
	for i := range many {
		many[i] = store.Erasure{EntityType: 3, Secret: sum(1), Hash: hashOf(i), CutOff: noon, At: int64(10 + i)}
	}
	require.NoError(o, o.store.KeepErasures(o.ctx, many))
	require.Equal(o, append([]store.Erasure{one, other, early}, many...), kept())
	require.NoError(o, o.store.Scrub(o.ctx))
	shut(o, o.store)
	o.store = o.open(o, "store")
	require.EqualValues(o, 2503, count())
}

// hashOf is a hash that differs with i.
func hashOf(i int) (s [32]byte) {
	copy(s[:], fmt.Sprintf("%032d", i))
	return s
}
