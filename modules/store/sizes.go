package store

import (
	"context"

	"featurestore/modules/registry"
)

// GroupSize is how much of a group is stored offline.
type GroupSize struct {
	Rows      int64 // observations
	Estimated bool  // Rows is an estimate: to count them would take long
	Bytes     int64 // on disk, with indexes; where one file holds all groups, an estimate
}

// StoreSize is how much a store takes in all.
type StoreSize struct {
	Engine   string // sqlite, postgres or redis
	Bytes    int64  // on disk, or in memory
	InMemory bool
	Limit    int64 // that the server is set to, of Bytes; 0: none
}

// Sizing is what a Snapshot tells of sizes.
type Sizing interface {
	// GroupSize takes some milliseconds, however large the group is: up to some 20,000 rows are counted, beyond they are estimated. A
	// group without a table has none.
	GroupSize(ctx context.Context, group *registry.Group) (GroupSize, error)
}
