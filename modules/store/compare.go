package store

import (
	"fmt"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/packed"
)

// Agreement is what a comparison of one entity's online row with its history comes to.
type Agreement uint8

const (
	Equal     Agreement = iota // also where neither has anything, or what lacks online has long expired (rule 2)
	Different                  // some feature is older, newer than history has it, of another value, or cannot be read
	Missing                    // history has values, and online there is no row
	Extra                      // there is a row online, and history has nothing
)

var agreementNames = [...]string{"equal", "different", "missing", "extra"}

func (a Agreement) String() string { return agreementNames[a] }

// Difference is how an entity's online row and its history differ, by the first feature in which they do.
type Difference struct {
	Agreement Agreement
	Feature   *registry.Feature // nil: the row as a whole
	Offline   *Observed         // nil: never observed
	Online    *Observed         // nil: not there
	Problem   string            // in words
	Former    bool              // Extra, unless history has rows of the entity: the online row holds only features that the group has no more
}

// Versus compares the online row of entity i with its history. The row must have been read after before and before after, which are answers
// for the same entities, and everything in before must have been brought online by then; so a row that is
// being written to meanwhile lies between the two. For one look at a store that rests, both are the same.
func (s *Store) Versus(before, after *Current, i int, row string, now int64) Difference {
	n := len(before.Features)
	earlier := observations{before.Values[i*n : (i+1)*n], before.Stamps[i*n : (i+1)*n]}
	later := observations{after.Values[i*n : (i+1)*n], after.Stamps[i*n : (i+1)*n]}
	cells := make([]packed.Cell, n)
	kind := Different
	switch {
	case row == "":
		kind = Missing
	case earlier.empty() && later.empty():
		kind = Extra
	}
	if row != "" {
		if problem := unpack(row, before.Keys[i], before.Features, cells); problem != "" {
			return Difference{Agreement: kind, Problem: problem}
		}
	}
	for j, feature := range before.Features {
		problem := s.disagree(feature, earlier.at(j), later.at(j), cells[j], now)
		if problem == "" {
			continue
		}
		newest := later.at(j)
		if newest.Value.IsAbsent() {
			newest = earlier.at(j)
		}
		return Difference{Agreement: kind, Feature: feature, Problem: problem,
			Offline: observedAs(feature, newest.Value, newest.Stamp, now),
			Online:  observedAs(feature, cells[j].Value, cells[j].Stamp, now)}
	}
	if kind == Extra {
		return Difference{Agreement: Extra, Former: true, Problem: "the row holds none of the features that the group has"}
	}
	return Difference{}
}

// observations are one entity's newest values in history.
type observations struct {
	values []value.Value
	stamps []Stamp
}

func (o observations) at(j int) packed.Cell {
	return packed.Cell{Value: o.values[j], Stamp: o.stamps[j]}
}

func (o observations) empty() bool {
	for _, v := range o.values {
		if !v.IsAbsent() {
			return false
		}
	}
	return true
}

// unpack reads a row, and says what is wrong if it is not one of that entity.
func unpack(row string, key Key, features []*registry.Feature, cells []packed.Cell) (problem string) {
	view, err := packed.Open(row)
	if err == nil && view.Key() != key.Encoded {
		return "the row is another entity's"
	}
	if err == nil {
		err = view.Whole()
	}
	if err == nil {
		err = view.Pick(ordinalsOf(features), cells)
	}
	if err != nil {
		return fmt.Sprintf("the row cannot be read: %s", err)
	}
	return ""
}

// disagree says in what an online value differs from what history had before and has after it was read; "" if in nothing.
func (s *Store) disagree(feature *registry.Feature, earlier, later, online packed.Cell, now int64) string {
	if online.Value.IsAbsent() {
		if earlier.Value.IsAbsent() || s.reclaimable(feature, earlier.Stamp, now) {
			return ""
		}
		return "online lacks it"
	}
	switch {
	case later.Value.IsAbsent():
		return "history does not have it"
	case online.Stamp.Newer(later.Stamp):
		return "online is newer than history"
	case !earlier.Value.IsAbsent() && earlier.Stamp.Newer(online.Stamp) && !s.reclaimable(feature, earlier.Stamp, now):
		return "online is older than history"
	case online.Stamp == later.Stamp && widened(feature, online.Value) != widened(feature, later.Value),
		online.Stamp == earlier.Stamp && widened(feature, online.Value) != widened(feature, earlier.Value):
		return "the values differ"
	}
	return ""
}

// widened is a value in the type that the feature has now: it may have been widened since.
func widened(feature *registry.Feature, v value.Value) value.Value {
	if feature.ValueType == value.Float && !v.IsNull() {
		return v.AsFloat()
	}
	return v
}

// reclaimable tells whether the space of a value may be gone. Clocks differ by as much as an event time may lie ahead.
func (s *Store) reclaimable(feature *registry.Feature, stamp Stamp, now int64) bool {
	ttl := feature.Group.TTL.Microseconds()
	return ttl > 0 && now-stamp.EventTime > ttl+s.config.ReclaimGrace.Microseconds()-s.config.FutureTolerance.Microseconds()
}
