package validation

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/validation/drift"
)

// FrozenAnswer is what was frozen for a version of a baseline.
type FrozenAnswer struct {
	Baseline string          `json:"baseline"`
	Version  int             `json:"version" doc:"Of the definition: each is frozen once"`
	Group    string          `json:"group"`
	Source   string          `json:"source" doc:"What it was made of"`
	Rows     int64           `json:"rows"`
	FrozenAt time.Time       `json:"frozen_at"`
	Features []FrozenFeature `json:"features"`
}

// FrozenFeature is a feature of a frozen baseline.
type FrozenFeature struct {
	Feature string     `json:"feature"`
	Kind    drift.Kind `json:"kind" enum:"numeric,categorical"`
	Rows    int64      `json:"rows" doc:"That observe it"`
	Nulls   int64      `json:"nulls"`
	Bins    int        `json:"bins" doc:"Without the one for nulls"`
	Sample  int        `json:"sample" doc:"How many numbers are kept for ks and wasserstein; 0: none, or an entity of the group was erased since"`
}

type freezeInput struct {
	httpapi.Payload
	Name     string `path:"name" doc:"The baseline" example:"churn_training"`
	TimeZone string `query:"time_zone" doc:"The zone of times without an offset; without it they are refused" example:"Europe/Berlin"`
}

type freezeOutput struct {
	Status int
	Body   FrozenAnswer
}

// Tables read the tables that calls bring.
type Tables interface {
	// Table receives the table that a body is, whole, for features of a group: a column is the feature's that it is named after, or
	// named group__feature. Other columns are left out. A body without any byte is nil.
	Table(ctx context.Context, group *registry.Group, body *httpapi.Payload, timeZone string) (Table, error)
}

// freeze freezes what a baseline's version says.
func (p *Profiles) freeze(ctx context.Context, in *freezeInput) (*freezeOutput, error) {
	b, _, err := p.baseline(in.Name, "path.name")
	if err != nil {
		return nil, err
	}
	group, err := p.group(b.Group, "group")
	if err != nil {
		return nil, err
	}
	table, err := p.tables.Table(ctx, group, &in.Payload, in.TimeZone)
	if err != nil {
		return nil, err
	}
	if table != nil {
		defer table.Close()
	}
	row, created, err := p.Freeze(ctx, in.Name, table)
	if err != nil {
		return nil, err
	}
	out := &freezeOutput{Status: http.StatusOK}
	if created {
		out.Status = http.StatusCreated
	}
	out.Body, err = p.showFrozen(ctx, b.Name, group, row)
	return out, err
}

func (p *Profiles) showFrozen(ctx context.Context, name string, group *registry.Group, row frozenRow) (FrozenAnswer, error) {
	answer := FrozenAnswer{Baseline: name, Version: row.Version, Group: group.Name, Source: row.Source, Rows: row.RowCount, FrozenAt: row.FrozenAt.Time(), Features: []FrozenFeature{}}
	features, err := p.repository.frozenFeatures(p.repository.db.WithContext(ctx), row.ID)
	if err != nil {
		return answer, err
	}
	for i := range features {
		f, ok := featureOf(group, features[i].Ordinal)
		if !ok {
			continue // it was deleted
		}
		r, err := features[i].reference()
		if err != nil {
			return answer, fmt.Errorf("read the frozen baseline %s: %w", name, err)
		}
		answer.Features = append(answer.Features, FrozenFeature{
			Feature: f.Name, Kind: r.Bins().Kind(), Rows: r.Reference().Rows(), Nulls: r.Reference().Nulls, Bins: r.Bins().Len(), Sample: len(r.sample)})
	}
	return answer, nil
}

type frozenOutput struct{ Body FrozenAnswer }

// getFrozen answers what was frozen for the baseline as it is defined now, or for an earlier version.
func (p *Profiles) getFrozen(ctx context.Context, in *struct {
	Name    string `path:"name" doc:"The baseline" example:"churn_training"`
	Version int    `query:"version" minimum:"1" doc:"Of the definition; left out: the newest"`
}) (*frozenOutput, error) {
	b, id, err := p.baseline(in.Name, "path.name")
	if err != nil {
		return nil, err
	}
	group, err := p.group(b.Group, "group")
	if err != nil {
		return nil, err
	}
	version := b.Version
	if in.Version != 0 {
		version = in.Version
	}
	row, found, err := p.repository.frozen(p.repository.db.WithContext(ctx), id, version)
	switch {
	case err != nil:
		return nil, err
	case !found && b.Source.Previous > 0:
		return nil, fault.New(fault.NotFound, "not-frozen", "%s is the period before the window that is judged: it moves along, and is never frozen", in.Name).At("path.name", in.Name, "is never frozen")
	case !found:
		return nil, fault.New(fault.NotFound, "not-frozen", "nothing is frozen for version %d of %s: POST /baselines/%s/freeze", version, in.Name, in.Name).At("path.name", in.Name, "is not frozen")
	}
	answer, err := p.showFrozen(ctx, b.Name, group, row)
	return &frozenOutput{answer}, err
}
