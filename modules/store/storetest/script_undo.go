package storetest

import (
	"fmt"

	"featurestore/modules/runs"
	"featurestore/modules/store"
)

func (r *scriptRun) revert([]string, []Line) error { return r.Revert(r.loaded) }

// Revert takes back what a run brought, and waits until it is done.
func (w *World) Revert(run int64) error {
	asked, err := w.Store.SubmitRevert(w.ctx, run)
	if err != nil {
		return err
	}
	done, err := w.Runs.Wait(w.ctx, asked.ID)
	if err == nil && done.State != runs.Succeeded {
		err = fmt.Errorf("the revert has %s: %s", done.State, done.Reason)
	}
	return err
}

func (r *scriptRun) retract(words []string, _ []Line) error {
	entityType, err := r.entityType(words[1])
	if err != nil {
		return err
	}
	request := store.RetractRequest{EntityType: entityType}
	if request.Key, err = store.ParseKey(entityType, words[2]); err != nil {
		return err
	}
	if request.EventTime, err = parseTime(words[3]); err != nil {
		return err
	}
	if len(words) > 4 {
		if request.Features, err = r.features(entityType.Name, words[4:]); err != nil {
			return err
		}
	}
	_, err = r.Store.Retract(r.ctx, request)
	return err
}
