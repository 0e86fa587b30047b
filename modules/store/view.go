package store

import (
	"context"
	"errors"
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// view opens a snapshot for reading some groups, and answers them as they are defined in it. What a call began with can be older than the
// rows that it finds: another process, or another call of this one, may have changed the definitions and stored under them since.
func (s *Store) view(ctx context.Context, doing string, groups []*registry.Group) (Snapshot, []*registry.Group, error) {
	for range maxAttempts {
		snapshot, err := s.fitting(ctx, doing, groups)
		if err == nil {
			return snapshot, groups, nil
		}
		if !errors.Is(err, ErrOutdated) {
			return nil, nil, err
		}
		if groups, err = s.refreshed(ctx, groups); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, definitionsChanging()
}

func definitionsChanging() error {
	return fault.New(fault.Busy, "definitions-changing", "the definitions kept changing while values were being read: try again")
}

// fitting opens a snapshot in which none of the groups has a newer layout than its definition; otherwise it answers ErrOutdated.
func (s *Store) fitting(ctx context.Context, doing string, groups []*registry.Group) (Snapshot, error) {
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return nil, unavailable(doing, err)
	}
	for _, g := range groups {
		if err = snapshot.Fits(ctx, g); err != nil {
			break
		}
	}
	if err == nil {
		return snapshot, nil
	}
	_ = snapshot.Close() // err says what is wrong
	if errors.Is(err, ErrOutdated) {
		return nil, err
	}
	return nil, unavailable(doing, err)
}

func groupsOf(shares []share) []*registry.Group {
	groups := make([]*registry.Group, len(shares))
	for i := range shares {
		groups[i] = shares[i].group
	}
	return groups
}

// refreshed reads the registry again and answers the groups as they are now.
func (s *Store) refreshed(ctx context.Context, groups []*registry.Group) ([]*registry.Group, error) {
	catalog, err := s.definitions.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	now := make([]*registry.Group, len(groups))
	for i, g := range groups {
		found, ok := catalog.GroupByID(g.ID)
		if !ok {
			return nil, catalog.UnknownGroup(g.Name)
		}
		now[i] = found
	}
	return now, nil
}

// viewOf is view for the groups of some shares, which it answers as they are defined in the snapshot.
func (s *Store) viewOf(ctx context.Context, doing string, shares []share) (Snapshot, []share, error) {
	snapshot, groups, err := s.view(ctx, doing, groupsOf(shares))
	if err != nil {
		return nil, nil, err
	}
	now := slices.Clone(shares)
	for i := range now {
		if now[i].group == groups[i] {
			continue
		}
		if now[i], err = now[i].in(groups[i]); err != nil {
			_ = snapshot.Close() // err says what is wrong
			return nil, nil, err
		}
	}
	return snapshot, now, nil
}

// in is the share with its group and features as they are defined now.
func (sh share) in(group *registry.Group) (share, error) {
	if sh.features == nil {
		return share{group: group}, nil
	}
	stored := group.Stored()
	features, wanted := make([]*registry.Feature, len(sh.features)), slices.Clone(sh.wanted)
	for i, f := range sh.features {
		at := slices.IndexFunc(stored, func(g *registry.Feature) bool { return same(f, g) })
		if at < 0 {
			return share{}, fault.New(fault.NotFound, "unknown-feature", "the feature %s has just been deleted", f.Reference())
		}
		features[i] = stored[at]
	}
	for i := range wanted {
		wanted[i].feature = features[wanted[i].index]
	}
	return share{group: group, features: features, ordinals: sh.ordinals, wanted: wanted}, nil
}

// same tells whether two definitions, perhaps of different moments, are of one feature.
func same(f, g *registry.Feature) bool { return f.Group.ID == g.Group.ID && f.Ordinal == g.Ordinal }
