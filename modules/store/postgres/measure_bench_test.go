package postgres

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/store"
	"featurestore/modules/validation/rules"
)

// BenchmarkMeasure measures a whole group, whose rows have to be put together, for what rules ask, beside handing out its rows.
func BenchmarkMeasure(b *testing.B) {
	ctx := context.Background()
	o := open(b)
	const rows = 300_000
	g := floats(b, o, 1)
	l, err := o.Load(ctx, g, 1)
	require.NoError(b, err)
	for range rows / 1000 {
		require.NoError(b, l.Add(ctx, random(g, 1000, rows/10)))
	}
	require.NoError(b, l.Commit(ctx))
	var measures []rules.Measure
	each := func(of rules.Measuring) {
		for f := range 10 {
			measures = append(measures, rules.Measure{Of: of, Fields: []int{f}})
		}
	}
	asks := func(name string) {
		asked := measures
		b.Run(name, func(b *testing.B) {
			measured(b, o, rows, func() {
				s, err := o.Snapshot(ctx)
				require.NoError(b, err)
				_, err = s.Measure(ctx, g, g.Features, store.Range{}, true, asked)
				require.NoError(b, err)
				require.NoError(b, s.Close())
			})
		})
	}
	for _, vacuumed := range []string{"loaded", "vacuumed"} {
		if vacuumed == "vacuumed" {
			_, err = o.writers.Exec(ctx, "VACUUM ANALYZE "+o.table(g.Name))
			require.NoError(b, err)
		}
		measures = nil
		each(rules.Counts)
		asks(vacuumed + "/counts")
		each(rules.Ends)
		asks(vacuumed + "/ends")
		each(rules.Sum)
		asks(vacuumed + "/sum")
		for f := range 3 {
			measures = append(measures, rules.Measure{Of: rules.Ranked, Fields: []int{f}, Ranks: []int64{rows / 4, rows / 2}})
			asks(fmt.Sprintf("%s/ranked %d", vacuumed, f+1))
		}
		b.Run(vacuumed+"/rows", func(b *testing.B) {
			measured(b, o, rows, func() {
				s, err := o.Snapshot(ctx)
				require.NoError(b, err)
				require.NoError(b, s.Observations(ctx, g, g.Features, store.Range{Ordered: true}, func(*store.Rows) error { return nil }))
				require.NoError(b, s.Close())
			})
		})
	}
}
