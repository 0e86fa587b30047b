package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// Moment is a moment of the past, as of which something is asked: what was stored then, under the definitions of then. What was taken back
// or erased since is not there any more.
type Moment struct {
	Catalog *registry.Catalog // the definitions

	rows  Known
	since int64 // µs; as old as the horizon has it: what is not among the rows came in at this time or later
	token string
}

// Where a call says known_at, and how a message says what it is about.
const (
	knownAtPlace = "query.known_at"
	thisKnownAt  = "this known_at"
)

// KnownAt finds the moment that a call means: by a token that an answer gave, or a time, whose zone is used if it has no offset. Faults:
// invalid-known-at; known-at-open for a time that a write under way, or still to come, may have; and, of kind Gone, beyond-horizon,
// another-store and unknown-revision.
func (s *Store) KnownAt(ctx context.Context, text string, zone *time.Location) (*Moment, error) {
	identity, err := s.Identify(ctx)
	if err != nil {
		return nil, unavailable("find a moment", err)
	}
	if !strings.HasPrefix(text, tokenBegin) {
		return s.atTime(ctx, identity, text, zone)
	}
	t, ok := readToken(text)
	if !ok {
		return nil, fault.New(fault.Invalid, "invalid-known-at", "this known_at is damaged: pass on the header %s of an earlier answer as it was", knownAtHeader).
			At(knownAtPlace, text, "is no token")
	}
	if t.store != storeHash(identity) {
		return nil, anotherStore()
	}
	catalog, err := s.definitions.At(ctx, t.revision)
	if err != nil {
		return nil, err
	}
	return &Moment{Catalog: catalog, rows: t.rows, since: t.since, token: text}, nil
}

// atTime is the moment of a time. It must come before every write that can still bring rows, so that the answer never changes.
func (s *Store) atTime(ctx context.Context, identity, text string, zone *time.Location) (*Moment, error) {
	at, err := value.ParseQueryTime(text, zone)
	if err != nil {
		return nil, fault.New(fault.Invalid, "invalid-known-at", "known_at is neither a time, such as 2026-11-01T00:00:00Z, nor what the header %s of an earlier answer said: %s",
			knownAtHeader, err).At(knownAtPlace, text, "%s", err)
	}
	settled, err := s.offline.Settled(ctx)
	if err != nil {
		return nil, unavailable("find a moment", err)
	}
	if at >= settled {
		oldest := value.AppendTime(nil, settled)
		return nil, fault.New(fault.Conflict, "known-at-open",
			"what was known at %s can still change: known_at must be before %s, when the oldest write that is under way began, or the question was asked; name an earlier time, or ask again",
			value.AppendTime(nil, at), oldest).At(knownAtPlace, text, "is not before %s", oldest)
	}
	if err := s.past.Reaches(at, settled, thisKnownAt, knownAtPlace); err != nil { // it may be so within moments only: see then
		return nil, err
	}
	catalog, err := s.definitions.AsOf(ctx, at)
	if err != nil {
		return nil, err
	}
	m := &Moment{Catalog: catalog, rows: Known{Time: at}, since: at}
	m.token = token{store: storeHash(identity), revision: catalog.Revision(), since: at, rows: m.rows}.text()
	return m, nil
}

func anotherStore() error {
	return fault.New(fault.Gone, "another-store",
		"this known_at is of another offline store, or of a time that a restore has undone: what was known then cannot be told here").
		At(knownAtPlace, "", "is of another store")
}

// then opens a snapshot that shows what was known at a moment.
func (s *Store) then(ctx context.Context, doing string, m *Moment) (Snapshot, error) {
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return nil, unavailable(doing, err)
	}
	shown, err := snapshot.Known(ctx)
	switch {
	case err != nil:
		err = unavailable(doing, err)
	case m.rows.Head > shown.Head:
		err = anotherStore()
	default:
		err = s.past.Reaches(m.since, snapshot.Now(), thisKnownAt, knownAtPlace)
	}
	if err != nil {
		_ = snapshot.Close() // err says what is wrong
		return nil, err
	}
	snapshot.AsKnown(m.rows)
	return snapshot, nil
}

// viewThen is viewOf, or, with a moment, a snapshot of it: then the shares are of its catalog.
func (s *Store) viewThen(ctx context.Context, doing string, shares []share, m *Moment) (Snapshot, []share, error) {
	if m == nil {
		return s.viewOf(ctx, doing, shares)
	}
	snapshot, err := s.then(ctx, doing, m)
	return snapshot, shares, err
}

// remembered makes what a call showed a token: settled is what the offline store had settled before the snapshot was opened. "" and an entry
// in the log say that it cannot be had now.
func (s *Store) remembered(ctx context.Context, snapshot Snapshot, settled int64, catalog *registry.Catalog) string {
	identity, err := s.Identify(ctx)
	var rows Known
	if err == nil {
		rows, err = snapshot.Known(ctx)
	}
	if err == nil {
		err = snapshot.Durable(ctx)
	}
	if err == nil && len(rows.Open) > maxOpen {
		err = fmt.Errorf("%d transactions are under way, and it names up to %d", len(rows.Open), maxOpen)
	}
	if err != nil {
		s.log.Warn("an answer goes without its "+knownAtHeader, "error", err)
		return ""
	}
	return token{store: storeHash(identity), revision: catalog.Revision(), since: settled, rows: rows}.text()
}
