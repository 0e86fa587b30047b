package alerts

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Severity says how much something matters; info < warn < error.
type Severity string

const (
	Info  Severity = "info"
	Warn  Severity = "warn"
	Error Severity = "error"
)

// rank orders severities; that of none ("") is 0.
func (s Severity) rank() int {
	switch s {
	case Info:
		return 1
	case Warn:
		return 2
	case Error:
		return 3
	}
	return 0
}

// higher is the higher of two.
func higher(a, b Severity) Severity {
	if b.rank() > a.rank() {
		return b
	}
	return a
}

// Status is how one evaluation of a rule ended.
type Status string

const (
	Passed  Status = "pass"
	Warned  Status = "warn"
	Failed  Status = "fail"
	Errored Status = "error"   // the rule could not be evaluated
	Skipped Status = "skipped" // there was nothing to judge
)

// Class says what a rule looks at.
type Class string

const (
	Data   Class = "data"   // the values themselves; the class of an outcome that names none
	Drift  Class = "drift"  // how values are distributed: pointless to know while the group's source does not work
	Source Class = "source" // whether what should come in did: freshness, failed loads
)

// Outcome is one evaluation's outcome. Rule, Group and Feature are what the alert is known by.
type Outcome struct {
	Rule        string
	RuleVersion int
	Group       string
	Feature     string // "": it is about the whole group
	Class       Class
	Owner       string   // who should hear of it
	Severity    Severity // of the rule
	Status      Status
	Observed    string // what was found, as a person reads it: "4.2 % outside"
	Expected    string // what the rule wants: "at most 1 % outside 0 to 10000"
	Sentence    string // both as a sentence
	Run         int64  // the load or evaluation that it belongs to; 0: none
	At          time.Time

	For          int // so many bad ones in a row open an alert; 0: Config.For
	ResolveAfter int // so many good ones in a row resolve it; 0: Config.ResolveAfter
}

// maxInARow limits For and ResolveAfter.
const maxInARow = 1000

// alarm is the severity of the alert that the outcome speaks for, "" if it is good or says nothing: of a failure the rule's; of a
// warning, and of a rule that could not be evaluated, at most warn.
func (o *Outcome) alarm() Severity {
	switch o.Status {
	case Failed:
		return o.Severity
	case Warned, Errored:
		if o.Severity == Info {
			return Info
		}
		return Warn
	}
	return ""
}

// maxWords is how much is kept of what an outcome says.
const maxWords = 1000

// readable makes a text one that any database and receiver takes: at most maxWords characters, all of them valid.
func readable(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if runes := []rune(text); len(runes) > maxWords {
		return string(runes[:maxWords-1]) + "…"
	}
	return text
}

func (o *Outcome) key() key { return key{o.Rule, o.Feature} }

// key is what an alert is known by within its group.
type key struct{ rule, feature string }

// check refuses what no evaluation can have come to: a defect of the caller.
func (o *Outcome) check() error {
	var errs []error
	wrong := func(bad bool, what string, is any) {
		if bad {
			errs = append(errs, fmt.Errorf("%s is %v", what, is))
		}
	}
	wrong(o.Rule == "", "the rule", "not named")
	wrong(o.Group == "", "the group", "not named")
	wrong(o.Severity.rank() == 0, "the severity", o.Severity)
	wrong(o.Class != "" && o.Class != Data && o.Class != Drift && o.Class != Source, "the class", o.Class)
	wrong(o.For < 0 || o.For > maxInARow, "for", o.For)
	wrong(o.ResolveAfter < 0 || o.ResolveAfter > maxInARow, "resolve_after", o.ResolveAfter)
	wrong(o.At.IsZero(), "the time", "not given")
	switch o.Status {
	case Passed, Warned, Failed, Errored, Skipped:
	default:
		wrong(true, "the status", o.Status)
	}
	if len(errs) > 0 {
		return fmt.Errorf("outcome of rule %s on %s:%s: %w", o.Rule, o.Group, o.Feature, errors.Join(errs...))
	}
	return nil
}
