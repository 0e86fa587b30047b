package local

import (
	"cmp"
	"math"
	"unsafe"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

const microsecondsOfSecond = 1_000_000

// result is what a term says of one entity at each tick.
type result struct {
	kind  value.Type // what bits are of: Integer, Float, Timestamp or Boolean; or String: texts; or an array: lists
	bits  []uint64
	texts []string
	lists []value.Value
	ok    []bool // no: it is empty

	queue []int32 // of least and greatest
}

// reset makes room for n ticks, all of them empty.
func (r *result) reset(kind value.Type, n int) {
	r.kind = kind
	r.ok = zeroed(r.ok, n)
	switch {
	case kind == value.String:
		r.texts = zeroed(r.texts, n)
	case kind.Array():
		r.lists = zeroed(r.lists, n)
	default:
		r.bits = zeroed(r.bits, n)
	}
}

func zeroed[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// of computes a term that is no ratio.
func (r *result) of(t *term, s *series, b *bounds, ticks []int64) error {
	r.reset(t.natural(), len(ticks))
	switch t.Function {
	case batch.Count:
		r.count(b)
	case batch.Sum, batch.Avg:
		return r.sum(t, s, b)
	case batch.Stddev:
		return r.deviation(t, s, b)
	case batch.Min:
		r.extreme(s, b, -1)
	case batch.Max:
		r.extreme(s, b, 1)
	case batch.First, batch.Last:
		r.edge(t.Function == batch.Last, s, b)
	case batch.LastN:
		r.lastN(t.N, s, b)
	case batch.CountDistinct:
		r.distinct(s, b)
	case batch.TimeSinceLast:
		r.since(s, b, ticks)
	}
	return nil
}

// natural is the type that a term's function yields, before it becomes that of a feature.
func (t *term) natural() value.Type {
	switch t.Function {
	case batch.Count, batch.CountDistinct:
		return value.Integer
	case batch.Sum:
		return t.OfType
	case batch.Avg, batch.Stddev, batch.Ratio:
		return value.Float
	case batch.TimeSinceLast:
		return t.Type
	case batch.LastN:
		return t.OfType + value.BooleanArray - value.Boolean
	}
	return t.OfType
}

func (r *result) count(b *bounds) {
	for i, low := range b.low {
		n := b.high[i] - low
		r.bits[i], r.ok[i] = uint64(n), n > 0
	}
}

func (r *result) sum(t *term, s *series, b *bounds) (err error) {
	for i, low := range b.low {
		high := b.high[i]
		if low == high {
			continue
		}
		if err := s.fits(low, high); err != nil {
			return err
		}
		r.ok[i] = true
		sum, whole := s.sums[high].minus(s.sums[low]), int64(0)
		if t.Function == batch.Sum && r.kind == value.Integer {
			if whole, err = sum.int(); err != nil {
				return err
			}
			r.bits[i] = uint64(whole)
			continue
		}
		f := sum.float(t.scale)
		if t.Function == batch.Avg {
			f /= float64(high - low)
		}
		r.bits[i] = math.Float64bits(f)
	}
	return nil
}

func (r *result) deviation(t *term, s *series, b *bounds) error {
	for i, low := range b.low {
		high := b.high[i]
		if err := s.fits(low, high); err != nil {
			return err
		}
		n := int64(high - low)
		if n < 2 {
			continue
		}
		f, ok := 0.0, false
		if !s.beyond {
			f, ok = deviation(n, s.sums[high].minus(s.sums[low]), s.squares[high].minus(s.squares[low]), t.scale)
		}
		if !ok {
			f = deviationOf(s.numbers[low:high], t.scale)
		}
		r.bits[i], r.ok[i] = math.Float64bits(f), true
	}
	return nil
}

// extreme finds the least (sign −1) or the greatest value.
func (r *result) extreme(s *series, b *bounds, sign int) {
	switch s.kind {
	case value.String:
		r.queue = extreme(r.queue, s.texts, b, sign, func(i int, row int32) { r.take(i, s, row) })
	case value.Float:
		r.queue = extreme(r.queue, numbersOf[float64](s.bits), b, sign, func(i int, row int32) { r.take(i, s, row) })
	default:
		r.queue = extreme(r.queue, numbersOf[int64](s.bits), b, sign, func(i int, row int32) { r.take(i, s, row) })
	}
}

// extreme calls take with the row of the least or the greatest value of each window that has rows. The queue, which it answers to be used again, has the rows of the
// window that no later one outdoes, the extreme first.
func extreme[T cmp.Ordered](queue []int32, values []T, b *bounds, sign int, take func(i int, row int32)) []int32 {
	queue = queue[:0]
	head, next := 0, int32(0)
	if len(b.low) > 0 {
		next = b.low[0]
	}
	for i, low := range b.low {
		next = max(next, low)
		for ; next < b.high[i]; next++ {
			v := values[next]
			if sign > 0 {
				for len(queue) > head && values[queue[len(queue)-1]] <= v {
					queue = queue[:len(queue)-1]
				}
			} else {
				for len(queue) > head && values[queue[len(queue)-1]] >= v {
					queue = queue[:len(queue)-1]
				}
			}
			queue = append(queue, next)
		}
		for head < len(queue) && queue[head] < low {
			head++
		}
		if head < len(queue) {
			take(i, queue[head])
		}
	}
	return queue
}

// numbersOf is words as the numbers that they are of.
func numbersOf[T int64 | float64](words []uint64) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(words))), len(words))
}

