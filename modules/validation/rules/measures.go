package rules

import (
	"math"
	"math/big"
	"math/bits"
	"slices"

	"featurestore/modules/registry/value"
)

// maxHeld is how many values an evaluation in memory holds for one rule.
const maxHeld = 5_000_000

const tooMany = "there are too many values to hold in memory"

// measurer measures one number, or one value, of those of a feature.
type measurer interface {
	// add takes a value that is not null; it is false if it cannot be measured, with the reason.
	add(v *value.Value) (ok bool, reason string)
	// result is what was measured; with a reason if there was too little for it. A result can come beside a reason: a sum of nothing is 0.
	result(t *tally) (v value.Value, reason string)
}

// measures are what can be measured, by the name of the kind.
func newMeasurer(name string, p *params) measurer {
	switch name {
	case "mean":
		return &summer{mean: true}
	case "sum":
		return &summer{}
	case "min":
		return &extreme{sign: -1}
	case "max":
		return &extreme{sign: 1}
	case "stddev":
		return &holder{of: deviation}
	case "median":
		return &holder{of: func(sorted []float64) (float64, string) { return quantile(sorted, 0.5, "linear"), "" }, sort: true}
	case "quantile":
		q, _ := p.number("q")
		how := p.word("interpolation", interpolations...)
		return &holder{of: func(sorted []float64) (float64, string) { return quantile(sorted, q, how), "" }, sort: true}
	case "distinct_count":
		return &distincts{seen: map[value.Value]int64{}}
	case "distinct_ratio":
		return &distincts{seen: map[value.Value]int64{}, ratio: true}
	case "completeness":
		return &completeness{}
	}
	return nil
}

var interpolations = []string{"linear", "lower", "higher", "midpoint", "nearest"}

const (
	noValues = "there are no values"
	oneValue = "a standard deviation needs two values"
)

func notNumber(v *value.Value) string { return v.Type().String() + " is no number" }

// summer adds up: integers exactly, floats with Neumaier's compensation. In which order makes no difference to integers.
type summer struct {
	mean       bool
	n          int64
	high       int64 // of the sum of integers, in 128 bits
	low        uint64
	floats     bool
	sum, error float64
}

func (s *summer) add(v *value.Value) (bool, string) {
	f, ok := number(v)
	if !ok {
		return false, notNumber(v)
	}
	s.n++
	if v.Type() == value.Float {
		s.floats = true
	} else {
		i := v.Int() // of a boolean, 0 or 1
		low, carry := bits.Add64(s.low, uint64(i), 0)
		s.low, s.high = low, s.high+i>>63+int64(carry)
	}
	total := s.sum + f
	if math.Abs(s.sum) >= math.Abs(f) {
		s.error += (s.sum - total) + f
	} else {
		s.error += (f - total) + s.sum
	}
	s.sum = total
	return true, ""
}

func (s *summer) result(*tally) (value.Value, string) {
	sum := value.OfFloat(s.sum + s.error)
	if !s.floats {
		sum = integerOf(s.high, s.low)
	}
	return sumResult(sum, s.n, s.mean)
}

// integerOf is a sum of integers in 128 bits as a value.
func integerOf(high int64, low uint64) value.Value {
	sum := new(big.Int).Lsh(big.NewInt(high), 64)
	return SumOf(sum.Add(sum, new(big.Int).SetUint64(low)))
}

// SumOf is a sum of integers as a value: a FLOAT where 64 bits are too few.
func SumOf(sum *big.Int) value.Value {
	if sum.IsInt64() {
		return value.OfInt(sum.Int64())
	}
	f, _ := new(big.Float).SetInt(sum).Float64()
	return value.OfFloat(f)
}

// sumResult is the sum of n values, or their mean.
func sumResult(sum value.Value, n int64, mean bool) (value.Value, string) {
	f, _ := number(&sum)
	switch {
	case n == 0 && mean:
		return value.Value{}, noValues
	case n == 0:
		return value.OfInt(0), noValues
	case math.IsInf(f, 0) || math.IsNaN(f):
		return value.Value{}, "the sum is beyond the range of FLOAT"
	case mean:
		return value.OfFloat(f / float64(n)), ""
	}
	return sum, ""
}

// extreme is the least (sign −1) or greatest (1) value.
type extreme struct {
	sign int
	best value.Value
}

