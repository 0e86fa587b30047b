package runs

import (
	"encoding/json"
	"time"
)

// State is where a run stands.
type State string

const (
	Queued    State = "queued"
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	Skipped   State = "skipped" // there was nothing to do, or it was not started in time
	Held      State = "held"    // what it came to waits for a person, who retries it (with force) or leaves it
)

// Finished tells whether a run in this state stays as it is.
func (s State) Finished() bool { return s != Queued && s != Running }

// Run is one piece of work and what became of it.
type Run struct {
	ID         int64
	Kind       string // "load", "materialization", "revert", "compaction"
	Subject    string // what it is about: a group, a pipeline
	State      State
	Parameters json.RawMessage // nil: none
	Progress   json.RawMessage // what the work last said of itself; nil: nothing yet, or it has come to its result
	Result     json.RawMessage // what it came to; nil: a failed run mostly says nothing more than its reason
	Reason     string          // a sentence: why it failed, was cancelled, skipped or held; while queued again, why the attempt before failed
	Rows       *int64          // that it wrote; nil: nothing was said of rows
	Inputs     json.RawMessage // what it read, as the work says
	Outputs    json.RawMessage // what it wrote

	Attempts int       // how often it was started
	Failures int       // how many attempts failed and were followed by another
	Retries  int       // how many may
	Ended    []Attempt // the last attempts that did not end the run, the oldest first

	Process     string    // the host and process that works on it, or last did
	HeartbeatAt time.Time // the last sign of life of that process; of the database's clock where others share it
	Token       int64     // grows with each claim

	Unique    string    // at most one run has it
	Key       string    // of the runs with it one runs at a time
	Heavy     bool      // takes one of the places for heavy runs
	Now       bool      // does not wait for the end of quiet hours
	Schedule  string    // that asked for it; "": a caller, or another run
	Tick      time.Time // that it is for; zero: none
	NotBefore time.Time
	Deadline  time.Time
	RetryOf   int64 // the run that it repeats; 0: none
	Forced    bool  // what would hold it does not
	Slow      bool  // it takes, or took, much longer than those before

	CreatedAt       time.Time
	StartedAt       time.Time // of the last attempt; zero while queued
	FinishedAt      time.Time // zero until finished
	CancelRequested bool
}

// Attempt is one that did not end its run: it failed and another followed, or its process ended or lost it.
type Attempt struct {
	Number    int       `json:"attempt"`
	Process   string    `json:"owner"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	Reason    string    `json:"reason"`
}
