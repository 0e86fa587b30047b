package profile

import "math"

// spread is the number, mean and sum of squared deviations of numbers, with their extremes. It is brought up to date value by value (B. P. Welford,
// "Note on a method for calculating corrected sums of squares and products", Technometrics 4, 1962) and merged (T. F. Chan, G. H. Golub, R. J.
// LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979) without the cancellation of Σx² − (Σx)²/n.
type spread struct {
	n           int64
	mean        float64
	squares     float64 // +Inf: beyond the range of a float
	least, most float64
}

func (s *spread) add(v float64) {
	s.n++
	if s.n == 1 {
		s.mean, s.least, s.most = v, v, v
		return
	}
	if v < s.least {
		s.least = v
	}
	if v > s.most {
		s.most = v
	}
	d := v - s.mean
	if n := float64(s.n); !math.IsInf(d, 0) {
		s.mean += d / n
		s.squares += d * (v - s.mean)
	} else {
		s.mean += v/n - s.mean/n
		s.squares = math.Inf(1)
	}
}

func (s *spread) merge(o spread) {
	if o.n == 0 {
		return
	}
	if s.n == 0 {
		*s = o
		return
	}
	a, b := float64(s.n), float64(o.n)
	d := o.mean - s.mean
	if !math.IsInf(d, 0) {
		s.squares += o.squares + d*(b/(a+b))*d*a
		s.mean += d * (b / (a + b))
	} else {
		s.mean = s.mean*(a/(a+b)) + o.mean*(b/(a+b))
		s.squares = math.Inf(1)
	}
	s.n += o.n
	s.least, s.most = min(s.least, o.least), max(s.most, o.most)
	s.mean = min(max(s.mean, s.least), s.most)
}
