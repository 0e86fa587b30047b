package drift

import (
	"math"
	"slices"
	"sort"

	"github.com/cespare/xxhash/v2"
)

// Kind is how values are told apart: by size or by sameness.
type Kind string

const (
	Numeric     Kind = "numeric"
	Categorical Kind = "categorical"
)

// MaxBins is how many bins there may be, and MaxKnown how many categories can be known by their hashes besides.
const (
	MaxBins  = 1000
	MaxKnown = 10_000
)

// Bins divide all values that a feature can have. They do not change once they are made.
type Bins struct {
	kind       Kind
	cuts       []float64      // numeric, ascending: bin i is [cuts[i-1], cuts[i]), the first and the last are open
	categories []string       // categorical: bin i holds categories[i], the last one, behind them, what is none of them
	index      map[string]int // of categories
	known      []uint64       // categorical, ascending: hashes of categories that the reference has in the last bin
	complete   bool           // categorical: known holds all of those
}

// NumericBins makes bins of cuts, in any order; those that are not finite are left out. No cuts: one bin for everything.
func NumericBins(cuts []float64) *Bins {
	finite := make([]float64, 0, len(cuts))
	for _, cut := range cuts {
		if !math.IsNaN(cut) && !math.IsInf(cut, 0) {
			finite = append(finite, cut+0) // −0.0 becomes 0.0
		}
	}
	slices.Sort(finite)
	return &Bins{kind: Numeric, cuts: slices.Compact(finite)}
}

// Categories makes a bin for each of the most frequent categories of the reference, at most that many, and one for the others.
// Of equally frequent ones the first in the order of text is taken.
func Categories(reference map[string]int64, most int) *Bins {
	names := byFrequency(reference)
	most = min(most, len(names), MaxBins-1)
	b := &Bins{kind: Categorical, categories: names[:most:most], complete: len(names)-most <= MaxKnown}
	for _, name := range names[most:min(len(names), most+MaxKnown)] {
		b.known = append(b.known, xxhash.Sum64String(name))
	}
	b.seal()
	return b
}

// byFrequency lists categories, the most frequent first.
func byFrequency(counts map[string]int64) []string {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		switch {
		case counts[a] != counts[b] && counts[a] > counts[b]:
			return -1
		case counts[a] != counts[b]:
			return 1
		case a < b:
			return -1
		}
		return 1
	})
	return names
}

// seal makes what is derived.
func (b *Bins) seal() {
	slices.Sort(b.known)
	b.known = slices.Compact(b.known)
	b.index = make(map[string]int, len(b.categories))
	for i, name := range b.categories {
		b.index[name] = i
	}
}

// Kind is what the bins are for.
func (b *Bins) Kind() Kind { return b.kind }

// Len is the number of bins, without the one for nulls.
func (b *Bins) Len() int {
	if b.kind == Numeric {
		return len(b.cuts) + 1
	}
	return len(b.categories) + 1
}

// Cuts are where a numeric bin ends and the next one begins, which holds the cut itself.
func (b *Bins) Cuts() []float64 { return b.cuts }

// CategoryNames are the categories that have a bin of their own, in the order of the bins.
func (b *Bins) CategoryNames() []string { return b.categories }

// Number is the bin of a finite number.
func (b *Bins) Number(v float64) int {
	return sort.Search(len(b.cuts), func(i int) bool { return b.cuts[i] > v })
}

// Category is the bin of a category; fresh tells that the reference does not have it.
func (b *Bins) Category(name string) (bin int, fresh bool) {
	if i, ok := b.index[name]; ok {
		return i, false
	}
	_, known := slices.BinarySearch(b.known, xxhash.Sum64String(name))
	return len(b.categories), !known
}

// KnowsNew tells whether new categories can be told from those of the reference that have no bin of their own.
func (b *Bins) KnowsNew() bool { return b.kind == Categorical && b.complete }

// same tells whether two bins divide values alike.
func (b *Bins) same(o *Bins) bool {
	return b == o || b.kind == o.kind && b.complete == o.complete && slices.Equal(b.cuts, o.cuts) &&
		slices.Equal(b.categories, o.categories) && slices.Equal(b.known, o.known)
}
