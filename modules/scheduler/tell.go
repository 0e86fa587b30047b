package scheduler

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// tellOf tells what there is to tell if that has changed, or may have been left by a process that ended.
func (s *Scheduler) tellOf(ctx context.Context, all []*Schedule, now time.Time) error {
	if !s.toTell.Swap(false) && now.Sub(s.lastTold) < time.Minute {
		return nil
	}
	s.lastTold = now
	err := protect(func() error { return s.tell(ctx, all, now) })
	if err != nil {
		s.toTell.Store(true)
	}
	return err
}

// tell tells what was missed, and what is kept again: by this process, or by one that ended before it could tell.
func (s *Scheduler) tell(ctx context.Context, all []*Schedule, now time.Time) error {
	known, err := s.repository.known(ctx)
	if err != nil {
		return err
	}
	effective := make(map[string]*Schedule, len(all))
	for _, schedule := range all {
		effective[schedule.Name] = schedule
	}
	for name, row := range known {
		m := Missed{Schedule: name, Group: row.GroupName, Sentence: row.Missed, Kept: row.Missed == "", At: now}
		schedule := effective[name]
		switch {
		case schedule == nil:
			m.Kept, m.Sentence = true, fmt.Sprintf("the schedule %s is no more", name)
		case row.PausedAt != nil || schedule.Paused:
			m.Kept, m.Sentence = true, fmt.Sprintf("the schedule %s is paused", name)
		case m.Kept:
			m.Sentence = fmt.Sprintf("the schedule %s is kept again", name)
		}
		if row.Told == !m.Kept && (row.Missed == "" || !m.Kept) {
			continue
		}
		if schedule != nil {
			m.What, m.Owner = schedule.What, schedule.Owner
		}
		if row.Told || !m.Kept {
			if err := s.told.Missed(ctx, m); err != nil {
				return fmt.Errorf("tell of the schedule %s: %w", name, err)
			}
		}
		err := s.repository.change(ctx, *row, func(_ *gorm.DB, now *scheduleRow) error {
			if now.Missed == row.Missed { // else it is told next time
				now.Told = !m.Kept
				if m.Kept {
					now.Missed = ""
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
