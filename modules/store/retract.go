package store

import (
	"context"
	"errors"
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// RetractRequest names an observation of one entity that was never true.
type RetractRequest struct {
	EntityType *registry.EntityType
	Key        Key
	EventTime  int64               // µs; all ingests of that time are taken back
	Features   []*registry.Feature // only these; nil: whole rows, in all groups of the entity type but those of events
}

// Retracted says what was retracted, or would be.
type Retracted struct {
	Groups []RetractedGroup
	Online string // OnlineWritten, OnlinePending: not complete yet, and read offline until it is; OnlineNone
}

// RetractedGroup is one group's part of it.
type RetractedGroup struct {
	Group   *registry.Group
	Removed Removed
}

// Retract takes one observation back, offline durably and then online. Where nothing of it is stored it is a fault of kind NotFound.
func (s *Store) Retract(ctx context.Context, request RetractRequest) (*Retracted, error) {
	shares := s.retracted(request)
	if err := keepsIDs(shares); err != nil {
		return nil, err
	}
	out := &Retracted{Online: OnlineNone}
	for _, sh := range shares {
		removed, err := s.removeShare(ctx, sh, request)
		if err != nil {
			return nil, err
		}
		if !removed.Any() && removed.Quarantined == 0 {
			s.owed.done(sh.group)
			continue
		}
		out.Groups = append(out.Groups, RetractedGroup{sh.group, removed})
		if removed.Any() {
			// What they keep is no reason to refuse a retraction that is done: where one cannot be told now, it is told later.
			if err := s.tellRetracted(context.WithoutCancel(ctx)); err != nil {
				s.log.Warn(untoldRetraction, "error", err)
			}
		}
		if online := s.takeBackNow(ctx, sh.group); out.Online != OnlinePending && online != OnlineNone {
			out.Online = online
		}
	}
	if len(out.Groups) == 0 {
		return nil, noObservation(request)
	}
	return out, nil
}

// Retractable counts what Retract would take back.
func (s *Store) Retractable(ctx context.Context, request RetractRequest) (*Retracted, error) {
	asked := s.retracted(request)
	if err := keepsIDs(asked); err != nil {
		return nil, err
	}
	snapshot, shares, err := s.viewOf(ctx, "count observations", asked)
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	out := &Retracted{Online: OnlineNone}
	for _, sh := range shares {
		removed, err := snapshot.Removable(ctx, sh.group, request.selection(sh))
		if err != nil {
			return nil, unavailable("count observations of "+sh.group.Name, err)
		}
		if removed.Any() || removed.Quarantined > 0 {
			out.Groups = append(out.Groups, RetractedGroup{sh.group, removed})
		}
	}
	if len(out.Groups) == 0 {
		return nil, noObservation(request)
	}
	return out, nil
}

func noObservation(request RetractRequest) error {
	return fault.New(fault.NotFound, "no-observation", "nothing of this entity is stored with the event time %s: it must be given as GET /history answers it",
		value.AppendTime(nil, request.EventTime)).At("query.event_time", string(value.AppendTime(nil, request.EventTime)), "is no event time of this entity")
}

// retracted cuts a request into groups.
func (s *Store) retracted(request RetractRequest) []share {
	if request.Features != nil {
		return split(request.Features)
	}
	var shares []share
	for _, g := range s.definitions.Catalog().Groups() {
		if g.EntityType.ID == request.EntityType.ID && g.Kind == registry.Features {
			shares = append(shares, share{group: g})
		}
	}
	return shares
}

// keepsIDs answers a fault if a row would lose the id that it is known by, and keep something else.
func keepsIDs(shares []share) error {
	for _, sh := range shares {
		id := sh.group.RowID()
		if id == nil || !slices.Contains(sh.ordinals, id.Ordinal) || len(sh.ordinals) == len(sh.group.Stored()) {
			continue
		}
		return fault.New(fault.Unprocessable, "row-without-id",
			"%s is the id column of %s: a row cannot lose its id alone; to take whole rows back name all features of the group", id.Name, sh.group.Name).
			At("query.features", id.Reference(), "is the id of the row")
	}
	return nil
}

func (r RetractRequest) selection(sh share) Selection {
	return Selection{Key: &r.Key, At: r.EventTime, Features: sh.features}
}

// removeShare does the offline half in one group, which is not trusted online from then on: owed.done or takeBackNow must follow, unless
// there is an error.
func (s *Store) removeShare(ctx context.Context, sh share, request RetractRequest) (Removed, error) {
	s.owed.begin(sh.group)
	for range maxAttempts {
		removed, err := s.offline.Remove(ctx, sh.group, request.selection(sh))
		if err == nil {
			return removed, nil
		}
		if errors.Is(err, ErrOutdated) {
			var groups []*registry.Group
			if groups, err = s.refreshed(ctx, []*registry.Group{sh.group}); err == nil {
				if sh, err = sh.in(groups[0]); err == nil {
					continue
				}
			}
		}
		s.owed.postpone(sh.group) // it may have been done nevertheless
		return Removed{}, unavailable("take back rows of "+sh.group.Name, err)
	}
	s.owed.done(sh.group)
	return Removed{}, fault.New(fault.Busy, "definitions-changing", "the definitions of %s kept changing: try again", sh.group.Name)
}

// takeBackNow does the online half, or leaves it to be repaid.
func (s *Store) takeBackNow(ctx context.Context, group *registry.Group) string {
	marked, err := s.TakeBack(context.WithoutCancel(ctx), group)
	if err != nil {
		s.onlineFailed("take back rows of "+group.Name, err)
		s.owed.postpone(group)
		return OnlinePending
	}
	s.owed.done(group)
	switch {
	case group.Kind == registry.Events:
		return OnlineNone
	case !marked:
		return OnlinePending
	}
	return OnlineWritten
}
