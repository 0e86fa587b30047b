package batch

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/runs"
	"featurestore/modules/store"
)

// history is what is known of a pipeline's ticks.
type history struct {
	published []store.PublishedTick // ascending
	reverted  []int64               // that were published by runs which were reverted since, and are not published now; ascending
	missed    map[int64]missedTick  // that a recent run did not publish, by the last of them
}

// missedTick is what a run says of a tick that it did not publish.
type missedTick struct {
	run    int64
	state  TickState
	reason string
}

// recent is how many of a pipeline's runs, and of its target's reverts, are looked at.
const recent = 100

// history finds it.
func (r *Runner) history(ctx context.Context, plan *Plan) (h *history, err error) {
	h = &history{missed: map[int64]missedTick{}}
	if h.published, err = r.Values.PublishedTicks(ctx, plan.Target.Name, plan.Name, nil, nil); err != nil {
		return nil, err
	}
	lately, err := r.Runs.List(ctx, runs.Filter{Kind: RunKind, Subject: plan.Name, Limit: recent})
	if err != nil {
		return nil, err
	}
	for _, run := range lately { // the newest first
		result := toldBy(run, plan)
		note := func(tick Moment, state TickState) {
			if _, newer := h.missed[int64(tick)]; !newer {
				h.missed[int64(tick)] = missedTick{run.ID, state, run.Reason}
			}
		}
		for _, tick := range result.Unpublished {
			note(tick, TickFailed)
		}
		for _, held := range result.Held {
			note(held.Tick, TickHeld)
		}
	}
	for tick, m := range h.missed {
		if p, is := h.of(tick); is && p.Run > m.run {
			delete(h.missed, tick)
		}
	}
	reverts, err := r.Runs.List(ctx, runs.Filter{Kind: store.RevertKind, Subject: plan.Target.Name, Limit: recent})
	if err != nil {
		return nil, err
	}
	for _, revert := range reverts {
		if err := r.reverted(ctx, plan, revert, h); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// toldBy is the result of a run of a pipeline, empty of one that has none or was about another group.
func toldBy(run runs.Run, plan *Plan) (result Result) {
	if len(run.Result) == 0 || json.Unmarshal(run.Result, &result) != nil || result.Group != plan.Target.Name {
		return Result{}
	}
	return result
}

// reverted notes the ticks that a revert has left unpublished.
func (r *Runner) reverted(ctx context.Context, plan *Plan, revert runs.Run, h *history) error {
	var of struct {
		Run int64 `json:"run_id"`
	}
	if json.Unmarshal(revert.Parameters, &of) != nil || of.Run == 0 {
		return nil
	}
	run, err := r.Runs.Get(ctx, of.Run)
	if f, is := fault.As(err); is && f.Kind == fault.NotFound {
		return nil // it was too old to be kept
	}
	if err != nil || run.Kind != RunKind || run.Subject != plan.Name {
		return err
	}
	for _, s := range toldBy(run, plan).Published {
		ticks, _ := oldest(plan, int64(s.From), int64(s.To)) // of what is defined now; what was reverted may have been of another cycle
		h.reverted = together(h.reverted, slices.DeleteFunc(ticks, func(tick int64) bool {
			_, published := h.of(tick)
			return published
		}))
	}
	return nil
}

// of finds the publication of a tick.
func (h *history) of(tick int64) (store.PublishedTick, bool) {
	i, found := slices.BinarySearchFunc(h.published, tick, func(p store.PublishedTick, tick int64) int { return cmp.Compare(p.Tick, tick) })
	if !found {
		return store.PublishedTick{}, false
	}
	return h.published[i], true
}

// upTo is what is known of ticks that are not after a time: a clock that was wrong may have had later ones published, which say nothing of what is due.
func (h *history) upTo(at int64) *history {
	published, _ := slices.BinarySearchFunc(h.published, at+1, func(p store.PublishedTick, tick int64) int { return cmp.Compare(p.Tick, tick) })
	reverted, _ := slices.BinarySearch(h.reverted, at+1)
	return &history{h.published[:published], h.reverted[:reverted], h.missed}
}

// ticks are those that are published.
func (h *history) ticks() []int64 {
	all := make([]int64, len(h.published))
	for i, p := range h.published {
		all[i] = p.Tick
	}
	return all
}

// first and last are the ends of all that is, or was, published; found is false where nothing is.
func (h *history) ends() (first, last int64, found bool) {
	all := together(h.ticks(), h.reverted)
	if len(all) == 0 {
		return 0, 0, false
	}
	return all[0], all[len(all)-1], true
}
