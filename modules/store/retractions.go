package store

import (
	"context"
	"errors"
	"fmt"
)

// Retraction is what an engine notes of one that took something from history, for those who keep what they computed of it (Traces).
type Retraction struct {
	Group  int64   // its id
	Number int64   // of the removal
	At     int64   // the event time, µs
	Runs   []int64 // that had brought what was taken, each once
}

// Retractions are the notes that say of whom Traces have not been told yet. So who commits a retraction and dies before it has told anybody
// leaves that to whoever starts next.
type Retractions interface {
	// Untold lists the retractions of all groups that have a note, in the order of their numbers. Remove notes one in its transaction, where the
	// selection is of one event time and takes anything.
	Untold(ctx context.Context) ([]Retraction, error)

	// Told gives a note up. It can be repeated.
	Told(ctx context.Context, told Retraction) error
}

// tellRetracted tells all who trace of what was retracted, here or by a process that did not come so far, and gives the notes up. When it answers
// nil, everything is told that was committed before the call.
func (s *Store) tellRetracted(ctx context.Context) error {
	if len(s.traces) == 0 {
		return nil
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	untold, err := s.offline.Untold(ctx)
	if err != nil {
		return unavailable("read what was retracted", err)
	}
	for _, retraction := range untold {
		if err := s.tellOf(ctx, retraction); err != nil {
			return err // whoever keeps it cannot be reached now: the others wait too
		}
	}
	return nil
}

// tellOf tells of one. Of a group that is deleted nothing is kept.
func (s *Store) tellOf(ctx context.Context, retraction Retraction) error {
	if group, ok := s.definitions.Catalog().GroupByID(retraction.Group); ok {
		for _, t := range s.traces {
			if err := t.Retracted(ctx, group, retraction.At, retraction.Runs); err != nil {
				return fmt.Errorf("take what was retracted from %s out of what was computed from it: %w", group.Name, err)
			}
		}
	}
	return unavailable("note that a retraction was told", s.offline.Told(ctx, retraction))
}

// tellOnTime tells of what was left untold: at the start what a process that was killed left, and every minute what could not be told, and what a
// process left that was not started again.
func (s *Store) tellOnTime() {
	if err := s.tellRetracted(s.background); err != nil && !errors.Is(err, context.Canceled) {
		s.log.Warn(untoldRetraction, "error", err)
	}
	s.eachMinute(untoldRetraction, s.tellRetracted)
}

// untoldRetraction is the log's word for it.
const untoldRetraction = "a retracted observation stays in what was computed from it until that can be told; it is tried again"
