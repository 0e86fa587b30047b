package validation

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"featurestore/modules/validation/rules"
)

// Way says how an evaluation came about.
type Way string

const (
	ByLoad     Way = "load"     // of what a load brought, or after it
	ByWrite    Way = "write"    // of rows that were written singly, added up over a while
	BySchedule Way = "schedule" // by this module's ticker
	ByCall     Way = "call"
	ByPipeline Way = "pipeline" // of what a pipeline computed, before it was published, or of what it brought, after it
)

// Report is one evaluation of rules on rows of a group.
type Report struct {
	ID         int64 // never reused
	Group      string
	Way        Way
	Run        int64     // the load whose rows it is about, or that it follows; 0: none
	Evaluation int64     // the run that evaluated; 0: it was done in the write path
	Window     *Window   // nil: what each rule is usually evaluated on
	StartedAt  time.Time // of single writes: when the first of them was counted
	Took       time.Duration
	Rows       int64        // the most that a rule saw
	Status     rules.Status // the worst of the results
	Revision   int64        // of the definitions
	Results    []Result     // in the order of the rules, and of their features
}

// Result is what became of a rule, or of one feature of it.
type Result struct {
	ID       int64
	Report   int64
	At       time.Time
	Usual    bool   // on what the rule is usually evaluated on, and it counts (unsettled.go): it raises and resolves alerts, and later ones are compared with it
	LookedAt string // which rows, in words
	OnTheWay bool   // found in the write path, where the rule's action was taken
	Refused  bool   // found so, and all that came with it was refused, by this rule or another one
	rules.Outcome
}

// Feature is the one that the result is about; "": it is about several, or about the rows as a whole.
func (r *Result) Feature() string {
	if len(r.Features) == 1 {
		return r.Features[0]
	}
	return ""
}

// empty tells whether it says nothing that anybody has asked for: after a load rows are profiled, also of groups that no rule is left to be judged of.
func (r *Report) empty() bool { return len(r.Results) == 0 && r.Run != 0 }

// onTheWay notes that what the report says was found in the write path. What was written singly is told only where it was not refused, or refused it.
func (r *Report) onTheWay() {
	refused := r.Way != ByWrite && slices.ContainsFunc(r.Results, func(result Result) bool { return refuses(result.Outcome) })
	for i := range r.Results {
		result := &r.Results[i]
		result.OnTheWay, result.Refused = true, refused || refuses(result.Outcome)
	}
}

// ranks order statuses from the least to the worst.
var ranks = map[rules.Status]int{rules.Skipped: 1, rules.Pass: 2, rules.Warned: 3, rules.Failed: 4, rules.Fail: 5}

// conclude fills in what a report says of its results as a whole. Without any it is skipped.
func (r *Report) conclude() {
	r.Status = rules.Skipped
	for _, result := range r.Results {
		r.Rows = max(r.Rows, result.Rows)
		if ranks[result.Status] > ranks[r.Status] {
			r.Status = result.Status
		}
	}
}

// examplesOf are the examples of a result as they are kept.
func examplesOf(examples []rules.Example) (string, error) {
	if len(examples) == 0 {
		return "[]", nil
	}
	text, err := json.Marshal(examples)
	return strings.ReplaceAll(string(text), `\u0000`, `\ufffd`), err
}
