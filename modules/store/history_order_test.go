package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// A load began before a write and ends after it: its row counts, and comes first, though its ingest time is the earlier one.
func TestHistoryIsInTheOrderOfIngestion(t *testing.T) {
	rows := func(group int64, ids, ingested []int64) *Rows {
		r := &Rows{Group: &registry.Group{About: registry.About{ID: group}}, IngestIDs: ids, IngestTimes: ingested,
			Keys: make([]Key, len(ids)), EventTimes: make([]int64, len(ids)), Values: make([]value.Value, len(ids)), Features: make([]*registry.Feature, 1)}
		for i := range ids {
			r.EventTimes[i], r.Values[i] = 100, value.OfInt(ids[i])
		}
		return r
	}
	for _, step := range []int{1, 2, 3, 10} {
		var got [][2]int64
		for token, more := "", true; more; {
			request := HistoryRequest{}
			page := historyPage{limit: step, step: step}
			require.NoError(t, page.begin(token, &request))
			for _, r := range []*Rows{rows(1, []int64{30, 20, 10}, []int64{1000, 2000, 500}), rows(2, []int64{7, 5}, []int64{1500, 900})} {
				require.NoError(t, page.add(r))
			}
			page.order()
			for _, row := range page.rows {
				got = append(got, [2]int64{row.rows.Group.ID, row.rows.IngestIDs[row.i]})
			}
			token, more = page.next, page.next != ""
		}
		require.Equal(t, [][2]int64{{2, 7}, {1, 30}, {1, 20}, {2, 5}, {1, 10}}, got, "%d on a page", step)
	}
}
