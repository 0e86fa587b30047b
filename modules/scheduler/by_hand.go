package scheduler

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// ByHand orders the runs of a schedule for a tick of this moment, whatever it waits for otherwise.
func (s *Scheduler) ByHand(ctx context.Context, schedule *Schedule, now time.Time) (*Occurrence, error) {
	row := occurrenceRow{Schedule: schedule.Name, Tick: database.MicrosOf(now), DueAt: database.MicrosOf(now), ByHand: true, State: Due, CreatedAt: database.MicrosOf(now)}
	for made := false; !made; row.Tick++ {
		rows := []occurrenceRow{row}
		done, err := s.repository.insert(s.repository.db.WithContext(ctx), rows)
		if err != nil {
			return nil, unavailable(fmt.Errorf("run the schedule %s: %w", schedule.Name, err))
		}
		if made = done > 0; made { // else another one has this microsecond
			row.ID = rows[0].ID
			row.Tick--
		}
	}
	o := row.occurrence()
	if err := s.order(ctx, schedule, o, now); err != nil && err != errMoved { // another process has seen it meanwhile and ordered the same runs
		return nil, err
	}
	s.look()
	return o, nil
}

// Pause pauses a schedule, or has it go on with its next tick. What waits is skipped; runs that are ordered go on.
func (s *Scheduler) Pause(ctx context.Context, schedule *Schedule, paused bool, now time.Time) error {
	if err := schedule.resumable(paused); err != nil {
		return err
	}
	fresh := scheduleRow{Name: schedule.Name, Times: schedule.Times(), DecidedTo: database.MicrosOf(now)}
	skipped := int64(0)
	err := s.repository.change(ctx, fresh, func(tx *gorm.DB, row *scheduleRow) error {
		switch {
		case paused && row.PausedAt == nil:
			row.PausedAt = micros(now)
			done := tx.Exec("UPDATE scheduler_occurrences SET state = ?, reason = ?, ended_at = ? WHERE schedule = ? AND state = ?",
				Skipped, "the schedule was paused", database.MicrosOf(now), schedule.Name, Waiting)
			skipped = done.RowsAffected
			return done.Error
		case !paused && row.PausedAt != nil:
			row.PausedAt, row.DecidedTo = nil, max(row.DecidedTo, database.MicrosOf(now))
		}
		return nil
	})
	if err == nil {
		s.counts.skipped(schedule.Name, skipped)
		s.toTell.Store(true)
		s.look()
	}
	return err
}

// resumable refuses to resume what its definition pauses.
func (s *Schedule) resumable(paused bool) error {
	if paused || !s.Paused {
		return nil
	}
	where := "the schedule"
	if s.Origin == OfPipeline {
		where = "the pipeline " + s.Subject
	}
	return fault.New(fault.Conflict, "paused-by-definition", "the definition of %s says paused: true; change it there", where).At("path.name", s.Name, "is paused by its definition")
}

func micros(t time.Time) *database.Micros {
	m := database.MicrosOf(t)
	return &m
}
