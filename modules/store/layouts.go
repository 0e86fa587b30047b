package store

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"featurestore/modules/registry"
)

// layouts knows which layout versions the offline store has, so that the usual write asks nobody.
type layouts struct {
	mu    sync.RWMutex
	known map[int64]int // by group id
}

func (l *layouts) has(group *registry.Group) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.known[group.ID] >= group.SchemaVersion
}

// forget has each group's layout looked at again.
func (l *layouts) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.known)
}

func (l *layouts) learn(group *registry.Group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[group.ID] < group.SchemaVersion {
		l.known[group.ID] = group.SchemaVersion
	}
}

// Prepare makes sure that the offline store has the group's table with all of its columns; ErrOutdated says that it has been deleted, or that the
// registry does not have it like this any more. The online copy of a table that was
// just made is complete as it is, so it gets its marker at once.
func (s *Store) Prepare(ctx context.Context, group *registry.Group) error {
	if s.layouts.has(group) {
		return nil
	}
	// After a restore, what this process knew before must not come back as tables.
	catalog, err := s.definitions.Refresh(ctx)
	if err != nil {
		return err
	}
	if now, ok := catalog.GroupByID(group.ID); !ok || now.Name != group.Name || now.SchemaVersion < group.SchemaVersion {
		return ErrOutdated
	}
	before, err := s.position(ctx)
	if err != nil {
		return unavailable("prepare "+group.Name, err)
	}
	created, err := s.offline.EnsureLayout(ctx, group)
	if errors.Is(err, ErrOutdated) { // it was retired: who does not know that it has been deleted reads the registry again
		return err
	}
	if err != nil {
		return unavailable("prepare "+group.Name, err)
	}
	s.layouts.learn(group)
	if created && group.Kind == registry.Features {
		if err := s.beginOnline(ctx, group, before); err != nil {
			s.onlineFailed("begin "+group.Name, err) // materialization sets the marker later
		}
	}
	return nil
}

// position is a place in the order of ingestion below which everything is committed now.
func (s *Store) position(ctx context.Context) (Position, error) {
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return "", err
	}
	return snapshot.Position(), snapshot.Close()
}

// beginOnline marks the online copy of a group whose table was empty at that position, unless it has a state already.
func (s *Store) beginOnline(ctx context.Context, group *registry.Group, empty Position) error {
	identity, err := s.Identify(ctx)
	if err != nil {
		return err
	}
	server, err := s.online.Run(ctx)
	if err != nil {
		return err
	}
	from, err := s.online.State(ctx, group)
	if err != nil {
		return err
	}
	if from != (State{}) {
		return nil // another process was first
	}
	_, err = s.online.Swap(ctx, group, from, State{
		Marker:    Marker(identity, group),
		Watermark: Watermark{Store: identity, Position: empty, TTL: group.TTL.Microseconds()},
		Server:    server,
	})
	return err
}

// Marker is what a group's online copy carries while it can answer for the offline store of that identity, under the TTL that the
// group has now: rows may have been reclaimed under a shorter one.
func Marker(identity string, group *registry.Group) string {
	return strconv.FormatInt(group.TTL.Microseconds(), 36) + " " + identity
}

// markers remembers the markers that reads expect, so that a read makes no strings.
type markers struct {
	mu       sync.RWMutex
	identity string
	known    map[markerOf]string
}

type markerOf struct {
	group int64
	ttl   time.Duration
}

func (m *markers) of(group *registry.Group) string {
	m.mu.RLock()
	known, ok := m.known[markerOf{group.ID, group.TTL}]
	m.mu.RUnlock()
	if ok {
		return known
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	marker := Marker(m.identity, group)
	m.known[markerOf{group.ID, group.TTL}] = marker
	return marker
}

// learn takes the identity of the offline store as it is now, and tells whether it is another one: that makes every marker another.
func (m *markers) learn(identity string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.identity == identity && m.known != nil {
		return false
	}
	m.identity, m.known = identity, map[markerOf]string{}
	return true
}

// Identify reads the offline store's identity again, which reads compare markers with. A store of another one may have gone back to an
// earlier moment, so nothing is known of its layouts.
func (s *Store) Identify(ctx context.Context) (string, error) {
	identity, err := s.offline.Identity(ctx)
	if err != nil {
		return "", err
	}
	if s.markers.learn(identity) {
		s.layouts.forget()
	}
	return identity, nil
}

// fences holds the last fence number seen of each group. An older number than the store's is safe at any time: who uses it is
// refused and reads again.
type fences struct {
	mu    sync.Mutex
	known map[int64]int64
}

func (f *fences) of(group *registry.Group) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known[group.ID]
}

func (f *fences) learn(group *registry.Group, fence int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known[group.ID] < fence {
		f.known[group.ID] = fence
	}
}
