package batchtest

import (
	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// judgeBy takes the condition of a plan for the oracle's: what it means shows in the rows that a script expects.
func (a *Aggregate) judgeBy(of *batch.Aggregation, columns []batch.Column) {
	if a.Function == "ratio" {
		a.Numerator.judgeBy(of.Numerator, columns)
		a.Denominator.judgeBy(of.Denominator, columns)
	}
	if of.Where == nil {
		return
	}
	a.Holds = func(e *Event) bool {
		row := make([]value.Value, len(columns))
		for i, c := range columns {
			row[i] = e.of(c.Name)
		}
		return of.Where.Holds(row, e.At)
	}
}
