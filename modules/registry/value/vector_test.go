package value_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/valuetest"
)

// A vector is a slice of values, whatever is put where and over what.
func TestVector(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "length")
		vector, model := value.NewVector(n), make([]value.Value, n)
		for range rapid.IntRange(0, 60).Draw(t, "puts") {
			i := rapid.IntRange(0, n-1).Draw(t, "place")
			v := rapid.SampledFrom([]value.Value{{}, value.Null()}).Draw(t, "none")
			if rapid.Bool().Draw(t, "some") {
				v = valuetest.Value(rapid.SampledFrom(valuetest.Types).Draw(t, "type")).Draw(t, "value")
			}
			vector.Set(i, v)
			model[i] = v
		}
		for i, want := range model {
			require.Equal(t, want, vector.At(i))
		}
	})
}
