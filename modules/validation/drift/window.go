package drift

import (
	"errors"
	"slices"

	"featurestore/modules/registry/value"
	"featurestore/modules/validation/profile"
)

// Window is how many of some observations fell into each bin.
type Window struct {
	bins   *Bins
	Counts []int64 // one per bin
	Nulls  int64
	New    int64 // of Counts: values of categories that the reference does not have
}

// Window begins counting.
func (b *Bins) Window() *Window { return &Window{bins: b, Counts: make([]int64, b.Len())} }

// Add counts one value. Numbers and times (in µs) fall into numeric bins by their size, strings and booleans into categories, anything
// else, arrays and strings in numeric bins, by its length; absent values are not counted.
func (w *Window) Add(v value.Value) {
	switch {
	case v.IsAbsent():
	case v.IsNull():
		w.Nulls++
	case w.bins.kind == Numeric:
		w.AddNumber(profile.Number(v))
	default:
		w.AddCategory(category(v), 1)
	}
}

// AddNumber counts a finite number into numeric bins.
func (w *Window) AddNumber(v float64) { w.Counts[w.bins.Number(v)]++ }

// AddCategory counts n values of a category into categorical bins.
func (w *Window) AddCategory(name string, n int64) {
	bin, fresh := w.bins.Category(name)
	w.Counts[bin] += n
	if fresh {
		w.New += n
	}
}

// Bins are those that are counted into.
func (w *Window) Bins() *Bins { return w.bins }

// Rows is how many observations were counted, null or not.
func (w *Window) Rows() int64 { return w.Values() + w.Nulls }

// Values is how many of them are not null.
func (w *Window) Values() int64 {
	n := int64(0)
	for _, c := range w.Counts {
		n += c
	}
	return n
}

// Merge adds what another window of the same bins has counted.
func (w *Window) Merge(o *Window) error {
	if !w.bins.same(o.bins) {
		return errors.New("the windows were counted into different bins")
	}
	for i, c := range o.Counts {
		w.Counts[i] += c
	}
	w.Nulls += o.Nulls
	w.New += o.New
	return nil
}

// Counts are what measures are taken of: the counts of two windows of the same bins and, in a last bin if there are any, the nulls.
func Counts(reference, current *Window) (a, b []int64) {
	a, b = slices.Clone(reference.Counts), slices.Clone(current.Counts)
	if reference.Nulls+current.Nulls > 0 {
		a, b = append(a, reference.Nulls), append(b, current.Nulls)
	}
	return a, b
}

// Share is a count's share of the rows; none for no rows.
func (w *Window) Share(count int64) Optional {
	if w.Rows() == 0 {
		return Optional{}
	}
	return known(float64(count) / float64(w.Rows()))
}

// NullRateChange is the current share of nulls less the reference's; none if either has no rows.
func NullRateChange(reference, current *Window) Optional {
	before, now := reference.Share(reference.Nulls), current.Share(current.Nulls)
	if !before.defined || !now.defined {
		return Optional{}
	}
	return known(now.number - before.number)
}

// NewShare is the share of values whose category the reference does not have; none for no values, and where that cannot be told.
func (w *Window) NewShare() Optional {
	if w.Values() == 0 || !w.bins.KnowsNew() {
		return Optional{}
	}
	return known(float64(w.New) / float64(w.Values()))
}

// category is what of a value, neither null nor absent, is a category: its text as in a CSV cell.
func category(v value.Value) string {
	if v.Type() == value.String {
		return v.Text()
	}
	return string(value.AppendText(nil, v))
}
