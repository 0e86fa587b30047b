package packed_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store/packed"
)

// A feature is read alone as it is read among all, also from a row that grew by many merges.
func TestPickOneOfAGrownRow(t *testing.T) {
	const now = 1_795_430_505_587_177
	stored := ""
	id := int64(0)
	merge := func(ordinals []uint16, values []value.Value) {
		id++
		row := string(packed.Append(nil, "observed", ordinals, values, packed.Stamp{EventTime: now + id*1000, IngestID: id}))
		merged, _, err := packed.Merge(nil, stored, row)
		require.NoError(t, err)
		stored = string(merged)
	}
	for i := range int64(40) {
		merge([]uint16{uint16(3 + i)}, []value.Value{value.OfInt(i)})
		merge([]uint16{1, 2}, []value.Value{value.OfInt(i), value.OfString(fmt.Sprint(i))})
		view, err := packed.Open(stored)
		require.NoError(t, err)
		for j := range i + 1 {
			var cell [1]packed.Cell
			require.NoError(t, view.Pick([]uint16{uint16(3 + j)}, cell[:]))
			require.Equal(t, value.OfInt(j), cell[0].Value, "%d of %d", j, i)
			require.Equal(t, int64(1+2*j), cell[0].Stamp.IngestID)
		}
	}
}
