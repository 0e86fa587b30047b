package profile

import (
	"math"

	"featurestore/modules/registry/value"
)

// Kind is the type of the values.
func (p *Profile) Kind() value.Type { return p.kind }

// Hidden tells that no values are kept as they are.
func (p *Profile) Hidden() bool { return p.hidden }

// Rows is how many values were observed, null or not; Nulls how many of them are null; Values how many are not.
func (p *Profile) Rows() int64   { return p.rows }
func (p *Profile) Nulls() int64  { return p.nulls }
func (p *Profile) Values() int64 { return p.rows - p.nulls }

// Empty is how many texts or arrays have the length 0.
func (p *Profile) Empty() int64 { return p.empty }

// DistinctError is the relative standard error of Distinct beyond some thousand different values; below it is exact but for one or two.
const DistinctError = 0.0081 // 1.04/√2¹⁴

// Distinct is about how many different values there are, nulls left out (P. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality
// estimation algorithm", 2007); never more than there are values.
func (p *Profile) Distinct() int64 {
	n := min(int64(p.distinct.Estimate()), p.Values())
	if n == 0 && p.Values() > 0 {
		return 1
	}
	return n
}

// Min and Max are the least and the greatest number: of INTEGER and TIMESTAMP as such, exact; of anything else FLOAT, lengths too. Absent where there is no value.
func (p *Profile) Min() value.Value { return p.extreme(p.least, p.spread.least) }
func (p *Profile) Max() value.Value { return p.extreme(p.most, p.spread.most) }

func (p *Profile) extreme(exact value.Value, number float64) value.Value {
	if p.Values() == 0 {
		return value.Value{}
	}
	if !exact.IsAbsent() {
		return exact
	}
	return value.OfFloat(number)
}

// Mean is the mean of the numbers; false: there are none.
func (p *Profile) Mean() (float64, bool) { return p.spread.mean, p.Values() > 0 }

// Variance is the mean squared deviation from the mean, divided by n; false: there are no numbers, or it is beyond the range of a float.
func (p *Profile) Variance() (float64, bool) {
	if p.Values() == 0 || math.IsInf(p.spread.squares, 0) {
		return 0, false
	}
	return p.spread.squares / float64(p.Values()), true
}

// Deviation is the standard deviation, the root of Variance.
func (p *Profile) Deviation() (float64, bool) {
	v, ok := p.Variance()
	return math.Sqrt(v), ok
}

// Complete tells that the sample holds all numbers, so that quantiles and histogram are exact.
func (p *Profile) Complete() bool { return p.Values() <= sampleSize }

// Sample is a random sample of the numbers, all of them where there are at most 1,024, sorted.
func (p *Profile) Sample() []float64 { return p.sample.numbers() }

// bySketch tells whether the sketch is the better of the two.
func (p *Profile) bySketch() bool { return !p.Complete() && p.sketch != nil && p.sketch.narrow() }

// Quantile is the number at rank q·(n−1), rounded down, for q from 0 to 1; false: there are none, or q is outside. Up to 1,024 values it is exact. Beyond,
// it is exact to Accuracy of itself, from the sketch, or, for TIMESTAMP and for numbers that lie close together far from zero, to some 3 percent of the
// ranks, from the sample. 0 and 1 are exact. Of all kinds but FLOAT it is a whole number: what the sketch gives is rounded, which below 50 is exact, and
// beyond adds half a unit to the error.
func (p *Profile) Quantile(q float64) (float64, bool) {
	switch {
	case p.Values() == 0 || !(q >= 0 && q <= 1):
		return 0, false
	case q == 0:
		return p.spread.least, true
	case q == 1:
		return p.spread.most, true
	case p.bySketch():
		v := min(max(p.sketch.quantile(q), p.spread.least), p.spread.most)
		if p.kind != value.Float { // no other has values, or lengths, between the whole numbers
			v = math.Round(v)
		}
		return v, true
	}
	numbers := p.sample.numbers()
	return numbers[int(q*float64(len(numbers)-1))], true
}

