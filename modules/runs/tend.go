package runs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"
)

// tend is the one goroutine that claims runs for the workers, renews leases, saves progress, hears of cancellations, takes back
// what dead processes left, and forgets old runs.
func (r *Runs) tend(ctx context.Context) {
	defer r.done.Done()
	ticker := time.NewTicker(r.config.Poll)
	defer ticker.Stop()
	var renewed, forgotten time.Time
	var failing bool
	for {
		err := r.claimAll(ctx)
		if now := time.Now(); err == nil && now.Sub(renewed) >= r.config.Lease/6 {
			renewed = now
			if err = r.renew(ctx); err == nil {
				err = r.tell(ctx)
			}
		}
		if err == nil {
			err = r.attend(ctx)
		}
		if err == nil {
			err = r.watch(ctx)
		}
		if now := time.Now(); err == nil && now.Sub(forgotten) >= time.Hour {
			forgotten = now
			err = r.forget(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if failing != (err != nil) {
			if failing = err != nil; failing {
				r.log.Warn("the table of runs cannot be used; submitted work waits", "error", err)
			} else {
				r.log.Info("the table of runs can be used again")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-r.wake:
		}
	}
}

// claimAll starts what is queued as far as there are free workers, and ends what was not started in time.
func (r *Runs) claimAll(ctx context.Context) error {
	waiting, err := r.repository.glance(ctx)
	if err != nil {
		return fmt.Errorf("look for queued runs: %w", err)
	}
	r.counts.seen(waiting)
	due := map[string]bool{}
	by := claimant{owner: r.owner, process: r.process, lease: r.config.Lease, heavy: r.config.Heavy}
	late := false
	for _, w := range waiting {
		due[w.Kind] = w.Due > 0
		late = late || w.Late > 0
		by.quiet = r.quiet.at(w.At.Time())
	}
	if late {
		if err := r.repository.tooLate(ctx, r.clock()); err != nil {
			return fmt.Errorf("end the runs that were not started in time: %w", err)
		}
		r.announce()
	}
	for _, h := range r.handlers {
		if !due[h.kind] {
			continue
		}
		for r.take(h) {
			active, err := r.claim(ctx, h.kind, by)
			if err != nil || active == nil {
				r.release(h)
				if err != nil {
					return fmt.Errorf("claim a run: %w", err)
				}
				break
			}
			r.done.Go(func() {
				r.do(ctx, h.work, active)
				r.release(h)
				r.look()
			})
		}
	}
	return nil
}

// claim claims a run of a kind; nil: there is none. It is not broken off when the process stops: a claim whose answer is not heard would
// leave its run to nobody until the lease ends.
func (r *Runs) claim(ctx context.Context, kind string, by claimant) (*Active, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
	defer cancel()
	by.now = r.clock()
	row, found, err := r.repository.claim(asking, kind, by)
	if err != nil || !found {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), r.repository.requeue(asking, row.ID, r.owner, row.Token))
	}
	active := r.activate(ctx, &row)
	if row.Attempts > 1 {
		lines, err := r.repository.readLog(asking, row.ID)
		if err != nil {
			r.log.Warn("the log of the attempts before could not be read", "run", row.ID, "error", err)
		}
		active.tail.start(lines)
		active.Logf("attempt %d, in %s", row.Attempts, r.process)
	}
	return active, nil
}

func (r *Runs) take(h *handler) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h.free == 0 {
		return false
	}
	h.free--
	return true
}

func (r *Runs) release(h *handler) {
	r.mu.Lock()
	h.free++
	r.mu.Unlock()
}

// renew shows that this process lives, and takes back the runs of those that do not.
func (r *Runs) renew(ctx context.Context) error {
	var ids []int64
	for _, a := range r.working() {
		ids = append(ids, a.ID())
	}
	if len(ids) > 0 {
		if err := r.repository.renew(ctx, ids, r.owner, r.config.Lease); err != nil {
			return fmt.Errorf("renew leases: %w", err)
		}
	}
	if !r.shared {
		return nil
	}
	taken, err := r.repository.takeBack(ctx, false, r.clock(), maxDeaths)
	if err != nil {
		return fmt.Errorf("take back the runs of processes that ended: %w", err)
	}
	if taken > 0 {
		r.counts.taken.Add(float64(taken))
		r.log.Warn("took back runs of a process that ended", "runs", taken)
		r.look()
	}
	return nil
}

// attend saves the progress of the runs under way, and ends those that were cancelled or taken over elsewhere, or are past their deadlines.
func (r *Runs) attend(ctx context.Context) error {
	working := r.working()
	if len(working) == 0 {
		return nil
	}
	for _, a := range working {
		if err := a.flush(ctx, false); err != nil {
			return err
		}
	}
	held, err := r.repository.held(ctx, r.owner)
	if err != nil {
		return fmt.Errorf("read the runs under way: %w", err)
	}
	for _, a := range working {
		switch row, ok := held[a.ID()]; {
		case !ok || row.Token != a.Token():
			a.end(errTaken)
		case row.CancelRequested:
			a.end(errCancelled)
		case row.Late:
			a.end(errLate)
		}
	}
	return nil
}

func (r *Runs) working() []*Active {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.active))
}

// do works on a claimed run and saves its outcome. If ctx, the process's, has ended, the run is given back.
func (r *Runs) do(ctx context.Context, work Work, active *Active) {
	defer active.forget()
	result, err := protect(work, active)
	saving := context.WithoutCancel(ctx)
	if cause := context.Cause(active.ctx); err != nil && (cause == context.Canceled || cause == errTaken) {
		if err := active.flush(saving, true); err != nil {
			r.log.Warn("the end of a run's log could not be saved", "run", active.ID(), "error", err)
		}
		if cause == errTaken {
			r.counts.ended(&active.run, "lost", r.clock())
		}
		if err := r.repository.requeue(saving, active.ID(), r.owner, active.Token()); err != nil { // one that was lost may not have been taken yet
			r.log.Warn("a run could not be given back; it is taken back when its lease ends", "run", active.ID(), "error", err)
		}
		return
	}
	for {
		saveErr := active.save(saving, result, err)
		if saveErr == nil {
			return
		}
		r.log.Warn("a run's outcome could not be saved", "run", active.ID(), "error", saveErr)
		if errors.Is(saveErr, errTaken) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.config.Poll):
		}
	}
}

// protect makes a panic an error.
func protect(work Work, active *Active) (result any, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			active.runs.log.Error("a run panicked", "run", active.ID(), "kind", active.run.Kind, "panic", caught, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", caught)
		}
	}()
	return work(active.ctx, active)
}
