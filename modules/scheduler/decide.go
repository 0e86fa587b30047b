package scheduler

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/modules/batch/timetable"
)

// most is how many occurrences of a schedule can be open: further ones wait to be made, unless it is crowded.
const most = 100

// decide makes the occurrences of a schedule that have become due since it was decided last, by whichever process.
func (s *Scheduler) decide(ctx context.Context, schedule *Schedule, now time.Time) error {
	since := now
	if schedule.Origin != Default {
		since = schedule.UpdatedAt
	}
	fresh := scheduleRow{Name: schedule.Name, Times: schedule.Times(), DecidedTo: database.MicrosOf(since)}
	if schedule.Origin == Definition {
		fresh.DecidedTo = database.MicrosOf(schedule.CreatedAt)
	}
	var next int64
	var made []occurrenceRow
	given := int64(0)
	err := s.repository.change(ctx, fresh, func(tx *gorm.DB, row *scheduleRow) error {
		row.DecidedTo = max(row.DecidedTo, database.MicrosOf(schedule.CreatedAt)) // it may be one of a name that was deleted
		if row.Times != schedule.Times() {                                        // ticks of other times are not made up for
			row.Times, row.DecidedTo = schedule.Times(), max(row.DecidedTo, database.MicrosOf(since))
		}
		if row.PausedAt != nil || schedule.Paused {
			row.DecidedTo = max(row.DecidedTo, database.MicrosOf(now))
		} else {
			open, err := s.repository.open(tx, schedule.Name)
			if err != nil {
				return err
			}
			full := crowded(open, now.Add(-s.config.Grace))
			made = schedule.passed(int64(row.DecidedTo), now, s.config.Grace, most-len(open), full)
			if full && len(made) > 0 {
				if given, err = s.giveUp(tx, schedule, row, open, now); err != nil {
					return err
				}
			}
			if err := s.leaveOut(tx, schedule, made); err != nil {
				return err
			}
			if _, err := s.repository.insert(tx, made); err != nil {
				return err
			}
			for _, o := range made {
				row.DecidedTo = o.Tick
				if o.Missed {
					row.miss(schedule, schedule.missedSentence(o.Tick.Time(), "no process with the role scheduler was there to begin it"))
					s.toTell.Store(true)
				}
			}
		}
		next = 1<<63 - 1
		if tick, found := schedule.After(int64(row.DecidedTo)); found {
			next = schedule.Due(schedule.Name, tick)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.counts.skipped(schedule.Name, given)
	for i := range made {
		o := made[i].occurrence()
		o.missedBefore = false
		s.counts.moved(o)
	}
	s.next[schedule.Name] = due{schedule.Times(), next}
	return nil
}

// passed are the occurrences of the ticks after one that are due by now, at most so many; what comes of them is as the schedule's catch_up says, or, where
// the schedule is crowded, the newest stands for all. A tick that was not looked at within grace, or the deadline, was missed.
func (s *Schedule) passed(decided int64, now time.Time, grace time.Duration, room int, crowded bool) (made []occurrenceRow) {
	first, found := s.After(decided)
	if !found || s.Due(s.Name, first) > now.UnixMicro() {
		return nil
	}
	row := func(tick int64) occurrenceRow {
		due := s.Due(s.Name, tick)
		late := s.lateFrom(tick, grace) < now.UnixMicro()
		o := occurrenceRow{Schedule: s.Name, Tick: database.Micros(tick), DueAt: database.Micros(due), State: Waiting, Missed: late, CreatedAt: database.MicrosOf(now)}
		if late && (s.Deadline != 0 || s.CatchUp == timetable.None) {
			o.State, o.EndedAt, o.Reason = Skipped, micros(now), "nothing was there to begin it in time"
		}
		return o
	}
	if s.CatchUp == timetable.All && !crowded {
		for tick, due := first, true; due && len(made) < room; {
			made = append(made, row(tick))
			if tick, found = s.After(tick); !found || s.Due(s.Name, tick) > now.UnixMicro() {
				due = false
			}
		}
		return made
	}
	newest, _ := s.Last(now.UnixMicro())
	if s.Due(s.Name, newest) > now.UnixMicro() {
		newest, _ = s.Last(newest - 1)
	}
	o := row(newest)
	if newest > first {
		passed := database.Micros(first)
		o.Passed, o.Missed = &passed, o.Missed || s.lateFrom(first, grace) < now.UnixMicro()
	}
	return append(made, o)
}

// leaveOut notes with the first of the occurrences that are made since when ticks were left out that nothing was there to begin, if that is so: the run of a
// pipeline computes what was never published, which would make up for them.
func (s *Scheduler) leaveOut(tx *gorm.DB, schedule *Schedule, made []occurrenceRow) error {
	if schedule.What != Pipeline || schedule.CatchUp == timetable.All || len(made) == 0 || made[0].Passed != nil {
		return nil
	}
	before, err := s.repository.last(tx, schedule.Name)
	if err != nil || before == nil || before.State != Skipped || !before.EndedAt.Equal(before.CreatedAt) {
		return err
	}
	if made[0].Passed = micros(before.Passed); before.Passed.IsZero() {
		made[0].Passed = micros(before.Tick)
	}
	return nil
}

// lateFrom is the time, in µs, from which on a tick that has not begun was missed.
func (s *Schedule) lateFrom(tick int64, grace time.Duration) int64 {
	if s.Deadline != 0 {
		return tick + s.Deadline.Microseconds()
	}
	return s.Due(s.Name, tick) + grace.Microseconds()
}

// missedSentence says that a tick was missed.
func (s *Schedule) missedSentence(tick time.Time, why string) string {
	return fmt.Sprintf("the schedule %s was missed at %s: %s", s.Name, tick.In(s.Zone).Format(time.RFC3339), why)
}
