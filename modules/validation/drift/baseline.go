package drift

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"featurestore/modules/registry/value"
	"featurestore/modules/validation/profile"
)

const (
	// topCategories is how many categories of a profile get a bin of their own.
	topCategories = 20
	// leastOften is how often one must have come for that: what few rows have would tell of them for as long as the baseline is kept.
	leastOften = 5
)

// OfProfile makes the bins of a profile's values. Booleans and texts of which few make up at least half of all are categories; anything
// else, such as lengths of texts that are all different, is divided into deciles.
func OfProfile(p *profile.Profile) *Bins {
	top, covered := frequentOf(p)
	if p.Kind() != value.Boolean && (p.Kind() != value.String || 2*covered < p.Values() || len(top) == 0) {
		return NumericBins(Deciles(p.Sample()))
	}
	b := &Bins{kind: Categorical, complete: p.AllValues()}
	for _, f := range top[:min(len(top), topCategories)] { // the most frequent first
		if f.Count < leastOften {
			break
		}
		b.categories = append(b.categories, category(f.Value))
	}
	if b.complete {
		rest := map[string]int64{}
		for _, f := range top[len(b.categories):] {
			rest[category(f.Value)] = f.Count
		}
		b.known = Categories(rest, 0).known
	}
	b.seal()
	return b
}

// frequentOf lists the values whose counts are known to a tenth, and how many values they are together.
func frequentOf(p *profile.Profile) (top []profile.Frequent, covered int64) {
	for _, f := range p.Top(math.MaxInt32) {
		if f.Count >= 10*f.Missed {
			top = append(top, f)
			covered += f.Count
		}
	}
	return top, covered
}

// CountProfile counts what a profile holds into bins: the sample of the numbers, with as many nulls as it would have had, or the frequent
// categories. Where the sample is not Complete, a window of all values, counted with Add, is sharper; both are sound, since the noise
// gate goes by the number of rows that were counted.
func (b *Bins) CountProfile(p *profile.Profile) *Window {
	w := b.Window()
	if b.kind == Categorical {
		left := p.Values()
		for _, f := range p.Top(math.MaxInt32) {
			w.AddCategory(category(f.Value), f.Count)
			left -= f.Count
		}
		w.Counts[len(b.categories)] += left
		w.Nulls = p.Nulls()
		return w
	}
	numbers := p.Sample()
	for _, v := range numbers {
		w.AddNumber(v)
	}
	w.Nulls = p.Nulls()
	if n := p.Values(); n > int64(len(numbers)) {
		w.Nulls = int64(math.Round(float64(w.Nulls) / float64(n) * float64(len(numbers))))
	}
	return w
}

// Baseline is what later windows are compared with: bins and the reference's own counts. It does not change.
type Baseline struct {
	reference *Window
}

// NewBaseline freezes a window.
func NewBaseline(reference *Window) *Baseline {
	frozen := *reference
	frozen.Counts = slices.Clone(reference.Counts)
	return &Baseline{&frozen}
}

// FromProfile freezes a profile.
func FromProfile(p *profile.Profile) *Baseline { return NewBaseline(OfProfile(p).CountProfile(p)) }

// Bins are what later windows are counted into.
func (b *Baseline) Bins() *Bins { return b.reference.bins }

// Reference are the reference's counts; they are not to be changed.
func (b *Baseline) Reference() *Window { return b.reference }

// baselineVersion is the version of the stored form.
const baselineVersion = 1

// stored is the stored form.
type stored struct {
	Version    int       `json:"version"`
	Kind       Kind      `json:"kind"`
	Cuts       []float64 `json:"cuts,omitempty"`
	Categories []string  `json:"categories,omitempty"`
	Known      []uint64  `json:"known,omitempty"`
	Complete   bool      `json:"complete,omitempty"`
	Counts     []int64   `json:"counts"`
	Nulls      int64     `json:"nulls"`
}

// MarshalJSON is the form that is stored.
func (b *Baseline) MarshalJSON() ([]byte, error) {
	bins := b.Bins()
	return json.Marshal(stored{baselineVersion, bins.kind, bins.cuts, bins.categories, bins.known, bins.complete, b.reference.Counts, b.reference.Nulls})
}

// UnmarshalJSON reads that form and checks it.
func (b *Baseline) UnmarshalJSON(text []byte) error {
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read the baseline: %w", err)
	}
	if s.Version != baselineVersion {
		return fmt.Errorf("the baseline is of version %d, this program reads version %d", s.Version, baselineVersion)
	}
	bins := &Bins{kind: s.Kind, cuts: s.Cuts, categories: s.Categories, known: s.Known, complete: s.Complete}
	switch {
	case s.Kind == Numeric && (len(s.Categories) > 0 || len(s.Known) > 0 || s.Complete), s.Kind == Categorical && len(s.Cuts) > 0:
		return errors.New("the baseline mixes numbers and categories")
	case s.Kind == Numeric:
		for i, cut := range s.Cuts {
			if i > 0 && !(cut > s.Cuts[i-1]) {
				return errors.New("the cuts of the baseline do not ascend")
			}
		}
	case s.Kind == Categorical:
		bins.seal()
		if len(bins.index) != len(s.Categories) {
			return errors.New("the baseline has a category twice")
		}
	default:
		return fmt.Errorf("the baseline is of the unknown kind %q", s.Kind)
	}
	if bins.Len() > MaxBins || len(s.Known) > MaxKnown || len(s.Counts) != bins.Len() {
		return fmt.Errorf("the baseline has %d bins with %d counts, %d are the most", bins.Len(), len(s.Counts), MaxBins)
	}
	sum := s.Nulls
	for _, c := range s.Counts {
		if sum += c; c < 0 || sum < 0 || sum > 1<<53 {
			return errors.New("the counts of the baseline are none")
		}
	}
	if s.Nulls < 0 {
		return errors.New("the counts of the baseline are none")
	}
	window := bins.Window()
	copy(window.Counts, s.Counts)
	window.Nulls = s.Nulls
	b.reference = window
	return nil
}
