package store

import (
	"context"
	"fmt"

	"featurestore/modules/registry"
)

// Traces are what others keep that was computed from rows.
type Traces interface {
	// TakenOut is told that rows of a group are gone: those of a run that was taken back or, with run 0, of erased entities. It may be told so
	// again, and where there were none. An erasure has not ended before it has answered.
	TakenOut(ctx context.Context, group *registry.Group, run int64) error

	// Retracted is told that rows of a group with an event time (µs) were taken back or narrowed, some of which these runs had brought. It may be told
	// so again, and what is told is durable: a process that is killed before leaves it to the next (retractions.go).
	Retracted(ctx context.Context, group *registry.Group, at int64, runs []int64) error
}

// TraceWith adds someone who is told of rows that are taken out. It is called before Start.
func (s *Store) TraceWith(t Traces) { s.traces = append(s.traces, t) }

// takenOut tells all of them.
func (s *Store) takenOut(ctx context.Context, group *registry.Group, run int64) error {
	for _, t := range s.traces {
		if err := t.TakenOut(ctx, group, run); err != nil {
			return fmt.Errorf("take rows of %s out of what was computed from them: %w", group.Name, err)
		}
	}
	return nil
}

// forgetInTraces tells of the groups that erasures removed rows from. What an attempt before this one removed cannot be told any more, so then it
// is all of them.
func (e *erasing) forgetInTraces(ctx context.Context, groups []*registry.Group, removed []map[string]int64) error {
	run, err := e.store.runs.Get(ctx, e.run.ID())
	if err != nil {
		return err
	}
	for _, group := range groups {
		gone := run.Attempts > 1
		for _, counted := range removed {
			gone = gone || counted[group.Name] > 0
		}
		if !gone {
			continue
		}
		if err := e.store.takenOut(ctx, group, 0); err != nil {
			return err
		}
	}
	return nil
}
