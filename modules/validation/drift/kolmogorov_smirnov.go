package drift

import "math"

// ExactPairs is up to which product of the numbers of values KolmogorovSmirnov's p-value is exact.
const ExactPairs = 100_000_000

// beyondFloats is the N·D², with N = nm/(n+m), from which on the p-value is smaller than any float: it is at most 4·exp(−N·D²) (by P. Massart, "The tight
// constant in the Dvoretzky–Kiefer–Wolfowitz inequality", Ann. Probab. 18, 1990, applied to each sample).
const beyondFloats = 800

// KolmogorovSmirnov is the two-sided test of two samples, both sorted: the statistic is the largest difference of the empirical
// distribution functions, D = sup |F(x) − G(x)| (N. V. Smirnov, "Table for estimating the goodness of fit of empirical distributions", Ann. Math.
// Stat. 19, 1948).
//
// The p-value is exact for samples whose sizes multiplied are at most ExactPairs (10,000 and 10,000, 100 and a million), else asymptotic.
// Both are for continuous data: where values are equal, they are too large, never too small. None if a sample is empty.
func KolmogorovSmirnov(reference, current []float64) Test {
	n, m := len(reference), len(current)
	if n == 0 || m == 0 {
		return Test{}
	}
	largest := 0 // of |i·m − j·n|, exact
	for i, j := 0, 0; i < n && j < m; {
		x := min(reference[i], current[j])
		for i < n && reference[i] == x {
			i++
		}
		for j < m && current[j] == x {
			j++
		}
		largest = max(largest, i*m-j*n, j*n-i*m)
	}
	d := float64(largest) / float64(n) / float64(m)
	p := 1.0
	switch {
	case largest == 0:
	case float64(n)*float64(m)/float64(n+m)*d*d > beyondFloats:
		p = 0
	case n*m <= ExactPairs:
		p = exactTail(n, m, largest)
	default:
		p = asymptoticTail(n, m, d)
	}
	return Test{Statistic: known(d), PValue: known(p)}
}

// exactTail is the probability that the difference of two samples of one continuous distribution reaches largest/(n·m). All orders of the
// values are equally likely; an order is a path from (0, 0) to (n, m), and the path that comes to (i, j) comes from (i−1, j) with probability
// i/(i+j). So the share of paths to (i, j) that touch a point with |i·m − j·n| ≥ largest follows from those of its two
// predecessors, without subtractions, to full precision however small (after G. Schröer, D. Trenkler, "Exact and randomization distributions
// of Kolmogorov–Smirnov tests two or three samples", Comput. Stat. Data Anal. 20, 1995). Points outside the band have 1, those within are
// walked: n·m steps at most.
func exactTail(n, m, largest int) float64 {
	if n < m {
		n, m = m, n // the shorter side is the one kept
	}
	reached := make([]float64, m+1) // reached[j] at (i, j), for the row i
	from, to := 0, 0                // the band of the row before: all others have 1
	for j := range reached {
		reached[j] = 1
	}
	for i := 0; i <= n; i++ {
		// within the band: i·m − largest < j·n < i·m + largest
		first := max(0, floorDiv(i*m-largest, n)+1)
		last := min(m, -floorDiv(-(i*m+largest), n)-1)
		for j := from; j < min(first, to+1); j++ {
			reached[j] = 1
		}
		for j := first; j <= last; j++ {
			switch {
			case i == 0 && j == 0:
				reached[j] = 0
			case i == 0:
				reached[j] = reached[j-1]
			case j == 0:
			default:
				reached[j] = (float64(i)*reached[j] + float64(j)*reached[j-1]) / float64(i+j)
			}
		}
		from, to = first, last
	}
	return min(reached[m], 1)
}

// floorDiv is a/b rounded down, for positive b.
func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// asymptoticTail is Kolmogorov's limit 2 Σ (−1)^(k−1) exp(−2 k² λ²) at λ = (√N + 0.12 + 0.11/√N)·D with N = nm/(n+m), a correction that makes it
// good from N = 4 on (M. A. Stephens, "Use of the Kolmogorov–Smirnov, Cramér–von Mises and related statistics without extensive tables", J. R. Stat.
// Soc. B 32, 1970).
func asymptoticTail(n, m int, d float64) float64 {
	root := math.Sqrt(float64(n) * float64(m) / (float64(n) + float64(m)))
	lambda := (root + 0.12 + 0.11/root) * d
	if lambda < 0.2 {
		return 1 // the series converges slowly, and 1 − p is below 1e-12
	}
	sum, sign := 0.0, 1.0
	for k := 1.0; k <= 100; k++ {
		term := math.Exp(-2 * k * k * lambda * lambda)
		sum += sign * term
		if term < 1e-17*sum {
			break
		}
		sign = -sign
	}
	return min(max(2*sum, 0), 1)
}
