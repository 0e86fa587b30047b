package rules

import "featurestore/modules/registry/value"

// Sum adds what the same rule, of a row kind, found of other rows for the same features; Settle then says what comes of it. What the
// examples' positions say is of the data in which each was found.
func (o *Outcome) Sum(other *Outcome) {
	sum := *other
	sum.Rows, sum.Considered, sum.Null, sum.Bad = o.Rows+other.Rows, o.Considered+other.Considered, o.Null+other.Null, o.Bad+other.Bad
	more := other.Examples[:min(len(other.Examples), max(0, DefaultExamples-len(o.Examples)))]
	sum.Examples = append(o.Examples[:len(o.Examples):len(o.Examples)], more...)
	if o.Status == Failed {
		sum.Status, sum.Reason = o.Status, o.Reason
	}
	*o = sum
}

// Settle sets rate and status by the counts. Of a rule that could not be evaluated the status stays.
func (o *Outcome) Settle(rule *Definition) {
	o.BadRate = nil
	if o.Considered > 0 {
		rate := float64(o.Bad) / float64(o.Considered)
		o.BadRate = &rate
	}
	switch {
	case o.Status == Failed:
	case o.Considered > 0:
		o.Reason = ""
		o.settle(rule)
	default:
		o.skip("%s", (&tally{rows: o.Rows, null: o.Null}).nothing())
	}
}

// Unjudged makes the outcome one of a rule that could not be evaluated.
func (o *Outcome) Unjudged(reason string) {
	o.fail("%s", reason)
	o.Rows, o.Considered, o.Null, o.Bad, o.BadRate, o.Observed, o.Measured, o.Details, o.Examples = 0, 0, 0, 0, nil, nil, value.Value{}, nil, []Example{}
}