func (e *extreme) add(v *value.Value) (bool, string) {
	if e.best.IsAbsent() {
		if _, ok := compare(v, v); !ok {
			return false, "values of " + v.Type().String() + " have no order"
		}
		e.best = *v
		return true, ""
	}
	order, ok := compare(v, &e.best)
	if !ok {
		return false, v.Type().String() + " and " + e.best.Type().String() + " cannot be compared"
	}
	if order == e.sign {
		e.best = *v
	}
	return true, ""
}

func (e *extreme) result(*tally) (value.Value, string) {
	if e.best.IsAbsent() {
		return value.Value{}, noValues
	}
	return e.best, ""
}

// holder holds all numbers until the end.
type holder struct {
	values []float64
	of     func([]float64) (float64, string)
	sort   bool
}

func (h *holder) add(v *value.Value) (bool, string) {
	f, ok := number(v)
	switch {
	case !ok:
		return false, notNumber(v)
	case len(h.values) == maxHeld:
		return false, tooMany
	}
	h.values = append(h.values, f)
	return true, ""
}

func (h *holder) result(*tally) (value.Value, string) {
	if len(h.values) == 0 {
		return value.Value{}, noValues
	}
	if h.sort {
		slices.Sort(h.values)
	}
	f, reason := h.of(h.values)
	if reason != "" {
		return value.Value{}, reason
	}
	return finite(f)
}

// finite is a result, unless it is none.
func finite(f float64) (value.Value, string) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return value.Value{}, "the result is beyond the range of FLOAT"
	}
	return value.OfFloat(f), ""
}

// meanOf is the mean, with Neumaier's compensation.
func meanOf(values []float64) float64 {
	var s summer
	for _, f := range values {
		v := value.OfFloat(f)
		s.add(&v)
	}
	return (s.sum + s.error) / float64(len(values))
}

// deviation is the sample standard deviation, by n − 1.
func deviation(values []float64) (float64, string) {
	if len(values) < 2 {
		return 0, oneValue
	}
	mean := meanOf(values)
	squares := 0.0
	for _, f := range values {
		squares += (f - mean) * (f - mean)
	}
	return math.Sqrt(squares / float64(len(values)-1)), ""
}

// quantile is the q-quantile of sorted values at the position q × (n − 1), in between as how says (numpy's names).
func quantile(sorted []float64, q float64, how string) float64 {
	return quantileOf(len(sorted), func(i int) float64 { return sorted[i] }, q, how)
}

// around are the positions on both sides of the q-quantile of n values.
func around(n int, q float64) (low, high int) {
	position := q * float64(n-1)
	return max(0, min(int(math.Floor(position)), n-1)), max(0, min(int(math.Ceil(position)), n-1))
}

// quantileOf is quantile of n values, of which it asks for those around.
func quantileOf(n int, sorted func(i int) float64, q float64, how string) float64 {
	position := q * float64(n-1)
	at, next := around(n, q)
	low, high := sorted(at), sorted(next)
	part := position - math.Floor(position)
	switch how {
	case "lower":
		return low
	case "higher":
		return high
	case "midpoint":
		return low/2 + high/2
	case "nearest":
		return sorted(max(0, min(int(math.RoundToEven(position)), n-1)))
	}
	if low == high {
		return low
	}
	if part >= 0.5 { // as numpy does, so that the same ends give the same numbers
		return high - (high-low)*(1-part)
	}
	return low + (high-low)*part
}

// distincts counts values that differ.
type distincts struct {
	seen  map[value.Value]int64
	n     int64
	ratio bool
}

func (d *distincts) add(v *value.Value) (bool, string) {
	d.n++
	key := same(*v)
	if _, seen := d.seen[key]; !seen && len(d.seen) == maxHeld {
		return false, tooMany
	}
	d.seen[key]++
	return true, ""
}

func (d *distincts) result(*tally) (value.Value, string) {
	return distinctResult(int64(len(d.seen)), d.n, d.ratio)
}

// distinctResult is how many different values there are among n, or their share.
func distinctResult(distinct, n int64, ratio bool) (value.Value, string) {
	switch {
	case n == 0:
		return value.OfInt(0), noValues
	case ratio:
		return value.OfFloat(float64(distinct) / float64(n)), ""
	}
	return value.OfInt(distinct), ""
}

// completeness is the share of rows that are not null.
type completeness struct{}

func (completeness) add(*value.Value) (bool, string) { return true, "" }

func (completeness) result(t *tally) (value.Value, string) {
	all := t.considered + t.null
	if all == 0 {
		return value.Value{}, noValues
	}
	return value.OfFloat(float64(t.considered) / float64(all)), ""
}
