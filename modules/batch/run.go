package batch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// working is one run at work.
//
// It decides which ticks to compute, and then, chunk by chunk, has the engine compute them into a folder, holds back those whose source is probably
// not complete, and publishes the others: each chunk in one transaction. So a run that is broken off leaves whole ticks or none, and goes on, when it is
// claimed again, with those that it has not published. Where the definitions change under it, it decides anew.
type working struct {
	*Runner
	run     *runs.Active
	request Request
	result  Result
	todo    *decision
	rows    map[int64]int64 // of each tick that is published under the plan's version, and of those that this run has published
	there   []int64         // ticks that this run has published, ascending
	newest  int64           // of all that is published
	of, at  int             // ticks to compute, and how many of them are done
	read    Inputs
	holds   float64 // the ratio under which ticks were held back

	unjudged bool // rows are published that rules about what a run brought are to judge after its last publication
}

// errChanged says that the definitions are not any more those that a plan was made of: nothing was published, and it is decided anew.
var errChanged = errors.New("the definitions have changed")

// again is how often a run decides anew before it gives up.
const again = 5

// work does a run.
func (r *Runner) work(ctx context.Context, run *runs.Active) (any, error) {
	w := &working{Runner: r, run: run, result: Result{Pipeline: run.Subject(), Published: []Span{}}}
	if text := run.Parameters(); len(text) > 0 {
		if err := json.Unmarshal(text, &w.request); err != nil {
			return nil, fmt.Errorf("read the parameters of run %d: %w", run.ID(), err)
		}
	}
	began := w.Clock()
	err := w.decided(ctx)
	for n := 1; errors.Is(err, errChanged) && n < again; n++ {
		w.run.Logf("the definitions have changed: it is decided anew what is to be computed")
		if _, err = r.Definitions.Refresh(ctx); err == nil {
			err = w.decided(ctx)
		}
	}
	if errors.Is(err, errChanged) {
		err = fault.New(fault.Busy, "definitions-changing", "the definitions of the pipeline %s and of what it reads and writes kept changing: run it again", run.Subject()).Because(err)
	}
	r.counts.ended(ctx, run.Subject(), w.Clock().Sub(began), len(w.result.Held), err)
	if err == nil && len(w.result.Held) > 0 {
		err = runs.Hold(heldBack(w.result.Held, w.holds))
	}
	return &w.result, err
}

// decided computes and publishes what is to be, by the definitions of now.
func (w *working) decided(ctx context.Context) error {
	plan, err := w.plan(w.run.Subject())
	if err != nil {
		return err
	}
	engine, err := w.engine(plan, w.request.Engine)
	if err != nil {
		return err
	}
	w.result.Version, w.result.Group, w.result.Engine, w.result.Held = plan.Version, plan.Target.Name, engine.Name(), nil
	h, err := w.history(ctx, plan)
	if err != nil {
		return err
	}
	if n := len(h.published); n > 0 {
		w.newest = h.published[n-1].Tick
		w.counts.stands(plan.Name, w.newest)
	}
	if w.todo, err = w.decide(ctx, plan, &w.request, h); err != nil {
		return err
	}
	return errors.Join(w.chunks(ctx, plan, engine, w.left(plan, h)), w.todo.close())
}

// left are the ticks that no earlier attempt of this run has published.
func (w *working) left(plan *Plan, h *history) []int64 {
	var done []int64
	w.rows = map[int64]int64{}
	for _, p := range h.published {
		if p.Version == int64(plan.Version) {
			w.rows[p.Tick] = p.Rows
			if p.Run == w.run.ID() {
				done = append(done, p.Tick)
			}
		}
	}
	w.there = together(w.there, done)
	ticks := without(w.todo.ticks, done)
	w.of, w.at, w.unjudged = len(ticks), 0, len(done) > 0
	w.run.Logf("to compute: %s; of them published before, and to be computed again since the source has changed: %d", span(ticks), len(w.todo.late))
	if n := len(w.todo.ticks) - len(ticks); n > 0 {
		w.run.Logf("%d ticks were published by an earlier attempt of this run", n)
	}
	return ticks
}

