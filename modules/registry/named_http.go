package registry

import (
	"context"

	"featurestore/app/httpapi"
)

// The calls of entity types, groups and services, which have names of their own, are alike.

// NamePath is how an URL names a definition.
type NamePath struct {
	Name string `path:"name"`
}

type namedInput struct {
	NamePath
	DefinitionInput
}

// show answers one definition of a kind, nil if there is none.
type show func(c *Catalog, name string) (version int, body any)

func showEntityType(c *Catalog, name string) (int, any) {
	et, ok := c.EntityType(name)
	if !ok {
		return 0, nil
	}
	return et.Version, c.entityTypeAnswer(et, true)
}

func showGroup(c *Catalog, name string) (int, any) {
	g, ok := c.Group(name)
	if !ok {
		return 0, nil
	}
	return g.Version, c.groupAnswer(g, true)
}

func showService(c *Catalog, name string) (int, any) {
	s, err := c.Service(name)
	if err != nil {
		return 0, nil
	}
	return s.Version, c.serviceAnswer(s)
}

func (r *Registry) get(kind *Kind, show show) func(context.Context, *NamePath) (*output, error) {
	return func(_ context.Context, in *NamePath) (*output, error) {
		c := r.Catalog()
		version, body := show(c, in.Name)
		if body == nil {
			return nil, c.unknown(kind, in.Name)
		}
		return shown(version, body), nil
	}
}

func (r *Registry) post(kind *Kind, show show) func(context.Context, *DefinitionInput) (*output, error) {
	return func(ctx context.Context, in *DefinitionInput) (*output, error) {
		return r.defineNamed(ctx, kind, "", in, in.options(false), show)
	}
}

func (r *Registry) put(kind *Kind, show show) func(context.Context, *namedInput) (*output, error) {
	return func(ctx context.Context, in *namedInput) (*output, error) {
		return r.defineNamed(ctx, kind, in.Name, &in.DefinitionInput, in.options(true), show)
	}
}

func (r *Registry) postGroup(ctx context.Context, in *struct {
	DefinitionInput
	BreakingInput
}) (*output, error) {
	options := in.options(false)
	options.AllowBreaking = in.AllowBreaking
	return r.defineNamed(ctx, groupKind, "", &in.DefinitionInput, options, showGroup)
}

func (r *Registry) putGroup(ctx context.Context, in *struct {
	NamePath
	DefinitionInput
	BreakingInput
}) (*output, error) {
	options := in.options(true)
	options.AllowBreaking = in.AllowBreaking
	return r.defineNamed(ctx, groupKind, in.Name, &in.DefinitionInput, options, showGroup)
}

func (r *Registry) defineNamed(ctx context.Context, kind *Kind, name string, in *DefinitionInput, options Options, show show) (*output, error) {
	body, err := in.read()
	if err != nil {
		return nil, err
	}
	d, err := r.Define(ctx, kind.Name, name, body, options)
	if err != nil {
		return nil, err
	}
	return changed(d, in.DryRun, func(c *Catalog) (int, any) { return show(c, d.Name) }), nil
}

func (r *Registry) remove(kind *Kind) func(context.Context, *struct {
	NamePath
	ChangeInput
}) (*planOutput, error) {
	return func(ctx context.Context, in *struct {
		NamePath
		ChangeInput
	}) (*planOutput, error) {
		plan, err := r.Delete(ctx, kind.Name, in.Name, in.options(false))
		if err != nil {
			return nil, err
		}
		return &planOutput{*plan}, nil
	}
}

func (r *Registry) versions(kind *Kind) func(context.Context, *struct {
	NamePath
	httpapi.Page
}) (*versionsOutput, error) {
	return func(ctx context.Context, in *struct {
		NamePath
		httpapi.Page
	}) (*versionsOutput, error) {
		before, err := below(&in.Page)
		if err != nil {
			return nil, err
		}
		versions, err := r.Versions(ctx, kind.Name, in.Name, before, in.Limit+1)
		if err != nil {
			return nil, err
		}
		return versionsPage(&in.Page, versions), nil
	}
}

type entityTypesOutput struct {
	Body struct {
		EntityTypes   []EntityTypeAnswer `json:"entity_types" doc:"In the order in which they were registered"`
		NextPageToken string             `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (r *Registry) listEntityTypes(_ context.Context, in *httpapi.Page) (*entityTypesOutput, error) {
	c := r.Catalog()
	types, next, err := page(c.EntityTypes(), func(et *EntityType) int64 { return et.ID }, in)
	if err != nil {
		return nil, err
	}
	out := &entityTypesOutput{}
	out.Body.NextPageToken = next
	for _, et := range types {
		out.Body.EntityTypes = append(out.Body.EntityTypes, c.entityTypeAnswer(et, false))
	}
	return out, nil
}

type groupsOutput struct {
	Body struct {
		Groups        []GroupAnswer `json:"groups" doc:"In the order in which they were registered"`
		NextPageToken string        `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (r *Registry) listGroups(_ context.Context, in *struct {
	httpapi.Page
	EntityType string `query:"entity_type"`
}) (*groupsOutput, error) {
	c := r.Catalog()
	groups := c.Groups()
	if in.EntityType != "" {
		et, ok := c.EntityType(in.EntityType)
		if !ok {
			return nil, c.UnknownEntityType(in.EntityType)
		}
		groups = c.groupsOf(et.ID)
	}
	groups, next, err := page(groups, func(g *Group) int64 { return g.ID }, &in.Page)
	if err != nil {
		return nil, err
	}
	out := &groupsOutput{}
	out.Body.NextPageToken = next
	for _, g := range groups {
		out.Body.Groups = append(out.Body.Groups, c.groupAnswer(g, false))
	}
	return out, nil
}

type servicesOutput struct {
	Body struct {
		Services      []ServiceAnswer `json:"services" doc:"In the order in which they were registered"`
		NextPageToken string          `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (r *Registry) listServices(_ context.Context, in *httpapi.Page) (*servicesOutput, error) {
	c := r.Catalog()
	services, next, err := page(c.Services(), func(s *Service) int64 { return s.ID }, in)
	if err != nil {
		return nil, err
	}
	out := &servicesOutput{}
	out.Body.NextPageToken = next
	for _, s := range services {
		out.Body.Services = append(out.Body.Services, c.serviceAnswer(s))
	}
	return out, nil
}
