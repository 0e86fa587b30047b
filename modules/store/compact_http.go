package store

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

// compactRoute mounts the call that compacts groups.
func (s *Store) compactRoute(api huma.API) {
	answers := httpapi.Answers[compactCounted](api, "With dry_run, what would go; with wait, the runs once they have ended")
	answers["202"] = &huma.Response{
		Description: "One run per group",
		Content:     map[string]*huma.MediaType{jsonType: {Schema: httpapi.Schema[compactRuns](api)}},
	}
	httpapi.Register(api, huma.Operation{
		OperationID: "compact", Method: http.MethodPost, Path: "/compact", Tags: []string{"Tables"},
		Summary: "Remove rows that no question needs any more",
		Description: "Starts a run per group. It removes rows of which later ones of the same entity and event time, ingested before history.horizon, say " +
			"all that they said, and those past the group's retention: older than that, and not the newest of any feature. Reads, training sets, and " +
			"known_at within the horizon answer as before. It is also done every history.compact_every, and can be repeated and cancelled at any time.",
		Responses: answers,
	}, s.compact)
}

type compactInput struct {
	DryRun bool   `query:"dry_run" doc:"Change nothing; count the rows that would go"`
	Wait   string `query:"wait" doc:"How long to wait for the runs to end, such as 30s; at most 10m" example:"30s"`
	Body   *struct {
		Group string `json:"group,omitempty" doc:"The group; left out: all" example:"customer_purchases"`
	} // optional
}

type compactRuns struct {
	Runs []runs.Answer `json:"runs" doc:"In the order in which the groups were registered"`
}

type compactCounted struct {
	DryRun bool             `json:"dry_run"`
	Groups []CompactedGroup `json:"groups"`
}

type compactOutput struct {
	Status int
	Body   any
}

func (s *Store) compact(ctx context.Context, in *compactInput) (*compactOutput, error) {
	wait, err := runs.ReadWait(in.Wait)
	if err != nil {
		return nil, err
	}
	groups := s.compactable()
	if in.Body != nil && in.Body.Group != "" {
		catalog := s.definitions.Catalog()
		group, ok := catalog.Group(in.Body.Group)
		if !ok {
			return nil, located(catalog.UnknownGroup(in.Body.Group), "body.group", in.Body.Group)
		}
		groups = []*registry.Group{group}
	}
	if in.DryRun {
		out := compactCounted{DryRun: true, Groups: make([]CompactedGroup, len(groups))}
		for i, group := range groups {
			if out.Groups[i], err = s.Compact(ctx, group, true, func(CompactedGroup) {}); err != nil {
				return nil, err
			}
		}
		return &compactOutput{http.StatusOK, out}, nil
	}
	submitted, err := s.SubmitCompaction(ctx, groups)
	if err != nil {
		return nil, err
	}
	out, status, until := compactRuns{Runs: []runs.Answer{}}, http.StatusAccepted, time.Now().Add(wait)
	if wait > 0 {
		status = http.StatusOK
	}
	for _, run := range submitted {
		if wait > 0 {
			if run, err = s.await(ctx, run.ID, time.Until(until)); err != nil {
				return nil, err
			}
		}
		if !run.State.Finished() {
			status = http.StatusAccepted
		}
		out.Runs = append(out.Runs, run.Show())
	}
	return &compactOutput{status, out}, nil
}
