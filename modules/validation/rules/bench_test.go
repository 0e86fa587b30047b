package rules

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
)

// benchmarkRules are row rules of the kinds that writes meet, over integers, floats and texts.
var benchmarkRules = map[string]string{
	"not_null":   `{"kind": "not_null", "features": ["f"]}`,
	"range":      `{"kind": "range", "features": ["f"], "params": {"min": 0, "max": 1000000}}`,
	"range_int":  `{"kind": "range", "features": ["i"], "params": {"min": 0, "max": 1000000}}`,
	"positive":   `{"kind": "positive", "features": ["i"], "params": {"zero": true}}`,
	"in_set":     `{"kind": "in_set", "features": ["s"], "params": {"values": ["value-0", "value-1", "value-2", "value-3", "value-4"]}}`,
	"regex":      `{"kind": "regex", "features": ["s"], "params": {"pattern": "^value-[0-9]+$"}}`,
	"length":     `{"kind": "length", "features": ["s"], "params": {"max": 20}}`,
	"type":       `{"kind": "type", "features": ["s"], "params": {"types": ["STRING"]}}`,
	"compare":    `{"kind": "compare", "features": ["i", "f"], "params": {"op": "<="}}`,
	"sum":        `{"kind": "sum_equals", "features": ["i", "f"], "params": {"total": 0, "within": 10000000}}`,
	"expression": `{"kind": "expression", "params": {"expr": "f >= 0 and i < 1000000"}}`,
	"where":      `{"kind": "range", "features": ["f"], "params": {"min": 0}, "where": "i >= 0"}`,
	"date":       `{"kind": "parses_as", "features": ["d"], "params": {"as": "date", "format": "%Y-%m-%d"}}`,
}

func benchmarkBatch(rows int) *Batch {
	b := &Batch{Rows: rows, Width: 4, Columns: []int{0, 1, 2, 3}}
	for i := range rows {
		b.Values = append(b.Values, value.OfInt(int64(i)), value.OfFloat(float64(i)+0.5), value.OfString(fmt.Sprintf("value-%d", i%5)), value.OfString("2026-01-31"))
	}
	return b
}

var benchmarkFields = []Field{{Name: "i", Type: value.Integer}, {Name: "f", Type: value.Float}, {Name: "s", Type: value.String}, {Name: "d", Type: value.String}}

func benchmarkSet(t testing.TB, raws ...string) *Set {
	var definitions []Definition
	for i, raw := range raws {
		d, found := Read(fmt.Sprintf(`{"name": "r%d", %s`, i, raw[1:]))
		require.Empty(t, found, raw)
		definitions = append(definitions, d)
	}
	set, wrong := Compile(definitions, benchmarkFields)
	require.Empty(t, wrong)
	return set
}

// Nanoseconds per rule and row, on batches of 1,000 rows: the limit is 1,000.
func BenchmarkRowRules(b *testing.B) {
	batch := benchmarkBatch(1000)
	for name, raw := range benchmarkRules {
		set := benchmarkSet(b, raw)
		b.Run(name, func(b *testing.B) {
			run := set.Begin(Options{})
			b.ReportAllocs()
			for b.Loop() {
				run.Add(batch, nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
		})
	}
}

// Row rules take no memory per row; an expression takes a little for each number that it is handed.
func TestRowRulesDoNotAllocate(t *testing.T) {
	batch := benchmarkBatch(1000)
	for name, raw := range benchmarkRules {
		run := benchmarkSet(t, raw).Begin(Options{})
		run.Add(batch, nil)
		allowed := 5.0
		if name == "expression" || name == "where" {
			allowed = 2500
		}
		require.LessOrEqual(t, testing.AllocsPerRun(5, func() { run.Add(batch, nil) }), allowed, name)
		for _, o := range run.Finish() {
			require.Equal(t, Pass, o.Status, name)
		}
	}
}
