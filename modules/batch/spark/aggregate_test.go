package spark

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// Sums have one state where it is known that they fit into 64 bits, and what is known to have no nulls is not asked for them.
func TestNarrowSums(t *testing.T) {
	job := func(function batch.Function, of value.Type) *batch.Job {
		a := batch.Aggregation{Function: function, OfType: of, Type: value.Float, Decimals: 2, Window: time.Hour, Feature: &registry.Feature{}}
		return &batch.Job{Ticks: []int64{1 << 50}, Plan: &batch.Plan{Keys: []registry.JoinKey{{Name: "id", ValueType: value.Integer}}, Longest: time.Hour,
			Columns: []batch.Column{{Name: "x", Type: of}}, Aggregations: []batch.Aggregation{a}}}
	}
	for _, c := range []struct {
		name     string
		function batch.Function
		of       value.Type
		known    *batch.Spooled
		narrow   bool
	}{
		{"nothing is known", batch.Sum, value.Integer, nil, false},
		{"no events", batch.Stddev, value.Float, &batch.Spooled{Columns: []batch.Range{{}}}, true},
		{"just below 2^62", batch.Sum, value.Integer, &batch.Spooled{Rows: 1 << 10, Columns: []batch.Range{{Greatest: 1<<52 - 1}}}, true},
		{"2^62", batch.Sum, value.Integer, &batch.Spooled{Rows: 1 << 10, Columns: []batch.Range{{Least: -1 << 52}}}, false},
		{"units, not numbers, count", batch.Avg, value.Float, &batch.Spooled{Rows: 1, Columns: []batch.Range{{Greatest: 1 << 57}}}, false},
		{"squares count", batch.Stddev, value.Integer, &batch.Spooled{Rows: 4, Columns: []batch.Range{{Greatest: 1 << 30}}}, false},
		{"squares that fit", batch.Stddev, value.Integer, &batch.Spooled{Rows: 3, Columns: []batch.Range{{Greatest: 1 << 30, Least: -3}}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStatement(job(c.function, c.of), c.known)
			require.Equal(t, c.narrow, s.functions[0].narrow)
			require.Equal(t, c.narrow, !strings.Contains(s.text, "shiftright"), s.text)
			require.Equal(t, c.known == nil, strings.Contains(s.text, "c0 IS NOT NULL"), s.text)
		})
	}
	some := newStatement(job(batch.Sum, value.Integer), &batch.Spooled{Rows: 2, Columns: []batch.Range{{Nulls: 1}}})
	require.Contains(t, some.text, "c0 IS NOT NULL")
}
