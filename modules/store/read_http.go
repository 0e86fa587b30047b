package store

import (
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// EntityPath names one entity.
type EntityPath struct {
	EntityType string          `path:"entity_type" doc:"The entity type" example:"customer"`
	EntityID   httpapi.Segment `path:"entity_id" doc:"The value of the join key; for several, name=value pairs separated by commas, each percent-encoded on its own" example:"12345"`
}

// find reads the path under a catalog.
func (p *EntityPath) find(catalog *registry.Catalog) (*registry.EntityType, Key, error) {
	entityType, err := entityTypeOf(catalog, p.EntityType)
	if err != nil {
		return nil, Key{}, err
	}
	key, err := ParseKey(entityType, string(p.EntityID))
	return entityType, key, err
}

const jsonType = "application/json"

// answered is a hand-made JSON answer.
func answered(body []byte) *httpapi.Bytes { return &httpapi.Bytes{ContentType: jsonType, Body: body} }

// findEntity reads the path of a call about one entity.
func findEntity(r *httpapi.Request, catalog *registry.Catalog) (*registry.EntityType, Key, error) {
	entityType, err := entityTypeOf(catalog, r.Path("entity_type"))
	if err != nil {
		return nil, Key{}, err
	}
	key, err := ParseKey(entityType, r.Segment("entity_id"))
	return entityType, key, err
}

type getFeatureInput struct {
	EntityPath
	Feature string `path:"feature" doc:"The feature: its short name or group:feature, either with @version" example:"purchase_count_30d"`
}

// valueAnswer documents GET /get/{entity_type}/{entity_id}/{feature}.
type valueAnswer struct {
	EntityType string  `json:"entity_type"`
	EntityID   any     `json:"entity_id"`
	Feature    string  `json:"feature" doc:"The feature's own name"`
	Value      any     `json:"value" doc:"null unless status is PRESENT"`
	ValueType  string  `json:"value_type" example:"FLOAT"`
	Status     string  `json:"status" enum:"PRESENT,NULL_VALUE,NOT_FOUND,OUTSIDE_MAX_AGE"`
	EventTime  *string `json:"event_time" doc:"When the newest observation was true; null if there is none"`
	Version    int     `json:"version" doc:"The version of the feature's definition"`
	Group      string  `json:"group"`
}

// getFeature answers one value.
func (s *Store) getFeature(r *httpapi.Request, b []byte) ([]byte, error) {
	catalog := s.definitions.Catalog()
	entityType, key, err := findEntity(r, catalog)
	if err != nil {
		return nil, err
	}
	name := r.Path("feature")
	feature, err := catalog.Resolve(entityType.Name, name)
	if err != nil {
		return nil, located(err, "path.feature", name)
	}
	answer, err := s.Read(r.Context(), Read{Rows: 1, Keys: map[string][]Key{entityType.Name: {key}}, Features: []*registry.Feature{feature}})
	if err != nil {
		return nil, err
	}
	defer answer.Release()
	sayServedFrom(r, answer)
	cell := answer.Cells[0]
	b = appendEntity(b, entityType, key)
	b = appendTextMember(b, "feature", feature.Name)
	b = value.AppendJSON(appendMember(b, "value"), cell.Value)
	b = appendTextMember(b, "value_type", feature.ValueType.String())
	b = appendStatus(appendMember(b, "status"), cell.Status)
	b = appendTime(appendMember(b, "event_time"), cell.EventTime)
	b = value.AppendJSON(appendMember(b, "version"), value.OfInt(int64(feature.Version)))
	b = appendTextMember(b, "group", feature.Group.Name)
	return append(b, '}'), nil
}

func sayServedFrom(r *httpapi.Request, answer *Answer) {
	if answer.Offline {
		r.SetHeader("X-Served-From", "offline")
	}
}

type getFeaturesInput struct {
	EntityPath
	Features []string `query:"features" doc:"Which features; without it and service, all that are active or draft" example:"purchase_count_30d,avg_order_value_90d"`
	Service  string   `query:"service" doc:"A feature service that lists them" example:"churn"`
}

// featuresAnswer documents GET /get/{entity_type}/{entity_id}.
type featuresAnswer struct {
	EntityType string             `json:"entity_type"`
	EntityID   any                `json:"entity_id"`
	Features   map[string]any     `json:"features" doc:"The values, under the names as they were asked for; null unless the status is PRESENT"`
	Statuses   map[string]string  `json:"statuses" doc:"PRESENT, NULL_VALUE, NOT_FOUND or OUTSIDE_MAX_AGE"`
	EventTimes map[string]*string `json:"event_times"`
}

// getFeatures answers several values of one entity.
func (s *Store) getFeatures(r *httpapi.Request, b []byte) ([]byte, error) {
	catalog := s.definitions.Catalog()
	entityType, key, err := findEntity(r, catalog)
	if err != nil {
		return nil, err
	}
	plan, err := s.planOf(catalog, entityType, r.Query("features"), r.Query("service"), "query")
	if err != nil {
		return nil, err
	}
	answer, err := s.Read(r.Context(), plan.read(entityType, []Key{key}))
	if err != nil {
		return nil, err
	}
	defer answer.Release()
	sayServedFrom(r, answer)
	return append(plan.append(appendEntity(b, entityType, key), answer.Cells), '}'), nil
}
