package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

// A compaction has read that an observation stands for an older one; then that observation is taken back. The older one stays. As a
// control, without the look at what stands for others it goes, and with it what the entity had.
func TestCompactionLooksAgainBeforeItRemoves(t *testing.T) {
	for _, c := range []struct {
		guarded bool
		removed int64
	}{{true, 0}, {false, 1}} {
		o, err := OpenOffline(filepath.Join(t.TempDir(), "offline.db"), Options{})
		require.NoError(t, err)
		defer o.Close()
		group := storetest.Group(1, "purchases", storetest.Customers, storetest.Column{Name: "a", Type: value.Integer}, storetest.Column{Name: "b", Type: value.Integer})
		_, err = o.EnsureLayout(t.Context(), group)
		require.NoError(t, err)
		x := storetest.TextKey("x")
		for at, values := range []storetest.Values{{"a": value.OfInt(1)}, {"a": value.OfInt(2), "b": value.OfInt(2)}} {
			require.NoError(t, o.Append(t.Context(), []*store.Rows{storetest.RowsOf(group, storetest.Seen{Key: x, At: int64(at), Values: values})}))
		}
		what := store.Compaction{Settled: 1 << 60, Unsettled: store.NoRun, RetainFrom: 5}
		compacting := &compacting{offline: o, group: group, what: what, sieve: store.NewSieve(group, what)}
		_, _, err = compacting.read(t.Context())
		require.NoError(t, err)
		require.Len(t, compacting.gone, 1)
		removed, err := o.Remove(t.Context(), group, store.Selection{Key: &x, At: 1, Features: group.Features[:1]})
		require.NoError(t, err)
		require.EqualValues(t, 1, removed.Narrowed)
		if !c.guarded {
			compacting.gone[0].For = nil
		}
		compacted, err := compacting.remove(t.Context(), compacting.gone)
		require.NoError(t, err)
		require.Equal(t, c.removed, compacted.Removed(), "guarded: %t", c.guarded)
	}
}
