package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"featurestore/app/fault"
)

// Active is a run that this process works on.
type Active struct {
	runs *Runs
	run  Run
	ctx  context.Context
	end  context.CancelCauseFunc

	mu       sync.Mutex
	shown    time.Time // when progress was last taken
	progress string    // to be saved; "" if there is nothing new
	finished bool
}

func (r *Runs) activate(ctx context.Context, run Run) *Active {
	a := &Active{runs: r, run: run}
	a.ctx, a.end = context.WithCancelCause(ctx)
	r.mu.Lock()
	r.active[run.ID] = a
	r.mu.Unlock()
	return a
}

// ID is the run's.
func (a *Active) ID() int64 { return a.run.ID }

// Subject is what the run is about.
func (a *Active) Subject() string { return a.run.Subject }

// Parameters are those that it was submitted with, nil if there were none.
func (a *Active) Parameters() json.RawMessage { return a.run.Parameters }

// Context ends when the run is cancelled or taken over, and when the context that it was begun or claimed with ends.
func (a *Active) Context() context.Context { return a.ctx }

// Progress shows how far the work is, as JSON. It may be called often: what comes within a second of an earlier one is dropped,
// and none of it waits for the database.
func (a *Active) Progress(v any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.runs.clock()
	if now.Sub(a.shown) < time.Second {
		return
	}
	a.shown = now
	text, err := encode(v)
	if err != nil {
		a.runs.log.Error("progress cannot be written as JSON", "run", a.run.ID, "error", err)
		return
	}
	a.progress = text
}

func (a *Active) newProgress() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	text := a.progress
	a.progress = ""
	return text
}

// Finish ends a run that was begun: with the result, or as failed by err; what a failed one came to may be told as well. A second call
// does nothing.
func (a *Active) Finish(ctx context.Context, result any, err error) error {
	a.mu.Lock()
	finished := a.finished
	a.finished = true
	a.mu.Unlock()
	if finished {
		return nil
	}
	defer a.forget()
	return a.save(context.WithoutCancel(ctx), result, err)
}

// save writes the outcome.
func (a *Active) save(ctx context.Context, result any, err error) error {
	state, reason, text := Succeeded, "", ""
	if err == nil || result != nil {
		told, failed := encode(result)
		if failed == nil {
			text = told
		} else if err == nil {
			err = fmt.Errorf("write the result as JSON: %w", failed)
		}
	}
	switch {
	case err == nil:
	case context.Cause(a.ctx) == errCancelled:
		state, reason = Cancelled, reasonCancelled
	default:
		state, reason = Failed, sentence(err)
	}
	now := a.runs.clock()
	held, saveErr := a.runs.repository.finish(ctx, a.run.ID, a.runs.owner, state, text, reason, now)
	if saveErr == nil && !held {
		saveErr = errTaken
	}
	if saveErr != nil {
		return fmt.Errorf("finish run %d: %w", a.run.ID, saveErr)
	}
	a.runs.log.Info("run finished", "run", a.run.ID, "kind", a.run.Kind, "subject", a.run.Subject, "state", state,
		"took", now.Sub(a.run.StartedAt).Round(time.Millisecond), "reason", reason)
	return nil
}

// forget ends the process's account of the run, whatever the table says.
func (a *Active) forget() {
	a.end(context.Canceled)
	a.runs.mu.Lock()
	delete(a.runs.active, a.run.ID)
	a.runs.mu.Unlock()
	a.runs.announce()
}

// sentence is what a caller may read of an error.
func sentence(err error) string {
	if f, ok := fault.As(err); ok {
		return f.Detail
	}
	if errors.Is(err, context.Canceled) {
		return "broken off: the server stopped, or the request ended"
	}
	return err.Error()
}
