package store

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/store/packed"
)

// Read asks for features of Rows entities at once; the features may be of several entity types.
type Read struct {
	Rows     int
	Keys     map[string][]Key // by entity type, each of length Rows
	Features []*registry.Feature
	Moment   *Moment // of At: nil: now; else as known then, and the features are of its catalog

	shares []share // of the features, where they are worked out
}

// split cuts the features into groups.
func (r *Read) split() []share {
	if r.shares != nil {
		return r.shares
	}
	return split(r.Features)
}

// Answer holds Rows × Features cells, row by row. Offline says that at least one group was answered by the offline store.
type Answer struct {
	Cells   []Cell
	Offline bool

	scratch []packed.Cell // of one entity in one group
}

var answers = sync.Pool{New: func() any { return new(Answer) }}

// keptCells is how many cells an answer may have that is used again.
const keptCells = 16_384

// newAnswer makes an answer of n empty cells.
func newAnswer(n int) *Answer {
	a := answers.Get().(*Answer)
	if cap(a.Cells) < n {
		a.Cells = make([]Cell, n)
	}
	a.Cells = a.Cells[:n]
	return a
}

// Release gives the memory of the answer back, to be used for another one. It need not be called.
func (a *Answer) Release() {
	if cap(a.Cells) > keptCells {
		return
	}
	clear(a.Cells)
	clear(a.scratch[:cap(a.scratch)])
	a.Offline = false
	answers.Put(a)
}

// packedCells are n cells to decode a row into.
func (a *Answer) packedCells(n int) []packed.Cell {
	if cap(a.scratch) < n {
		a.scratch = make([]packed.Cell, n)
	}
	a.scratch = a.scratch[:n]
	return a.scratch
}

// share is the part of a read that one group answers.
type share struct {
	group    *registry.Group
	features []*registry.Feature // ascending, each once
	ordinals []uint16
	wanted   []wanted
}

// wanted says where a feature of a share stands in it, and in which column of the answer.
type wanted struct {
	feature  *registry.Feature
	index    int
	position int
}

// split cuts a list of features into groups, in the order in which they first occur.
func split(features []*registry.Feature) []share {
	shares := make([]share, 0, 8)
	for position, f := range features {
		i := slices.IndexFunc(shares, func(s share) bool { return s.group == f.Group })
		if i < 0 {
			i = len(shares)
			shares = append(shares, share{group: f.Group, wanted: make([]wanted, 0, len(features)-position)})
		}
		shares[i].wanted = append(shares[i].wanted, wanted{feature: f, position: position})
	}
	for i := range shares {
		s := &shares[i]
		slices.SortStableFunc(s.wanted, func(a, b wanted) int { return cmp.Compare(a.feature.Ordinal, b.feature.Ordinal) })
		s.features = make([]*registry.Feature, 0, len(s.wanted))
		s.ordinals = make([]uint16, 0, len(s.wanted))
		for j, w := range s.wanted {
			if n := len(s.ordinals); n == 0 || s.ordinals[n-1] != w.feature.Ordinal {
				s.features, s.ordinals = append(s.features, w.feature), append(s.ordinals, w.feature.Ordinal)
			}
			s.wanted[j].index = len(s.ordinals) - 1
		}
	}
	return shares
}

// Read answers the newest values as of now, from the online store; from the offline store where the online copy says that it cannot
// answer. Event groups have no newest value and are refused.
func (s *Store) Read(ctx context.Context, read Read) (*Answer, error) {
	if err := s.checkSize(read); err != nil {
		return nil, err
	}
	shares := read.split()
	answer := newAnswer(read.Rows * len(read.Features))
	questions := make([]Question, len(shares))
	for i, sh := range shares {
		if sh.group.Kind == registry.Events {
			return nil, eventGroup(sh.group)
		}
		questions[i] = Question{Group: sh.group, Marker: s.markers.of(sh.group), Keys: read.Keys[sh.group.EntityType.Name]}
	}
	now := s.now()
	var missing []share // to be answered offline
	rows, marked, err := s.readOnline(ctx, questions)
	if err != nil {
		s.onlineFailed("read", err)
	}
	for i := range shares {
		if err != nil || !marked[i] || s.owed.has(shares[i].group) || !s.fill(answer, &shares[i], questions[i].Keys, rows[i], len(read.Features), now) {
			missing = append(missing, shares[i])
		}
	}
	if len(missing) == 0 {
		return answer, nil
	}
	answer.Offline = true
	return answer, s.fillOffline(ctx, answer, missing, read)
}

