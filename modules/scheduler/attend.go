package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/batch/timetable"
	"featurestore/modules/runs"
)

// errMoved says that another process was quicker.
var errMoved = errors.New("another process has brought it on")

// attend brings all open occurrences on as far as they go.
func (s *Scheduler) attend(ctx context.Context, all []*Schedule, now time.Time) error {
	open, err := s.repository.open(s.repository.db.WithContext(ctx), "")
	if err != nil || len(open) == 0 {
		return err
	}
	effective := make(map[string]*Schedule, len(all))
	for _, schedule := range all {
		effective[schedule.Name] = schedule
	}
	of := map[string][]*Occurrence{}
	for _, o := range open {
		of[o.Schedule] = append(of[o.Schedule], o)
	}
	var errs []error
	for name, occurrences := range of {
		schedule := effective[name]
		for i, o := range occurrences {
			err := protect(func() error {
				if schedule == nil {
					return s.abandon(ctx, o, now)
				}
				return s.bring(ctx, schedule, o, occurrences[:i], occurrences[i+1:], now)
			})
			if err != nil {
				if !errors.Is(err, errMoved) {
					errs = append(errs, fmt.Errorf("schedule %s: %w", name, err))
				}
				break
			}
		}
	}
	return errors.Join(errs...)
}

// abandon ends an occurrence of a schedule that is no more; runs that it has go on.
func (s *Scheduler) abandon(ctx context.Context, o *Occurrence, now time.Time) error {
	if o.State == Ordered || o.State == Running {
		return s.follow(ctx, nil, o, now)
	}
	return s.skip(ctx, nil, o, now, "the schedule is no more", "")
}

// bring brings one occurrence on. before and behind are the others of its schedule that are open.
func (s *Scheduler) bring(ctx context.Context, schedule *Schedule, o *Occurrence, before, behind []*Occurrence, now time.Time) error {
	if o.State == Waiting {
		if err := s.ready(ctx, schedule, o, before, behind, now); err != nil || o.State != Due {
			return err
		}
		if err := s.overtake(ctx, schedule, o, before, now); err != nil {
			return err
		}
	}
	if o.State == Due {
		if err := s.order(ctx, schedule, o, now); err != nil || o.State != Ordered {
			return err
		}
	}
	return s.follow(ctx, schedule, o, now)
}

// ready brings a waiting occurrence to due if nothing stands in its way, or skips it if its time is over.
func (s *Scheduler) ready(ctx context.Context, schedule *Schedule, o *Occurrence, before, behind []*Occurrence, now time.Time) error {
	obstacle, upstream, err := s.obstacle(ctx, schedule, o, before)
	if err != nil {
		return err
	}
	skip := func(reason string, missed bool) error {
		if !missed {
			return s.skip(ctx, schedule, o, now, reason, "")
		}
		return s.skip(ctx, schedule, o, now, reason, reason)
	}
	superseded := slices.ContainsFunc(behind, func(other *Occurrence) bool { return !other.ByHand && !other.ended() })
	overtaken := slices.ContainsFunc(behind, func(other *Occurrence) bool { return !other.ByHand && other.State != Waiting })
	switch {
	case schedule.Paused:
		return skip("the schedule was paused", false)
	case schedule.Deadline != 0 && now.After(o.Tick.Add(schedule.Deadline)):
		return skip(cmp.Or(obstacle, "nothing was there to begin it")+" when its deadline passed", true)
	case superseded && schedule.CatchUp != timetable.All:
		return skip(cmp.Or(obstacle, "it could not begin")+" when the next tick came", upstream)
	case overtaken && obstacle != "":
		return skip(obstacle+" when a later tick began", false)
	case obstacle != "" && !upstream && schedule.CatchUp == timetable.None:
		return skip(obstacle, false)
	case obstacle == o.Reason && obstacle != "":
		return nil
	case obstacle != "":
		o.Reason = obstacle
		return s.moved(ctx, o, Waiting)
	}
	orders, err := schedule.orders(s.definitions.Catalog(), o)
	if problem, is := fault.As(err); is {
		return skip(problem.Detail, false)
	}
	if err != nil {
		return err
	}
	o.State, o.Reason = Due, ""
	if schedule.Origin == Default { // what followed the publication of a pipeline may have done it
		run, found, err := s.runs.Latest(ctx, orders[0].Kind, orders[0].Subject)
		if err != nil {
			return err
		}
		if found && !run.CreatedAt.Before(o.Tick) && run.State != runs.Failed && run.State != runs.Cancelled {
			o.State, o.Runs, o.OrderedAt, o.Reason = Ordered, []int64{run.ID}, now, "done by the run that followed what came in"
		}
	}
	return s.moved(ctx, o, Waiting)
}

