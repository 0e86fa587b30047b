package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// Events is one snapshot of a group as a pipeline's source: every row of an event group; of a features group one row for each entity and event time, by rule 1:
// with each feature's newest ingest at that event time. It is used by one goroutine at a time.
type Events struct {
	group    *registry.Group
	snapshot Snapshot
	place    Place
}

// Events opens a snapshot of a group. Close it.
func (s *Store) Events(ctx context.Context, group string) (*Events, error) {
	found, err := groupOf(s.definitions.Catalog(), group)
	if err != nil {
		return nil, err
	}
	doing := "read " + group
	identity, err := s.Identify(ctx)
	if err != nil {
		return nil, unavailable(doing, err)
	}
	snapshot, groups, err := s.view(ctx, doing, []*registry.Group{found})
	if err != nil {
		return nil, err
	}
	e := &Events{group: groups[0], snapshot: snapshot}
	if err := e.locate(ctx, identity); err != nil {
		_ = snapshot.Close() // err says what is wrong
		return nil, unavailable(doing, err)
	}
	return e, nil
}

// locate finds the snapshot's place. The identity was read before the snapshot was opened: where the store has gone over to another timeline since,
// the place is void.
func (e *Events) locate(ctx context.Context, identity string) error {
	known, err := e.snapshot.Known(ctx)
	if err != nil {
		return err
	}
	removals, err := e.snapshot.Removals(ctx)
	if err != nil {
		return err
	}
	e.place = Place{Store: identity, Group: e.group.ID, Head: known.Head, Open: known.Open, Removal: removals[e.group.ID].Last}
	return e.snapshot.Durable(ctx)
}

// Group is the group as it is defined in the snapshot.
func (e *Events) Group() *registry.Group { return e.group }

// Place says what the snapshot shows.
func (e *Events) Place() Place { return e.place }

// RetainedFrom is an event time up to which rows may be compacted away, by the group's retention; value.NoTime: it is whole.
func (e *Events) RetainedFrom(ctx context.Context) (int64, error) {
	from, err := e.snapshot.RetainedFrom(ctx, e.group)
	return from, unavailable("read what "+e.group.Name+" is retained from", err)
}

// Late answers event times, ascending, that stand for all that has come in, or was taken back, since a place: of each span that ticks make (they
// ascend: up to the first, from there to the second, and so on, each with its end) the newest, if there is any. So the ticks in whose window
// one of them lies are those in whose window something has changed. Where the place is void (zero, of another group, of another store or timeline)
// everything may have changed: then it is the ticks themselves.
func (e *Events) Late(ctx context.Context, since Place, ticks []int64) ([]int64, error) {
	if since.Store != e.place.Store || since.Group != e.place.Group || since.Head > e.place.Head || since.Removal > e.place.Removal {
		return slices.Clone(ticks), nil
	}
	times, err := e.snapshot.Late(ctx, e.group, Known{Head: since.Head, Open: since.Open}, since.Removal, ticks)
	return times, unavailable("look what came into "+e.group.Name, err)
}

// Scan yields the rows after from and up to to (nil: no bound): with the values of the features, which are in ascending ordinal, null where they were
// not observed. ordered asks for one entity after the other, each oldest first, by event time, then ingest id. Rows that are put together have
// the greatest ingest id of them. What yield is given is its until it returns.
func (e *Events) Scan(ctx context.Context, features []*registry.Feature, ordered bool, from, to *int64, yield func(*Rows) error) error {
	stored, err := e.stored(features)
	if err != nil {
		return err
	}
	merged := e.group.Kind == registry.Features
	of := Range{Ordered: ordered || merged, Oldest: true, From: behind(from), To: behind(to)}
	take := func(rows *Rows) error {
		observe(rows)
		return yield(rows)
	}
	m := &merging{yield: take}
	if merged {
		take = m.take
	}
	if err := e.snapshot.Observations(ctx, e.group, stored, of, take); err != nil {
		return unavailable("read "+e.group.Name, err)
	}
	return m.flush()
}

