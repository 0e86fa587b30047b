package profile

import (
	"math"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// Accuracy is the relative error of a number that the sketch gives: a quantile of 1,000 is between 990 and 1,010. It holds while the greatest
// magnitude is less than 10¹⁷ times the one asked for; what is smaller is taken together.
const Accuracy = 0.01

const (
	sketchBins = 2048
	// maxCount is up to which count of one bin a float counts exactly.
	maxCount = 1 << 53
)

// sketch counts numbers by their magnitude (C. Masson, J. E. Rim, H. K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
// relative-error guarantees", VLDB 2019).
type sketch struct {
	dd                 *ddsketch.DDSketch
	negative, positive *store.CollapsingLowestDenseStore
}

func newSketch() *sketch {
	index, err := mapping.NewCubicallyInterpolatedMapping(Accuracy)
	if err != nil {
		panic(err) // an accuracy between 0 and 1 is accepted
	}
	s := &sketch{negative: store.NewCollapsingLowestDenseStore(sketchBins), positive: store.NewCollapsingLowestDenseStore(sketchBins)}
	s.dd = ddsketch.NewDDSketch(index, s.positive, s.negative)
	return s
}

func (s *sketch) add(v float64) { s.addCount(v, 1) }

func (s *sketch) addCount(v, count float64) {
	limit := s.dd.MaxIndexableValue()
	v = min(max(v, -limit), limit)
	if err := s.dd.AddWithCount(v, count); err != nil {
		panic(err) // no number within the limits is refused
	}
}

func (s *sketch) merge(o *sketch) {
	if err := s.dd.MergeWith(o.dd); err != nil {
		panic(err) // all have the same mapping
	}
}

// quantile is the number at rank q·(n−1); there must be one.
func (s *sketch) quantile(q float64) float64 {
	v, err := s.dd.GetValueAtQuantile(q)
	if err != nil {
		panic(err) // neither empty nor outside of 0 to 1
	}
	return v
}

// below is how many numbers are at most v, to the bin.
func (s *sketch) below(v float64) float64 {
	n := 0.0
	s.dd.ForEach(func(number, count float64) bool {
		if number <= v {
			n += count
		}
		return false
	})
	return n
}

// narrow tells whether the bins are narrow beside the spread of the numbers. They are not where all lie far from zero, such as
// temperatures in kelvin.
func (s *sketch) narrow() bool {
	low, high := s.quantile(0.05), s.quantile(0.95)
	return 2*Accuracy*max(math.Abs(low), math.Abs(high)) <= (high-low)/20
}

// sides are the stores of the negative and of the positive numbers.
func (s *sketch) sides() []*store.CollapsingLowestDenseStore {
	return []*store.CollapsingLowestDenseStore{s.negative, s.positive}
}
