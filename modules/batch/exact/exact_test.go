package exact

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFloat(t *testing.T) {
	large, _ := new(big.Int).SetString("170141183460469231731687303715884105727", 10)
	for _, c := range []struct {
		units *big.Int
		scale int64
		want  float64
	}{
		{big.NewInt(150), Scale(2), 1.5},
		{big.NewInt(-1), Scale(6), -0.000001},
		{big.NewInt(1<<53 - 1), Scale(0), 1<<53 - 1},
		{big.NewInt(1<<53 + 1), Scale(9), 9007199 + 0.254740993},
		{large, Scale(2), 1.7014118346046923e36},
	} {
		require.Equal(t, c.want, Float(c.units, c.scale), "%s by %d", c.units, c.scale)
	}
}

// Numbers whose squares no FLOAT is, of which a difference of FLOATs would leave nothing.
func TestDeviation(t *testing.T) {
	n, sum, squares := int64(0), new(big.Int), new(big.Int)
	for _, units := range []int64{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 - 2} {
		n++
		sum.Add(sum, big.NewInt(units))
		squares.Add(squares, new(big.Int).Mul(big.NewInt(units), big.NewInt(units)))
	}
	require.Equal(t, 1.0, Deviation(n, sum, squares, 1))
	require.Equal(t, 0.01, Deviation(n, sum, squares, Scale(2)))
}
