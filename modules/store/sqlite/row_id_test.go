package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

// The rows of a load that is under way are in the table and do not show, and may be taken back: an id that only they have is not one that
// is stored.
func TestAnIDOfAnOpenLoadIsNotTakenForAStoredOne(t *testing.T) {
	group := purchases()
	group.Kind, group.IDColumn = registry.Events, "count"
	o := open(t, filepath.Join(t.TempDir(), "offline.db"), Options{})
	_, err := o.EnsureLayout(ctx, group)
	require.NoError(t, err)

	// halfway is a load whose rows have all been inserted and which has not ended.
	halfway := func() (*load, openLoad) {
		l := beginLoad(t, o, group, 3000).(*load)
		var begun openLoad
		require.NoError(t, o.writer.do(ctx, alone, func(c *conn) (err error) {
			begun, err = o.reserve(c, group.ID, l.run, l.sorter.count)
			return err
		}))
		require.NoError(t, l.insertAll(ctx, begun, l.sorted))
		return l, begun
	}
	_, begun := halfway()
	one, other := storetest.RowsOf(group, seen("x", 1, 17)), storetest.RowsOf(group, seen("x", 1, 5000))
	problem, ok := fault.As(o.Append(ctx, []*store.Rows{one}))
	require.True(t, ok)
	require.Equal(t, fault.Busy, problem.Kind, "neither stored nor a duplicate can be answered")
	require.NoError(t, o.Append(ctx, []*store.Rows{other}))
	require.Zero(t, other.Duplicates(), "an id that the load does not have")
	another := beginLoad(t, o, group, 10)
	require.True(t, fault.Is(another.Commit(ctx), "load-being-removed"), "neither does a load know")

	require.NoError(t, o.remove(ctx, begun))
	require.NoError(t, o.Append(ctx, []*store.Rows{one}))
	require.Zero(t, one.Duplicates(), "the load was taken back: as a duplicate the row would be lost")
	n, _ := count(t, o, group)
	require.Equal(t, 2, n)

	l, begun := halfway()
	require.NoError(t, o.writer.do(ctx, alone, begun.end))
	require.Equal(t, int64(1), l.Duplicates())
	require.NoError(t, o.Append(ctx, []*store.Rows{one}))
	require.Equal(t, 1, one.Duplicates())
	n, _ = count(t, o, group)
	require.Equal(t, 3001, n)
}
