package profile

import (
	"cmp"
	"slices"
)

// counters is how many values are counted between two reductions, at least.
const counters = 256

// frequent counts values, the frequent ones in any case: a count is too low by at most missed, which is at most a 256th of all values (J. Misra, D.
// Gries, "Finding repeated elements", 1982, with the merging of P. K. Agarwal et al., "Mergeable summaries", PODS 2012). While missed is 0, all counts
// are exact and there are no other values.
type frequent[K cmp.Ordered] struct {
	counts map[K]int64
	missed int64
}

// add counts a value; one that is not to be kept is known to be missed.
func (f *frequent[K]) add(key K, keep bool) {
	if !keep {
		f.missed++
		return
	}
	if f.counts == nil {
		f.counts = make(map[K]int64)
	}
	f.counts[key]++
	f.reduce()
}

func (f *frequent[K]) merge(o *frequent[K]) {
	if f.counts == nil && o.counts != nil {
		f.counts = make(map[K]int64, len(o.counts))
	}
	for key, n := range o.counts {
		f.counts[key] += n
	}
	f.missed += o.missed
	f.reduce()
}

// reduce takes the count of the 257th from all, once there are twice as many, so that 256 stay at most.
func (f *frequent[K]) reduce() {
	if len(f.counts) <= 2*counters {
		return
	}
	all := make([]int64, 0, len(f.counts))
	for _, n := range f.counts {
		all = append(all, n)
	}
	slices.Sort(all)
	off := all[len(all)-1-counters]
	f.missed += off
	for key, n := range f.counts {
		if n <= off {
			delete(f.counts, key)
		} else {
			f.counts[key] = n - off
		}
	}
}

// counted is a value and how often it came.
type counted[K any] struct {
	key K
	n   int64
}

// top lists the values, the most frequent first.
func (f *frequent[K]) top() []counted[K] {
	out := make([]counted[K], 0, len(f.counts))
	for key, n := range f.counts {
		out = append(out, counted[K]{key, n})
	}
	slices.SortFunc(out, func(a, b counted[K]) int {
		return cmp.Or(-cmp.Compare(a.n, b.n), cmp.Compare(a.key, b.key))
	})
	return out
}
