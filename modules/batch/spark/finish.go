package spark

import (
	"errors"
	"math/big"
	"slices"

	"featurestore/modules/batch"
	"featurestore/modules/batch/stage"
	"featurestore/modules/registry/value"
)

// function is how a value is made of the states of an entity and tick. Exact numbers are made FLOAT here, once.
type function struct {
	states []int // places of its own
	narrow bool  // its sums are numbers of 64 bits: one state each
	parts  []function
}

// row stages a row of the statement.
func (s *statement) row(job *batch.Job, _ []int64, row cells, out *stage.Writer) error {
	key, values := make([]value.Value, len(s.plan.Keys)), make([]value.Value, len(s.plan.Outputs))
	for i, k := range s.plan.Keys {
		var err error
		if key[i], err = row.of(i, k.ValueType); err != nil {
			return err
		}
	}
	tick, err := row.int(len(key))
	if err != nil {
		return err
	}
	states := row[len(key)+1:]
	for i := range s.plan.Aggregations {
		a := &s.plan.Aggregations[i]
		if values[i], err = s.functions[i].finish(a, tick, states); err != nil {
			return job.Plan.OutOfRange(a, key, err)
		}
	}
	return out.Add(key, tick, values)
}

// finish is the value of an aggregation at a tick, of the type that it has; absent where there is nothing to say.
func (f function) finish(a *batch.Aggregation, tick int64, states cells) (value.Value, error) {
	v, err := f.result(a, tick, states)
	if err != nil {
		return value.Value{}, err
	}
	return a.Settle(v), nil
}

// result is null where no row is considered.
func (f function) result(a *batch.Aggregation, tick int64, states cells) (value.Value, error) {
	switch a.Function {
	case batch.Ratio:
		return f.ratio(a, tick, states)
	case batch.Sum, batch.Avg, batch.Stddev:
		return f.sum(a, states)
	case batch.Count, batch.CountDistinct:
		v, err := states.of(f.states[0], value.Integer)
		if err == nil && !v.IsNull() && v.Int() == 0 {
			v = value.Null()
		}
		return v, err
	case batch.TimeSinceLast:
		v, err := states.of(f.states[0], value.Integer)
		switch {
		case err != nil || v.IsNull():
			return v, err
		case a.Type == value.Float:
			return value.OfFloat(float64(tick-v.Int()) / 1e6), nil
		}
		return value.OfInt((tick - v.Int()) / 1e6), nil
	case batch.LastN:
		of := a.OfType + value.BooleanArray - value.Boolean
		v, err := states.of(f.states[0], kept(of))
		switch {
		case err != nil || v.IsNull():
			return v, err
		case of == value.TimestampArray:
			return value.OfInts(of, slices.Clone(v.Ints())), nil
		}
		return v, nil
	}
	v, err := states.of(f.states[0], kept(a.OfType))
	if err == nil && !v.IsNull() && a.OfType == value.Timestamp {
		v = value.OfTime(v.Int())
	}
	return v, err
}

// kept is the type that a column of a type has in Spark: times are numbers of µs.
func kept(t value.Type) value.Type {
	switch t {
	case value.Timestamp:
		return value.Integer
	case value.TimestampArray:
		return value.IntegerArray
	}
	return t
}

// ratio is the quotient of its parts.
func (f function) ratio(a *batch.Aggregation, tick int64, states cells) (value.Value, error) {
	above, err := f.parts[0].finish(a.Numerator, tick, states)
	if err != nil {
		return value.Value{}, err
	}
	below, err := f.parts[1].finish(a.Denominator, tick, states)
	if err != nil {
		return value.Value{}, err
	}
	return batch.Quotient(above, below)
}

// sum is sum, avg and stddev.
func (f function) sum(a *batch.Aggregation, states cells) (value.Value, error) {
	n, err := states.int(f.states[0])
	if err != nil || n == 0 {
		return value.Null(), err
	}
	sums, err := f.sums(n, states)
	if err != nil {
		return value.Value{}, err
	}
	return a.OfSums(n, sums[0], sums[1])
}

// sums are the sum and, for stddev, that of the squares, of n rows.
func (f function) sums(n int64, states cells) (sums [2]*big.Int, err error) {
	whole := func(i int) *big.Int {
		of, failed := states.int(f.states[i])
		err = errors.Join(err, failed)
		return big.NewInt(of)
	}
	if f.narrow {
		for i := range f.states[1:] {
			sums[i] = whole(1 + i)
		}
		return sums, err
	}
	if inRange := whole(1); err == nil && inRange.Int64() != n {
		return sums, batch.ErrValueRange
	}
	halves := func(i int) *big.Int { return joined(whole(i), whole(i+1)) }
	sums[0] = halves(2)
	if len(f.states) > 4 { // (2^32 high + low)², of high², high low and low²
		sums[1] = joined(joined(halves(4), new(big.Int).Lsh(halves(6), 1)), halves(8))
	}
	return sums, err
}

// joined is 2^32 high + low.
func joined(high, low *big.Int) *big.Int {
	of := new(big.Int).Lsh(high, 32)
	return of.Add(of, low)
}
