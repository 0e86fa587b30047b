package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

// abandonedAfter is how long an online copy that has to be rebuilt is left to those who could, before an erasure that waits for it empties it.
const abandonedAfter = 10 * time.Second

// abandoned watches, for an erasure that waits for a copy to be rebuilt, whether anybody does that.
type abandoned struct{ since int64 } // µs: nobody was seen at it from then on; 0: somebody was

// look empties the copy once nobody has been seen to rebuild it for a while: no process that could may be running, and what is erased must
// not wait for one.
func (a *abandoned) look(ctx context.Context, s *Store, group *registry.Group) error {
	working, err := s.runs.List(ctx, runs.Filter{Kind: materializationKind, Subject: group.Name, State: runs.Running, Limit: 1})
	if err != nil {
		return err
	}
	now := s.now()
	switch {
	case len(working) > 0:
		a.since = 0
	case a.since == 0:
		a.since = now
	case now-a.since >= abandonedAfter.Microseconds():
		a.since = 0
		if err := s.emptyCopy(ctx, group); err != nil && ctx.Err() == nil {
			s.log.Warn("an online copy that an erasure waits for could not be emptied; it is tried again", "group", group.Name, "error", err)
		}
	}
	return nil
}

// emptyCopy removes a group's online rows, whose watermark does not count, and gives up the notes of its removals, which nobody needs then: the copy is
// read by nobody until it has been rebuilt, and whoever is at that begins anew, under the fence that is raised.
func (s *Store) emptyCopy(ctx context.Context, group *registry.Group) error {
	server, err := s.online.Run(ctx)
	if err != nil {
		return fmt.Errorf("ask the online store: %w", err)
	}
	from, err := s.online.State(ctx, group)
	if err != nil {
		return fmt.Errorf("read the online copy's state: %w", err)
	}
	removals, err := s.removalsOf(ctx, group)
	if err != nil {
		return err
	}
	identity, err := s.Identify(ctx)
	if err != nil {
		return unavailable("ask the offline store", err)
	}
	if from.Watermark.counts(identity, removals) {
		return nil // it has been rebuilt
	}
	to := State{Fence: max(from.Fence+1, from.Raise(removals.Last).Fence), Raised: removals.Last, Server: server}
	if err := s.swap(ctx, group, from, to); err != nil {
		if errors.Is(err, errSuperseded) {
			return nil // somebody is at it
		}
		return err
	}
	if refused, err := s.online.Sweep(ctx, group, to.Fence); err != nil || refused {
		return err
	}
	s.log.Warn("an online copy that had to be rebuilt was emptied for an erasure, since no process did that; its group is read offline until one does", "group", group.Name)
	return s.forget(ctx, group, removals, removals.Last)
}

// counts tells whether the copy holds what the watermark says, so that removals can be applied to it.
func (w Watermark) counts(identity string, removals Removals) bool {
	return w.Position != "" && w.Store == identity && removals.Covers(w.Removal)
}
