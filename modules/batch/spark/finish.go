package spark

import (
	"math/big"
	"slices"

	"featurestore/modules/batch"
	"featurestore/modules/batch/stage"
	"featurestore/modules/registry/value"
)

// function is how a value is made of the states of an entity and tick. Exact numbers are made FLOAT here, once.
type function struct {
	states []int // places of its own
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

// sum is sum, avg and stddev, of the number of rows, that of those in range, the sum, and that of the squares.
func (f function) sum(a *batch.Aggregation, states cells) (value.Value, error) {
	n, err := states.int(f.states[0])
	if err != nil {
		return value.Value{}, err
	}
	inRange, err := states.int(f.states[1])
	switch {
	case err != nil:
		return value.Value{}, err
	case inRange != n:
		return value.Value{}, batch.ErrValueRange
	case n == 0:
		return value.Null(), nil
	}
	sums := make([]*big.Int, 0, 4)
	for i := 2; i < len(f.states); i += 2 {
		high, err := states.int(f.states[i])
		if err != nil {
			return value.Value{}, err
		}
		low, err := states.int(f.states[i+1])
		if err != nil {
			return value.Value{}, err
		}
		sum := big.NewInt(high)
		sums = append(sums, sum.Lsh(sum, 32).Add(sum, big.NewInt(low)))
	}
	if a.Function != batch.Stddev {
		return a.OfSums(n, sums[0], nil)
	}
	squares := sums[1].Lsh(sums[1], 32) // (2^32 high + low)²
	squares.Add(squares, sums[2].Lsh(sums[2], 1))
	squares.Lsh(squares, 32).Add(squares, sums[3])
	return a.OfSums(n, sums[0], squares)
}
