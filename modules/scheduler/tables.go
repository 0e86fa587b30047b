package scheduler

import (
	"encoding/json"
	"time"

	"featurestore/app/database"
	"featurestore/modules/runs"
)

// State is where an occurrence stands.
type State string

const (
	Waiting State = "waiting" // for pipelines, or for the occurrence before it
	Due     State = "due"     // nothing stands in its way any more
	Ordered State = "ordered" // its runs are queued
	Running State = "running" // one of them has begun
	Done    State = "done"    // its runs have ended
	Skipped State = "skipped" // it had none; the reason says why
)

// Occurrence is one tick of a schedule.
type Occurrence struct {
	ID        int64
	Schedule  string
	Tick      time.Time
	DueAt     time.Time
	Passed    time.Time // the first of the ticks before it that nothing was there to begin, and that have no occurrence; zero: none
	ByHand    bool
	State     State
	Reason    string     // a sentence: why it waits, was skipped or did not succeed
	Runs      []int64    // ids
	Outcome   runs.State // of them, the worst; "" until they have ended
	Missed    bool
	CreatedAt time.Time
	OrderedAt time.Time // zero until then
	EndedAt   time.Time // zero until then

	missedBefore bool // Missed as it was read, or counted
}

type occurrenceRow struct {
	ID        int64 `gorm:"primaryKey"`
	Schedule  string
	Tick      database.Micros
	DueAt     database.Micros
	Passed    *database.Micros
	ByHand    bool
	State     State
	Reason    string
	RunIDs    string `gorm:"column:run_ids"`
	Outcome   runs.State
	Missed    bool
	CreatedAt database.Micros
	OrderedAt *database.Micros
	EndedAt   *database.Micros
}

func (occurrenceRow) TableName() string { return "scheduler_occurrences" }

func (row *occurrenceRow) occurrence() *Occurrence {
	o := &Occurrence{ID: row.ID, Schedule: row.Schedule, Tick: row.Tick.Time(), DueAt: row.DueAt.Time(), ByHand: row.ByHand, State: row.State, Reason: row.Reason,
		Outcome: row.Outcome, Missed: row.Missed, missedBefore: row.Missed, CreatedAt: row.CreatedAt.Time()}
	if row.RunIDs != "" {
		_ = json.Unmarshal([]byte(row.RunIDs), &o.Runs) // this module wrote it
	}
	for _, given := range []struct {
		from *database.Micros
		to   *time.Time
	}{{row.Passed, &o.Passed}, {row.OrderedAt, &o.OrderedAt}, {row.EndedAt, &o.EndedAt}} {
		if given.from != nil {
			*given.to = given.from.Time()
		}
	}
	return o
}

// scheduleRow is what is known of a schedule beside what it says.
type scheduleRow struct {
	Name      string `gorm:"primaryKey"`
	Times     string
	DecidedTo database.Micros
	PausedAt  *database.Micros
	GroupName string
	Missed    string
	Told      bool
}

// miss notes that the schedule was missed, or with "" that it is kept.
func (row *scheduleRow) miss(schedule *Schedule, sentence string) {
	if row.Missed = sentence; !row.Told { // what is told of is what is taken back
		row.GroupName = schedule.Group
	}
}

func (scheduleRow) TableName() string { return "scheduler_schedules" }
