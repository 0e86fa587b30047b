package batchtest

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// Event is one row of a source. A value that is absent was not observed.
type Event struct {
	Key    store.Key
	At     int64 // µs
	Seq    int64 // orders events of one time
	Values map[string]value.Value
}

// of is a column of the event, null where there is no value.
func (e *Event) of(column string) value.Value {
	if column == eventTime {
		return value.OfTime(e.At)
	}
	if v := e.Values[column]; !v.IsAbsent() {
		return v
	}
	return value.Null()
}

const eventTime = "event_time"

// Aggregate is one declared feature as a definition says it.
type Aggregate struct {
	Feature     string
	Type        value.Type // of the feature; of a part of a ratio Float
	Function    string
	Of          string        // a column, eventTime, or "": rows
	Window      time.Duration // 0: lifetime
	Where       string        // "": all rows
	Holds       func(e *Event) bool
	Empty       string // nothing, null, zero or "": as the function has it
	N           int    // of last_n
	Decimals    int    // -1: not said
	Numerator   *Aggregate
	Denominator *Aggregate
}

// Row is what is computed for an entity at a tick: a value for each aggregate, absent where it is not observed.
type Row struct {
	Key    store.Key
	Tick   int64
	Values []value.Value
}

// Oracle is the meaning of aggregations in the plainest form: for each tick and entity, all events looked through from end to end.
type Oracle struct {
	Events     []Event
	Types      map[string]value.Type // of the columns
	Aggregates []Aggregate
}

// errBeyond says that a result does not fit.
type errBeyond struct{ what string }

func (e errBeyond) Error() string { return e.what }

