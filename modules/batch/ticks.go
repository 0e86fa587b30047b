package batch

import (
	"context"
	"slices"
	"strconv"
	"time"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
)

// TickState is what became of a tick.
type TickState string

const (
	TickPublished   TickState = "published"
	TickUnpublished TickState = "unpublished" // never, or it was reverted: the next run of what is due computes it
	TickFailed      TickState = "failed"      // the last run that was to publish it failed
	TickHeld        TickState = "held"        // the last run that was to publish it held it back
)

// TickAnswer is a tick as the API shows it.
type TickAnswer struct {
	Tick        Moment     `json:"tick"`
	State       TickState  `json:"state" enum:"published,unpublished,failed,held" doc:"failed and held: by a run since it was published, if it was"`
	Run         int64      `json:"run_id,omitempty" doc:"That published it, or failed at it"`
	Version     int64      `json:"version,omitempty" doc:"Of the definition by which it is published"`
	Rows        *int64     `json:"rows,omitempty" doc:"That were published"`
	PublishedAt *time.Time `json:"published_at,omitempty"`
	Reason      string     `json:"reason,omitempty" doc:"Why it failed or is held back"`
}

type listTicksInput struct {
	httpapi.Page
	Name  string    `path:"name"`
	From  string    `query:"from" doc:"Not before; without an offset, in the pipeline's tick_zone" example:"2026-01-01"`
	To    string    `query:"to" doc:"Not after; left out: the present"`
	State TickState `query:"state" enum:"published,unpublished,failed,held" doc:"Only those"`
}

type listTicksOutput struct {
	Body struct {
		Pipeline      string       `json:"pipeline"`
		Group         string       `json:"group"`
		Ticks         []TickAnswer `json:"ticks"`
		NextPageToken string       `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (r *Runner) listTicks(ctx context.Context, in *listTicksInput) (*listTicksOutput, error) {
	plan, err := r.freshPlan(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	h, err := r.history(ctx, plan)
	if err != nil {
		return nil, err
	}
	from, to, err := r.listed(plan, in, h)
	if err != nil {
		return nil, err
	}
	out := &listTicksOutput{}
	out.Body.Pipeline, out.Body.Group, out.Body.Ticks = plan.Name, plan.Target.Name, []TickAnswer{}
	if from > to {
		return out, nil
	}
	all, err := between(plan, from, to)
	if err != nil {
		return nil, err
	}
	within := func(tick int64) bool { return tick >= from && tick <= to }
	all = together(all, slices.DeleteFunc(h.ticks(), func(tick int64) bool { return !within(tick) })) // some may be none of the present cycle
	for _, tick := range slices.Backward(all) {
		answer := h.answer(tick)
		if in.State != "" && answer.State != in.State {
			continue
		}
		if len(out.Body.Ticks) == in.Limit {
			out.Body.NextPageToken = httpapi.PageToken(int64(out.Body.Ticks[in.Limit-1].Tick))
			break
		}
		out.Body.Ticks = append(out.Body.Ticks, answer)
	}
	return out, nil
}

// listed is the range of ticks that a call is about, less what earlier pages had.
func (r *Runner) listed(plan *Plan, in *listTicksInput, h *history) (from, to int64, err error) {
	to = r.Clock().UnixMicro()
	if in.To != "" {
		m, err := readMoment(plan, "query.to", in.To)
		if err != nil {
			return 0, 0, err
		}
		to = int64(*m)
	}
	from = to + 1 // nothing, where nothing was ever published
	if first, _, found := h.ends(); found {
		from = first
	}
	if in.From != "" {
		m, err := readMoment(plan, "query.from", in.From)
		if err != nil {
			return 0, 0, err
		}
		from = int64(*m)
	}
	if in.PageToken != "" {
		last, err := strconv.ParseInt(in.PageToken, 10, 64)
		if err != nil {
			return 0, 0, httpapi.InvalidPageToken(in.PageToken, "")
		}
		to = min(to, last-1)
	}
	return from, to, nil
}

// answer is what became of a tick.
func (h *history) answer(tick int64) TickAnswer {
	answer := TickAnswer{Tick: Moment(tick), State: TickUnpublished}
	if p, is := h.of(tick); is {
		at := time.UnixMicro(p.At).UTC()
		answer.State, answer.Run, answer.Version, answer.Rows, answer.PublishedAt = TickPublished, p.Run, p.Version, &p.Rows, &at
	}
	if m, is := h.missed[tick]; is {
		answer.State, answer.Run, answer.Reason = m.state, m.run, m.reason
	}
	return answer
}

// Succeeded tells whether a pipeline has published what was due of it at a time: its newest tick that is not after it. A pipeline that is
// not there is a fault of kind NotFound.
func (r *Runner) Succeeded(ctx context.Context, pipeline string, at time.Time) (bool, error) {
	plan, err := r.plan(pipeline)
	if err != nil {
		return false, err
	}
	newest, found := plan.Ticks.Last(at.UnixMicro())
	if !found {
		return false, fault.New(fault.Unprocessable, "no-tick", "the pipeline %s has no tick before %s", pipeline, Moment(at.UnixMicro()))
	}
	published, err := r.Values.PublishedTicks(ctx, plan.Target.Name, pipeline, &newest, &newest)
	return len(published) > 0, err
}
