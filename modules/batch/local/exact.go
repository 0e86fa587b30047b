package local

import (
	"math"
	"math/big"
	"math/bits"

	"featurestore/modules/batch"
)

// limit63 is 2^63, where the numbers of 64 bits end.
const limit63 = 1 << 63

// fixed is a number in fixed point: so many units of which scale make 1, rounded half up. The product is rounded by itself, never together
// with the sum.
func fixed(x, scale float64) (int64, error) {
	v := math.Floor(float64(x*scale) + 0.5)
	if v >= limit63 || v < -limit63 {
		return 0, batch.ErrValueRange
	}
	return int64(v), nil
}

// wide is a whole number of 128 bits with a sign. Sums of fewer than 2^63 numbers of 64 bits are always in its range; those of their squares are not.
type wide struct {
	high int64
	low  uint64
}

func wideOf(v int64) wide { return wide{v >> 63, uint64(v)} }

func (a wide) plus(b wide) wide {
	low, carry := bits.Add64(a.low, b.low, 0)
	return wide{a.high + b.high + int64(carry), low}
}

func (a wide) minus(b wide) wide {
	low, borrow := bits.Sub64(a.low, b.low, 0)
	return wide{a.high - b.high - int64(borrow), low}
}

// size is the number without its sign.
func (a wide) size() (high, low uint64) {
	if a.high >= 0 {
		return uint64(a.high), a.low
	}
	a = wide{}.minus(a)
	return uint64(a.high), a.low
}

// square is exact.
func square(v int64) wide {
	_, size := wideOf(v).size()
	high, low := bits.Mul64(size, size)
	return wide{int64(high), low}
}

// times is n × a, of numbers that are not negative; ok is false where it is beyond the range.
func (a wide) times(n int64) (product wide, ok bool) {
	carry, low := bits.Mul64(a.low, uint64(n))
	over, high := bits.Mul64(uint64(a.high), uint64(n))
	high, more := bits.Add64(high, carry, 0)
	return wide{int64(high), low}, over == 0 && more == 0 && high < limit63
}

// int is the number where it has 64 bits.
func (a wide) int() (int64, error) {
	if a.high != int64(a.low)>>63 {
		return 0, batch.ErrSumRange
	}
	return int64(a.low), nil
}

// exactFloats is where whole numbers begin that a float of 64 bits does not have all of: 2^53.
const exactFloats = 1 << 53

// nearest is the float next to a number that is not negative.
func nearest(high, low uint64) float64 {
	if high >= 1<<42 { // from 2^106 on the upper part would be rounded too
		b := new(big.Int).SetUint64(high)
		return nearestBig(b.Add(b.Lsh(b, 64), new(big.Int).SetUint64(low)))
	}
	return float64(float64(high<<11|low>>53)*exactFloats) + float64(low%exactFloats)
}

func nearestBig(b *big.Int) float64 {
	f, _ := new(big.Float).SetInt(b).Float64()
	return f
}

// float is a sum of numbers in fixed point, as a number: from 2^53 units on the whole part and the rest, each made a float by itself.
func (a wide) float(scale int64) float64 {
	high, low := a.size()
	var f float64
	if high == 0 && low < exactFloats {
		f = float64(low) / float64(scale)
	} else {
		upper, rest := bits.Div64(0, high, uint64(scale))
		lower, rest := bits.Div64(rest, low, uint64(scale))
		f = nearest(upper, lower) + float64(rest)/float64(scale)
	}
	if a.high < 0 {
		return -f
	}
	return f
}

// deviation is the standard deviation of a sample of n numbers in fixed point, n > 1, by their sum and the sum of their squares. It is not ok
// where that does not fit.
func deviation(n int64, sum, squares wide, scale int64) (f float64, ok bool) {
	first, ok := squares.times(n)
	s, err := sum.int()
	if !ok || err != nil {
		return 0, false
	}
	high, low := first.minus(square(s)).size()
	return rooted(nearest(high, low), n, scale), true
}

// deviationOf is deviation of any numbers.
func deviationOf(numbers []int64, scale int64) float64 {
	sum, squares, v := new(big.Int), new(big.Int), new(big.Int)
	for _, n := range numbers {
		v.SetInt64(n)
		sum.Add(sum, v)
		squares.Add(squares, v.Mul(v, v))
	}
	n := int64(len(numbers))
	squares.Mul(squares, big.NewInt(n))
	return rooted(nearestBig(squares.Sub(squares, sum.Mul(sum, sum))), n, scale)
}

func rooted(numerator float64, n, scale int64) float64 {
	return math.Sqrt(numerator/float64(float64(n)*float64(n-1))) / float64(scale)
}
