package store

import (
	"context"
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
)

// retained says from which event time on what was known at a moment is all there: before it retention may have removed some of it since.
// The zero group is that of an answer of now, which is from what is left.
type retained struct {
	group string // that is retained the shortest
	from  int64  // µs
}

// retained finds that for the groups of an answer.
func (s *Store) retained(ctx context.Context, snapshot Snapshot, shares []share, m *Moment) (r retained, err error) {
	if m == nil {
		return r, nil
	}
	for _, sh := range shares {
		from, err := snapshot.RetainedFrom(ctx, sh.group)
		if err != nil {
			return r, unavailable("read what "+sh.group.Name+" is retained from", err)
		}
		if from != value.NoTime && (r.group == "" || from > r.from) {
			r = retained{sh.group.Name, from}
		}
	}
	return r, nil
}

// reachFrom answers a fault of kind Gone where an answer that begins at a time, nil: at the beginning, asks for what is not retained.
func (s *Store) reachFrom(ctx context.Context, snapshot Snapshot, shares []share, m *Moment, from *int64) error {
	kept, err := s.retained(ctx, snapshot, shares, m)
	if err != nil {
		return err
	}
	if from == nil {
		return kept.reach(value.NoTime)
	}
	return kept.reach(*from)
}

// reach answers a fault of kind Gone where one of the times is before that; value.NoTime is before all.
func (r retained) reach(times ...int64) error {
	if r.group == "" || len(times) == 0 {
		return nil
	}
	earliest := slices.Min(times)
	if earliest >= r.from {
		return nil
	}
	from, asked := string(value.AppendTime(nil, r.from)), "the beginning"
	if earliest != value.NoTime {
		asked = string(value.AppendTime(nil, earliest))
	}
	return fault.New(fault.Gone, "past-retention",
		"%s is retained from %s on, and this asks for %s as it was known then: ask for times from %s on, or without known_at for what is left", r.group, from, asked, from).
		At(knownAtPlace, asked, "is before %s", from)
}
