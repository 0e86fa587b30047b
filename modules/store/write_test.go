package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store/packed"
)

// Rows that observed only what has been deleted since are in history, and in what materialization reads.
func TestRowsWithoutFeaturesHaveNoOnlineRow(t *testing.T) {
	group := layoutOf(1, 1, 1, 2)
	key := func(text string) Key { return NewKey([]value.Value{value.OfString(text)}) }
	rows := &Rows{Group: group, Features: group.Features, Keys: []Key{key("a"), key("b"), key("c")}, EventTimes: []int64{1, 2, 3}, IngestIDs: []int64{1, 2, 3},
		Values: []value.Value{{}, {}, {}, value.Null(), value.OfInt(5), {}}}
	s := &Store{}
	out := s.PackRows(rows)
	require.Len(t, out, 2)
	for i, wanted := range []string{"b", "c"} {
		require.Equal(t, wanted, out[i].Key.Encoded)
		view, err := packed.Open(out[i].Row)
		require.NoError(t, err)
		require.Equal(t, 1, view.Len())
		require.Equal(t, wanted, view.Key())
	}
	rows.Features, rows.Values = nil, nil
	require.Empty(t, s.PackRows(rows))
}
