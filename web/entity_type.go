package web

import (
	"context"
	"net/http"
	"net/url"
)

// groupOfType is a group with what is stored of it.
type groupOfType struct {
	groupHead
	Features int // that it has
	Newest   newest
	Size     *groupSize
	Copy     *copyState
}

type entityType struct {
	typed
	GroupsOf []groupOfType
	Rows     int64 // of all groups
	Bytes    int64
	About    bool // Rows is an estimate
	Services []string
	Lineage  lineage
}

func (e entityType) pageTitle() string { return e.Name }

func (w *Web) entityType(r *http.Request) (any, error) {
	ctx, name := r.Context(), r.PathValue("name")
	e := entityType{}
	if err := w.api.get(ctx, path("entity-types", name), nil, &e.typed); err != nil {
		return nil, err
	}
	groups, err := listOf[groupHead](ctx, w.api, "/groups", "groups", url.Values{"entity_type": {name}})
	if err != nil {
		return nil, err
	}
	if err := w.groupsInto(ctx, &e, groups); err != nil {
		return nil, err
	}
	e.Lineage, e.Services, err = w.lineageOf(ctx, "entity_type", name)
	return e, err
}

// groupsInto adds its groups, with what the stores say of each.
func (w *Web) groupsInto(ctx context.Context, e *entityType, groups []groupHead) error {
	features, err := listOf[featureHead](ctx, w.api, "/features", "features", url.Values{"entity_type": {e.Name}})
	if err != nil {
		return err
	}
	has := map[string]int{}
	for _, f := range features {
		has[f.Group]++
	}
	judged, err := w.judgements(ctx)
	if err != nil {
		return err
	}
	fresh, err := w.freshness(ctx, "")
	if err != nil {
		return err
	}
	copies, err := w.copies(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		g.Health = judged.ofGroup(g.Name)
		of := groupOfType{groupHead: g, Features: has[g.Name], Newest: fresh[g.Name]}
		if c, ok := copies[g.Name]; ok {
			of.Copy = &c
		}
		if of.Size, err = w.sizeOf(ctx, g.Name); err != nil {
			return err
		}
		if of.Size != nil {
			e.Rows, e.Bytes, e.About = e.Rows+of.Size.Rows, e.Bytes+of.Size.Bytes, e.About || of.Size.Estimated
		}
		e.GroupsOf = append(e.GroupsOf, of)
	}
	return nil
}
