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
	runs    *Runs
	run     Run // as it was claimed or begun
	ordered bool
	form    string
	backoff time.Duration
	ctx     context.Context
	end     context.CancelCauseFunc
	tail    tail
	saving  sync.Mutex // one flush at a time, so that none overwrites a later one

	mu       sync.Mutex
	shown    time.Time // when progress was last taken
	notes    notes
	showing  bool // there is something new in notes.progress
	noted    bool // there is something new in the other notes
	finished bool

	measured bool          // usual is known; this and the next two are tend's own
	usual    time.Duration // what such runs take; 0: too few have succeeded
	slow     bool          // it was told that this one takes much longer
}

// notes are what the work says of itself. What is empty or nil was not said.
type notes struct {
	progress, inputs, outputs string
	rows                      *int64
}

func (r *Runs) activate(ctx context.Context, row *runRow) *Active {
	a := &Active{runs: r, run: row.run(), ordered: row.Submitted, form: row.Form, backoff: row.backoff()}
	a.slow = row.Slow
	a.notes = notes{inputs: row.Inputs, outputs: row.Outputs, rows: row.RowCount}
	a.ctx, a.end = context.WithCancelCause(ctx)
	r.mu.Lock()
	before := r.active[a.run.ID]
	r.active[a.run.ID] = a
	r.mu.Unlock()
	if before != nil { // this process had lost it, and has not noticed
		before.end(errTaken)
	}
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
	a.showing = a.note(v, &a.notes.progress) || a.showing
}

// Inputs says what the work reads, as JSON; a later call replaces what an earlier one said, also in an attempt before. Nothing of it may be a
// value or name an entity.
func (a *Active) Inputs(v any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.noted = a.note(v, &a.notes.inputs) || a.noted
}

// Outputs says what the work has written, as Inputs says what it reads.
func (a *Active) Outputs(v any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.noted = a.note(v, &a.notes.outputs) || a.noted
}

// Rows says how many rows the work has written.
func (a *Active) Rows(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notes.rows, a.noted = &n, true
}

// note takes in what is said; the caller holds mu.
func (a *Active) note(v any, into *string) bool {
	text, err := encode(v)
	if err != nil {
		a.runs.log.Error("what a run says of itself cannot be written as JSON", "run", a.run.ID, "error", err)
		return false
	}
	*into = text
	return true
}

// newNotes are all notes, if there is anything new in them since the last call. At its end how far a run got is no news.
func (a *Active) newNotes(last bool) (notes, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	news := a.noted || a.showing && !last
	a.noted, a.showing = false, false
	return a.notes, news
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
	if err != nil {
		state, reason = a.verdict(err)
	}
	if flushErr := a.flush(ctx, true); flushErr != nil {
		return fmt.Errorf("finish run %d: %w", a.run.ID, flushErr)
	}
	now, why := a.runs.clock(), []any{"reason", reason}
	if cause := hidden(err); state == Failed && cause != "" {
		why = append(why, "error", cause)
	}
	if state == Failed && a.run.Failures < a.run.Retries && context.Cause(a.ctx) != errLate {
		wait := a.delay()
		queued, err := a.runs.repository.again(ctx, &a.run, a.runs.owner, reason, wait, now)
		if err != nil {
			return fmt.Errorf("queue run %d again: %w", a.run.ID, err)
		}
		if queued {
			a.runs.counts.ended(&a.run, "retried", now)
			a.runs.log.Warn("an attempt of a run failed; it is tried again", append([]any{"run", a.run.ID, "kind", a.run.Kind, "subject", a.run.Subject,
				"attempt", a.run.Attempts, "in", wait.Round(time.Millisecond)}, why...)...)
			return nil
		}
	}
	held, saveErr := a.runs.repository.finish(ctx, a.run.ID, a.runs.owner, a.run.Token, state, text, reason, now)
	if saveErr == nil && !held {
		saveErr = errTaken
	}
	if saveErr != nil {
		return fmt.Errorf("finish run %d: %w", a.run.ID, saveErr)
	}
	a.runs.counts.ended(&a.run, string(state), now)
	a.runs.ending.Store(true)
	a.runs.log.Info("run finished", append([]any{"run", a.run.ID, "kind", a.run.Kind, "subject", a.run.Subject, "state", state,
		"took", now.Sub(a.run.StartedAt).Round(time.Millisecond)}, why...)...)
	return nil
}

// verdict is what an error of the work makes of the run.
func (a *Active) verdict(err error) (State, string) {
	switch context.Cause(a.ctx) {
	case errCancelled:
		return Cancelled, reasonCancelled
	case errLate:
		return Failed, reasonLate(a.run.Deadline)
	}
	if o, ok := outcomeOf(err); ok {
		return o.state, o.reason
	}
	return Failed, sentence(err)
}

// flush saves what the work said of itself since the last flush. If the run's row is in use just now, it is done the next time, unless this is
// the last.
func (a *Active) flush(ctx context.Context, last bool) error {
	a.saving.Lock()
	defer a.saving.Unlock()
	if said, ok := a.newNotes(last); ok {
		saved, err := a.runs.repository.saveNotes(ctx, a.run.ID, a.runs.owner, a.run.Token, said, last)
		if !saved {
			a.mu.Lock()
			a.noted = true
			a.mu.Unlock()
		}
		if err != nil {
			return fmt.Errorf("save progress: %w", err)
		}
	}
	if lines, ok := a.tail.news(); ok {
		if err := a.runs.repository.saveLog(ctx, a.run.ID, a.run.Token, lines); err != nil {
			a.tail.renew()
			return fmt.Errorf("save a log: %w", err)
		}
	}
	return nil
}

// forget ends the process's account of the run, whatever the table says.
func (a *Active) forget() {
	a.end(context.Canceled)
	a.runs.mu.Lock()
	if a.runs.active[a.run.ID] == a {
		delete(a.runs.active, a.run.ID)
	}
	a.runs.mu.Unlock()
	a.runs.announce()
}

// hidden is what no caller reads of an error that is nobody's mistake, for the log; "": the reason says it all.
func hidden(err error) string {
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Busy && f.Kind != fault.Internal || f.Unwrap() == nil {
		return ""
	}
	return f.Unwrap().Error()
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
