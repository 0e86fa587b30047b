package batch

import (
	"errors"
	"math"
	"math/big"

	"featurestore/app/fault"
	"featurestore/modules/batch/exact"
	"featurestore/modules/registry/value"
)

// What the arithmetic of aggregations fails by, on every engine. OutOfRange says of which feature and entity.
var (
	ErrValueRange = errors.New("a value is too large to be added up exactly")
	ErrSumRange   = errors.New("the sum is beyond INTEGER")
	ErrRatioRange = errors.New("the ratio is beyond FLOAT")
)

// OutOfRange makes a fault of an error of these, which an aggregation of an entity has failed by; others stay what they are.
func (p *Plan) OutOfRange(a *Aggregation, key []value.Value, why error) error {
	if !errors.Is(why, ErrValueRange) && !errors.Is(why, ErrSumRange) && !errors.Is(why, ErrRatioRange) {
		return why
	}
	return fault.New(fault.Unprocessable, "sum-out-of-range", "%s of %s: %s", a.Feature.Name, p.EntityText(key), why).
		At("aggregate", a.Feature.Name, "%s: fewer decimals, a shorter window or a condition keeps it in range", why)
}

// OfSums is what sum, avg or stddev says of n values, by their sum in steps of 10^-Decimals and, for stddev alone, the sum of the squares of these steps: null
// where n are too few. Its error is ErrSumRange.
func (a *Aggregation) OfSums(n int64, sum, squares *big.Int) (value.Value, error) {
	scale := exact.Scale(a.Decimals)
	switch {
	case n == 0 || n == 1 && a.Function == Stddev:
		return value.Null(), nil
	case a.Function == Sum && a.OfType == value.Integer && !sum.IsInt64():
		return value.Value{}, ErrSumRange
	case a.Function == Sum && a.OfType == value.Integer:
		return value.OfInt(sum.Int64()), nil
	case a.Function == Sum:
		return value.OfFloat(exact.Float(sum, scale)), nil
	case a.Function == Avg:
		return value.OfFloat(exact.Float(sum, scale) / float64(n)), nil
	}
	return value.OfFloat(exact.Deviation(n, sum, squares, scale)), nil
}

// Quotient is a ratio of what its parts came to: null where one is, or the denominator is zero. Its error is ErrRatioRange.
func Quotient(numerator, denominator value.Value) (value.Value, error) {
	if numerator.IsNull() || denominator.IsNull() || denominator.Float() == 0 {
		return value.Null(), nil
	}
	r := numerator.Float() / denominator.Float()
	if math.IsInf(r, 0) {
		return value.Value{}, ErrRatioRange
	}
	return value.OfFloat(r), nil
}
