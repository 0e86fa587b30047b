package scheduler

import (
	"context"
	"net/http"
	"slices"
	"time"

	"featurestore/app/httpapi"
	"featurestore/modules/runs"
)

// OccurrenceAnswer is what became of a tick.
type OccurrenceAnswer struct {
	Tick    time.Time  `json:"tick"`
	DueAt   time.Time  `json:"due_at"`
	Passed  *time.Time `json:"passed_since,omitempty" doc:"Nothing was there to begin the ticks before it from here on: with catch_up latest it stands for them, with none they are left out"`
	ByHand  bool       `json:"by_hand" doc:"A call asked for it"`
	State   State      `json:"state" enum:"waiting,due,ordered,running,done,skipped" doc:"waiting for pipelines or the tick before it; ordered: its runs are queued; done: they have ended"`
	Outcome runs.State `json:"outcome" doc:"How they ended, the worst of them; empty until then"`
	Reason  string     `json:"reason" doc:"Why it waits, was skipped or did not succeed; empty: nothing is to be said"`
	Runs    []int64    `json:"run_ids"`
	Missed  bool       `json:"missed"`
	EndedAt *time.Time `json:"ended_at,omitempty"`
}

func (o *Occurrence) answer() OccurrenceAnswer {
	answer := OccurrenceAnswer{Tick: o.Tick, DueAt: o.DueAt, ByHand: o.ByHand, State: o.State, Outcome: o.Outcome, Reason: o.Reason, Runs: slices.Concat([]int64{}, o.Runs), Missed: o.Missed}
	if !o.EndedAt.IsZero() {
		answer.EndedAt = &o.EndedAt
	}
	if !o.Passed.IsZero() {
		answer.Passed = &o.Passed
	}
	return answer
}

type historyOutput struct {
	Body struct {
		Occurrences   []OccurrenceAnswer `json:"occurrences" doc:"The newest first"`
		NextPageToken string             `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

// history answers also of a schedule that is no more.
func (s *Scheduler) history(ctx context.Context, in *struct {
	ScheduleName
	httpapi.Page
}) (*historyOutput, error) {
	before, err := in.Last()
	if err != nil {
		return nil, err
	}
	found, err := s.repository.of(ctx, in.Name, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 && before == 0 {
		if _, err := s.schedule(in.Name); err != nil {
			return nil, err
		}
	}
	out := &historyOutput{}
	out.Body.Occurrences = []OccurrenceAnswer{}
	found, out.Body.NextPageToken = httpapi.CutPage(&in.Page, found, func(o *Occurrence) int64 { return o.ID })
	for _, o := range found {
		out.Body.Occurrences = append(out.Body.Occurrences, o.answer())
	}
	return out, nil
}

type ChangeInput struct {
	ScheduleName
	DryRun bool `query:"dry_run" doc:"Change nothing; answer what it would come to"`
}

// runAnswer is what a schedule does now.
type runAnswer struct {
	Tick   time.Time     `json:"tick"`
	Orders []orderAnswer `json:"orders"`
	Runs   []runs.Answer `json:"runs" doc:"Those that were ordered, in the order of orders; with dry_run none"`
}

// orderAnswer is work that is asked for.
type orderAnswer struct {
	Kind    string `json:"kind"`
	Subject string `json:"subject"`
}

type runOutput struct {
	Status int
	Body   runAnswer
}

func (s *Scheduler) run(ctx context.Context, in *struct {
	ChangeInput
	Wait string `query:"wait" doc:"How long to wait for the runs to end, such as 30s; at most 10m" example:"30s"`
}) (*runOutput, error) {
	wait, err := runs.ReadWait(in.Wait)
	if err != nil {
		return nil, err
	}
	schedule, err := s.schedule(in.Name)
	if err != nil {
		return nil, err
	}
	now, err := s.repository.now(ctx)
	if err != nil {
		return nil, err
	}
	orders, err := schedule.orders(s.definitions.Catalog(), &Occurrence{Tick: now})
	if err != nil {
		return nil, err
	}
	out := &runOutput{Status: http.StatusOK, Body: runAnswer{Tick: now, Runs: []runs.Answer{}}}
	for _, o := range orders {
		out.Body.Orders = append(out.Body.Orders, orderAnswer{o.Kind, o.Subject})
	}
	if in.DryRun {
		return out, nil
	}
	o, err := s.ByHand(ctx, schedule, now)
	if err != nil {
		return nil, err
	}
	out.Body.Tick = o.Tick
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for _, id := range o.Runs {
		var run runs.Run
		if wait > 0 {
			run, err = s.runs.Wait(waiting, id)
		} else {
			run, err = s.runs.Get(ctx, id)
		}
		if err != nil {
			return nil, err
		}
		if !run.State.Finished() {
			out.Status = http.StatusAccepted
		}
		out.Body.Runs = append(out.Body.Runs, run.Show())
	}
	return out, nil
}

func (s *Scheduler) pause(ctx context.Context, in *ChangeInput) (*scheduleOutput, error) {
	return s.setPaused(ctx, in, true)
}

func (s *Scheduler) resume(ctx context.Context, in *ChangeInput) (*scheduleOutput, error) {
	return s.setPaused(ctx, in, false)
}

func (s *Scheduler) setPaused(ctx context.Context, in *ChangeInput, paused bool) (*scheduleOutput, error) {
	schedule, err := s.schedule(in.Name)
	if err != nil {
		return nil, err
	}
	now, err := s.repository.now(ctx)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		row := scheduleRow{}
		if paused {
			row.PausedAt = micros(now)
		}
		return &scheduleOutput{schedule.shown(now, &row, nil)}, schedule.resumable(paused)
	}
	if err := s.Pause(ctx, schedule, paused, now); err != nil {
		return nil, err
	}
	return s.show(ctx, schedule)
}
