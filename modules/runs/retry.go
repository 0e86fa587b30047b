package runs

import (
	"context"
	"encoding/json"
	"fmt"

	"featurestore/app/fault"
)

// Retry asks for a finished run's work once more, as a new run with the same parameters. force has it done in spite of what held the run; now
// has it start in quiet hours too. Asked again while that new run is not finished, it answers that one. A run that succeeded, is not finished,
// was done inside a request, or was retried already is a fault of kind Conflict.
func (r *Runs) Retry(ctx context.Context, id int64, force, now bool) (Run, error) {
	row, err := r.repository.row(ctx, id)
	if err != nil {
		return Run{}, err
	}
	switch {
	case !row.State.Finished():
		return Run{}, fault.New(fault.Conflict, "run-not-finished", "run %d is %s; cancel it, or wait for its end", id, row.State)
	case row.State == Succeeded:
		return Run{}, fault.New(fault.Conflict, "run-succeeded", "run %d has succeeded; ask for its work anew", id)
	case !row.Submitted:
		return Run{}, fault.New(fault.Conflict, "run-not-repeatable", "run %d was a %s inside a request, whose data is not here any more; send the request again", id, row.Kind)
	}
	run := row.run()
	again, created, err := r.Order(ctx, Order{
		Kind: run.Kind, Subject: run.Subject, Parameters: parametersOf(run.Parameters), Form: row.Form,
		Unique: fmt.Sprintf("retry of run %d", id), Schedule: run.Schedule, Tick: run.Tick, Retries: run.Retries,
		Backoff: row.backoff(), Key: run.Key, Heavy: run.Heavy, Now: now, RetryOf: id, Forced: force || run.Forced, unwatched: !row.Watched,
	})
	if err != nil || created || !again.State.Finished() && (again.Forced || !force) {
		return again, err
	}
	if !again.State.Finished() {
		return Run{}, fault.New(fault.Conflict, "run-retried", "run %d is retried already, without force, as run %d; cancel that one, then retry it", id, again.ID)
	}
	return Run{}, fault.New(fault.Conflict, "run-retried", "run %d was retried already as run %d, which has %s; retry that one", id, again.ID, again.State)
}

// parametersOf has no parameters stay none.
func parametersOf(text json.RawMessage) any {
	if text == nil {
		return nil
	}
	return text
}
