package store

import (
	"context"
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// Publications is what pipelines publish into an offline store: for each tick, which is an event time, what they computed for it. What a
// publication brought is the rows of its run at its ticks, those too that were replayed from quarantine since.
type Publications interface {
	// Publish begins a load of what a pipeline computed of a group of kind features, each entity and tick once. Its Commit does, in one
	// transaction and for the ticks of this publication, about all that earlier publications under the group and the name have brought:
	//
	//   - A row of an entity and tick that this publication does not have, or that observes a feature, of the newest generations, which this
	//     one's row does not, is taken back, with a note as by Remove.
	//   - Entries that wait in quarantine are taken out, as by Remove of a run.
	//   - A row of this one is not stored if the newest of them, of the same entity and tick, observes the same and has the same values: it
	//     counts among Duplicates.
	//   - The ticks are published by this run.
	//
	// Rows that others wrote stay, whatever they say. Of publications under one name, one comes after the other, in the order of their commits. The
	// fence is asked last. A publication commits that has neither rows nor entries; CommitOnce is not for publications.
	Publish(ctx context.Context, group *registry.Group, run int64, what *Publishing) (Load, error)

	// Published are the latest publications of a group's ticks under a name, in their order. Removing a run ends its own, and those of ticks of
	// which some rows are as it had brought them.
	Published(ctx context.Context, group *registry.Group, name string, of TickRange) ([]PublishedTick, error)

	// PublishedBy finds the group that a run published to, 0 if it did not, and the position that all that it brought lies at or above, "" where
	// that is not known.
	PublishedBy(ctx context.Context, run int64) (group int64, since Position, err error)

	// LastPublished is the greatest run that published to a group and was not removed; 0: none did.
	LastPublished(ctx context.Context, group *registry.Group) (run int64, err error)
}

// Publishing is one publication for an engine.
type Publishing struct {
	Name     string
	Version  int64
	Ticks    []int64         // ascending: among them is the event time of each row and entry
	Source   Place           // is kept with the ticks, and told again
	Confirms bool            // other published ticks of the name get Source too
	Rows     map[int64]int64 // how many rows each tick has, filled in until Commit
	Fence    Fence           // nil: none

	// Removing is called where rows are about to be taken back, before that is committed.
	Removing func()

	TakenBack Removed // filled in by Commit
}

// TickRange says which ticks: From ≤ tick ≤ To, µs; nil: no bound.
type TickRange struct{ From, To *int64 }

// Late finds what a source has changed since a snapshot of it.
type Late interface {
	// Late answers the newest event time in each of the spans that ticks make (up to the first tick, from there to the second, and so on, each
	// with its end) of the group's rows that are not known, and of those that removals after a number took; ascending, and none where there is
	// nothing. Of what was taken back only the oldest and the newest time may be known: then each span between them has a time.
	Late(ctx context.Context, group *registry.Group, since Known, removal int64, ticks []int64) ([]int64, error)
}

// LateTimes puts an answer of Late together. It is for engines.
type LateTimes struct {
	ticks  []int64
	newest []int64 // of each span; value.NoTime: nothing
}

// NewLateTimes begins without any.
func NewLateTimes(ticks []int64) *LateTimes {
	l := &LateTimes{ticks: ticks, newest: make([]int64, len(ticks))}
	for i := range l.newest {
		l.newest[i] = value.NoTime
	}
	return l
}

// Add takes an event time.
func (l *LateTimes) Add(at int64) {
	if span, _ := slices.BinarySearch(l.ticks, at); span < len(l.ticks) {
		l.newest[span] = max(l.newest[span], at)
	}
}

// Between takes all that can lie between two times, ends included.
func (l *LateTimes) Between(least, latest int64) {
	first, _ := slices.BinarySearch(l.ticks, least)
	for span := first; span < len(l.ticks) && (span == first || l.ticks[span-1] < latest); span++ {
		l.newest[span] = max(l.newest[span], min(latest, l.ticks[span]))
	}
}

// Times is the answer.
func (l *LateTimes) Times() []int64 {
	return slices.DeleteFunc(slices.Clone(l.newest), func(at int64) bool { return at == value.NoTime })
}
