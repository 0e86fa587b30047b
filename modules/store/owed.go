package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"featurestore/modules/registry"
)

// owed knows the groups from whose history this process takes something back that their online copies may still hold: until those are
// set right, it reads the groups offline. What could not be done at once is tried again every second.
type owed struct {
	groups atomic.Pointer[map[int64]bool] // those that are read offline; nil: none

	mu    sync.Mutex
	doing map[int64]int // calls under way, by group
	later map[int64]int // calls that are to be repaid
	locks map[int64]*sync.Mutex
}

// has tells whether a group's online copy is not to be trusted now.
func (o *owed) has(group *registry.Group) bool {
	groups := o.groups.Load()
	return groups != nil && (*groups)[group.ID]
}

// lock is for one that sets the group's online copy right.
func (o *owed) lock(group *registry.Group) *sync.Mutex {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.locks[group.ID] == nil {
		if o.locks == nil {
			o.locks = map[int64]*sync.Mutex{}
		}
		o.locks[group.ID] = &sync.Mutex{}
	}
	return o.locks[group.ID]
}

// change counts calls under way and those to be repaid.
func (o *owed) change(id int64, doing, later int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.doing == nil {
		o.doing, o.later = map[int64]int{}, map[int64]int{}
	}
	o.doing[id] += doing
	o.later[id] += later
	if o.doing[id] == 0 {
		delete(o.doing, id)
	}
	if o.later[id] == 0 {
		delete(o.later, id)
	}
	groups := make(map[int64]bool, len(o.doing)+len(o.later))
	for _, counts := range []map[int64]int{o.doing, o.later} {
		for id := range counts {
			groups[id] = true
		}
	}
	if len(groups) == 0 {
		o.groups.Store(nil)
		return
	}
	o.groups.Store(&groups)
}

// begin goes before something is taken back from a group, and one of done and postpone follows.
func (o *owed) begin(group *registry.Group)    { o.change(group.ID, 1, 0) }
func (o *owed) done(group *registry.Group)     { o.change(group.ID, -1, 0) }
func (o *owed) postpone(group *registry.Group) { o.change(group.ID, -1, 1) }

// due is what is to be repaid: how many calls, by group.
func (o *owed) due() map[int64]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	due := make(map[int64]int, len(o.later))
	for id, n := range o.later {
		due[id] = n
	}
	return due
}

// remember finds what a process that ended had not finished.
func (s *Store) remember(ctx context.Context) error {
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	all, err := snapshot.Removals(ctx)
	if err != nil {
		return err
	}
	for id, removals := range all {
		if removals.Forgotten < removals.Last {
			s.owed.change(id, 0, 1)
		}
	}
	return nil
}

// repayEvery is how often what could not be done at once is tried again.
const repayEvery = time.Second

// repay sets online copies right that could not be at once, until the store is stopped.
func (s *Store) repay() {
	ticker := time.NewTicker(repayEvery)
	defer ticker.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := context.AfterFunc(s.background, cancel)
	defer stop()
	told := map[int64]bool{} // the groups of which the log has it
	for {
		s.repayAll(ctx, told)
		select {
		case <-s.stopped:
			return
		case <-ticker.C:
		}
	}
}

func (s *Store) repayAll(ctx context.Context, told map[int64]bool) {
	for id, calls := range s.owed.due() {
		group, ok := s.definitions.Catalog().GroupByID(id)
		if !ok { // deleted: nobody reads it any more
			s.owed.change(id, 0, -calls)
			continue
		}
		if _, err := s.TakeBack(ctx, group); err != nil {
			if ctx.Err() == nil && !told[id] {
				told[id] = true
				s.log.Warn("what was taken back may still be online; the group is read offline until it is not", "group", group.Name, "error", err)
			}
			continue
		}
		delete(told, id)
		s.owed.change(id, 0, -calls)
	}
}
