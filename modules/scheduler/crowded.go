package scheduler

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
)

// A schedule that makes up for all ticks has many that wait where the pipelines before it have not succeeded for them. They may never do so: they may have
// left out a tick themselves, or begun with a later one. So those that wait are overtaken by a later tick that begins, and, once there are so many that no
// further ones are made, the oldest are given up one by one.

// overtake skips the occurrences before one that begins: what they wait for did not come, and its runs do what is due.
func (s *Scheduler) overtake(ctx context.Context, schedule *Schedule, o *Occurrence, before []*Occurrence, now time.Time) error {
	if o.ByHand {
		return nil
	}
	for _, other := range before {
		if other.ByHand || other.State != Waiting {
			continue
		}
		if err := s.skip(ctx, schedule, other, now, other.Reason+" when a later tick began", ""); err != nil {
			return err
		}
	}
	return nil
}

// crowded tells whether as many occurrences as can be open all wait, some of them since before a time.
func crowded(open []*Occurrence, since time.Time) bool {
	return len(open) >= most && open[0].CreatedAt.Before(since) && !slices.ContainsFunc(open, func(o *Occurrence) bool { return o.State != Waiting })
}

// giveUp skips the occurrence that has waited longest, and answers how many that are.
func (s *Scheduler) giveUp(tx *gorm.DB, schedule *Schedule, row *scheduleRow, open []*Occurrence, now time.Time) (int64, error) {
	reason := fmt.Sprintf("%s when %d later ticks waited too", open[0].Reason, len(open)-1)
	row.miss(schedule, schedule.missedSentence(open[0].Tick, reason))
	s.toTell.Store(true)
	done := tx.Exec("UPDATE scheduler_occurrences SET state = ?, reason = ?, missed = ?, ended_at = ? WHERE id = ? AND state = ?",
		Skipped, reason, true, database.MicrosOf(now), open[0].ID, Waiting)
	return done.RowsAffected, done.Error
}
