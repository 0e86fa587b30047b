package store

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// sampleRoute mounts the call that names some entities of a group.
func (s *Store) sampleRoute(api huma.API) {
	httpapi.Register(api, huma.Operation{
		OperationID: "sample-entities", Method: http.MethodGet, Path: "/rows/{group}/sample", Tags: []string{"Tables"},
		Summary: "Name some entities of a group",
		Description: "Each is named once, chosen at random among those with observations in the group; one of many observations is the likelier. It costs about as much " +
			"as reading so many entities, however large the group is. entity_ids or entities is what POST /get/{entity_type} takes.",
	}, s.sample)
}

type sampleInput struct {
	Group string `path:"group" doc:"The group" example:"customer_purchases"`
	Limit int    `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"So many at most"`
}

// sampleAnswer names entities in two ways, in the same order.
type sampleAnswer struct {
	Group      string                       `json:"group"`
	EntityType string                       `json:"entity_type"`
	EntityIDs  []json.RawMessage            `json:"entity_ids" doc:"By the value of their only join key; for several, as in a path"`
	Entities   []map[string]json.RawMessage `json:"entities" doc:"By their join keys"`
}

func (s *Store) sample(ctx context.Context, in *sampleInput) (*struct{ Body sampleAnswer }, error) {
	group, err := groupOf(s.definitions.Catalog(), in.Group)
	if err != nil {
		return nil, err
	}
	snapshot, groups, err := s.view(ctx, "sample "+group.Name, []*registry.Group{group})
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	keys, err := snapshot.Sample(ctx, groups[0], in.Limit)
	if err != nil {
		return nil, unavailable("sample "+group.Name, err)
	}
	entityType := groups[0].EntityType
	answer := sampleAnswer{Group: groups[0].Name, EntityType: entityType.Name}
	for _, key := range keys {
		named := make(map[string]json.RawMessage, len(key.Values))
		for i, v := range key.Values {
			named[entityType.JoinKeys[i].Name] = value.AppendJSON(nil, v)
		}
		answer.EntityIDs = append(answer.EntityIDs, appendEntityID(nil, entityType, key))
		answer.Entities = append(answer.Entities, named)
	}
	return &struct{ Body sampleAnswer }{answer}, nil
}
