package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// TestRowsOfARunAreReadFromAPosition: what a run brought is read by the index of the order of ingestion and not from the whole table,
// before the table has statistics and with them, also where nearly all rows are of the run.
func TestRowsOfARunAreReadFromAPosition(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "purchases", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	look := func() *snapshot {
		s, err := o.Snapshot(ctx)
		require.NoError(t, err)
		return s.(*snapshot)
	}
	plan := func(of store.Range) string {
		s := look()
		defer s.Close()
		l, err := s.layout(ctx, g)
		require.NoError(t, err)
		text, parameters, err := s.observationsQuery(l, g, g.Features, of)
		require.NoError(t, err)
		var steps []string
		require.NoError(t, s.queryOnce(ctx, "EXPLAIN "+text, parameters, func(row [][]byte) error {
			steps = append(steps, string(row[0]))
			return nil
		}))
		return strings.Join(steps, "\n")
	}
	position := func() store.Position {
		s := look()
		defer s.Close()
		return s.Position()
	}
	before := position()
	fill := func(run, rows int) {
		_, err := o.writers.Exec(ctx, `INSERT INTO `+o.table("purchases")+` (key0, event_time, ingest_time, run_id, schema_version, f0)
			SELECT i::text, now(), now(), $1, 1, i FROM generate_series(1, $2) i`, run, rows)
		require.NoError(t, err)
	}
	for _, rows := range []int{10, 5000} {
		fill(5, rows)
		for _, analyzed := range []bool{false, true} {
			if analyzed {
				_, err := o.writers.Exec(ctx, "ANALYZE "+o.table("purchases"))
				require.NoError(t, err)
			}
			for _, since := range []store.Position{before, position()} {
				found := plan(store.Range{Run: 5, After: since})
				require.Contains(t, found, "Index Cond: (ingest_xid >= ")
				require.NotContains(t, found, "Sort")
			}
			require.NotContains(t, plan(store.Range{Run: 5}), "Index Cond: (ingest_xid", "the control")
		}
	}
}