func (s *Store) checkSize(read Read) error {
	if read.Rows > s.config.MaxEntities {
		return fault.New(fault.TooLarge, "too-many-entities", "%d entities are more than the %d that one call may read: split the call",
			read.Rows, s.config.MaxEntities).At("entities", "", "are too many")
	}
	if n := read.Rows * len(read.Features); n > s.config.MaxValues {
		return fault.New(fault.TooLarge, "too-many-values", "%d entities × %d features are more than the %d values that one call may read: split the call",
			read.Rows, len(read.Features), s.config.MaxValues).At("entities", "", "are too many for so many features")
	}
	return nil
}

func eventGroup(group *registry.Group) error {
	return fault.New(fault.Unprocessable, "event-group",
		"%s is an event group: its rows all count and it has no newest value; read it with GET /rows/%s", group.Name, group.Name).
		At("features", group.Name, "%s is an event group", group.Name)
}

func (s *Store) readOnline(ctx context.Context, questions []Question) ([][]string, []bool, error) {
	if !s.onlineUsable() {
		return nil, make([]bool, len(questions)), nil
	}
	return s.online.Read(ctx, questions)
}

// fill decodes one group's rows into the answer. It answers false where they cannot be trusted: damaged, another entity's, or dated
// beyond what may be seen now.
func (s *Store) fill(answer *Answer, sh *share, keys []Key, rows []string, columns int, now int64) bool {
	latest := now + s.config.FutureTolerance.Microseconds()
	cells := answer.packedCells(len(sh.ordinals))
	for r, row := range rows {
		if row == "" {
			clear(cells)
		} else {
			view, err := packed.Open(row)
			if err != nil || view.Key() != keys[r].Encoded || view.Newest().EventTime > latest || view.Pick(sh.ordinals, cells) != nil {
				return false
			}
		}
		for _, w := range sh.wanted {
			answer.Cells[r*columns+w.position] = judge(w.feature, cells[w.index].Value, cells[w.index].Stamp, now)
		}
	}
	return true
}

// fillOffline answers some groups from the offline store, for a bounded number of entities.
func (s *Store) fillOffline(ctx context.Context, answer *Answer, shares []share, read Read) error {
	if read.Rows > s.config.OfflineReads {
		busy := fault.New(fault.Busy, "online-store-unavailable",
			"the online copy cannot answer now, and %d entities are more than the %d that are read from the offline store instead: try again, or ask for fewer",
			read.Rows, s.config.OfflineReads)
		busy.RetryAfter = 1
		return busy
	}
	snapshot, shares, err := s.viewOf(ctx, "read offline", shares)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	now := snapshot.Now()
	times := make([]int64, read.Rows)
	for i := range times {
		times[i] = now + s.config.FutureTolerance.Microseconds()
	}
	return s.asOf(ctx, snapshot, answer, shares, read, times, now)
}

// At answers the values as they were at a time: exact, with the TTL counted from it (rule 10).
func (s *Store) At(ctx context.Context, read Read, at int64) (*Answer, error) {
	if err := s.checkSize(read); err != nil {
		return nil, err
	}
	snapshot, shares, err := s.viewThen(ctx, "read offline", read.split(), read.Moment)
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	times := make([]int64, read.Rows)
	for i := range times {
		times[i] = at
	}
	for i := range shares {
		if shares[i].group.Kind == registry.Events {
			return nil, eventGroup(shares[i].group)
		}
	}
	kept, err := s.retained(ctx, snapshot, shares, read.Moment)
	if err == nil {
		err = kept.reach(times...)
	}
	if err != nil {
		return nil, err
	}
	answer := &Answer{Cells: make([]Cell, read.Rows*len(read.Features)), Offline: true}
	return answer, s.asOf(ctx, snapshot, answer, shares, read, times, at)
}

// asOf fills shares of an answer from a snapshot: candidates are observations with event time ≤ times[i], their age is counted from
// at.
func (s *Store) asOf(ctx context.Context, snapshot Snapshot, answer *Answer, shares []share, read Read, times []int64, at int64) error {
	columns := len(read.Features)
	for i := range shares {
		sh := &shares[i]
		current, err := snapshot.AsOf(ctx, sh.group, sh.features, read.Keys[sh.group.EntityType.Name], times, nil)
		if err != nil {
			return unavailable("read "+sh.group.Name, err)
		}
		n := len(sh.features)
		for r := range read.Rows {
			for _, w := range sh.wanted {
				i := r*n + w.index
				answer.Cells[r*columns+w.position] = judge(w.feature, current.Values[i], current.Stamps[i], at)
			}
		}
	}
	return nil
}
