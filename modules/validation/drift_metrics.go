package validation

import (
	"slices"
	"strconv"

	"featurestore/modules/validation/drift"
)

// comparison is two sides of a POST /drift counted into the same bins, and what is said of them.
type comparison struct {
	reference, current *drift.Window
	a, b               []int64   // the counts, nulls last
	x, y               []float64 // the numbers, sorted
	newShare           drift.Optional
	jsBase             string
	judgement          drift.Judgement
	everyBin           bool // bins that are empty on both sides are shown too
	masked             bool // bins are not shown
}

// metric is a measure that can be asked for.
type metric struct {
	name    string
	numeric bool // only for numbers
	texts   bool // only for categories
	append  func(b []byte, c *comparison) []byte
}

// metrics are in the order in which they are answered.
var metrics = []metric{
	{name: "psi", append: one(func(c *comparison) drift.Optional { return drift.PSI(c.a, c.b) })},
	{name: "kl_divergence", append: one(func(c *comparison) drift.Optional { return drift.KullbackLeibler(c.a, c.b) })},
	{name: "js_distance", append: func(b []byte, c *comparison) []byte {
		distance := drift.JensenShannon(c.a, c.b)
		if c.jsBase == "2" {
			distance = distance.Base2()
		}
		return append(append(append(appendOptional(append(b, `":`...), distance), `,"js_base":"`...), c.jsBase...), '"')
	}},
	{name: "hellinger", append: one(func(c *comparison) drift.Optional { return drift.Hellinger(c.a, c.b) })},
	{name: "wasserstein", numeric: true, append: one(func(c *comparison) drift.Optional { _, normed := drift.Wasserstein(c.x, c.y); return normed })},
	{name: "wasserstein_distance", numeric: true, append: one(func(c *comparison) drift.Optional { distance, _ := drift.Wasserstein(c.x, c.y); return distance })},
	{name: "ks", numeric: true, append: func(b []byte, c *comparison) []byte {
		return append(appendTest(b, drift.KolmogorovSmirnov(c.x, c.y)), '}')
	}},
	{name: "chi_square", append: func(b []byte, c *comparison) []byte {
		b = appendTest(b, drift.ChiSquare(c.a, c.b))
		if yates := drift.ChiSquareYates(c.a, c.b); yates.Freedom > 0 {
			b = appendOptional(append(b, `,"yates_statistic":`...), yates.Statistic)
			b = appendOptional(append(b, `,"yates_p_value":`...), yates.PValue)
		}
		return append(b, '}')
	}},
	{name: "chi_square_fit", append: func(b []byte, c *comparison) []byte { return append(appendTest(b, drift.ChiSquareFit(c.a, c.b)), '}') }},
	{name: "l_infinity", append: one(func(c *comparison) drift.Optional { return drift.LInfinity(c.a, c.b) })},
	{name: "new_share", texts: true, append: one(func(c *comparison) drift.Optional { return c.newShare })},
	{name: "null_rate_change", append: one(func(c *comparison) drift.Optional { return drift.NullRateChange(c.reference, c.current) })},
}

func one(measure func(*comparison) drift.Optional) func([]byte, *comparison) []byte {
	return func(b []byte, c *comparison) []byte { return appendOptional(append(b, `":`...), measure(c)) }
}

// appendTest writes a test without its closing brace.
func appendTest(b []byte, t drift.Test) []byte {
	b = appendOptional(append(b, `":{"statistic":`...), t.Statistic)
	b = appendOptional(append(b, `,"p_value":`...), t.PValue)
	if t.Freedom > 0 {
		b = strconv.AppendInt(append(b, `,"degrees_of_freedom":`...), int64(t.Freedom), 10)
	}
	return b
}

// fits tells whether the measure is there for a kind of values.
func (m metric) fits(kind drift.Kind) bool {
	return !(m.numeric && kind == drift.Categorical || m.texts && kind == drift.Numeric)
}

// metricNames lists the measures for a kind.
func metricNames(kind drift.Kind) (names []string) {
	for _, m := range metrics {
		if m.fits(kind) {
			names = append(names, m.name)
		}
	}
	return names
}

// compare counts both sides and judges.
func (r *driftRequest) compare() *comparison {
	c := &comparison{jsBase: r.jsBase, x: r.reference.numbers, y: r.current.numbers, everyBin: r.kind == drift.Numeric && r.binning != deciles}
	slices.Sort(c.x)
	slices.Sort(c.y)
	bins := r.bins()
	c.reference, c.current = r.reference.count(bins), r.current.count(bins)
	c.a, c.b = drift.Counts(c.reference, c.current)
	if r.kind == drift.Categorical {
		known := drift.Categories(r.reference.categories, r.maxCategories)
		c.newShare = r.current.count(known).NewShare()
	}
	c.judgement = drift.Judge(c.reference, c.current, r.thresholds)
	return c
}

// bins are made as the request wants them.
func (r *driftRequest) bins() *drift.Bins {
	reference, current := r.reference, r.current
	switch r.binning {
	case equalWidthCombined:
		if r.kind == drift.Numeric {
			return drift.NumericBins(drift.EqualWidth(reference.numbers, current.numbers))
		}
		both := map[string]int64{}
		for _, side := range []*driftValues{reference, current} {
			for name, n := range side.categories {
				both[name] += n
			}
		}
		return drift.Categories(both, drift.MaxBins)
	case doaneReference:
		return drift.NumericBins(drift.Doane(reference.numbers))
	case categories:
		return drift.Categories(reference.categories, r.maxCategories)
	}
	return drift.NumericBins(drift.Deciles(reference.numbers))
}

// count counts the values into bins.
func (v *driftValues) count(bins *drift.Bins) *drift.Window {
	w := bins.Window()
	w.Nulls = v.nulls
	for _, number := range v.numbers {
		w.AddNumber(number)
	}
	for name, n := range v.categories {
		w.AddCategory(name, n)
	}
	return w
}
