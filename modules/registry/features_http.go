package registry

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"featurestore/app/httpapi"
)

type featuresInput struct {
	httpapi.Page
	Search     string   `query:"search" doc:"Words that all occur in its names, tags, description, owner, source or category. Features that are called so come first, then those whose names begin with the word, or hold it, then those that say it in their tags, in their description, and elsewhere"`
	Tag        []string `query:"tag" doc:"With this tag; with all of several"`
	Owner      string   `query:"owner"`
	EntityType string   `query:"entity_type"`
	Group      string   `query:"group"`
	Status     Status   `query:"status" enum:"draft,active,deprecated,archived"`
	Sort       string   `query:"sort" enum:"name,group,type,status,owner,updated" doc:"In this order; updated: those that changed last come first. Left out: as they were registered, of a search the best first"`
}

type featuresOutput struct {
	Body struct {
		Features      []FeatureAnswer `json:"features" doc:"In the order in which they were registered, or that was asked for; of a search, the best first"`
		Total         int             `json:"total" doc:"How many there are on all pages"`
		NextPageToken string          `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (r *Registry) listFeatures(_ context.Context, in *featuresInput) (*featuresOutput, error) {
	c := r.Catalog()
	if _, ok := c.EntityType(in.EntityType); in.EntityType != "" && !ok {
		return nil, c.UnknownEntityType(in.EntityType)
	}
	if _, ok := c.Group(in.Group); in.Group != "" && !ok {
		return nil, c.UnknownGroup(in.Group)
	}
	words := strings.Fields(strings.ToLower(in.Search))
	var found []*Feature
	for f := range c.Features() {
		if (in.EntityType == "" || f.Group.EntityType.Name == in.EntityType) &&
			(in.Group == "" || f.Group.Name == in.Group) &&
			(in.Owner == "" || f.Owner == in.Owner) &&
			(in.Status == "" || f.Status == in.Status) &&
			!slices.ContainsFunc(in.Tag, func(tag string) bool { return !slices.Contains(f.Tags, tag) }) {
			found = append(found, f)
		}
	}
	out := &featuresOutput{}
	var next string
	var err error
	if in.Sort != "" {
		if len(words) > 0 {
			found = slices.DeleteFunc(found, func(f *Feature) bool { return c.rankOf(f, words) == holdsNothing })
		}
		out.Body.Total = len(found)
		found, next, err = sorted(found, in.Sort, &in.Page)
	} else if len(words) > 0 {
		found, out.Body.Total, next, err = c.search(found, words, &in.Page)
	} else {
		slices.SortFunc(found, func(a, b *Feature) int { return cmp.Compare(a.ID, b.ID) })
		out.Body.Total = len(found)
		found, next, err = page(found, func(f *Feature) int64 { return f.ID }, &in.Page)
	}
	if err != nil {
		return nil, err
	}
	out.Body.Features, out.Body.NextPageToken = *c.featureAnswers(found), next
	return out, nil
}

// FeaturePath is how an URL names a feature.
type FeaturePath struct {
	EntityType string `path:"entity_type"`
	Name       string `path:"name" doc:"A short name, or group:feature"`
}

func (r *Registry) getFeature(_ context.Context, in *FeaturePath) (*output, error) {
	if err := noVersion(in.Name); err != nil {
		return nil, err
	}
	c := r.Catalog()
	f, err := c.Resolve(in.EntityType, in.Name)
	if err != nil {
		return nil, err
	}
	return shown(f.Version, c.featureAnswer(f)), nil
}

func (r *Registry) postFeature(ctx context.Context, in *struct {
	DefinitionInput
	BreakingInput
}) (*output, error) {
	body, err := in.read()
	if err != nil {
		return nil, err
	}
	options := in.options(false)
	options.AllowBreaking = in.AllowBreaking
	d, err := r.Define(ctx, kindFeature, "", body, options)
	if err != nil {
		return nil, err
	}
	return featureChanged(d, in.DryRun), nil
}

func featureChanged(d *Defined, dryRun bool) *output {
	return changed(d, dryRun, func(c *Catalog) (int, any) {
		group, name, _ := strings.Cut(d.Name, ":")
		f := c.inGroup(group, name)
		return f.Version, c.featureAnswer(f)
	})
}

func (r *Registry) putFeature(ctx context.Context, in *struct {
	FeaturePath
	DefinitionInput
	BreakingInput
}) (*output, error) {
	body, err := in.read()
	if err != nil {
		return nil, err
	}
	options := in.options(true)
	options.AllowBreaking = in.AllowBreaking
	d, err := r.defineFeature(ctx, in.EntityType, in.Name, body, options)
	if err != nil {
		return nil, err
	}
	return featureChanged(d, in.DryRun), nil
}

// moveBody is the body of the calls that deprecate and archive.
type moveBody struct {
	Reason      string `json:"reason,omitempty"`
	Replacement string `json:"replacement,omitempty" doc:"The feature to use instead: group:feature, or a short name"`
}

type moveInput struct {
	FeaturePath
	DefinitionInput
}

func (r *Registry) deprecateFeature(ctx context.Context, in *moveInput) (*output, error) {
	return r.moved(ctx, in, Deprecated)
}

func (r *Registry) archiveFeature(ctx context.Context, in *moveInput) (*output, error) {
	return r.moved(ctx, in, Archived)
}

func (r *Registry) moved(ctx context.Context, in *moveInput, to Status) (*output, error) {
	body, err := in.read()
	if err != nil {
		return nil, err
	}
	d, err := r.moveFeature(ctx, in.EntityType, in.Name, to, body, in.options(false))
	if err != nil {
		return nil, err
	}
	return featureChanged(d, in.DryRun), nil
}

// renameBody is the body of the call that renames.
type renameBody struct {
	NewName string `json:"new_name" doc:"The feature's name from now on; the one it has leads to it for ever"`
}

func (r *Registry) postRename(ctx context.Context, in *moveInput) (*output, error) {
	body, err := in.read()
	if err != nil {
		return nil, err
	}
	d, err := r.renameFeature(ctx, in.EntityType, in.Name, body, in.options(false))
	if err != nil {
		return nil, err
	}
	return featureChanged(d, in.DryRun), nil
}

func (r *Registry) removeFeature(ctx context.Context, in *struct {
	FeaturePath
	ChangeInput
}) (*planOutput, error) {
	plan, err := r.deleteFeature(ctx, in.EntityType, in.Name, in.options(false))
	if err != nil {
		return nil, err
	}
	return &planOutput{*plan}, nil
}

func (r *Registry) listFeatureVersions(ctx context.Context, in *struct {
	FeaturePath
	httpapi.Page
}) (*versionsOutput, error) {
	before, err := below(&in.Page)
	if err != nil {
		return nil, err
	}
	versions, err := r.featureVersions(ctx, in.EntityType, in.Name, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return versionsPage(&in.Page, versions), nil
}
