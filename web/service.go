package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// service is what a model reads, with the values of one entity as a model would get them.
type service struct {
	definition
	Features    []string `json:"features"`
	EntityTypes []string `json:"entity_types"`

	Vector   []sampleValue `json:"-"`
	Keys     []joinKey     `json:"-"` // of all its entity types, each once
	Given    bool          `json:"-"` // the address names the entity
	Sampled  bool          `json:"-"` // the entity was chosen at random
	Wrong    *problem      `json:"-"` // with the entity
	Lineage  lineage       `json:"-"`
	Users    []named       `json:"-"` // that refer to it
	Versions []version     `json:"-"`
	Calls    []snippet     `json:"-"`
	of       []entity      // one of each entity type, in the order of EntityTypes; nil: none is known
}

func (s service) pageTitle() string { return s.Name }

func (s service) pageStatus() int {
	if s.Wrong != nil {
		return s.Wrong.Status
	}
	return http.StatusOK
}

// sampleValue is one place of the vector.
type sampleValue struct {
	Place     int    // from 1 on
	Asked     string // as the service lists it, with the version if it names one
	Reference string // group:feature
	Head      featureHead
	Status    string // "": no entity is known
	Value     json.RawMessage
	Time      time.Time
}

// Class is the style of its status.
func (v sampleValue) Class() string { return stateClass(v.Status) }

// named is a definition by its kind and name.
type named struct{ Kind, Name string }

func (w *Web) service(r *http.Request) (any, error) {
	ctx := r.Context()
	s := service{}
	at := path("services", r.PathValue("name"))
	if err := w.api.get(ctx, at, nil, &s); err != nil {
		return nil, err
	}
	var versions struct {
		Versions []version `json:"versions"`
	}
	if err := w.api.get(ctx, at+"/versions", nil, &versions); err != nil {
		return nil, err
	}
	s.Versions = versions.Versions
	slices.SortFunc(s.Versions, func(a, b version) int { return b.Version - a.Version })
	var err error
	if s.Lineage, _, err = w.lineageOf(ctx, "service", s.Name); err != nil {
		return nil, err
	}
	for _, n := range s.Lineage.Nodes {
		if n.Column > s.Lineage.Nodes[s.Lineage.Own].Column {
			s.Users = append(s.Users, named{n.Kind, n.Name})
		}
	}
	heads := make([]map[string]featureHead, len(s.EntityTypes)) // by group:feature
	for i, name := range s.EntityTypes {
		if heads[i], err = w.featuresOf(ctx, name); err != nil {
			return nil, err
		}
	}
	typeOf := make([]int, len(s.Features))
	for i, asked := range s.Features {
		v := sampleValue{Place: i + 1, Asked: asked}
		v.Reference, _, _ = strings.Cut(asked, "@")
		typeOf[i] = slices.IndexFunc(heads, func(of map[string]featureHead) bool { return of[v.Reference].Reference == v.Reference })
		if typeOf[i] >= 0 {
			v.Head = heads[typeOf[i]][v.Reference]
		}
		s.Vector = append(s.Vector, v)
	}
	if err := w.sampledEntities(r, &s, typeOf); err != nil {
		return nil, err
	}
	var p *problem
	if err := w.vectorInto(ctx, &s, typeOf); errors.As(err, &p) {
		s.Wrong = p
	} else if err != nil {
		return nil, err
	}
	s.Calls = s.calls(w.storeAt(r))
	return s, nil
}

// sampledEntities finds whose values are shown: of the entities that the address names, else of some in which its groups were observed.
func (w *Web) sampledEntities(r *http.Request, s *service, typeOf []int) error {
	ctx, address := r.Context(), r.URL.Query()
	for i, name := range s.EntityTypes {
		var of typed
		if err := w.api.get(ctx, path("entity-types", name), nil, &of); err != nil {
			return err
		}
		e := entity{Type: name, Keys: of.JoinKeys}
		for j, k := range e.Keys {
			field := "key." + k.Name
			e.Keys[j].Field, e.Keys[j].Value = field, address.Get(field)
			s.Given = s.Given || address.Get(field) != ""
		}
		if !s.Given {
			var groups []string
			for at, v := range s.Vector {
				if typeOf[at] == i && !slices.Contains(groups, v.Head.Group) {
					groups = append(groups, v.Head.Group)
				}
			}
			some, err := w.someEntities(ctx, of, groups, 1)
			if err != nil {
				return err
			}
			if len(some) > 0 {
				s.Sampled = true
				for j := range e.Keys {
					e.Keys[j].Value = some[0].Keys[j].Value
				}
			}
		}
		s.of = append(s.of, e)
		for _, k := range e.Keys {
			if !slices.ContainsFunc(s.Keys, func(other joinKey) bool { return other.Name == k.Name }) {
				s.Keys = append(s.Keys, k)
			}
		}
	}
	return nil
}

