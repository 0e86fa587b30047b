package registry

import (
	"context"
	"fmt"
)

// DeleteFeature gives tests what only a route calls.
func DeleteFeature(r *Registry, ctx context.Context, entityType, reference string) (*Plan, error) {
	return r.deleteFeature(ctx, entityType, reference, Options{})
}

// FeatureVersions gives tests what only a route calls.
func FeatureVersions(r *Registry, ctx context.Context, entityType, reference string) ([]Version, error) {
	return r.featureVersions(ctx, entityType, reference, 1<<31-1, 10_000)
}

// RenameFeature gives tests what only a route calls.
func RenameFeature(r *Registry, ctx context.Context, entityType, reference, to string) (*Defined, error) {
	return r.renameFeature(ctx, entityType, reference, fmt.Appendf(nil, `{"new_name": %q}`, to), Options{})
}
