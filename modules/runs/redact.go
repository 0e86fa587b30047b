package runs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"featurestore/app/database"
)

// Redact has edit take what has to be forgotten out of the results of runs that have finished, those that contain the text; it is the only
// thing that changes such a run. What they last showed of their progress is given up if it contains the text. Nothing of what goes is left
// in the table.
func (r *Runs) Redact(ctx context.Context, text string, edit func(Run) (result json.RawMessage, changed bool, err error)) error {
	found, err := r.repository.containing(ctx, text)
	if err != nil {
		return err
	}
	redacted := 0
	for _, run := range found {
		result, changed := run.Result, false
		if bytes.Contains(run.Result, []byte(text)) {
			if result, changed, err = edit(run); err != nil {
				return fmt.Errorf("redact run %d: %w", run.ID, err)
			}
		}
		if !changed && !bytes.Contains(run.Progress, []byte(text)) {
			continue
		}
		if err := r.repository.redact(ctx, run.ID, string(result)); err != nil {
			return err
		}
		redacted++
	}
	if redacted == 0 {
		return nil
	}
	return database.Scrub(ctx, r.repository.db, "runs")
}
