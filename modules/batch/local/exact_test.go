package local

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/batch"
)

// edges are numbers around which arithmetic of so many bits goes wrong.
var edges = rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1000, 1000),
	rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 1 << 53, 1<<53 - 1, 1<<53 + 1, -1 << 53, 1<<62 + 1}))

// TestSumsAreExact compares sums, means and deviations of any numbers with those of whole numbers of any size.
func TestSumsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(edges, 2, 20).Draw(t, "numbers")
		scale := rapid.SampledFrom([]int64{1, 100, 1_000_000, 1_000_000_000}).Draw(t, "scale")
		sum, squares := wide{}, wide{}
		exact, exactSquares := new(big.Int), new(big.Int)
		fits := true
		for _, n := range numbers {
			sum, squares = sum.plus(wideOf(n)), squares.plus(square(n))
			fits = fits && squares.high >= 0
			exact.Add(exact, big.NewInt(n))
			exactSquares.Add(exactSquares, new(big.Int).Mul(big.NewInt(n), big.NewInt(n)))
		}
		whole, err := sum.int()
		require.Equal(t, exact.IsInt64(), err == nil)
		if err == nil {
			require.Equal(t, exact.Int64(), whole)
		}
		wanted := nearestBig(exact) / float64(scale)
		if exact.CmpAbs(big.NewInt(1<<53)) >= 0 {
			whole, rest := new(big.Int).QuoRem(exact, big.NewInt(scale), new(big.Int))
			wanted = nearestBig(whole) + nearestBig(rest)/float64(scale)
		}
		require.Equal(t, wanted, sum.float(scale))

		n := int64(len(numbers))
		numerator := new(big.Int).Sub(exactSquares.Mul(exactSquares, big.NewInt(n)), new(big.Int).Mul(exact, exact))
		spread := math.Sqrt(nearestBig(numerator)/(float64(n)*float64(n-1))) / float64(scale)
		require.Equal(t, spread, deviationOf(numbers, scale))
		if fits {
			if f, ok := deviation(n, sum, squares, scale); ok {
				require.Equal(t, spread, f)
			}
		}
	})
}

// TestNearestRoundsOnce compares floats of numbers of 128 bits with those of whole numbers of any size.
func TestNearestRoundsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		high := rapid.Uint64().Draw(t, "high") >> rapid.IntRange(0, 64).Draw(t, "shift")
		low := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 1 << 10, 1<<11 - 1, 1 << 63})).Draw(t, "low")
		exact := new(big.Int).SetUint64(high)
		exact.Add(exact.Lsh(exact, 64), new(big.Int).SetUint64(low))
		require.Equal(t, nearestBig(exact), nearest(high, low))
	})
}

func TestFixed(t *testing.T) {
	for _, c := range []struct {
		x, scale float64
		want     int64
	}{{0.5, 1, 1}, {-0.5, 1, 0}, {1.005, 100, 100}, {2.675, 100, 268}, {-2.675, 100, -267}, {9.2e12, 1e6, 9.2e18}} {
		got, err := fixed(c.x, c.scale)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%v by %v", c.x, c.scale)
	}
	for _, x := range []float64{9.3e12, -9.3e12, 1e300, math.Inf(1)} {
		_, err := fixed(x, 1e6)
		require.ErrorIs(t, err, batch.ErrValueRange, "%v", x)
	}
}
