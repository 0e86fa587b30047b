package postgres

import (
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

// A compaction has read that an observation stands for an older one; then that observation is taken back, or its transaction is still
// under way. The older one stays. As a control, without the look at what stands for others it goes, and with it what the entity had.
func TestCompactionLooksAgainBeforeItRemoves(t *testing.T) {
	for _, c := range []struct {
		guarded bool
		removed int64
	}{{true, 0}, {false, 1}} {
		o := open(t)
		group, what := storetest.Superseded(t, o)
		compacting := &compacting{offline: o, group: group, what: what, sieve: store.NewSieve(group, what)}
		_, _, err := compacting.read(t.Context())
		require.NoError(t, err)
		require.Len(t, compacting.gone, 1)
		if !c.guarded {
			compacting.gone[0].For = nil
		}

		// What Remove does, in a transaction that is held open until the compaction waits for it.
		tx, err := o.writers.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "INSERT INTO "+o.table("__removals")+" VALUES ($1, 1, 0)", group.ID)
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "UPDATE "+o.table("purchases")+" SET presence = '{2}', a = NULL WHERE b = 2")
		require.NoError(t, err)
		type outcome struct {
			compacted store.Compacted
			err       error
		}
		done := make(chan outcome, 1)
		go func() {
			compacted, err := compacting.remove(t.Context(), compacting.gone)
			done <- outcome{compacted, err}
		}()
		for waits := 0; waits == 0 && len(done) == 0; {
			require.NoError(t, o.readers.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%"+o.schema+"%'").Scan(&waits))
		}
		require.NoError(t, tx.Commit(t.Context()))
		got := <-done
		require.NoError(t, got.err)
		require.Equal(t, c.removed, got.compacted.Removed(), "guarded: %t", c.guarded)
	}
}
