package validation

import (
	"context"
	"encoding/json"
	"time"

	"featurestore/app/httpapi"
	"featurestore/modules/registry"
)

// BaselineAnswer is a baseline as the API shows it.
type BaselineAnswer struct {
	Name        string          `json:"name"`
	Group       string          `json:"group"`
	Features    []string        `json:"features" doc:"As they were called when it was written; empty: all of the group"`
	Source      json.RawMessage `json:"source" doc:"One of {\"window\": {\"from\", \"to\"}}, {\"run\"}, {\"previous\": {\"period\"}} and {\"training_set\": {\"known_at\"}}"`
	Owner       string          `json:"owner"`
	Description string          `json:"description"`
	Version     int             `json:"version" doc:"Of the definition; every accepted change makes the next"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
}

// baselineAnswer shows a baseline that the registry keeps.
func baselineAnswer(_ *registry.Catalog, d *registry.Definition) BaselineAnswer {
	answer := BaselineAnswer{Name: d.Name, Version: d.Version, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt}
	_ = json.Unmarshal(d.Document, &answer) // the registry wrote it, with members of these names
	return answer
}

type listBaselinesOutput struct {
	Body struct {
		Baselines     []BaselineAnswer `json:"baselines" doc:"In the order in which they were registered"`
		NextPageToken string           `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (v *Validation) listBaselines(_ context.Context, in *struct {
	httpapi.Page
	Group string `query:"group" doc:"Of this group"`
}) (*listBaselinesOutput, error) {
	catalog := v.definitions.Catalog()
	if _, found := catalog.Group(in.Group); in.Group != "" && !found {
		return nil, catalog.UnknownGroup(in.Group)
	}
	last, err := in.Last()
	if err != nil {
		return nil, err
	}
	var found []BaselineAnswer
	var ids []int64
	for _, d := range catalog.Definitions(kindBaseline) {
		answer := baselineAnswer(catalog, d)
		if d.ID <= last || in.Group != "" && answer.Group != in.Group {
			continue
		}
		found, ids = append(found, answer), append(ids, d.ID)
	}
	out := &listBaselinesOutput{}
	if len(found) > in.Limit {
		found, out.Body.NextPageToken = found[:in.Limit], httpapi.PageToken(ids[in.Limit-1])
	}
	out.Body.Baselines = found
	return out, nil
}
