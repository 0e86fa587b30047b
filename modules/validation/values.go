package validation

import (
	"context"
	"encoding/json"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/rules"
)

// Values is what this module asks of the store.
type Values interface {
	// Scan yields the observations of a group that a window holds, in batches whose columns are group.Features in their order, with
	// event times and entities. Of a group of features the rows of one entity and event time are one, with the value of each feature that
	// came in last (rule 1), and the rows of an entity follow each other, the newest first; of an event group, and of one run, it is each
	// row as it came in. What a batch holds is valid until yield returns.
	Scan(ctx context.Context, group *registry.Group, window Window, yield func(*rules.Batch) error) error

	// Read gives use what a window holds, as it is at one moment: rows that are scanned as by Scan, and the same measured by the engine. Of the
	// window, Reads means nothing to it.
	Read(ctx context.Context, group *registry.Group, window Window, use func(rules.Source) error) error

	// Lookup tells for each of some values whether it exists: as an entity of the type, or as an observed value of the group's feature.
	// A target that is not defined is a fault of kind NotFound.
	Lookup(ctx context.Context, target rules.Reference, values []value.Value) ([]bool, error)

	// CountEntities counts the entities of a type that have a row in any group.
	CountEntities(ctx context.Context, entityType string) (int64, error)

	// NewestLoad is the last run that brought rows to a group as a whole and was not taken back, a load that ended well or a pipeline's; 0: none is
	// known.
	NewestLoad(ctx context.Context, group *registry.Group) (run int64, err error)

	// Waiting tells whether rows of a group wait in quarantine.
	Waiting(ctx context.Context, group *registry.Group) (bool, error)

	// Erased tells for each of some entities, by their encoded keys, whether it has ever been erased.
	Erased(ctx context.Context, entityType *registry.EntityType, encoded []string) ([]bool, error)

	// EntityID is an entity as answers name it, as JSON, from its encoded key.
	EntityID(entityType *registry.EntityType, encoded string) json.RawMessage
}

// Window says which observations are looked at. The zero Window is all of them.
type Window struct {
	From, To *int64 // event times, [From, To), µs; nil: open
	Run      int64  // what that run brought, if not 0
	Reads    []bool // over group.Features: those that are needed, the others are not read; nil: all
}