// vectorInto reads the values, of each entity type those of its own features.
func (w *Web) vectorInto(ctx context.Context, s *service, typeOf []int) error {
	for i, e := range s.of {
		if !e.Named() {
			continue
		}
		var references []string
		for at, v := range s.Vector {
			if typeOf[at] == i {
				references = append(references, v.Asked)
			}
		}
		var answer struct {
			Features   map[string]json.RawMessage `json:"features"`
			Statuses   map[string]string          `json:"statuses"`
			EventTimes map[string]*time.Time      `json:"event_times"`
		}
		if err := w.api.get(ctx, e.at("get"), url.Values{"features": {strings.Join(references, ",")}}, &answer); err != nil {
			return ignoreMissing(err)
		}
		for at := range s.Vector {
			v := &s.Vector[at]
			if typeOf[at] != i {
				continue
			}
			v.Value, v.Status = answer.Features[v.Asked], answer.Statuses[v.Asked]
			if when := answer.EventTimes[v.Asked]; when != nil {
				v.Time = *when
			}
		}
	}
	return nil
}

// calls are how to read the service from where people work. They name the entity that is shown, if there is one.
func (s *service) calls(host string) []snippet {
	row, columns := map[string]json.RawMessage{}, map[string][]json.RawMessage{}
	for _, k := range s.Keys {
		row[k.Name] = k.literal()
		columns[k.Name] = []json.RawMessage{row[k.Name]}
	}
	one, err := json.Marshal(row)
	if err != nil {
		return nil
	}
	body, err := json.Marshal(map[string]any{"feature_service": s.Name, "entities": columns})
	if err != nil {
		return nil
	}
	var calls []snippet
	if len(s.of) == 1 {
		e := s.of[0]
		if !e.Named() {
			e = entity{Type: e.Type, Keys: []joinKey{{Value: "ID"}}}
		}
		at := host + e.at("get") + "?service=" + url.QueryEscape(s.Name)
		calls = append(calls, snippet{"curl", "curl '" + quoted(at) + "'"},
			snippet{"Python", fmt.Sprintf("import requests\n\nrequests.get(%q).json()[\"features\"]", at)},
			snippet{"pandas, of many entities", fmt.Sprintf("import pandas, requests\n\nentities = [%s]\nr = requests.post(%q, json={\"entities\": entities, \"service\": %q}).json()\npandas.DataFrame(entities).join(pandas.DataFrame(r[\"features\"]))",
				one, host+path("get", e.Type), s.Name)})
	} else {
		at := host + "/get-online-features"
		calls = append(calls, snippet{"curl", "curl -d '" + quoted(string(body)) + "' " + at},
			snippet{"Python", fmt.Sprintf("import requests\n\nrequests.post(%q, json=%s).json()", at, body)})
	}
	return append(calls, snippet{"Feast", fmt.Sprintf("store.get_online_features(features=store.get_feature_service(%q), entity_rows=[%s]).to_dict()", s.Name, one)},
		snippet{"A training set", "curl --data-binary @spine.csv '" + host + "/training-sets?service=" + url.QueryEscape(s.Name) + "&format=parquet' -o training_set.parquet"})
}

// literal is its value in JSON, "ID" if none is given.
func (k joinKey) literal() json.RawMessage {
	if k.ValueType == "INTEGER" && json.Valid([]byte(k.Value)) {
		return json.RawMessage(k.Value)
	}
	text, err := json.Marshal(cmp.Or(k.Value, "ID"))
	if err != nil {
		return nil
	}
	return text
}

// quoted is a text inside of single quotes of a shell.
func quoted(text string) string { return strings.ReplaceAll(text, "'", `'\''`) }