// take makes the value of a row of the series that of a tick.
func (r *result) take(i int, s *series, row int32) {
	r.ok[i] = true
	if r.kind == value.String {
		r.texts[i] = s.texts[row]
		return
	}
	r.bits[i] = s.bits[row]
}

func (r *result) edge(last bool, s *series, b *bounds) {
	for i, low := range b.low {
		high := b.high[i]
		switch {
		case low == high:
		case last:
			r.take(i, s, high-1)
		default:
			r.take(i, s, low)
		}
	}
}

func (r *result) lastN(n int, s *series, b *bounds) {
	for i, low := range b.low {
		high := b.high[i]
		if low == high {
			continue
		}
		r.lists[i], r.ok[i] = s.list(int(max(low, high-int32(n))), int(high)), true
	}
}

// list is the values of some rows as an array.
func (s *series) list(from, to int) value.Value {
	switch s.kind {
	case value.String:
		return value.OfStrings(s.texts[from:to])
	case value.Float:
		floats := make([]float64, 0, to-from)
		for _, b := range s.bits[from:to] {
			floats = append(floats, math.Float64frombits(b))
		}
		return value.OfFloats(floats)
	case value.Boolean:
		bools := make([]bool, 0, to-from)
		for _, b := range s.bits[from:to] {
			bools = append(bools, b != 0)
		}
		return value.OfBools(bools)
	}
	ints := make([]int64, 0, to-from)
	for _, b := range s.bits[from:to] {
		ints = append(ints, int64(b))
	}
	return value.OfInts(s.kind+value.BooleanArray-value.Boolean, ints)
}

// distinct counts a value in with the first of its rows to come into the window, and out with the last to leave it.
func (r *result) distinct(s *series, b *bounds) {
	count, from, to := uint64(0), int32(0), int32(0)
	if len(b.low) > 0 {
		from, to = b.low[0], b.low[0]
	}
	for i, low := range b.low {
		if to < low { // the rows between were in no window
			count, from, to = 0, low, low
		}
		for ; to < b.high[i]; to++ {
			if s.previous[to] < from {
				count++
			}
		}
		for ; from < low; from++ {
			if s.next[from] >= to {
				count--
			}
		}
		r.bits[i], r.ok[i] = count, low < b.high[i]
	}
}

// since is seconds.
func (r *result) since(s *series, b *bounds, ticks []int64) {
	for i, low := range b.low {
		high := b.high[i]
		if low == high {
			continue
		}
		age := ticks[i] - s.times[high-1]
		r.ok[i] = true
		if r.kind == value.Integer {
			r.bits[i] = uint64(age / microsecondsOfSecond)
		} else {
			r.bits[i] = math.Float64bits(float64(age) / microsecondsOfSecond)
		}
	}
}

// ratio divides what its parts came to.
func (r *result) ratio(numerator, denominator *result) error {
	r.reset(value.Float, len(numerator.ok))
	for i := range r.ok {
		by, n := denominator.number(i), numerator.number(i)
		if by == 0 || !numerator.ok[i] || !denominator.ok[i] {
			continue
		}
		f := n/by + 0 // never −0
		if math.IsInf(f, 0) {
			return batch.ErrRatioRange
		}
		r.bits[i], r.ok[i] = math.Float64bits(f), true
	}
	return nil
}

// number is the value at a tick as FLOAT.
func (r *result) number(i int) float64 {
	if r.kind == value.Float {
		return math.Float64frombits(r.bits[i])
	}
	return float64(int64(r.bits[i]))
}

// counted makes the empty windows of a part of a ratio that counts zero.
func (r *result) counted() {
	for i := range r.ok {
		r.ok[i] = true
	}
}