// chunks computes and publishes ticks, some at a time. Where there is nothing to compute, that published ticks are right as of the present is published.
func (w *working) chunks(ctx context.Context, plan *Plan, engine Engine, ticks []int64) error {
	if len(ticks) == 0 && w.todo.events != nil {
		return w.publishNothing(ctx, store.Publication{Source: w.todo.events.Place(), Confirms: true, Unjudged: w.unjudged}, plan)
	}
	for len(ticks) > 0 {
		n := w.chunkSize(ticks)
		events := w.todo.events
		if n < w.of { // one snapshot is not held open for long
			events = nil
		}
		if err := w.chunk(ctx, plan, engine, ticks[:n], events); err != nil {
			if !errors.Is(err, errChanged) {
				w.result.Unpublished = moments(ticks[:min(len(ticks), shownTicks)])
			}
			return err
		}
		ticks = ticks[n:]
	}
	if w.unjudged { // all that came last was held back, or published by an earlier attempt
		return w.publishNothing(ctx, store.Publication{Unjudged: true}, plan)
	}
	return nil
}

// publishNothing publishes no tick, but what else there is to say.
func (w *working) publishNothing(ctx context.Context, p store.Publication, plan *Plan) error {
	published, err := w.publish(ctx, p, plan, nil)
	if err == nil {
		w.result.Validation = cmp.Or(published.Validation, w.result.Validation)
	}
	return err
}

// shownTicks is how many ticks a result lists at most.
const shownTicks = 1000

// chunkSize is how many of the ticks are computed at once.
func (w *working) chunkSize(ticks []int64) int {
	if most := w.config.ChunkTicks; len(ticks) > most {
		ticks = ticks[:most]
	}
	perTick := int64(0)
	for _, rows := range w.rows { // the most is the safest guess
		perTick = max(perTick, rows)
	}
	return len(inChunks(ticks, perTick, int64(w.config.ChunkRows))[0])
}

// chunk computes some ticks and publishes them. events is the snapshot in which all published ticks were looked at, if these are all that is to be
// computed; else nil.
func (w *working) chunk(ctx context.Context, plan *Plan, engine Engine, ticks []int64, events *store.Events) error {
	if err := w.unchanged(plan); err != nil {
		return err
	}
	folder, err := w.staging.folder(fmt.Sprint("run-", w.run.ID()))
	if err != nil {
		return err
	}
	defer func() {
		if err := os.RemoveAll(folder); err != nil {
			w.log.Warn("what a run had computed could not be removed; the next start does it", "run", w.run.ID(), "error", err)
		}
	}()
	began := w.Clock()
	staged, place, err := w.compute(ctx, plan, engine, ticks, folder, events)
	if err != nil {
		return during(err, "computing %s on %s", span(ticks), engine.Name())
	}
	took := w.Clock().Sub(began)
	w.counts.spent(plan.Name, "computing", took)
	w.run.Logf("computed %s: %d rows in %s", span(ticks), staged.Rows, took.Round(time.Millisecond))
	if err := w.unchanged(plan); err != nil {
		return err
	}
	held := w.audit(plan, ticks, staged)
	publishing := without(ticks, held)
	if len(publishing) == 0 {
		w.at += len(ticks)
		return nil
	}
	again := len(w.todo.late) - len(without(w.todo.late, held)) // published ticks that stay as they were
	rows := newStagedTable(staged.Files, held)
	defer rows.Close() //nolint:errcheck // it was only read
	began = w.Clock()
	published, err := w.publish(ctx, store.Publication{
		Ticks: publishing, Source: place, Confirms: events != nil && again == 0, More: w.at+len(ticks) < w.of, Unjudged: w.unjudged,
	}, plan, rows)
	if err != nil {
		return err
	}
	w.unjudged = w.at+len(ticks) < w.of && (w.unjudged || published.Stored > 0)
	for _, tick := range publishing {
		w.rows[tick] = staged.PerTick[tick]
	}
	w.at += len(ticks)
	w.there = together(w.there, publishing)
	w.result.Published = spans(plan, w.there)
	late := len(publishing) - len(without(publishing, w.todo.late))
	w.result.add(publishing, late, published)
	took = w.Clock().Sub(began)
	w.newest = max(w.newest, publishing[len(publishing)-1])
	w.counts.spent(plan.Name, "publishing", took)
	w.counts.published(plan.Name, len(publishing), late, w.newest, published)
	w.run.Logf("published %s in %s: %d rows stored, %d unchanged, %d taken back, %d in quarantine", span(publishing),
		took.Round(time.Millisecond), published.Stored, published.Duplicate, published.TakenBack, published.Quarantined)
	w.progress("published", 0)
	w.run.Rows(w.result.Stored)
	w.run.Inputs(w.read)
	w.run.Outputs(Outputs{Group: plan.Target.Name, Ticks: w.result.Published})
	return nil
}

