package profile

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
)

// Quantiles of whole numbers, and of lengths, are whole: below 50 the one that was observed, beyond within the sketch's error and half a unit.
func TestQuantilesOfWholeNumbers(t *testing.T) {
	const n = 50_000
	for name, number := range map[string]func(i int64) int64{
		"few":      func(i int64) int64 { return i % 50 },
		"negative": func(i int64) int64 { return i%97 - 48 },
		"wide":     func(i int64) int64 { return i * i },
	} {
		var numbers []int64
		p := New(value.Integer, Options{})
		for i := range int64(n) {
			numbers = append(numbers, number(i))
			p.AddColumn([]value.Value{value.OfInt(number(i))}, 0, 1)
		}
		slices.Sort(numbers)
		require.True(t, p.bySketch(), name)
		for q := 0.01; q < 1; q += 0.01 {
			at := int(q * (n - 1))
			if numbers[at-2] != numbers[at+2] && numbers[at] < 50 {
				continue // between two of them the sketch may take either
			}
			got, ok := p.Quantile(q)
			require.True(t, ok)
			require.Equal(t, math.Trunc(got), got, "%s %v", name, q)
			want := float64(numbers[at])
			if math.Abs(want) < 50 {
				require.Equal(t, want, got, "%s %v", name, q)
			} else {
				require.InDelta(t, want, got, Accuracy*math.Abs(want)+0.5+math.Abs(float64(numbers[at+1]-numbers[at-1])), "%s %v", name, q)
			}
		}
	}
	lengths := New(value.String, Options{})
	for i := range n {
		lengths.AddColumn([]value.Value{value.OfString(string(make([]byte, i%300)))}, 0, 1)
	}
	got, _ := lengths.Quantile(0.8)
	require.Equal(t, math.Trunc(got), got)
	fractions := New(value.Float, Options{})
	for i := range n {
		fractions.AddColumn([]value.Value{value.OfFloat(float64(i) / 1000)}, 0, 1)
	}
	got, _ = fractions.Quantile(0.5)
	require.NotEqual(t, math.Trunc(got), got, "a FLOAT is as the sketch says")
}
