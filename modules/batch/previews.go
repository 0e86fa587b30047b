package batch

import (
	"context"
	"time"

	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/validation/rules"
)

// Previews tries pipelines.
type Previews struct {
	config Config
	PreviewParts
}

// PreviewParts are what Previews stands on.
type PreviewParts struct {
	Definitions *registry.Registry // one that knows PipelineKind
	Compiler    *Compiler
	Engines     []Engine

	// Events opens a snapshot of a source group.
	Events func(ctx context.Context, group string) (Snapshot, error)

	// Folder makes an empty folder for a preview, which removes it. What is left of it where the process is killed is removed by whoever made it.
	Folder func() (string, error)

	// Verdicts is what the rules of a group would say of rows of it at a time in µs. Nothing of it is kept.
	Verdicts func(rows *store.Rows, now int64) []rules.Outcome

	Clock func() time.Time
}

// Snapshot is Events that are held until they are closed.
type Snapshot interface {
	Events
	Close() error
}

// NewPreviews makes it.
func NewPreviews(config Config, parts PreviewParts) *Previews {
	return &Previews{config.Within(0), parts}
}
