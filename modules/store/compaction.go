package store

import (
	"cmp"
	"math"
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// Compaction says which rows of a group no question needs any more.
//
// Of a group of kind features that is a row of which every feature (Group.Stored, and Deleted) is observed by rows of the same entity that
// come before it by rule 1 and stay: they have its event time or, where the row is older than RetainFrom, any up to that. The row and
// those are settled: ingested before Settled, and by no run from Unsettled on, so that no answer leaves one of them out. For a row that a pipeline has
// published only others stand, at its event time, that were published under the same name: later publications are compared with the newest. Of a group of kind
// events it is every row that is older than RetainFrom.
type Compaction struct {
	Settled    int64               // µs of the store's clock: what was ingested before can only be retracted, and shows in whatever is asked for
	Unsettled  int64               // the id of the first run that can be reverted yet, or was not finished as of some moment that can be asked for
	RetainFrom int64               // µs, an event time; value.NoTime: everything is kept
	Deleted    []*registry.Feature // that the group had as of some moment that can be asked for, and has no more
	Dry        bool                // rows are counted and stay
}

// NoRun is the Unsettled of a group none of whose runs can be reverted.
const NoRun int64 = math.MaxInt64

// Compacted counts what a compaction did, or would do.
type Compacted struct {
	Read       int64 `json:"rows_read" doc:"How many rows were looked at"`
	Superseded int64 `json:"superseded" doc:"Removed: other rows of the same entity and event time, ingested later, say all that they said"`
	Retired    int64 `json:"past_retention" doc:"Removed: they are older than the group's retention, and not the newest of anything"`
}

// Removed is how many rows went.
func (c Compacted) Removed() int64 { return c.Superseded + c.Retired }

// Count counts a row that went.
func (c *Compacted) Count(gone Unneeded) {
	if gone.Retired {
		c.Retired++
	} else {
		c.Superseded++
	}
}

// Add adds what a later step did.
func (c *Compacted) Add(step Compacted) {
	c.Read += step.Read
	c.Superseded += step.Superseded
	c.Retired += step.Retired
}

// Steps is the way of an engine's Compact: read looks at the next rows, and says how many there were, which of them are unneeded, and whether
// there are more; remove removes those, and step is told what was done so far. It is for engines.
func (c Compaction) Steps(read func() (rows int64, gone []Unneeded, more bool, err error), remove func([]Unneeded) (Compacted, error),
	step func(Compacted) error) (done Compacted, err error) {
	for more := true; more; {
		var rows int64
		var gone []Unneeded
		if rows, gone, more, err = read(); err != nil {
			return done, err
		}
		now := Compacted{}
		if c.Dry {
			for i := range gone {
				now.Count(gone[i])
			}
		} else if len(gone) > 0 {
			if now, err = remove(gone); err != nil {
				return done, err
			}
		}
		now.Read = rows
		done.Add(now)
		if err := step(done); err != nil {
			return done, err
		}
	}
	return done, nil
}

// Stored is a row as an engine finds it again: by its ingest id, and by a mark that is another one once the row was narrowed.
type Stored struct {
	ID   int64
	Mark string
}

// Unneeded is a row that can go as long as the rows that stand for it are there.
type Unneeded struct {
	Stored
	Retired bool // by retention; otherwise rows of the same event time stand for it
	For     []Stored
}

// Sieve finds the unneeded rows of a group of kind features. An engine gives it all rows that show, entity by entity, each entity's newest
// first. What it holds is bounded by the number of the group's features. It is for engines.
type Sieve struct {
	what    Compaction
	stored  []*registry.Feature
	whole   map[int]features
	partial map[string]features

	at   int64
	same standing             // rows of the event time at
	by   map[string]*standing // those of them that were published under a name
	kept standing             // rows up to RetainFrom
}

// NewSieve makes a sieve for the group as it is defined.
func NewSieve(group *registry.Group, what Compaction) *Sieve {
	stored := slices.Concat(group.Stored(), what.Deleted)
	slices.SortFunc(stored, func(a, b *registry.Feature) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return &Sieve{what: what, stored: stored, whole: map[int]features{}, partial: map[string]features{}, by: map[string]*standing{}}
}

// Entity begins with the next entity.
func (s *Sieve) Entity() {
	s.at = value.NoTime
	s.same.clear()
	clear(s.by)
	s.kept.clear()
}

// Observing is the features of a row: presence is nil for a whole row, of that schema version, and otherwise tells rows apart that observe
// different ones; observes is asked for features in ascending ordinal.
func (s *Sieve) Observing(version int, presence []byte, observes func(*registry.Feature) bool) Observing {
	var known features
	if presence == nil {
		known = s.whole[version]
	} else {
		known = s.partial[string(presence)]
	}
	if known != nil {
		return Observing{known}
	}
	known = make(features, (len(s.stored)+63)/64)
	for i, f := range s.stored {
		if observes(f) {
			known[i/64] |= 1 << (i % 64)
		}
	}
	switch {
	case presence == nil:
		s.whole[version] = known
	case len(s.partial) < 1000:
		s.partial[string(presence)] = known
	}
	return Observing{known}
}

// Row takes the entity's next row. settled says that it was ingested before Settled, and by no run from Unsettled on; by is the name under which it was
// published, "" of others.
func (s *Sieve) Row(at int64, id int64, mark []byte, settled bool, by string, row Observing) (gone Unneeded, unneeded bool) {
	if at != s.at {
		s.at = at
		s.same.clear()
		clear(s.by)
	}
	same := &s.same
	if by != "" {
		if same = s.by[by]; same == nil {
			same = &standing{}
			s.by[by] = same
		}
	}
	retained := s.what.RetainFrom != value.NoTime && at <= s.what.RetainFrom
	switch {
	case !settled:
		return Unneeded{}, false
	case !row.features.empty() && same.covers(row.features):
		gone.For = same.of(row.features)
	case retained && at < s.what.RetainFrom && s.kept.covers(row.features):
		gone.Retired, gone.For = true, s.kept.of(row.features)
	default:
		s.same.add(id, mark, row.features)
		if by != "" {
			same.add(id, mark, row.features)
		}
		if retained {
			s.kept.add(id, mark, row.features)
		}
		return Unneeded{}, false
	}
	gone.Stored = Stored{id, string(mark)}
	return gone, true
}

// Observing is the features that a row observes.
type Observing struct{ features features }

// features is a set: bit i is the i-th that the group stores.
type features []uint64

func (f features) empty() bool {
	return !slices.ContainsFunc(f, func(word uint64) bool { return word != 0 })
}

// standing is the rows that observe something first.
type standing struct {
	all  features
	rows []standingRow
}

type standingRow struct {
	Stored
	features
}

func (s *standing) clear() {
	clear(s.all)
	s.rows = s.rows[:0]
}

func (s *standing) covers(row features) bool {
	for i, word := range row {
		if word != 0 && (s.all == nil || word&^s.all[i] != 0) {
			return false
		}
	}
	return true
}

// add keeps a row that observes something that none before it did: so no row stands for itself, and none that stands for others goes.
func (s *standing) add(id int64, mark []byte, row features) {
	if s.covers(row) {
		return
	}
	if s.all == nil {
		s.all = make(features, len(row))
	}
	for i, word := range row {
		s.all[i] |= word
	}
	s.rows = append(s.rows, standingRow{Stored{id, string(mark)}, row})
}

// of is rows that together observe what this one does.
func (s *standing) of(row features) (by []Stored) {
	missing := slices.Clone(row)
	for _, r := range s.rows {
		if missing.empty() {
			break
		}
		needed := false
		for i, word := range r.features {
			needed = needed || missing[i]&word != 0
			missing[i] &^= word
		}
		if needed {
			by = append(by, r.Stored)
		}
	}
	return by
}
