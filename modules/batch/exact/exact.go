// Package exact makes FLOAT of whole numbers that were added up exactly, each once and in one way, so that engines that compute the sums answer with the same bits.
package exact

import (
	"math"
	"math/big"
)

// Scale is how many units of fixed point make 1.
func Scale(decimals int) int64 {
	scale := int64(1)
	for range decimals {
		scale *= 10
	}
	return scale
}

// Float is a number of units as a FLOAT: from 2^53 units on the whole part and the rest, each made a FLOAT by itself.
func Float(units *big.Int, scale int64) float64 {
	if units.IsInt64() && units.Int64() > -1<<53 && units.Int64() < 1<<53 {
		return float64(units.Int64()) / float64(scale)
	}
	whole, rest := new(big.Int).QuoRem(units, big.NewInt(scale), new(big.Int))
	return nearest(whole) + float64(rest.Int64())/float64(scale)
}

// Deviation is that of a sample of n numbers of units, at least two, from their sum and the sum of their squares.
func Deviation(n int64, sum, squares *big.Int, scale int64) float64 {
	numerator := new(big.Int).Mul(squares, big.NewInt(n))
	numerator.Sub(numerator, new(big.Int).Mul(sum, sum))
	return math.Sqrt(nearest(numerator)/(float64(n)*float64(n-1))) / float64(scale)
}

// nearest is the FLOAT next to a whole number.
func nearest(i *big.Int) float64 {
	f, _ := new(big.Float).SetInt(i).Float64()
	return f
}
