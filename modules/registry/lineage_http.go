package registry

import "context"

func (r *Registry) getLineage(_ context.Context, in *struct {
	Kind string `path:"kind" doc:"entity_type, group, feature, service, or another kind of definitions" example:"feature"`
	Name string `path:"name" doc:"Its name; of a feature group:feature" example:"customer_purchases:avg_order_value_90d"`
}) (*struct{ Body Lineage }, error) {
	lineage, err := r.Lineage(in.Kind, in.Name)
	if err != nil {
		return nil, err
	}
	return &struct{ Body Lineage }{*lineage}, nil
}
