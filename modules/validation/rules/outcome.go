package rules

import (
	"encoding/json"
	"fmt"
	"slices"

	"featurestore/modules/registry/value"
)

// Status is how an evaluation of a rule ended.
type Status string

const (
	Pass    Status = "pass"
	Warned  Status = "warn"    // the warn threshold is broken, or the rule is and its severity is below error
	Fail    Status = "fail"    // broken, with severity error
	Failed  Status = "error"   // it could not be evaluated: Reason says why
	Skipped Status = "skipped" // there was nothing to judge: Reason says why. Empty data is never a pass
)

// Outcome is one evaluation of a rule: of a kind that judges features apart, for one of them.
type Outcome struct {
	Rule       string          `json:"rule"`
	Version    int             `json:"version,omitempty" doc:"Of the rule's definition; left out of one that is not kept"`
	Kind       string          `json:"kind"`
	Group      string          `json:"group,omitempty"`
	Features   []string        `json:"features"`
	Status     Status          `json:"status" enum:"pass,warn,fail,error,skipped"`
	Reason     string          `json:"reason,omitempty" doc:"Why it was skipped or could not be evaluated"`
	Severity   Severity        `json:"severity" enum:"info,warn,error"`
	Action     Action          `json:"action" enum:"record,quarantine,reject_batch"`
	Rows       int64           `json:"rows" doc:"Rows in the data"`
	Considered int64           `json:"considered" doc:"Rows that were judged: where chose them, they observe the features, and nulls do not count"`
	Null       int64           `json:"null" doc:"Rows that where chose and that were not judged since they are null"`
	Bad        int64           `json:"bad" doc:"Considered rows that break the rule"`
	BadRate    *float64        `json:"bad_rate" doc:"bad ÷ considered; null if nothing was considered"`
	Observed   json.RawMessage `json:"observed,omitempty" doc:"What was measured, of kinds that judge the whole"`
	Details    json.RawMessage `json:"details,omitempty" doc:"More about it, by kind"`
	Expected   string          `json:"expected" doc:"What was expected"`
	Examples   []Example       `json:"examples" doc:"The first bad rows"`

	Measured value.Value `json:"-"` // Observed where it is one value; absent otherwise
}

// Example is one bad row.
type Example struct {
	Row       int64           `json:"row" doc:"Its position in the data, from 0"`
	EntityID  json.RawMessage `json:"entity_id,omitempty" doc:"Whose it is"`
	EventTime string          `json:"event_time,omitempty" doc:"And of when"`
	Values    json.RawMessage `json:"values" doc:"Feature → value; masked where a feature is tagged pii"`

	Plain  []value.Value `json:"-"` // the same in the order of the features, not masked
	Entity string        `json:"-"` // the encoded key, "" if it is unknown: who can read it fills in EntityID
	Time   int64         `json:"-"` // the event time, µs; value.NoTime: unknown
}

// maskedValue stands for every value of a feature that is tagged pii.
const maskedValue = `"(masked)"`

// tally counts what a unit has seen.
type tally struct {
	rows, considered, null, bad int64
	failNulls                   bool
	reason                      string // why a row could not be judged: the first one
	examples                    []Example
	most                        int
}

// place is where a row stands.
type place struct {
	row    int64  // in the data
	entity string // the encoded key; "": unknown
	time   int64  // value.NoTime: unknown
}

// place is that of row i of the batch.
func (w *window) place(i int) place {
	p := place{row: w.first + int64(i), time: value.NoTime}
	if w.Entity != nil {
		p.entity = w.Entity(i)
	}
	if w.EventTimes != nil {
		p.time = w.EventTimes[i]
	}
	return p
}

// shows tells whether a bad row is among the first ones so far.
func (t *tally) shows(row int64) bool {
	return len(t.examples) < t.most || t.most > 0 && row < t.examples[t.most-1].Row
}

// offer notes a bad row as an example, if it is among the first ones.
func (t *tally) offer(p place, v []value.Value, at []int) {
	if !t.shows(p.row) {
		return
	}
	t.examples = t.examples[:min(len(t.examples), t.most-1)]
	row, e := p.row, Example{Row: p.row, Plain: make([]value.Value, len(at)), Entity: p.entity, Time: p.time}
	for n, i := range at {
		if i >= 0 {
			e.Plain[n] = v[i]
		}
	}
	i, found := slices.BinarySearchFunc(t.examples, row, func(e Example, row int64) int { return int(e.Row - row) })
	if !found {
		t.examples = slices.Insert(t.examples, i, e)
	}
}

// examplesOf shows a tally's examples with the features' names.
func (u *unit) examplesOf(t *tally, fields []Field) []Example {
	examples := t.examples
	for i := range examples {
		b := []byte{'{'}
		for n, name := range u.names {
			if n > 0 {
				b = append(b, ',')
			}
			b = append(value.AppendJSONString(b, name), ':')
			if n < len(u.fields) && fields[u.fields[n]].PII {
				b = append(b, maskedValue...)
			} else if n < len(examples[i].Plain) {
				b = appendJSON(b, examples[i].Plain[n])
			} else {
				b = append(b, "null"...)
			}
		}
		examples[i].Values = append(b, '}')
	}
	if examples == nil {
		return []Example{}
	}
	return examples
}

// settle decides the status by the bad rows that were counted.
func (o *Outcome) settle(rule *Definition) {
	if o.Considered == 0 {
		return
	}
	rate := float64(o.Bad) / float64(o.Considered)
	t := Tolerance{}
	if rule.Tolerance != nil {
		t = *rule.Tolerance
	}
	above := func(most *float64, count *int64) bool {
		return most != nil && rate > *most || count != nil && o.Bad > *count
	}
	warns := t.WarnBadRate != nil || t.WarnBadCount != nil
	broken := above(t.MaxBadRate, t.MaxBadCount)
	if t.MaxBadRate == nil && t.MaxBadCount == nil && !warns {
		broken = o.Bad > 0
	}
	o.conclude(rule, broken, above(t.WarnBadRate, t.WarnBadCount))
}

// conclude sets the status of a rule that was evaluated.
func (o *Outcome) conclude(rule *Definition, broken, warns bool) {
	switch {
	case broken && rule.Severity == Error:
		o.Status = Fail
	case broken || warns:
		o.Status = Warned
	default:
		o.Status = Pass
	}
}

func (o *Outcome) skip(format string, args ...any) {
	o.Status, o.Reason = Skipped, fmt.Sprintf(format, args...)
}

func (o *Outcome) fail(format string, args ...any) {
	o.Status, o.Reason = Failed, fmt.Sprintf(format, args...)
}

// nothing is why there was nothing to judge.
func (t *tally) nothing() string {
	switch {
	case t.rows == 0:
		return "there are no rows"
	case t.null > 0:
		return "every value is null"
	}
	return "no row is to be judged: where chooses none, or none observes the features"
}
