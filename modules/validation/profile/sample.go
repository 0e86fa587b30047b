package profile

import (
	"cmp"
	"slices"
)

// sampleSize is how many numbers are kept. A quantile of the sample is within 4 percent of the ranks (2·√(¼/1024) = 3.1) in 19 of 20 cases.
const sampleSize = 1024

// sample is a uniform random sample without replacement: every number gets a random priority, and those with the lowest stay (bottom-k; E. Cohen, H.
// Kaplan, "Summarizing data using bottom-k sketches", PODC 2007). So merging is exact: the sample of two windows is the one of their union.
type sample struct {
	state   uint64  // of the generator
	members []drawn // a heap, the highest priority first
}

type drawn struct {
	priority uint64
	number   float64
}

// before is the order of priorities. Numbers decide between equal ones, so that merging does not depend on the order.
func (d drawn) before(o drawn) bool {
	return d.priority < o.priority || d.priority == o.priority && d.number < o.number
}

func newSample(seed uint64) sample { return sample{state: mix(seed)} }

// mix is the output function of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (s *sample) add(number float64) {
	s.state += 0x9e3779b97f4a7c15
	priority := mix(s.state)
	if len(s.members) == sampleSize && priority > s.members[0].priority {
		return
	}
	s.keep(drawn{priority, number})
}

func (s *sample) keep(d drawn) {
	m := s.members
	if len(m) < sampleSize {
		m = append(m, d)
		for i := len(m) - 1; i > 0 && m[(i-1)/2].before(m[i]); i = (i - 1) / 2 {
			m[i], m[(i-1)/2] = m[(i-1)/2], m[i]
		}
		s.members = m
		return
	}
	if !d.before(m[0]) {
		return
	}
	m[0] = d
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(m) {
			return
		}
		if child+1 < len(m) && m[child].before(m[child+1]) {
			child++
		}
		if !m[i].before(m[child]) {
			return
		}
		m[i], m[child] = m[child], m[i]
		i = child
	}
}

func (s *sample) merge(o *sample) {
	for _, d := range o.members {
		s.keep(d)
	}
}

// numbers are those in the sample, sorted.
func (s *sample) numbers() []float64 {
	out := make([]float64, len(s.members))
	for i, d := range s.members {
		out[i] = d.number
	}
	slices.Sort(out)
	return out
}

// byPriority are the members, the lowest priority first.
func (s *sample) byPriority() []drawn {
	out := slices.Clone(s.members)
	slices.SortFunc(out, func(a, b drawn) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.number, b.number))
	})
	return out
}
