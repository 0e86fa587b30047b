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
		if now := r.clock(); err == nil && now.Sub(renewed) >= r.config.Lease/6 {
			renewed = now
			err = r.renew(ctx, now)
		}
		if now := r.clock(); err == nil && now.Sub(forgotten) >= time.Hour {
			forgotten = now
			err = r.repository.forget(ctx, now.Add(-r.config.Keep))
		}
		if err == nil {
			err = r.attend(ctx)
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

// claimAll starts what is queued as far as there are free workers.
func (r *Runs) claimAll(ctx context.Context) error {
	if len(r.handlers) == 0 {
		return nil
	}
	kinds, err := r.repository.kindsQueued(ctx)
	if err != nil {
		return fmt.Errorf("look for queued runs: %w", err)
	}
	for _, h := range r.handlers {
		if !slices.Contains(kinds, h.kind) {
			continue
		}
		for r.take(h) {
			now := r.clock()
			run, found, err := r.repository.claim(ctx, h.kind, r.owner, now, now.Add(r.config.Lease))
			if err != nil || !found {
				r.release(h)
				if err != nil {
					return fmt.Errorf("claim a run: %w", err)
				}
				break
			}
			active := r.activate(ctx, run)
			r.done.Go(func() {
				r.do(ctx, h.work, active)
				r.release(h)
				r.look()
			})
		}
	}
	return nil
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
func (r *Runs) renew(ctx context.Context, now time.Time) error {
	if len(r.working()) > 0 {
		if err := r.repository.renew(ctx, r.owner, now.Add(r.config.Lease)); err != nil {
			return fmt.Errorf("renew leases: %w", err)
		}
	}
	if !r.shared {
		return nil
	}
	taken, err := r.repository.takeBack(ctx, now, maxAttempts)
	if err != nil {
		return fmt.Errorf("take back the runs of processes that ended: %w", err)
	}
	if taken > 0 {
		r.log.Warn("took back runs of a process that ended", "runs", taken)
		r.look()
	}
	return nil
}

// attend saves the progress of the runs under way, and ends those that were cancelled or taken over elsewhere.
func (r *Runs) attend(ctx context.Context) error {
	working := r.working()
	for _, a := range working {
		if text := a.newProgress(); text != "" {
			if err := r.repository.saveProgress(ctx, a.ID(), r.owner, text); err != nil {
				return fmt.Errorf("save progress: %w", err)
			}
		}
	}
	if !r.shared || len(working) == 0 {
		return nil
	}
	held, err := r.repository.held(ctx, r.owner)
	if err != nil {
		return fmt.Errorf("read the runs under way: %w", err)
	}
	for _, a := range working {
		switch cancelled, ok := held[a.ID()]; {
		case !ok:
			a.end(errTaken)
		case cancelled:
			a.end(errCancelled)
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
	if err != nil && context.Cause(active.ctx) == context.Canceled {
		if err := r.repository.requeue(saving, active.ID(), r.owner); err != nil {
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
