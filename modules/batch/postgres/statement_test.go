package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// However many ticks, windows and functions there are, the source is read once, and states that are the same are computed once.
func TestOneScan(t *testing.T) {
	plan := &batch.Plan{Columns: []batch.Column{{Name: "x", Type: value.Float}}}
	for _, window := range []time.Duration{time.Hour, 0, 24 * time.Hour} {
		for _, function := range []batch.Function{batch.Count, batch.Sum, batch.Avg, batch.Stddev, batch.Last} {
			plan.Aggregations = append(plan.Aggregations, batch.Aggregation{Function: function, Of: 0, OfType: value.Float, Type: value.Float, Window: window, Empty: batch.Null, Decimals: 2})
		}
	}
	job := &batch.Job{Plan: plan, Ticks: make([]int64, 365)}
	s := newStatement(job, &relation{query: "SELECT the source", keys: []string{"r.k"}, values: []string{"r.x"}})
	require.Equal(t, 1, strings.Count(s.text, "SELECT the source"))
	require.Len(t, s.states, 3*4, "a number, a sum, a sum of squares and the last, of each window")
}