// Rows are all rows of the ticks. Its error is that a value cannot be computed.
func (o *Oracle) Rows(ticks []int64) (rows []Row, err error) {
	byKey := map[string][]*Event{}
	for i := range o.Events {
		e := &o.Events[i]
		byKey[e.Key.Encoded] = append(byKey[e.Key.Encoded], e)
	}
	for _, of := range byKey {
		for _, tick := range ticks {
			known := before(of, tick)
			if len(known) == 0 {
				continue // it does not exist yet
			}
			row := Row{Key: known[0].Key, Tick: tick}
			observed := false
			for i := range o.Aggregates {
				v, err := o.value(&o.Aggregates[i], known, tick)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", o.Aggregates[i].Feature, err)
				}
				observed = observed || !v.IsAbsent()
				row.Values = append(row.Values, v)
			}
			if observed {
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

// before are the events that are not after the tick.
func before(events []*Event, tick int64) (known []*Event) {
	for _, e := range events {
		if e.At <= tick {
			known = append(known, e)
		}
	}
	return known
}

// value is what an aggregate says at a tick, of the type of its feature.
func (o *Oracle) value(a *Aggregate, known []*Event, tick int64) (value.Value, error) {
	v, err := o.result(a, known, tick)
	if err != nil {
		return value.Value{}, err
	}
	if v.IsAbsent() { // nothing was considered
		empty := a.Empty
		if empty == "" && counts(a.Function) {
			empty = "zero"
		}
		switch empty {
		case "nothing":
			return value.Value{}, nil
		case "zero":
			if a.Type == value.Integer {
				return value.OfInt(0), nil
			}
			return value.OfFloat(0), nil
		}
		return value.Null(), nil
	}
	if a.Type == value.Float && v.Type() == value.Integer {
		return v.AsFloat(), nil
	}
	return v, nil
}

func counts(function string) bool { return function == "count" || function == "count_distinct" }

// considered are the events in the window that where chooses and that have a value, in their order.
func considered(a *Aggregate, known []*Event, tick int64) (of []*Event) {
	for _, e := range known {
		inside := a.Window == 0 || e.At > tick-a.Window.Microseconds()
		if inside && (a.Holds == nil || a.Holds(e)) && (a.Of == "" || !e.of(a.Of).IsNull()) {
			of = append(of, e)
		}
	}
	slices.SortStableFunc(of, func(x, y *Event) int {
		order := cmp.Or(cmp.Compare(x.At, y.At), cmp.Compare(x.Seq, y.Seq))
		if order == 0 && a.Of != "" {
			order = compare(x.of(a.Of), y.of(a.Of))
		}
		return order
	})
	return of
}

// compare orders values of one type: numbers and times by size, texts by their bytes.
func compare(a, b value.Value) int {
	switch a.Type() {
	case value.Boolean:
		return cmp.Compare(rank(a), rank(b))
	case value.Float:
		return cmp.Compare(a.Float(), b.Float())
	case value.Integer, value.Timestamp:
		return cmp.Compare(a.Int(), b.Int())
	}
	return strings.Compare(a.Text(), b.Text())
}

// result is absent where nothing was considered.
func (o *Oracle) result(a *Aggregate, known []*Event, tick int64) (value.Value, error) {
	if a.Function == "ratio" {
		return o.ratio(a, known, tick)
	}
	events := considered(a, known, tick)
	if len(events) == 0 {
		return value.Value{}, nil
	}
	values := make([]value.Value, len(events))
	for i, e := range events {
		if a.Of != "" {
			values[i] = e.of(a.Of)
		}
	}
	newest := events[len(events)-1]
	switch a.Function {
	case "count":
		return value.OfInt(int64(len(events))), nil
	case "count_distinct":
		different := map[value.Value]bool{}
		for _, v := range values {
			different[v] = true
		}
		return value.OfInt(int64(len(different))), nil
	case "min":
		return slices.MinFunc(values, compare), nil
	case "max":
		return slices.MaxFunc(values, compare), nil
	case "first":
		return values[0], nil
	case "last":
		return values[len(values)-1], nil
	case "last_n":
		return arrayOf(values[max(0, len(values)-a.N):]), nil
	case "time_since_last":
		if us := tick - newest.At; a.Type == value.Float {
			return value.OfFloat(float64(us) / 1e6), nil
		} else {
			return value.OfInt(us / 1e6), nil
		}
	}
	return o.arithmetic(a, values)
}

// ratio is absent where a part has no value or the denominator is zero.
func (o *Oracle) ratio(a *Aggregate, known []*Event, tick int64) (value.Value, error) {
	above, err := o.value(a.Numerator, known, tick)
	if err != nil {
		return value.Value{}, err
	}
	below, err := o.value(a.Denominator, known, tick)
	if err != nil || above.IsNull() || below.IsNull() || below.Float() == 0 {
		return value.Value{}, err
	}
	f := above.Float() / below.Float()
	if math.IsInf(f, 0) {
		return value.Value{}, errBeyond{"the ratio is beyond FLOAT"}
	}
	return value.OfFloat(f), nil
}

// arithmetic is sum, avg and stddev, by exact integers: of FLOAT, counts of 10^-decimals.
func (o *Oracle) arithmetic(a *Aggregate, values []value.Value) (value.Value, error) {
	decimals := 0
	if o.Types[a.Of] == value.Float {
		if decimals = a.Decimals; decimals < 0 {
			decimals = 6
		}
	}
	power := math.Pow10(decimals)
	n, s1, s2 := big.NewInt(int64(len(values))), new(big.Int), new(big.Int)
	for _, v := range values {
		i := v.Int()
		if v.Type() == value.Float {
			f := math.Floor(v.Float()*power + 0.5)
			if !(f >= -0x1p63 && f < 0x1p63) {
				return value.Value{}, errBeyond{"a value is beyond fixed point"}
			}
			i = int64(f)
		}
		s1.Add(s1, big.NewInt(i))
		s2.Add(s2, new(big.Int).Mul(big.NewInt(i), big.NewInt(i)))
	}
	switch a.Function {
	case "sum":
		if o.Types[a.Of] == value.Integer {
			if !s1.IsInt64() {
				return value.Value{}, errBeyond{"the sum is beyond INTEGER"}
			}
			return value.OfInt(s1.Int64()), nil
		}
		return value.OfFloat(scaled(s1, power)), nil
	case "avg":
		return value.OfFloat(scaled(s1, power) / float64(len(values))), nil
	case "stddev":
		if len(values) < 2 {
			return value.Value{}, nil
		}
		numerator := new(big.Int).Sub(new(big.Int).Mul(n, s2), new(big.Int).Mul(s1, s1))
		variance := nearest(numerator) / (float64(len(values)) * float64(len(values)-1))
		return value.OfFloat(math.Sqrt(variance) / power), nil
	}
	return value.Value{}, fmt.Errorf("there is no function %q", a.Function)
}

// scaled is an integer by a power of ten: beyond 2^53 its whole part and its rest, each as FLOAT.
func scaled(s *big.Int, power float64) float64 {
	if s.CmpAbs(big.NewInt(1<<53)) < 0 {
		return nearest(s) / power
	}
	whole, rest := new(big.Int).QuoRem(s, big.NewInt(int64(power)), new(big.Int))
	return nearest(whole) + nearest(rest)/power
}

// nearest is the FLOAT next to an integer.
func nearest(i *big.Int) float64 {
	f, _ := new(big.Float).SetInt(i).Float64()
	return f
}

func arrayOf(values []value.Value) value.Value {
	switch values[0].Type() {
	case value.Boolean:
		return value.OfBools(each(values, value.Value.Bool))
	case value.Float:
		return value.OfFloats(each(values, value.Value.Float))
	case value.String:
		return value.OfStrings(each(values, value.Value.Text))
	case value.Timestamp:
		return value.OfInts(value.TimestampArray, each(values, value.Value.Time))
	}
	return value.OfInts(value.IntegerArray, each(values, value.Value.Int))
}

func each[T any](values []value.Value, of func(value.Value) T) []T {
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = of(v)
	}
	return out
}

func rank(v value.Value) int {
	if v.Bool() {
		return 1
	}
	return 0
}