// obstacle is a sentence about what stands in the way of an occurrence, "" if nothing does; upstream: it is a pipeline, else the occurrence before it.
func (s *Scheduler) obstacle(ctx context.Context, schedule *Schedule, o *Occurrence, before []*Occurrence) (sentence string, upstream bool, err error) {
	for _, other := range before {
		if !other.ByHand && !other.ended() && other.State != Waiting && schedule.CatchUp != timetable.All {
			return fmt.Sprintf("the run of the tick before it, %s, was still under way", other.Tick.Format(time.RFC3339)), false, nil
		}
	}
	for _, pipeline := range schedule.Needs {
		succeeded, err := s.pipelines.Succeeded(ctx, pipeline, o.Tick)
		if problem, is := fault.As(err); is && problem.Kind != fault.Busy {
			return problem.Detail, true, nil
		}
		if err != nil || !succeeded {
			return fmt.Sprintf("the pipeline %s had not succeeded for this tick", pipeline), true, err
		}
	}
	return "", false, nil
}

// moved brings an occurrence on from a state; one that another process has brought on is left to the next pass.
func (s *Scheduler) moved(ctx context.Context, o *Occurrence, from State) error {
	moved, err := s.repository.move(ctx, o, from)
	if err == nil && !moved {
		err = errMoved
	}
	if err == nil {
		s.counts.moved(o)
	}
	return err
}

// order has the runs of an occurrence done. Whoever does it again gets the same runs.
func (s *Scheduler) order(ctx context.Context, schedule *Schedule, o *Occurrence, now time.Time) error {
	orders, err := schedule.orders(s.definitions.Catalog(), o)
	if problem, is := fault.As(err); is {
		return s.skip(ctx, schedule, o, now, problem.Detail, "")
	}
	if err != nil {
		return err
	}
	o.Runs = nil
	for _, order := range orders {
		order.Now = o.ByHand
		run, _, err := s.runs.Order(ctx, order)
		if err != nil {
			return fmt.Errorf("order a run of the schedule %s: %w", schedule.Name, err)
		}
		o.Runs = append(o.Runs, run.ID)
	}
	o.State, o.OrderedAt = Ordered, now
	return s.moved(ctx, o, Due)
}

// follow looks what became of the runs. schedule is nil if it is no more.
func (s *Scheduler) follow(ctx context.Context, schedule *Schedule, o *Occurrence, now time.Time) error {
	begun, finished, turn := false, true, false
	var began time.Time // the first of them
	late := schedule != nil && now.After(o.OrderedAt.Add(s.config.Grace))
	var states []runs.State
	reason := ""
	for _, id := range o.Runs {
		run, err := s.runs.Get(ctx, id)
		if fault.Is(err, "unknown-run") {
			continue // forgotten, long after it ended
		}
		if err != nil {
			return err
		}
		begun = begun || !run.StartedAt.IsZero() || run.Attempts > 0
		if began.IsZero() || !run.StartedAt.IsZero() && run.StartedAt.Before(began) {
			began = run.StartedAt
		}
		finished = finished && run.State.Finished()
		if run.State == runs.Queued && late && !o.Missed {
			something, err := s.runs.WaitsFor(ctx, &run)
			if err != nil {
				return err
			}
			turn = turn || something != ""
		}
		states = append(states, run.State)
		if reason == "" && run.State.Finished() && run.State != runs.Succeeded {
			reason = run.Reason
		}
	}
	from := o.State
	switch {
	case finished:
		o.State, o.Outcome, o.EndedAt = Done, worst(states), now
		if reason != "" {
			o.Reason = reason
		}
		if !begun && schedule != nil && o.Outcome == runs.Skipped {
			o.Missed = true
			if err := s.missed(ctx, schedule, schedule.missedSentence(o.Tick, reason)); err != nil {
				return err
			}
		}
	case begun && o.State == Ordered:
		o.State = Running
	case !begun && !o.Missed && late && !turn:
		o.Missed = true
		if err := s.missed(ctx, schedule, schedule.missedSentence(o.Tick, "its run is queued, and no process has begun it")); err != nil {
			return err
		}
	default:
		return nil
	}
	if begun && schedule != nil && from == Ordered {
		if err := s.missed(ctx, schedule, ""); err != nil {
			return err
		}
	}
	if err := s.moved(ctx, o, from); err != nil {
		return err
	}
	if begun && from == Ordered {
		s.counts.began(o, began)
	}
	return nil
}

// skip ends an occurrence without runs; missed is a sentence if the tick is missing by that.
func (s *Scheduler) skip(ctx context.Context, schedule *Schedule, o *Occurrence, now time.Time, reason, missed string) error {
	from := o.State
	o.State, o.Reason, o.EndedAt = Skipped, reason, now
	if missed != "" {
		o.Missed = true
		if err := s.missed(ctx, schedule, schedule.missedSentence(o.Tick, missed)); err != nil {
			return err
		}
	}
	return s.moved(ctx, o, from)
}

// missed notes that a schedule was missed, or with "" that it is kept.
func (s *Scheduler) missed(ctx context.Context, schedule *Schedule, sentence string) error {
	changed := false
	fresh := scheduleRow{Name: schedule.Name, Times: schedule.Times(), DecidedTo: database.MicrosOf(schedule.UpdatedAt)}
	err := s.repository.change(ctx, fresh, func(_ *gorm.DB, row *scheduleRow) error {
		changed = row.Missed != sentence
		row.miss(schedule, sentence)
		return nil
	})
	if err == nil && changed {
		s.toTell.Store(true)
	}
	return err
}

func (o *Occurrence) ended() bool { return o.State == Done || o.State == Skipped }
