package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
)

// RevertKind is the kind of the runs that take back what other runs brought.
const RevertKind = "revert"

// revertRequest is what such a run is asked to do.
type revertRequest struct {
	Run int64 `json:"run_id"`
}

// Reverted says what a revert takes back, or took.
type Reverted struct {
	Run      int64    `json:"run_id" doc:"The run whose rows it is about"`
	Group    string   `json:"group"`
	Rows     int64    `json:"rows" doc:"0: nothing of it is there any more"`
	Entities int64    `json:"entities" doc:"How many entities lose rows"`
	Services []string `json:"services" doc:"The feature services that read features of the group"`

	Quarantined int64 `json:"quarantined,omitempty" doc:"Rows that wait in quarantine and go too"`
}

// HandleRuns has this process do the runs of this module. It is called before the runs are started.
func (s *Store) HandleRuns() {
	s.runs.Handle(RevertKind, 1, s.workRevert)
	s.runs.Handle(CompactionKind, 1, s.workCompaction)
	s.runs.Handle(ExpiryKind, 1, s.workExpiry)
	s.runs.Handle(ErasureKind, 1, s.workErasure)
}

// Revertable counts what a revert of the run would take back. A run that is unknown, is not finished or brings no rows is a fault.
func (s *Store) Revertable(ctx context.Context, run int64) (*Reverted, error) {
	group, err := s.revertable(ctx, run)
	if err != nil {
		return nil, err
	}
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return nil, unavailable("count what a run brought", err)
	}
	removed, err := snapshot.Removable(ctx, group, Selection{Run: run})
	if err = errors.Join(err, snapshot.Close()); err != nil {
		return nil, unavailable("count what a run brought", err)
	}
	return s.reverted(run, group, removed), nil
}

// SubmitRevert asks for a run that takes back what a run brought, everywhere. One that brought nothing, or whose rows were taken back
// before, is reverted again without harm.
func (s *Store) SubmitRevert(ctx context.Context, run int64) (runs.Run, error) {
	group, err := s.revertable(ctx, run)
	if err != nil {
		return runs.Run{}, err
	}
	return s.runs.Submit(ctx, RevertKind, group.Name, revertRequest{Run: run})
}

// revertable finds the group that a run brought rows to. One that finished before the horizon is a fault of kind Gone: since then its rows
// stand for older ones, which may be there no more.
func (s *Store) revertable(ctx context.Context, id int64) (*registry.Group, error) {
	run, err := s.runs.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	group, err := s.revertGroup(ctx, run)
	if err != nil {
		return nil, err
	}
	if from := s.past.From(s.runs.Now().UnixMicro()); run.FinishedAt.UnixMicro() < from {
		since, finished := value.AppendTime(nil, from), string(value.AppendTime(nil, run.FinishedAt.UnixMicro()))
		return nil, fault.New(fault.Gone, "beyond-horizon",
			"run %d finished at %s, which lies further back than history.horizon: what it superseded may be compacted away, so it cannot be taken back any more", id, finished).
			At("path.id", finished, "is before %s", since)
	}
	return group, nil
}

// revertGroup finds the group that a run brought rows to, whenever that was: a load to its own, others to the one that they published to.
func (s *Store) revertGroup(ctx context.Context, run runs.Run) (*registry.Group, error) {
	id, published := run.ID, int64(0)
	if run.Kind != loadKind {
		var err error
		if published, _, err = s.offline.PublishedBy(ctx, id); err != nil {
			return nil, unavailable("find what a run published", err)
		}
		if published == 0 {
			return nil, fault.New(fault.Conflict, "run-without-rows", "run %d is a %s that has published nothing: only loads and what is published can be taken back", id, run.Kind).
				At("path.id", fmt.Sprint(id), "has brought no rows")
		}
	}
	if !run.State.Finished() {
		return nil, fault.New(fault.Conflict, "run-not-finished",
			"run %d is %s: cancel it with POST /runs/%d/cancel, and nothing of it is stored", id, run.State, id).
			At("path.id", fmt.Sprint(id), "is not finished")
	}
	catalog := s.definitions.Catalog()
	if published != 0 {
		if group, ok := catalog.GroupByID(published); ok {
			return group, nil
		}
		return nil, fault.New(fault.Conflict, "run-without-rows", "the group that run %d published to has been deleted", id).At("path.id", fmt.Sprint(id), "has brought no rows")
	}
	group, ok := catalog.Group(run.Subject)
	if !ok {
		return nil, catalog.UnknownGroup(run.Subject)
	}
	return group, nil
}

func (s *Store) reverted(run int64, group *registry.Group, removed Removed) *Reverted {
	r := &Reverted{Run: run, Group: group.Name, Rows: removed.Rows, Entities: removed.Entities, Services: []string{}, Quarantined: removed.Quarantined}
	for _, service := range s.definitions.Catalog().Services() {
		if slices.ContainsFunc(service.Features, func(f *registry.Feature) bool { return f.Group.ID == group.ID }) {
			r.Services = append(r.Services, service.Name)
		}
	}
	return r
}

// workRevert does one run that was asked for. It goes on until the online copy is right too.
func (s *Store) workRevert(ctx context.Context, run *runs.Active) (any, error) {
	var request revertRequest
	if err := json.Unmarshal(run.Parameters(), &request); err != nil {
		return nil, fmt.Errorf("read the parameters of run %d: %w", run.ID(), err)
	}
	reverting, err := s.runs.Get(ctx, request.Run)
	if err != nil {
		return nil, err
	}
	group, err := s.revertGroup(ctx, reverting) // the horizon was looked at when it was asked for
	if err != nil {
		return nil, err
	}
	s.owed.begin(group)
	removed, err := s.offline.Remove(ctx, group, Selection{Run: request.Run})
	if err == nil {
		err = s.takenOut(ctx, group, request.Run)
	}
	if err != nil {
		s.owed.postpone(group) // it may have been done nevertheless
		return nil, unavailable(fmt.Sprintf("revert run %d", request.Run), err)
	}
	result := s.reverted(request.Run, group, removed)
	if err := s.takeBackPatiently(ctx, group, func() { run.Progress(result) }); err != nil {
		s.owed.postpone(group)
		return result, err
	}
	s.owed.done(group)
	if s.publisher != nil && group.Kind == registry.Features {
		if _, err := s.publisher.Publish(context.WithoutCancel(ctx), group); err != nil {
			s.log.Warn("the end of a revert could not be announced; the ticker sees it", "group", group.Name, "error", err)
		}
	}
	return result, nil
}

// takeBackPatiently repeats TakeBack until the online copy is right, or ctx ends; waiting is called before it is repeated.
func (s *Store) takeBackPatiently(ctx context.Context, group *registry.Group, waiting func()) error {
	ticker := time.NewTicker(repayEvery)
	defer ticker.Stop()
	for told := false; ; told = true {
		_, err := s.TakeBack(ctx, group)
		if err == nil {
			return nil
		}
		waiting()
		if !told {
			s.log.Warn("what was taken back waits until the online copy can be set right", "group", group.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
