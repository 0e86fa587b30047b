package store

import (
	"context"

	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// Guards are what the registry asks before it changes what values depend on.
func (s *Store) Guards() registry.Guards {
	return registry.Guards{InUse: s.inUse, Retire: s.retire, Reopen: s.reopen, Restored: s.restored, Exact: s.exact}
}

// inUse tells whether any observation of the group is stored, or waits in quarantine.
func (s *Store) inUse(ctx context.Context, group *registry.Group) (bool, error) {
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return false, unavailable("look for rows of "+group.Name, err)
	}
	defer snapshot.Close()
	found := false
	err = snapshot.Observations(ctx, group, nil, Range{Limit: 1}, func(rows *Rows) error {
		found = found || len(rows.Keys) > 0
		return nil
	})
	if err == nil && !found {
		var waiting []*Quarantined
		waiting, err = s.offline.ListQuarantined(ctx, QuarantineFilter{Groups: []*registry.Group{group}, State: Waiting, Limit: 1})
		found = len(waiting) > 0
	}
	return found, unavailable("look for rows of "+group.Name, err)
}

// retire ends writing to a group that has no rows. An outage is a problem that the caller may retry.
func (s *Store) retire(ctx context.Context, group *registry.Group) (bool, error) {
	used, err := s.offline.Retire(ctx, group)
	return used, unavailable("retire "+group.Name, err)
}

func (s *Store) reopen(ctx context.Context, groups []*registry.Group) error {
	return unavailable("reopen groups", s.offline.Reopen(ctx, groups))
}

// restored gives up what is known of the offline store, which went back to an earlier moment with the registry.
func (s *Store) restored(ctx context.Context) error {
	if _, err := s.Identify(ctx); err != nil {
		return unavailable("read the offline store's identity", err)
	}
	s.layouts.forget()
	return unavailable("read what was taken back", s.remember(ctx))
}

// exact answers a fault if a FLOAT could not keep some stored value of an INTEGER feature exactly.
func (s *Store) exact(ctx context.Context, feature *registry.Feature) error {
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return unavailable("widen "+feature.Reference(), err)
	}
	defer snapshot.Close()
	least, greatest, found, err := snapshot.IntegerBounds(ctx, feature)
	if err != nil {
		return unavailable("widen "+feature.Reference(), err)
	}
	const beyond = 1 << 53
	if found && (least < -beyond || greatest > beyond) {
		return fault.New(fault.Conflict, "value-type-conflict",
			"%s is an INTEGER draft and holds values beyond 2^53, which a FLOAT cannot keep exactly: register it as FLOAT under another name",
			feature.Reference())
	}
	return nil
}
