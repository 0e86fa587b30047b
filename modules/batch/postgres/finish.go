package postgres

import (
	"fmt"
	"math/big"
	"strconv"

	"featurestore/modules/batch"
	"featurestore/modules/batch/exact"
	"featurestore/modules/registry/value"
)

// function is how a value is made of the states of an entity and tick. Exact numbers are made FLOAT here, once.
type function struct {
	states []int // places of its own
	parts  []function
}

// function adds the states that an aggregation needs to a statement.
func (s *statement) function(a *batch.Aggregation) (f function) {
	if a.Function == batch.Ratio {
		return function{parts: []function{s.function(a.Numerator), s.function(a.Denominator)}}
	}
	filter := s.filter(a)
	add := func(format string, arguments ...any) {
		f.states = append(f.states, s.state(fmt.Sprintf(format, arguments...)))
	}
	c, order := "c"+strconv.Itoa(a.Of), fmt.Sprintf("%[1]s %%[1]s, %[2]s %%[1]s, c%[3]d %%[1]s", timeOf, seqOf, a.Of)
	switch {
	case a.Function == batch.TimeSinceLast:
		add("max(%s)%s", timeOf, filter)
		return f
	case a.Of == batch.EventTime:
		switch a.Function {
		case batch.Min, batch.First:
			add("min(%s)%s", timeOf, filter)
		case batch.LastN:
			add("(array_agg(%[1]s ORDER BY %[1]s DESC)%[2]s)[1:%[3]d]", timeOf, filter, a.N)
		default:
			add("max(%s)%s", timeOf, filter)
		}
		return f
	}
	switch a.Function {
	case batch.Count:
		add("count(*)%s", filter)
	case batch.CountDistinct:
		add("count(DISTINCT %s)%s", c, filter)
	case batch.Min, batch.Max:
		add("%s(%s)%s", a.Function, c, filter)
	case batch.First:
		add("(array_agg(%s ORDER BY "+fmt.Sprintf(order, "ASC")+")%s)[1]", c, filter)
	case batch.Last:
		add("(array_agg(%s ORDER BY "+fmt.Sprintf(order, "DESC")+")%s)[1]", c, filter)
	case batch.LastN:
		add("(array_agg(%s ORDER BY "+fmt.Sprintf(order, "DESC")+")%s)[1:%d]", c, filter, a.N)
	case batch.Sum, batch.Avg, batch.Stddev:
		whole := c
		if a.OfType == value.Float {
			whole = fmt.Sprintf("floor(%s * %d::double precision + 0.5::double precision)::bigint", c, exact.Scale(a.Decimals))
		}
		add("count(*)%s", filter)
		add("sum(%s)%s::text", whole, filter)
		if a.Function == batch.Stddev {
			add("sum(%[1]s::numeric * %[1]s)%[2]s::text", whole, filter)
		}
	}
	return f
}

// finish is the value of an aggregation at a tick, of the type that it has; absent where there is nothing to say.
func (f function) finish(a *batch.Aggregation, tick int64, states [][]byte) (value.Value, error) {
	v, err := f.result(a, tick, states)
	if err != nil {
		return value.Value{}, err
	}
	return a.Settle(v), nil
}

// result is null where no row is considered.
func (f function) result(a *batch.Aggregation, tick int64, states [][]byte) (value.Value, error) {
	if a.Function == batch.Ratio {
		return f.ratio(a, tick, states)
	}
	state := states[f.states[0]]
	switch a.Function {
	case batch.Count, batch.CountDistinct:
		if n := decodeInteger(state); n > 0 {
			return value.OfInt(n), nil
		}
		return value.Null(), nil
	case batch.Sum, batch.Avg, batch.Stddev:
		return f.sum(a, states)
	}
	if state == nil {
		return value.Null(), nil
	}
	switch {
	case a.Function == batch.TimeSinceLast && a.Type == value.Float:
		return value.OfFloat(float64(tick-decodeInteger(state)) / 1e6), nil
	case a.Function == batch.TimeSinceLast:
		return value.OfInt((tick - decodeInteger(state)) / 1e6), nil
	case a.Function == batch.LastN && a.Of == batch.EventTime:
		return reversed(value.OfInts(value.TimestampArray, decode(value.IntegerArray, state).Ints())), nil
	case a.Function == batch.LastN:
		return reversed(decode(a.OfType+value.BooleanArray-value.Boolean, state)), nil
	case a.Of == batch.EventTime:
		return value.OfTime(decodeInteger(state)), nil
	}
	return decode(a.OfType, state), nil
}

// ratio is the quotient of its parts.
func (f function) ratio(a *batch.Aggregation, tick int64, states [][]byte) (value.Value, error) {
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

// sum is sum, avg and stddev, of the number of values, their sum and the sum of their squares.
func (f function) sum(a *batch.Aggregation, states [][]byte) (value.Value, error) {
	n := decodeInteger(states[f.states[0]])
	if n == 0 {
		return value.Null(), nil
	}
	var sums []*big.Int
	for _, place := range f.states[1:] {
		sum, err := whole(states[place])
		if err != nil {
			return value.Value{}, err
		}
		sums = append(sums, sum)
	}
	return a.OfSums(n, sums[0], sums[len(sums)-1])
}

// whole is a whole number from its digits.
func whole(digits []byte) (*big.Int, error) {
	i, ok := new(big.Int).SetString(string(digits), 10)
	if !ok {
		return nil, fmt.Errorf("PostgreSQL answers %q for a whole number", digits)
	}
	return i, nil
}
