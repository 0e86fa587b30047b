package drift

import "math"

// FloorShare stands for the share of an empty bin in PSI and KullbackLeibler.
const FloorShare = 1e-4

// PSI is the population stability index of counts in the same bins,
//
//	Σ (pᵢ − qᵢ) · ln(pᵢ / qᵢ)
//
// with pᵢ, qᵢ the shares of the reference and of the current values: the sum of both Kullback–Leibler divergences (H. Jeffreys, "An
// invariant form for the prior probability in estimation problems", Proc. R. Soc. A 186, 1946; N. Siddiqi, "Credit Risk Scorecards", 2006).
//
// An empty bin would make it infinite. It counts as a share of FloorShare or, where a bin of that side is so small already, as a millionth of the
// smallest one; the other shares stay as they are. This is what Evidently does, so numbers can be compared. But for a small sample the floor
// claims to know more than the sample tells: of 50 values none in a bin says little, yet gives 0.69. Score is the one to judge by.
//
// None if either side is empty.
func PSI(reference, current []int64) Optional {
	p, q := shares(reference), shares(current)
	if p == nil || q == nil {
		return Optional{}
	}
	return known(divergence(floored(p), floored(q)))
}

// Score is PSI with half an observation in the place of none (the usual continuity correction for empty cells; J. B. S. Haldane, "The
// estimation and significance of the logarithm of a ratio of frequencies", Ann. Hum. Genet. 20, 1956), and at least FloorShare. So an empty bin
// says what the size of the sample bears out, and the score keeps to its distribution (Gate) in small samples too. From 5,000
// observations on, and where no bin is empty, it is PSI, as long as no share is below FloorShare.
//
// None if either side is empty.
func Score(reference, current []int64) Optional {
	p, q := shares(reference), shares(current)
	if p == nil || q == nil {
		return Optional{}
	}
	p, q = halved(p, total(reference)), halved(q, total(current))
	for i := range p {
		if reference[i]+current[i] == 0 {
			p[i], q[i] = 1, 1 // empty on both sides: nothing to tell
		}
	}
	return known(divergence(p, q))
}

// KullbackLeibler is Σ pᵢ · ln(pᵢ / qᵢ), in nats, of the current values q against the reference p (S. Kullback, R. A. Leibler, "On information and
// sufficiency", Ann. Math. Stat. 22, 1951). Empty bins are as in PSI, and the shares are then scaled to sum 1, so that bins that are empty on
// both sides count a little, unlike anywhere else. None if either side is empty.
func KullbackLeibler(reference, current []int64) Optional {
	p, q := shares(reference), shares(current)
	if p == nil || q == nil {
		return Optional{}
	}
	p, q = floored(p), floored(q)
	sumP, sumQ := 0.0, 0.0
	for i := range p {
		sumP, sumQ = sumP+p[i], sumQ+q[i]
	}
	sum := 0.0
	for i := range p {
		sum += p[i] / sumP * math.Log(p[i]/sumP/(q[i]/sumQ))
	}
	return known(max(sum, 0))
}

// JensenShannon is the Jensen–Shannon distance, the square root of the divergence
//
//	½ Σ pᵢ ln(pᵢ/mᵢ) + ½ Σ qᵢ ln(qᵢ/mᵢ),  mᵢ = (pᵢ + qᵢ)/2
//
// with natural logarithms: from 0 to √ln 2 ≈ 0.83; divided by √ln 2 it is the one to base 2, from 0 to 1 (D. M. Endres, J. E. Schindelin, "A
// new metric for probability distributions", IEEE Trans. Inf. Theory 49, 2003). Empty bins need no floor. None if either side is empty.
func JensenShannon(reference, current []int64) Optional {
	p, q := shares(reference), shares(current)
	if p == nil || q == nil {
		return Optional{}
	}
	sum := 0.0
	for i := range p {
		m := (p[i] + q[i]) / 2
		if p[i] > 0 {
			sum += p[i] * math.Log(p[i]/m) / 2
		}
		if q[i] > 0 {
			sum += q[i] * math.Log(q[i]/m) / 2
		}
	}
	return known(math.Sqrt(max(sum, 0)))
}

// Hellinger is the Hellinger distance, √(½ Σ (√pᵢ − √qᵢ)²), from 0 to 1 (E. Hellinger, J. reine angew. Math. 136, 1909, in the usual
// normalisation). None if either side is empty.
func Hellinger(reference, current []int64) Optional {
	p, q := shares(reference), shares(current)
	if p == nil || q == nil {
		return Optional{}
	}
	sum := 0.0
	for i := range p {
		d := math.Sqrt(p[i]) - math.Sqrt(q[i])
		sum += d * d
	}
	return known(min(math.Sqrt(sum/2), 1))
}

// LInfinity is the largest difference of a bin's shares, max |pᵢ − qᵢ|, as TensorFlow Data Validation takes it for categories. None if
// either side is empty.
func LInfinity(reference, current []int64) Optional {
	p, q := shares(reference), shares(current)
	if p == nil || q == nil {
		return Optional{}
	}
	largest := 0.0
	for i := range p {
		largest = max(largest, math.Abs(p[i]-q[i]))
	}
	return known(largest)
}

// divergence is Σ (pᵢ − qᵢ) ln(pᵢ/qᵢ) of positive shares.
func divergence(p, q []float64) float64 {
	sum := 0.0
	for i := range p {
		sum += (p[i] - q[i]) * math.Log(p[i]/q[i])
	}
	return sum
}

// shares are counts divided by their sum, nil if that is 0.
func shares(counts []int64) []float64 {
	sum := total(counts)
	if sum == 0 {
		return nil
	}
	out := make([]float64, len(counts))
	for i, c := range counts {
		out[i] = float64(c) / float64(sum)
	}
	return out
}

func total(counts []int64) int64 {
	sum := int64(0)
	for _, c := range counts {
		sum += c
	}
	return sum
}

// floored puts a small share in the place of none.
func floored(shares []float64) []float64 {
	smallest := 1.0
	for _, s := range shares {
		if s > 0 {
			smallest = min(smallest, s)
		}
	}
	floor := FloorShare
	if smallest <= FloorShare {
		floor = smallest / 1e6
	}
	for i, s := range shares {
		if s == 0 {
			shares[i] = floor
		}
	}
	return shares
}

// halved puts the share of half an observation in the place of none.
func halved(shares []float64, n int64) []float64 {
	for i, s := range shares {
		if s == 0 {
			shares[i] = max(FloorShare, 0.5/float64(n))
		}
	}
	return shares
}
