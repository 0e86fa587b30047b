package drift

import (
	"math"
	"slices"
)

// deciles is how many bins a numeric baseline has where no value is frequent.
const deciles = 10

// Deciles cuts the reference, sorted, into ten bins of about as many values each; the ends are open, so that an outlier, in the reference
// or later, moves no cut. A value that makes up a tenth of the reference or more, such as the 0 of a count, gets a bin of its own:
// quantiles alone would put it together with a neighbour, and a constant reference into one bin that holds everything. Since
// no cut falls between equal values, there can be fewer bins. Bins that are empty on both sides take no part in any measure.
func Deciles(sorted []float64) []float64 {
	n := len(sorted)
	var cuts []float64
	frequent := map[float64]bool{}
	for from := 0; from < n; {
		to := from + runLength(sorted[from:])
		if deciles*(to-from) >= n {
			frequent[sorted[from]] = true
			cuts = append(cuts, sorted[from], math.Nextafter(sorted[from], math.Inf(1)))
		}
		from = to
	}
	for k := 1; k < deciles; k++ {
		cut := k * n / deciles
		if cut == 0 {
			continue
		}
		if sorted[cut-1] == sorted[cut] { // the nearer end of the run of equal values
			from, _ := slices.BinarySearch(sorted, sorted[cut])
			to := from + runLength(sorted[from:])
			if cut-from <= to-cut {
				cut = from
			} else {
				cut = to
			}
		}
		if cut > 0 && cut < n && !frequent[sorted[cut-1]] && !frequent[sorted[cut]] {
			cuts = append(cuts, sorted[cut])
		}
	}
	return cuts
}

// runLength is how many equal values a sorted list begins with.
func runLength(sorted []float64) int {
	v := sorted[0]
	n := 1
	for n < len(sorted) && sorted[n] == v {
		n++
	}
	return n
}

// EqualWidth cuts the range of the reference and the current values together into bins of equal width, as many as the rule of
// Sturges says: ⌈log₂ n⌉ + 1 or so for n values (H. A. Sturges, "The choice of a class interval", JASA 21, 1926). This is how Evidently
// divides a numeric column. One outlier stretches the range until everything else is in one bin: for comparing numbers with
// others, not for watching.
func EqualWidth(reference, current []float64) []float64 {
	lowest, highest, n := math.Inf(1), math.Inf(-1), 0
	for _, v := range [][]float64{reference, current} {
		if len(v) > 0 {
			lowest, highest, n = min(lowest, v[0]), max(highest, v[len(v)-1]), n+len(v)
		}
	}
	if n == 0 {
		return nil
	}
	return spaced(lowest, highest, math.Log2(float64(n))+1)
}

// Doane cuts the range of the reference, sorted, into bins of equal width, as many as the rule of Doane says, which takes the skewness into
// account (D. P. Doane, "Aesthetic frequency classifications", The American Statistician 30, 1976); what lies outside is in the open
// ends. This is how NannyML divides a numeric column.
func Doane(reference []float64) []float64 {
	n := float64(len(reference))
	if n < 3 {
		return nil
	}
	lowest, highest := reference[0], reference[len(reference)-1]
	mean, deviation, scale := moments(reference)
	if deviation == 0 {
		return nil
	}
	skewness := 0.0
	for _, v := range reference {
		z := (v/scale - mean) / deviation
		skewness += z * z * z / n
	}
	error := math.Sqrt(6 * (n - 2) / ((n + 1) * (n + 3)))
	cuts := spaced(lowest, highest, 1+math.Log2(n)+math.Log2(1+math.Abs(skewness)/error))
	return append(cuts, lowest, math.Nextafter(highest, math.Inf(1)))
}

// spaced are the inner edges of bins of equal width, at least so many of them as said.
func spaced(lowest, highest, bins float64) []float64 {
	if lowest == highest {
		return nil
	}
	half := highest/2 - lowest/2 // the whole may be beyond the range of a float
	width := half / bins
	if width == 0 {
		return nil // too narrow to be divided
	}
	count := int(math.Ceil(half / width))
	step := half / float64(count) * 2
	var cuts []float64
	for i := 1; i < count; i++ {
		cuts = append(cuts, float64(i)*step+lowest)
	}
	return cuts
}

// moments are the mean and the standard deviation (of the values as they are, not as a sample: divided by n) of values divided
// by scale, which keeps them within ±1, so that no square is beyond the range of a float. Of no values all is 0 and scale 1.
func moments(values []float64) (mean, deviation, scale float64) {
	for _, v := range values {
		scale = max(scale, math.Abs(v))
	}
	if scale == 0 {
		return 0, 0, 1
	}
	n := float64(len(values))
	for _, v := range values {
		mean += v / scale / n
	}
	squares := 0.0
	for _, v := range values {
		d := v/scale - mean
		squares += d * d
	}
	if values[0] == values[len(values)-1] && slices.Min(values) == slices.Max(values) {
		return mean, 0, scale // without the rounding of the mean
	}
	return mean, math.Sqrt(squares / n), scale
}
