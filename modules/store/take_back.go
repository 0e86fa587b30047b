package store

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// fewEntities is how many entities a removal may touch for the online copy to go on answering while it is set right; while one
// that touches more is applied, the group is read offline.
const fewEntities = 1000

// errSuperseded says that the state of the group's online copy changed meanwhile: look again.
var errSuperseded = errors.New("the online copy's state has changed")

// TakeBack applies the removals of a group that its online copy does not have yet: it raises the fence, so that whoever read
// before is refused and reads again, takes what was removed out of each entity's row and merges what history says now, notes in the
// online store how far it got, and has the offline store forget its notes. It can be called at any time, from any number of processes,
// and repeated after a crash. It answers whether the online copy is marked afterwards. Where it is not, since very much was taken back, or
// since the online store lost something, or is another offline store's, so that the notes do not suffice, it serves nothing
// until materialization has brought it back.
func (s *Store) TakeBack(ctx context.Context, group *registry.Group) (marked bool, err error) {
	lock := s.owed.lock(group)
	lock.Lock()
	defer lock.Unlock()
	for range maxAttempts {
		removals, err := s.removalsOf(ctx, group)
		if err != nil {
			return false, err
		}
		if group.Kind == registry.Events { // there is no online copy
			return false, s.forget(ctx, group, removals, removals.Last)
		}
		marked, err := s.takeBack(ctx, group, removals)
		if !errors.Is(err, errSuperseded) {
			return marked, err
		}
	}
	return false, fault.New(fault.Busy, "superseded",
		"the online copy of %s kept changing hands while it was being set right: it is tried again", group.Name)
}

// removalsOf reads how far a group's removals have come.
func (s *Store) removalsOf(ctx context.Context, group *registry.Group) (Removals, error) {
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return Removals{}, unavailable("read what was taken back", err)
	}
	all, err := snapshot.Removals(ctx)
	return all[group.ID], unavailable("read what was taken back", errors.Join(err, snapshot.Close()))
}

func (s *Store) forget(ctx context.Context, group *registry.Group, removals Removals, upTo int64) error {
	if removals.Forgotten >= upTo {
		return nil
	}
	return unavailable("forget what was taken back", s.offline.ForgetRemovals(ctx, group, upTo))
}

// Covers tells whether the notes suffice for an online copy that has applied the removals up to that one.
func (r Removals) Covers(applied int64) bool { return applied >= r.Forgotten && applied <= r.Last }

// Raise is the state under which a group's removals up to that one are applied: what was begun before it is refused. It is above every
// fence that was raised for an earlier removal, also where the online store has forgotten those.
func (state State) Raise(last int64) State {
	if state.Raised != last {
		state.Fence, state.Raised = max(state.Fence+1, last), last
	}
	return state
}

func (s *Store) takeBack(ctx context.Context, group *registry.Group, removals Removals) (bool, error) {
	server, err := s.online.Run(ctx)
	if err != nil {
		return false, fmt.Errorf("ask the online store: %w", err)
	}
	from, err := s.online.State(ctx, group)
	if err != nil {
		return false, fmt.Errorf("read the online copy's state: %w", err)
	}
	identity, err := s.Identify(ctx)
	if err != nil {
		return false, unavailable("ask the offline store", err)
	}
	applied := from.Watermark.Removal
	switch {
	case !from.Watermark.counts(identity, removals):
		if from.Marker == "" {
			return false, nil
		}
		raised := from.Raise(removals.Last)
		raised.Marker, raised.Server = "", server
		return false, s.swap(ctx, group, from, raised)
	case applied == removals.Last:
		return from.Marker != "", s.forget(ctx, group, removals, removals.Last)
	}
	raised := from.Raise(removals.Last)
	raised.Server = server
	// raise goes before the first entity is set right. The marker goes too where there are many, or where the server was restarted and may
	// have lost rows.
	raise := func(many bool) (*dropping, error) {
		if many || from.Server != server {
			raised.Marker = ""
		}
		if err := s.swap(ctx, group, from, raised); err != nil {
			return nil, err
		}
		s.fences.learn(group, raised.Fence)
		return &dropping{store: s, group: group, fence: raised.Fence, marked: raised.Marker != ""}, nil
	}
	if err := s.drop(ctx, group, applied, raise); err != nil {
		return false, err
	}
	to := raised
	to.Watermark.Removal = removals.Last
	if err := s.swap(ctx, group, raised, to); err != nil {
		return false, err
	}
	return to.Marker != "", s.forget(ctx, group, removals, removals.Last)
}

