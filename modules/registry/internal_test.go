package registry

import "context"

// DeleteFeature gives tests what only a route calls.
func DeleteFeature(r *Registry, ctx context.Context, entityType, reference string) (*Plan, error) {
	return r.deleteFeature(ctx, entityType, reference, Options{})
}

// FeatureVersions gives tests what only a route calls.
func FeatureVersions(r *Registry, ctx context.Context, entityType, reference string) ([]Version, error) {
	return r.featureVersions(ctx, entityType, reference, 1<<31-1, 10_000)
}