// Frequent is one of the most frequent values; it came Count times at least, and Count+Missed times at most.
type Frequent struct {
	Value  value.Value
	Count  int64
	Missed int64
}

// Top lists the most frequent values, at most so many, the most frequent first; none of JSON, arrays and hidden values, and no texts of more than
// 128 bytes. Any value that makes up more than a 256th of all is in the whole list.
func (p *Profile) Top(most int) []Frequent {
	var out []Frequent
	for _, c := range p.bits.top() {
		out = append(out, Frequent{ofBits(p.kind, c.key), c.n, p.bits.missed})
	}
	for _, c := range p.texts.top() {
		out = append(out, Frequent{value.OfString(c.key), c.n, p.texts.missed})
	}
	return out[:min(most, len(out))]
}

// AllValues tells that Top lists every value, with its exact count.
func (p *Profile) AllValues() bool {
	switch p.kind {
	case value.JSON, value.BooleanArray, value.IntegerArray, value.FloatArray, value.StringArray, value.TimestampArray:
		return false
	}
	return !p.hidden && p.bits.missed == 0 && p.texts.missed == 0
}

func ofBits(kind value.Type, bits uint64) value.Value {
	switch kind {
	case value.Float:
		return value.OfFloat(math.Float64frombits(bits))
	case value.Timestamp:
		return value.OfTime(int64(bits))
	case value.Boolean:
		return value.OfBool(bits != 0)
	}
	return value.OfInt(int64(bits))
}

// FormCount is how many texts have a form.
type FormCount struct {
	Form  Form
	Count int64
}

// Forms lists the forms that at least one text has, the more special first.
func (p *Profile) Forms() []FormCount {
	var out []FormCount
	for i, n := range p.forms {
		if n > 0 {
			out = append(out, FormCount{forms[i], n})
		}
	}
	return out
}

// Bar is a part of a histogram: numbers from Lower, included, to Upper, not included but in the last one. Counts are estimates unless the profile is
// Complete; all together are about Values.
type Bar struct {
	Lower, Upper float64
	Count        float64
}

// Histogram divides the numbers between the 1st and the 99th percentile into bars of equal width, at most so many, and takes what lies outside into the
// first and the last one, which reach to the extremes: one outlier leaves the rest to be seen. One bar where all are equal; none where there are no numbers.
func (p *Profile) Histogram(bars int) []Bar {
	if p.Values() == 0 || bars < 1 {
		return nil
	}
	least, most := p.spread.least, p.spread.most
	low, _ := p.Quantile(0.01)
	high, _ := p.Quantile(0.99)
	width := high/float64(bars) - low/float64(bars)
	if width <= 0 || low+width == low || high-width == high {
		return []Bar{{least, most, float64(p.Values())}}
	}
	below := p.ranks()
	out := make([]Bar, bars)
	from := 0.0
	for i := range out {
		out[i] = Bar{Lower: low + float64(i)*width, Upper: low + float64(i+1)*width}
		if i == 0 {
			out[i].Lower = least
		}
		to := float64(p.Values())
		if i == bars-1 {
			out[i].Upper = most
		} else {
			to = below(math.Nextafter(out[i].Upper, math.Inf(-1)))
		}
		out[i].Count = max(to-from, 0)
		from = max(to, from)
	}
	return out
}

// ranks tells how many numbers are at most a given one, by the better of sketch and sample.
func (p *Profile) ranks() func(float64) float64 {
	if p.bySketch() {
		return p.sketch.below
	}
	numbers := p.sample.numbers()
	scale := float64(p.Values()) / float64(len(numbers))
	return func(v float64) float64 {
		n := 0
		for n < len(numbers) && numbers[n] <= v {
			n++
		}
		return float64(n) * scale
	}
}
