package store

import (
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// Selection says which observations of a group are taken back: all that a run brought, or those of one entity at one event time, or up to
// one.
type Selection struct {
	Run      int64               // brought by that run; or
	Key      *Key                // of that entity
	At       int64               // with that event time (µs)
	UpTo     bool                // and all earlier ones
	Features []*registry.Feature // with Key: only these, ascending; a row that observes others too stays with those. nil: whole rows
}

// Removed counts what was taken back.
type Removed struct {
	Rows     int64 // that went
	Narrowed int64 // that stay with other features
	Entities int64

	Quarantined int64 // entries that waited in quarantine, and are gone

	Runs []int64 // of one entity: which loads and publications had brought the rows, each once; what was written singly came with none
}

// WithRun adds the run that a row had come with, 0: with none, to runs that are each there once. It is for engines.
func WithRun(runs []int64, run int64) []int64 {
	if run == 0 || slices.Contains(runs, run) {
		return runs
	}
	return append(runs, run)
}

// Any tells whether anything was taken back from history.
func (r Removed) Any() bool { return r.Rows+r.Narrowed > 0 }

// RunTakenBack is the fault of a load that does not commit, since what its run brought was taken back while it was open.
func RunTakenBack(run int64) error {
	return fault.New(fault.Conflict, "run-reverted", "run %d was reverted while it was still under way: nothing was stored", run)
}

// Removals says how far a group's removals have come. They are numbered from 1, in the order in which they were committed.
type Removals struct {
	Last      int64 // the last one; 0: there was none
	Forgotten int64 // of all up to this one the notes are given up
}

// Taken is what removals took from one entity: the ingest ids of the rows that went or were narrowed.
type Taken struct {
	Key Key
	IDs []int64
}

// Dropping is an entity's share of a removal: what goes from its online row, and the row that is merged into what is left.
type Dropping struct {
	PackedRow         // Row "": nothing is left in history either
	IDs       []int64 // ingest ids
}

// Rest is what a row still observes without some features: the ordinals of those the group stores that observes says yes to and that
// are not among those. changed is false for a row that observes none of them. It is for engines; observes is asked in ascending ordinal.
func Rest(group *registry.Group, without []*registry.Feature, observes func(*registry.Feature) bool) (rest []uint16, changed bool) {
	for _, f := range group.Stored() {
		if !observes(f) {
			continue
		}
		if slices.ContainsFunc(without, func(w *registry.Feature) bool { return w.Ordinal == f.Ordinal }) {
			changed = true
		} else {
			rest = append(rest, f.Ordinal)
		}
	}
	return rest, changed
}
