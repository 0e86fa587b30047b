package rules

import (
	"fmt"

	"featurestore/modules/registry/value"
)

// Measuring is what can be measured of rows by whoever holds them, in place of handing them out.
type Measuring string

const (
	// Counts: how many rows there are, how many of them have a value of the field, and how many observe it as null.
	Counts Measuring = "counts"
	// Newest: the newest event time; of a field, of the rows that have a value of it.
	Newest Measuring = "newest"
	// Ends: the least and greatest value of a field whose values have an order.
	Ends Measuring = "ends"
	// Sum: the sum of a numeric field, of integers exact. Of floats, the order in which they are added up must not tell: it may differ from the
	// exact sum by 2^-52 × the sum of their sizes.
	Sum Measuring = "sum"
	// Spread: the sum of (value − Center)² of a numeric field, to within 1e-12 of itself.
	Spread Measuring = "spread"
	// Repeats: how many different values there are, and how many rows share theirs with another row. Of several fields: of rows that observe
	// all of them, and nulls are equal to each other.
	Repeats Measuring = "repeats"
	// Occurrences: each value of a field once, with how many rows have it, handed to Take; texts ascend by bytes.
	Occurrences Measuring = "occurrences"
	// Ranked: the numbers at some positions of the sorted values of a numeric field.
	Ranked Measuring = "ranked"
	// Entities: of how many entities some row has a value of the field.
	Entities Measuring = "entities"
	// Steps: how many rows have a value of the field that may not follow the entity's value before, in the order of event time, and of one
	// event time in the order of ingestion. It may count too many where floats are smaller than 1e-280, but never none in place of some.
	Steps Measuring = "steps"
)

// Measure is one thing to be measured. Fields are indices; all but Newest have at least one, and only Repeats has several.
type Measure struct {
	Of       Measuring
	Fields   []int
	Center   float64                         // of Spread
	Ranks    []int64                         // of Ranked: positions from 0, ascending, each once
	NullWhen string                          // of Repeats of several fields: any, all or never: which rows count as null
	Step     Step                            // of Steps
	Take     func(v value.Value, rows int64) // of Occurrences
}

// Step says what may follow a value: for values that have an order, a direction; or, for numbers, at most a change.
type Step struct {
	Decreasing, Strict bool
	Change             bool     // the changes count, not the order
	Absolute, Relative *float64 // the largest; of Change
}

// Measured is what was measured: those members that the measure is about.
type Measured struct {
	Rows, Values, Nulls int64 // of Counts; of Repeats: rows that are not null and that are
	Newest              int64 // µs; value.NoTime: no row
	Least, Greatest     value.Value
	Sum                 value.Value // INTEGER where 64 bits hold it, else FLOAT; 0 of no values
	Spread              float64
	Distinct, Repeated  int64 // of Repeats: different values; rows that are not the only one of theirs
	Ranked              []float64
	Entities, Steps     int64
}

// key is the same for measures that are answered by the same.
func (m *Measure) key() string {
	step := m.Step
	step.Absolute, step.Relative = nil, nil
	return fmt.Sprint(m.Of, m.Fields, m.Center, m.Ranks, m.NullWhen, step, numberOr(m.Step.Absolute, "-"), numberOr(m.Step.Relative, "-"))
}

func numberOr(f *float64, otherwise string) string {
	if f == nil {
		return otherwise
	}
	return fmt.Sprint(*f)
}