// behind is the microsecond after a time.
func behind(at *int64) *int64 {
	if at == nil || *at == 1<<63-1 {
		return at
	}
	next := *at + 1
	return &next
}

// observe makes nulls of what was not observed.
func observe(rows *Rows) {
	for i := range rows.Values {
		if rows.Values[i].IsAbsent() {
			rows.Values[i] = value.Null()
		}
	}
}

// stored are features as they are defined in the snapshot.
func (e *Events) stored(features []*registry.Feature) ([]*registry.Feature, error) {
	all, found := e.group.Stored(), make([]*registry.Feature, len(features))
	for i, f := range features {
		at := slices.IndexFunc(all, func(g *registry.Feature) bool { return same(f, g) })
		if at < 0 {
			return nil, fault.New(fault.NotFound, "unknown-feature", "the feature %s has just been deleted", f.Reference())
		}
		found[i] = all[at]
	}
	return found, nil
}

// Relational is what the snapshots of an offline store in PostgreSQL have besides.
type Relational interface {
	// Relation gives use a transaction that reads the snapshot, and the query of Events.Relation.
	Relation(ctx context.Context, group *registry.Group, features []*registry.Feature, of Range, merged bool,
		use func(ctx context.Context, tx pgx.Tx, query string) error) error
}

// Relation gives use what Scan yields as SQL, where the offline store is PostgreSQL, and a read-only transaction that sees the snapshot: a query
// without parameters, of the join keys, event_us and seq (BIGINT) and the features by their names, those of TIMESTAMP without time zone, in UTC.
// ok is false, and use is not called, elsewhere.
func (e *Events) Relation(ctx context.Context, features []*registry.Feature, from, to *int64, use func(ctx context.Context, tx pgx.Tx, query string) error) (ok bool, err error) {
	snapshot, ok := e.snapshot.(Relational)
	if !ok {
		return false, nil
	}
	stored, err := e.stored(features)
	if err != nil {
		return true, err
	}
	return true, snapshot.Relation(ctx, e.group, stored, Range{From: behind(from), To: behind(to)}, e.group.Kind == registry.Features, use)
}

// Close ends the snapshot.
func (e *Events) Close() error {
	if err := e.snapshot.Close(); err != nil {
		return fmt.Errorf("end reading %s: %w", e.group.Name, err)
	}
	return nil
}

// merging puts the rows of one entity and event time together, which follow each other, the one ingested first first.
type merging struct {
	yield func(*Rows) error
	held  Rows
}

func (m *merging) take(rows *Rows) error {
	held := &m.held
	held.Group, held.Features = rows.Group, rows.Features
	for i := range rows.Keys {
		last := len(held.Keys) - 1
		if last < 0 || held.EventTimes[last] != rows.EventTimes[i] || held.Keys[last].Encoded != rows.Keys[i].Encoded {
			if last+1 >= len(rows.Keys) { // what was held is whole, and as much as the engine yields at once
				if err := m.flush(); err != nil {
					return err
				}
			}
			held.Keys, held.EventTimes, held.IngestIDs = append(held.Keys, rows.Keys[i]), append(held.EventTimes, rows.EventTimes[i]), append(held.IngestIDs, rows.IngestIDs[i])
			held.Values = append(held.Values, rows.Row(i)...)
			continue
		}
		held.IngestIDs[last] = rows.IngestIDs[i]
		older := held.Row(last)
		for n, v := range rows.Row(i) {
			if !v.IsAbsent() {
				older[n] = v
			}
		}
	}
	return nil
}

// flush hands on what is held.
func (m *merging) flush() error {
	if len(m.held.Keys) == 0 {
		return nil
	}
	err := m.yield(&m.held)
	m.held.Keys, m.held.EventTimes, m.held.IngestIDs, m.held.Values = m.held.Keys[:0], m.held.EventTimes[:0], m.held.IngestIDs[:0], m.held.Values[:0]
	return err
}
