package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

type lookUp struct {
	asked
	EntityTypes  []definition
	Found        bool
	Values       []lookedUp
	Observations []observation
}

// lookedUp is a feature of the entity.
type lookedUp struct {
	Feature, Status, EventTime string
	Value                      json.RawMessage
}

// Class is the style of its status.
func (v lookedUp) Class() string { return stateClass(v.Status) }

type observation struct {
	Group      string                     `json:"group"`
	EventTime  string                     `json:"event_time"`
	IngestTime string                     `json:"ingest_time"`
	Features   map[string]json.RawMessage `json:"features"`
}

// lookUp shows all values of an entity, as they are or as they were.
func (w *Web) lookUp(r *http.Request) (any, error) {
	ctx := r.Context()
	l := lookUp{asked: asked{r.URL.Query()}}
	var types struct {
		EntityTypes []definition `json:"entity_types"`
	}
	if err := w.api.get(ctx, "/entity-types", url.Values{"limit": {"1000"}}, &types); err != nil {
		return nil, err
	}
	l.EntityTypes = types.EntityTypes
	entityType, id := l.Get("entity_type"), l.Get("id")
	if entityType == "" || id == "" {
		return l, nil
	}
	var answer struct {
		Features   map[string]json.RawMessage `json:"features"`
		Statuses   map[string]string          `json:"statuses"`
		EventTimes map[string]*string         `json:"event_times"`
	}
	at, query := path("get", entityType, id), url.Values{}
	if when := l.Get("at"); when != "" {
		at, query = path("history", entityType, id), url.Values{"at": {when}}
	}
	if err := w.api.get(ctx, at, query, &answer); err != nil {
		return nil, err
	}
	l.Found = true
	for name, value := range answer.Features {
		v := lookedUp{Feature: name, Value: value, Status: answer.Statuses[name]}
		if when := answer.EventTimes[name]; when != nil {
			v.EventTime = *when
		}
		l.Values = append(l.Values, v)
	}
	slices.SortFunc(l.Values, func(a, b lookedUp) int {
		if a.Feature < b.Feature {
			return -1
		}
		return 1
	})
	var history struct {
		Observations []observation `json:"observations"`
	}
	if err := w.api.get(ctx, path("history", entityType, id), url.Values{"limit": {"50"}}, &history); err != nil {
		return nil, err
	}
	l.Observations = history.Observations
	return l, nil
}
