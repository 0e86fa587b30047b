package store

import (
	"context"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// Existence is what a Snapshot tells of what there is, of many in one question.
type Existence interface {
	// HasEntities tells for each of the keys whether the group has a row of that entity.
	HasEntities(ctx context.Context, group *registry.Group, keys []Key) ([]bool, error)

	// HasValues tells for each of the values, of the feature's type, which is no array and not JSON, whether a row observes it. It reads the column
	// once, however many values are asked about.
	HasValues(ctx context.Context, feature *registry.Feature, values []value.Value) ([]bool, error)

	// CountEntities counts the entities that have a row in any of the groups, which are of one entity type.
	CountEntities(ctx context.Context, groups []*registry.Group) (int64, error)
}
