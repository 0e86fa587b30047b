package web

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// readyCalls are how to read a feature from where people work. They name an entity that is observed, if there is one, and work as they stand.
func (w *Web) readyCalls(r *http.Request, f *feature) ([]snippet, error) {
	host := w.storeAt(r)
	if f.Kind == "events" {
		rows := host + path("rows", f.Group)
		return []snippet{
			{"curl", "curl '" + rows + "'"},
			{"Python", fmt.Sprintf("import requests\n\nrequests.get(%q, params={\"format\": \"json_rows\"}).json()", rows)},
			{"pandas", fmt.Sprintf("import pandas\n\npandas.read_parquet(%q)[%q]", rows+"?format=parquet", f.Name)},
		}, nil
	}
	var of typed
	if err := w.api.get(r.Context(), path("entity-types", f.EntityType), nil, &of); err != nil {
		return nil, err
	}
	some, err := w.someEntities(r.Context(), of, []string{f.Group}, 1)
	if ignoreDown(err) != nil {
		return nil, err
	}
	e := entityOf(of, nil)
	if len(some) > 0 {
		e = some[0]
	}
	row := map[string]json.RawMessage{}
	for _, k := range e.Keys {
		row[k.Name] = k.literal()
	}
	one, err := json.Marshal(row)
	if err != nil {
		return nil, err
	}
	if !e.Named() {
		e = entity{Type: of.Name, Keys: []joinKey{{Value: "ID"}}}
	}
	name := f.Reference
	if len(f.ShortNames) > 0 {
		name = f.ShortNames[0]
	}
	at := host + e.at("get", name)
	return []snippet{
		{"curl", "curl '" + quoted(at) + "'"},
		{"Python", fmt.Sprintf("import requests\n\nrequests.get(%q).json()", at)},
		{"pandas, of many entities", fmt.Sprintf("import pandas, requests\n\nentities = [%s]\nr = requests.post(%q, json={\"entities\": entities, \"features\": [%q]}).json()\npandas.DataFrame(entities).join(pandas.DataFrame(r[\"features\"]))",
			one, host+path("get", f.EntityType), name)},
		{"Feast's SDK", fmt.Sprintf("from feast import FeatureStore\n\nstore = FeatureStore(\".\")  # whose online_store is {type: remote, path: %s}\nstore.get_online_features(features=[%q], entity_rows=[%s]).to_dict()",
			host, f.Reference, one)},
	}, nil
}