// publish publishes what is staged of some ticks.
func (w *working) publish(ctx context.Context, p store.Publication, plan *Plan, rows table.Reader) (*store.Published, error) {
	p.Group, p.Name, p.Version, p.Partial, p.Fence = plan.Target.Name, plan.Name, int64(plan.Version), plan.Partial, w.run.StillHeld
	published, err := w.Values.Publish(ctx, w.run.ID(), p, rows)
	if errors.Is(err, store.ErrOutdated) || fault.Is(err, "definitions-changing") {
		return nil, fmt.Errorf("%w: %w", errChanged, err)
	}
	return published, during(err, "publishing %s", span(p.Ticks))
}

// compute has the engine compute ticks into a folder, from a snapshot of the source group, or from one of its own. place is where the source stood.
func (w *working) compute(ctx context.Context, plan *Plan, engine Engine, ticks []int64, folder string, events *store.Events) (staged *Staged, place store.Place, err error) {
	job := &Job{
		Plan: plan, Ticks: ticks, From: ticks[0], Folder: folder,
		Memory: w.config.MemoryBytes, Threads: w.config.Threads, Timeout: w.config.Timeout,
		Progress: func(done, _ int) { w.progress("computing", done) },
	}
	if before, found := plan.Ticks.Before(ticks[0]); found {
		job.From = before
	}
	if plan.Memory != 0 {
		job.Memory = plan.Memory
	}
	if plan.Timeout != 0 {
		job.Timeout = plan.Timeout
	}
	if plan.Source.Group != nil {
		if events == nil {
			if events, err = w.Values.Events(ctx, plan.Source.Group.Name); err != nil {
				return nil, place, err
			}
			defer func() { err = errors.Join(err, events.Close()) }()
		}
		job.Events, place = events, events.Place()
		if err := w.retained(ctx, plan, ticks, events); err != nil {
			return nil, place, err
		}
	}
	w.read = inputsOf(plan, place)
	w.progress("computing", 0)
	staged, err = engine.Compute(ctx, job)
	return staged, place, err
}

// retained refuses ticks whose events are gone, unless the run was forced.
func (w *working) retained(ctx context.Context, plan *Plan, ticks []int64, events *store.Events) error {
	from, err := computable(ctx, plan, events)
	if err != nil || ticks[0] >= from || w.run.Forced() {
		return err
	}
	return fault.New(fault.Gone, "events-gone", "events of %s that the longest window of %s reaches back to are gone by the group's retention: ticks before %s cannot be computed any more",
		plan.Source.Group.Name, Moment(ticks[0]), Moment(from))
}

// unchanged tells whether a plan is still that of the definitions.
func (w *working) unchanged(plan *Plan) error {
	now, err := w.plan(plan.Name)
	if err != nil {
		return err
	}
	if now.Version != plan.Version || now.Target.Version != plan.Target.Version {
		return errChanged
	}
	return nil
}

// audit finds the ticks, of some that are staged, that have far fewer rows than those before them under the same definition. A run that was forced holds
// none back.
func (w *working) audit(plan *Plan, ticks []int64, staged *Staged) (held []int64) {
	if plan.MinRowsRatio == 0 || w.run.Forced() {
		return nil
	}
	w.holds = plan.MinRowsRatio
	known := slices.Sorted(maps.Keys(w.rows))
	for _, tick := range ticks {
		at, found := slices.BinarySearch(known, tick)
		var before []int64
		for _, earlier := range known[max(0, at-trailing):at] {
			before = append(before, w.rows[earlier])
		}
		median, is := usual(before)
		rows := staged.PerTick[tick]
		if is && partial(rows, median, plan.MinRowsRatio) {
			held = append(held, tick)
			w.result.Held = append(w.result.Held, HeldTick{Moment(tick), rows, median})
			continue
		}
		if !found {
			known = slices.Insert(known, at, tick)
		}
		w.rows[tick] = rows
	}
	return held
}

// progress shows how far the run is, done ticks further than what is published.
func (w *working) progress(doing string, done int) {
	w.run.Progress(map[string]any{"doing": doing, "ticks_done": w.at + done, "ticks": w.of, "rows": w.result.Rows})
}

// during says what a run was doing when it failed, if it did. Faults stay what they are.
func during(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	doing := fmt.Sprintf(format, args...)
	if f, ok := fault.As(err); ok {
		told := fault.New(f.Kind, f.Slug, "%s failed: %s", doing, f.Detail)
		told.Violations, told.RetryAfter = f.Violations, f.RetryAfter
		return told.Because(err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
