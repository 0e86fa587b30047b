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
)

// Finished tells whether a run in this state stays as it is.
func (s State) Finished() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Run is one attempt at a piece of work.
type Run struct {
	ID              int64
	Kind            string // "load", "materialization", "revert", "compaction"
	Subject         string // what it is about: a group
	State           State
	Parameters      json.RawMessage // nil: none
	Progress        json.RawMessage // what the work last said of itself
	Result          json.RawMessage // what it came to; nil: a failed run mostly says nothing more than its reason
	Reason          string          // a sentence: why it failed or was cancelled
	Attempts        int             // how many processes have started it
	CreatedAt       time.Time
	StartedAt       time.Time // zero while queued
	FinishedAt      time.Time // zero until finished
	CancelRequested bool
}
