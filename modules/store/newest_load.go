package store

import (
	"context"
	"encoding/json"
	"fmt"

	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

// NewestLoad asks the runs for loads, and the record of publications.
func (s values) NewestLoad(ctx context.Context, group *registry.Group) (int64, error) {
	published, err := s.offline.LastPublished(ctx, group)
	if err != nil {
		return 0, unavailable("read what was published to "+group.Name, err)
	}
	reverted, err := s.revertedRuns(ctx, group)
	if err != nil {
		return 0, err
	}
	newest := published
	err = s.eachRun(ctx, runs.Filter{Kind: loadKind, Subject: group.Name, State: runs.Succeeded}, func(load runs.Run) (bool, error) {
		if load.ID > published && !reverted[load.ID] {
			newest = load.ID
		}
		return newest == published && load.ID > published, nil
	})
	return newest, err
}

// revertedRuns are the runs of a group that were reverted, or are about to be. One whose revert has failed is among them if it had begun to
// take rows out.
func (s values) revertedRuns(ctx context.Context, group *registry.Group) (map[int64]bool, error) {
	reverted := map[int64]bool{}
	err := s.eachRun(ctx, runs.Filter{Kind: RevertKind, Subject: group.Name}, func(run runs.Run) (bool, error) {
		if run.State.Finished() && run.State != runs.Succeeded && len(run.Result) == 0 {
			return true, nil
		}
		var request revertRequest
		if err := json.Unmarshal(run.Parameters, &request); err != nil {
			return false, fmt.Errorf("read the parameters of run %d: %w", run.ID, err)
		}
		reverted[request.Run] = true
		return true, nil
	})
	return reverted, err
}

// eachRun calls yield with runs, the newest first, until it answers that no more are wanted.
func (s values) eachRun(ctx context.Context, filter runs.Filter, yield func(runs.Run) (more bool, err error)) error {
	filter.Limit = 100
	for {
		found, err := s.runs.List(ctx, filter)
		if err != nil {
			return err
		}
		for _, run := range found {
			if more, err := yield(run); err != nil || !more {
				return err
			}
		}
		if len(found) < filter.Limit {
			return nil
		}
		filter.Before = found[len(found)-1].ID
	}
}