// swap answers errSuperseded where the state was another one.
func (s *Store) swap(ctx context.Context, group *registry.Group, from, to State) error {
	if from == to {
		return nil
	}
	swapped, err := s.online.Swap(ctx, group, from, to)
	if err == nil && !swapped {
		err = errSuperseded
	}
	return err
}

// droppingLanes is how many batches of many entities are set right side by side: while history is read for one, another is written.
const droppingLanes = 3

// drop sets the entities right of which something was taken since a removal. It calls raise once, as soon as it knows whether they are many.
func (s *Store) drop(ctx context.Context, group *registry.Group, after int64, raise func(many bool) (*dropping, error)) error {
	var few []Taken
	var d *dropping
	work, within := errgroup.WithContext(ctx)
	work.SetLimit(droppingLanes)
	err := s.takenSince(ctx, group, after, func(batch []Taken) (err error) {
		if d == nil {
			if few = append(few, batch...); len(few) <= fewEntities {
				return nil
			}
			batch, few = few, nil
			if d, err = raise(true); err != nil {
				return err
			}
		}
		work.Go(func() error { return d.batch(within, batch) })
		return within.Err()
	})
	if failed := work.Wait(); failed != nil {
		return failed
	}
	if err != nil || d != nil {
		return err
	}
	if d, err = raise(false); err != nil {
		return err
	}
	return d.batch(ctx, few)
}

func (s *Store) takenSince(ctx context.Context, group *registry.Group, after int64, yield func([]Taken) error) error {
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return unavailable("read what was taken back", err)
	}
	return errors.Join(snapshot.Taken(ctx, group, after, yield), snapshot.Close())
}

// dropping sets entities right under one fence. Batches may be set right at the same time, and an entity may be in several: whatever the order,
// what was taken back goes, and what comes in its place is what history says.
type dropping struct {
	store  *Store
	group  *registry.Group
	fence  int64
	marked bool // the group is read online meanwhile
}

// batch reads history after the fence was raised. What comes in after that and is dated before what is taken back finds no place in the
// online row until that is out of it: so history is read and merged once more afterwards. Where the marker is absent the run that sets
// it does so.
func (d *dropping) batch(ctx context.Context, batch []Taken) error {
	if len(batch) == 0 {
		return nil
	}
	s := d.store
	keys := make([]Key, len(batch))
	for i := range batch {
		keys[i] = batch[i].Key
	}
	left, err := s.leftOf(ctx, d.group, keys)
	if err != nil {
		return err
	}
	rows := make([]Dropping, len(batch))
	for i, t := range batch {
		rows[i] = Dropping{PackedRow: left[t.Key.Encoded], IDs: t.IDs}
		rows[i].Key = t.Key
	}
	merged, err := s.online.Drop(ctx, d.group, d.fence, rows)
	if err != nil || !d.marked || merged.Refused {
		return refusedBy(merged, err)
	}
	if left, err = s.leftOf(ctx, d.group, keys); err != nil {
		return err
	}
	again := make([]PackedRow, 0, len(left))
	for _, row := range left {
		again = append(again, row)
	}
	return refusedBy(s.online.Merge(ctx, d.group, d.fence, true, again))
}

func refusedBy(merged Merged, err error) error {
	if err == nil && merged.Refused {
		err = errSuperseded
	}
	return err
}

// leftOf packs what history says of entities, by their encoded keys; one of which nothing is left is not among them.
func (s *Store) leftOf(ctx context.Context, group *registry.Group, keys []Key) (map[string]PackedRow, error) {
	current, err := s.currentOf(ctx, group, keys)
	if err != nil {
		return nil, err
	}
	left := make(map[string]PackedRow, len(keys))
	for _, row := range s.PackCurrent(current) {
		left[row.Key.Encoded] = row
	}
	return left, nil
}
