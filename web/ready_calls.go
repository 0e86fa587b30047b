package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// anEntity is how calls name an entity that there is.
type anEntity struct {
	ID     string // as it stands in a path, unescaped
	Listed string // as it stands in a list in Python
	Row    string // by its join keys, in Python
}

// someEntity names an entity of a group; where there is none yet, a stand-in.
func (w *Web) someEntity(r *http.Request, group, entityType string) (anEntity, error) {
	var found struct {
		IDs      []json.RawMessage            `json:"entity_ids"`
		Entities []map[string]json.RawMessage `json:"entities"`
	}
	if err := w.api.get(r.Context(), path("rows", group, "sample"), url.Values{"limit": {"1"}}, &found); ignoreDown(err) != nil {
		return anEntity{}, err
	}
	if len(found.IDs) == 0 || len(found.Entities) == 0 {
		return anEntity{"ID", `"ID"`, fmt.Sprintf("{%q: \"ID\"}", entityType+"_id")}, nil
	}
	e := anEntity{Listed: string(found.IDs[0])}
	if json.Unmarshal(found.IDs[0], &e.ID) != nil {
		e.ID = string(found.IDs[0])
	}
	var members []string
	for name, value := range found.Entities[0] {
		members = append(members, fmt.Sprintf("%q: %s", name, value))
	}
	slices.Sort(members)
	e.Row = "{" + strings.Join(members, ", ") + "}"
	return e, nil
}

// readyCalls are how to read a feature from where people work: they work as they stand.
func (w *Web) readyCalls(r *http.Request, f *feature) ([]snippet, error) {
	host := "http://" + r.Host
	if f.Kind == "events" {
		rows := host + path("rows", f.Group)
		return []snippet{
			{"curl", "curl '" + rows + "'"},
			{"Python", fmt.Sprintf("import requests\n\nrequests.get(%q, params={\"format\": \"json_rows\"}).json()", rows)},
			{"pandas", fmt.Sprintf("import pandas\n\npandas.read_parquet(%q)[%q]", rows+"?format=parquet", f.Name)},
		}, nil
	}
	e, err := w.someEntity(r, f.Group, f.EntityType)
	if err != nil {
		return nil, err
	}
	name := f.Reference
	if len(f.ShortNames) > 0 {
		name = f.ShortNames[0]
	}
	at := host + path("get", f.EntityType, e.ID, name)
	return []snippet{
		{"curl", "curl '" + strings.ReplaceAll(at, "'", "%27") + "'"},
		{"Python", fmt.Sprintf("import requests\n\nrequests.get(%q).json()", at)},
		{"pandas", fmt.Sprintf("import pandas, requests\n\nids = [%s]\nr = requests.post(%q, json={\"entity_ids\": ids, \"features\": [%q]}).json()\npandas.DataFrame(r[\"features\"], index=r[\"entity_ids\"])",
			e.Listed, host+path("get", f.EntityType), name)},
		{"Feast's SDK", fmt.Sprintf("from feast import FeatureStore\n\nstore = FeatureStore(\".\")  # whose online_store is {type: remote, path: %s}\nstore.get_online_features(features=[%q], entity_rows=[%s]).to_dict()",
			host, f.Reference, e.Row)},
	}, nil
}
