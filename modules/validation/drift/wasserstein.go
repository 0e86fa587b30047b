package drift

import "math"

// Wasserstein is the 1-Wasserstein (earth mover's) distance of two samples, both sorted, in the unit of the values:
//
//	∫ |F(x) − G(x)| dx
//
// over the empirical distribution functions (S. S. Vallender, "Calculation of the Wasserstein distance between probability distributions on the
// line", Theory Probab. Appl. 18, 1974). normed is the same divided by the reference's standard deviation (of the values as they are: divided by
// n), so that it has no unit. None if a sample is empty; normed also where the reference is constant, unless nothing has changed. One outlier
// counts by how far it lies out, so neither takes part in the verdict.
func Wasserstein(reference, current []float64) (distance, normed Optional) {
	n, m := len(reference), len(current)
	if n == 0 || m == 0 {
		return Optional{}, Optional{}
	}
	scale := max(math.Abs(reference[0]), math.Abs(reference[n-1]), math.Abs(current[0]), math.Abs(current[m-1]))
	if scale == 0 {
		return known(0), known(0)
	}
	sum, at := 0.0, min(reference[0], current[0])/scale
	for i, j := 0, 0; i < n || j < m; {
		x := math.Inf(1)
		if i < n {
			x = reference[i]
		}
		if j < m {
			x = min(x, current[j])
		}
		sum += math.Abs(float64(i)/float64(n)-float64(j)/float64(m)) * (x/scale - at)
		at = x / scale
		for i < n && reference[i] == x {
			i++
		}
		for j < m && current[j] == x {
			j++
		}
	}
	_, deviation, own := moments(reference)
	distance = known(sum * scale)
	switch {
	case deviation > 0:
		normed = known(sum / deviation / own * scale)
	case sum == 0:
		normed = known(0)
	}
	return distance, normed
}
