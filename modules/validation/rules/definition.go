package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"featurestore/modules/registry/value"
)

// Severity is how bad it is when a rule is broken: only an error fails, the others warn.
type Severity string

const (
	Info  Severity = "info"
	Warn  Severity = "warn"
	Error Severity = "error"
)

// Action is what becomes of rows that break a rule of severity error: recorded in the report only, kept out and quarantined, or
// the whole batch is refused. A kind that judges the whole refuses what a pipeline is about to publish; other rows it sees once they are stored.
type Action string

const (
	Record      Action = "record"
	Quarantine  Action = "quarantine"
	RejectBatch Action = "reject_batch"
)

// NullPolicy says what a null is to a rule: left out of what it considers, or bad.
type NullPolicy string

const (
	IgnoreNulls NullPolicy = "ignore"
	FailNulls   NullPolicy = "fail"
)

// Tolerance is how many of the considered rows may be bad; nil is not given. Without MaxBadRate and MaxBadCount none may, unless a
// warn threshold is given: then bad rows only warn, however many they are. A threshold is broken by more than it says, not by as many.
type Tolerance struct {
	MaxBadRate   *float64 `json:"max_bad_rate,omitempty" doc:"Share of the considered rows, 0 to 1" minimum:"0" maximum:"1"`
	MaxBadCount  *int64   `json:"max_bad_count,omitempty" doc:"Rows" minimum:"0"`
	WarnBadRate  *float64 `json:"warn_bad_rate,omitempty" doc:"Share above which the rule warns" minimum:"0" maximum:"1"`
	WarnBadCount *int64   `json:"warn_bad_count,omitempty" doc:"Rows above which the rule warns" minimum:"0"`
}

func (t Tolerance) empty() bool { return t == Tolerance{} }

// Definition is one rule, as it is applied and versioned. Read makes one of JSON.
type Definition struct {
	Name        string          `json:"name" doc:"Unique; the report and its alerts carry it"`
	Group       string          `json:"group,omitempty" doc:"The feature group that it is about; inline data need none"`
	Kind        string          `json:"kind" doc:"See GET /rules/kinds"`
	Features    []string        `json:"features,omitempty" doc:"What it looks at. A kind of one feature is judged for each of them apart"`
	Params      json.RawMessage `json:"params,omitempty" doc:"The kind's own members"`
	Where       string          `json:"where,omitempty" doc:"An expression over features: only rows for which it is true are looked at"`
	NullPolicy  NullPolicy      `json:"null_policy,omitempty" enum:"ignore,fail" doc:"Whether nulls are left out or bad"`
	Tolerance   *Tolerance      `json:"tolerance,omitempty"`
	Severity    Severity        `json:"severity,omitempty" enum:"info,warn,error"`
	Action      Action          `json:"action,omitempty" enum:"record,quarantine,reject_batch"`
	Enabled     bool            `json:"enabled"`
	Owner       string          `json:"owner,omitempty"`
	Description string          `json:"description,omitempty"`

	Window       string `json:"window,omitempty" doc:"Which rows it is evaluated on: all, load (what the newest load brought; everything, if there was none), or the last ones by event time, such as 7d. Left out: load for kinds distribution and history and for those that judge the whole with action reject_batch, all for the others. Row rules also look at every row on its way in; what they find there, and is stored, stays found until a look at their window (after each load and in time) finds it no more; with load, until the next load is good or that one is reverted"`
	For          int    `json:"for,omitempty" minimum:"1" maximum:"1000" doc:"So many bad evaluations in a row open an alert; left out: as alerts.for says"`
	ResolveAfter int    `json:"resolve_after,omitempty" minimum:"1" maximum:"1000" doc:"So many good ones in a row resolve it; left out: as alerts.resolve_after says"`

	Version int `json:"-"` // of a registered rule: what is quarantined or reported by it says so
}

// Field is a feature as rules see it. Type Invalid stands for inline data of mixed types, each value of which has a type of its own.
type Field struct {
	Name      string
	Type      value.Type
	PII       bool  // its values are masked wherever they would be shown
	Frequency int64 // µs between observations as the feature promises them; 0: none is promised

	Aliases []string // names that it had before, by which rules may still call it
}

// Windows that a rule can name, beside durations.
const (
	All        = "all"  // everything that is stored
	NewestLoad = "load" // what the newest load brought, if there was any
)

// LooksAt is the rule's window: All, NewestLoad, or a duration.
func (d *Definition) LooksAt() string {
	switch {
	case d.Window != "":
		return d.Window
	case d.Kind == "distribution" || d.Kind == "history", d.Action == RejectBatch && !IsRow(d.Kind):
		return NewestLoad
	}
	return All
}

// called tells whether that is the field's name, or was.
func (f *Field) called(name string) bool { return f.Name == name || slices.Contains(f.Aliases, name) }

// Problem is one thing that is wrong with a definition: At is a path inside of it, "" the definition itself.
type Problem struct {
	At      string
	Value   string
	Message string
}

func (p Problem) String() string {
	if p.At == "" {
		return p.Message
	}
	return p.At + ": " + p.Message
}

// problems collects what is wrong.
type problems []Problem

func (p *problems) at(at, value, format string, args ...any) {
	*p = append(*p, Problem{At: at, Value: value, Message: fmt.Sprintf(format, args...)})
}

// check is what is wrong with a definition, whose members have the right forms, without knowing its features' types.
func (d *Definition) check(found *problems) {
	kind, ok := kindNamed(d.Kind)
	if !ok {
		return
	}
	switch n := len(d.Features); {
	case n < kind.Least:
		found.at("features", "", "%s takes %s", kind.Name, kind.count())
	case n > kind.Most:
		found.at("features", "", "%s takes %s, not %d", kind.Name, kind.count(), n)
	}
	for i, name := range d.Features {
		if slices.Contains(d.Features[:i], name) {
			found.at("features["+strconv.Itoa(i)+"]", name, "given twice")
		}
	}
	if t := d.Tolerance; t != nil && !t.empty() {
		if !kind.Rows {
			found.at("tolerance", "", "%s has no bad rows that could be tolerated: its params say what is accepted", kind.Name)
		}
		if t.MaxBadRate != nil && t.MaxBadCount != nil {
			found.at("tolerance", "", "give max_bad_rate or max_bad_count, not both")
		}
		if t.WarnBadRate != nil && t.WarnBadCount != nil {
			found.at("tolerance", "", "give warn_bad_rate or warn_bad_count, not both")
		}
		if t.MaxBadRate != nil && t.WarnBadRate != nil && *t.WarnBadRate > *t.MaxBadRate {
			found.at("tolerance.warn_bad_rate", "", "is above max_bad_rate, so that it would never warn")
		}
		if t.MaxBadCount != nil && t.WarnBadCount != nil && *t.WarnBadCount > *t.MaxBadCount {
			found.at("tolerance.warn_bad_count", "", "is above max_bad_count, so that it would never warn")
		}
	}
	if d.Action != Record && d.Severity != Error {
		found.at("action", string(d.Action), "only a rule of severity error keeps rows out: use record, or severity error")
	}
	switch {
	case kind.Row:
	case d.Action == Quarantine:
		found.at("action", string(d.Action), "%s is decided over many rows, so that it keeps none of them out: use record, or reject_batch, which refuses what a pipeline is about to publish", kind.Name)
	case d.Action == RejectBatch && d.LooksAt() != NewestLoad:
		found.at("window", d.Window, "a rule of kind %s that refuses what a pipeline is about to publish looks at that: leave window out, or use load", kind.Name)
	}
}
