package store

import (
	"context"

	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

// Measurement is what a Snapshot computes over many rows of a group, in place of yielding them.
type Measurement interface {
	// Measure answers each of the measures over the observations that of says, which has no Key or Limit; their Fields are indices into
	// features. merged: rows of one entity and event time count as one, with the value of each feature that came in last. Memory does not
	// grow with the group. Where so many rows were followed by others of their entity and event time that yielding them is
	// cheaper, nothing is measured: rules.ErrUnmeasured.
	Measure(ctx context.Context, group *registry.Group, features []*registry.Feature, of Range, merged bool, measures []rules.Measure) ([]rules.Measured, error)
}

// TooManyMerged tells whether several of all rows, which share entity and event time with another one, are too many to measure the group.
func TooManyMerged(several, all int64) bool { return several > 1000 && several > all/10 }
