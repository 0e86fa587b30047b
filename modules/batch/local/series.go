package local

import (
	"cmp"
	"math"
	"strings"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// series is the considered rows of one input of one entity, in their order.
type series struct {
	*input
	times []int64
	seqs  []int64  // where order matters
	bits  []uint64 // of BOOLEAN, INTEGER, FLOAT and TIMESTAMP
	texts []string // of STRING

	sums, squares  []wide  // of the first 0, 1, 2 … rows
	numbers        []int64 // what was squared
	beyond         bool    // the squares are out of range
	large          []int32 // rows that cannot be added up
	previous, next []int32
	seen           map[uint64]int32
	seenTexts      map[string]int32
	row            []value.Value // that a condition is asked of
}

// fill takes the rows from to before to.
func (s *series) fill(b *block, from, to int) {
	s.times, s.seqs, s.bits, s.texts = s.times[:0], s.seqs[:0], s.bits[:0], s.texts[:0]
	var of *cells
	if s.of >= 0 {
		of = &b.columns[s.of]
	}
	switch {
	case s.where == nil && !s.ordered && s.of == batch.Rows:
		s.times = append(s.times, b.times[from:to]...)
	case s.where == nil && !s.ordered && of != nil && of.nulls == 0 && s.kind != value.String:
		s.times, s.bits = append(s.times, b.times[from:to]...), append(s.bits, of.bits[from:to]...)
	default:
		for i := from; i < to; i++ {
			if s.where == nil || s.where.Holds(s.condition(b, i), b.times[i]) {
				s.take(b, i, of)
			}
		}
	}
	if s.distinct {
		s.neighbours()
	}
	if s.added {
		s.add()
	}
}

// condition is the row of an event, as the condition reads it.
func (s *series) condition(b *block, i int) []value.Value {
	if len(s.row) < len(b.columns) {
		s.row = make([]value.Value, len(b.columns))
	}
	for _, c := range s.where.Reads {
		if c >= 0 {
			s.row[c] = b.columns[c].value(i)
		}
	}
	return s.row
}

// take takes one event, unless it has no value in of, its column.
func (s *series) take(b *block, i int, of *cells) {
	switch {
	case s.of == batch.EventTime:
		s.bits = append(s.bits, uint64(b.times[i]))
	case of == nil:
	case of.null[i]:
		return
	case s.kind == value.String:
		s.texts = append(s.texts, of.texts[i])
	default:
		s.bits = append(s.bits, of.bits[i])
	}
	s.times = append(s.times, b.times[i])
	if s.ordered {
		s.seqs = append(s.seqs, b.seqs[i])
		s.settle()
	}
}

// settle moves the last row before those of its time and seq whose values are greater.
func (s *series) settle() {
	for k := len(s.times) - 1; k > 0 && s.times[k-1] == s.times[k] && s.seqs[k-1] == s.seqs[k] && s.compare(k-1, k) > 0; k-- {
		if s.kind == value.String {
			s.texts[k-1], s.texts[k] = s.texts[k], s.texts[k-1]
		} else {
			s.bits[k-1], s.bits[k] = s.bits[k], s.bits[k-1]
		}
	}
}

// compare orders the values of two rows; of Rows all are equal.
func (s *series) compare(i, j int) int {
	switch {
	case s.of == batch.Rows:
		return 0
	case s.kind == value.String:
		return strings.Compare(s.texts[i], s.texts[j])
	case s.kind == value.Float:
		return cmp.Compare(math.Float64frombits(s.bits[i]), math.Float64frombits(s.bits[j]))
	}
	return cmp.Compare(int64(s.bits[i]), int64(s.bits[j]))
}

// add makes the sums of beginnings.
func (s *series) add() {
	s.numbers, s.sums, s.squares, s.beyond, s.large = s.numbers[:0], append(s.sums[:0], wide{}), append(s.squares[:0], wide{}), false, s.large[:0]
	var sum, squares wide
	for i, b := range s.bits {
		v := int64(b)
		if s.kind == value.Float {
			var err error
			if v, err = fixed(math.Float64frombits(b), s.scale); err != nil {
				s.large = append(s.large, int32(i))
			}
		}
		sum = sum.plus(wideOf(v))
		s.sums = append(s.sums, sum)
		if s.squared {
			squares = squares.plus(square(v))
			s.beyond = s.beyond || squares.high < 0
			s.numbers, s.squares = append(s.numbers, v), append(s.squares, squares)
		}
	}
}

// fits is an error where a window holds a row that is too large to be added up.
func (s *series) fits(low, high int32) error {
	for _, row := range s.large {
		if row >= low && row < high {
			return batch.ErrValueRange
		}
	}
	return nil
}

// neighbours finds for each row the one before it and the one behind it that have the same value.
func (s *series) neighbours() {
	n := len(s.times)
	s.previous, s.next = s.previous[:0], s.next[:0]
	for range n {
		s.previous, s.next = append(s.previous, -1), append(s.next, int32(n))
	}
	if s.kind == value.String {
		s.seenTexts = neighbours(s.texts, s.seenTexts, s.previous, s.next)
	} else {
		s.seen = neighbours(s.bits, s.seen, s.previous, s.next)
	}
}

func neighbours[T comparable](values []T, seen map[T]int32, previous, next []int32) map[T]int32 {
	if seen == nil || len(seen) > 1<<16 { // clearing one costs as much as it has ever held
		seen = make(map[T]int32)
	}
	clear(seen)
	for i, v := range values {
		if before, ok := seen[v]; ok {
			previous[i], next[before] = before, int32(i)
		}
		seen[v] = int32(i)
	}
	return seen
}
