package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

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
		group, what := storetest.Superseded(t, o)
		compacting := &compacting{offline: o, group: group, what: what, sieve: store.NewSieve(group, what)}
		_, _, err = compacting.read(t.Context())
		require.NoError(t, err)
		require.Len(t, compacting.gone, 1)
		x := storetest.TextKey("x")
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
