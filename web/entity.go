package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// entity is one that a page is about, as its address names it: entity_type, and id or, of several join keys, key.NAME for each of them.
type entity struct {
	Type string
	Keys []joinKey // those of the type
}

// joinKey is one with the value that was given for it.
type joinKey struct {
	Name      string `json:"name"`
	ValueType string `json:"value_type"`
	Field     string `json:"-"` // of a form
	Value     string `json:"-"`
}

// Form is how a field for it is filled in.
func (k joinKey) Form() string {
	if k.ValueType == "INTEGER" {
		return "a whole number"
	}
	return "text"
}

// typed is what pages show of an entity type.
type typed struct {
	definition
	JoinKeys []joinKey `json:"join_keys"`
	Groups   []string  `json:"groups"`
}

// entityTypes are all there are.
func (w *Web) entityTypes(ctx context.Context) ([]typed, error) {
	var found struct {
		EntityTypes []typed `json:"entity_types"`
	}
	err := w.api.get(ctx, "/entity-types", url.Values{"limit": {"1000"}}, &found)
	return found.EntityTypes, err
}

// entityOf reads an entity of a type from an address or a form. Of several join keys, id is taken too, as it is written in a path of the API.
func entityOf(of typed, given url.Values) entity {
	e := entity{Type: of.Name, Keys: slices.Clone(of.JoinKeys)}
	if len(e.Keys) == 1 {
		e.Keys[0].Field, e.Keys[0].Value = "id", given.Get("id")
		return e
	}
	inPath := map[string]string{}
	for part := range strings.SplitSeq(given.Get("id"), ",") {
		name, text, _ := strings.Cut(part, "=")
		if value, err := url.PathUnescape(text); err == nil {
			inPath[name] = value
		}
	}
	for i := range e.Keys {
		k := &e.Keys[i]
		k.Field, k.Value = "key."+k.Name, inPath[k.Name]
		if value := given.Get(k.Field); value != "" {
			k.Value = value
		}
	}
	return e
}

// Named tells whether all of its join keys are given.
func (e entity) Named() bool {
	return len(e.Keys) > 0 && !slices.ContainsFunc(e.Keys, func(k joinKey) bool { return k.Value == "" })
}

// Label is how a person writes it: the value of its only join key, or name=value for each.
func (e entity) Label() string {
	if len(e.Keys) == 1 {
		return e.Keys[0].Value
	}
	parts := make([]string, len(e.Keys))
	for i, k := range e.Keys {
		parts[i] = k.Name + "=" + k.Value
	}
	return strings.Join(parts, ", ")
}

// Segment is what names it in a path of the API.
func (e entity) Segment() string {
	if len(e.Keys) == 1 {
		return url.PathEscape(e.Keys[0].Value)
	}
	parts := make([]string, len(e.Keys))
	for i, k := range e.Keys {
		parts[i] = k.Name + "=" + url.PathEscape(k.Value)
	}
	return strings.Join(parts, ",")
}

// at is a path of the API about it: first/type/entity/rest.
func (e entity) at(first string, rest ...string) string {
	at := path(first, e.Type) + "/" + e.Segment()
	if len(rest) > 0 {
		at += path(rest...)
	}
	return at
}

// query names it in an address of ours.
func (e entity) query() url.Values {
	q := url.Values{"entity_type": {e.Type}}
	for _, k := range e.Keys {
		q.Set(k.Field, k.Value)
	}
	return q
}

// Link is its look-up.
func (e entity) Link() string { return "/admin/look-up?" + e.query().Encode() }

// EraseLink leads to what erasing it would delete.
func (e entity) EraseLink() string { return "/admin/look-up/erase?" + e.query().Encode() }

// someEntities are up to n that are observed in any of the groups, at random, those of the first group first; none where this process cannot ask.
func (w *Web) someEntities(ctx context.Context, of typed, groups []string, n int) ([]entity, error) {
	var some []entity
	known := map[string]bool{}
	for _, group := range groups {
		if len(some) == n {
			break
		}
		var found struct {
			Entities []map[string]json.RawMessage `json:"entities"`
		}
		if err := w.api.get(ctx, path("rows", group, "sample"), url.Values{"limit": {fmt.Sprint(n)}}, &found); err != nil {
			return some, ignoreMissing(err)
		}
		for _, named := range found.Entities {
			given := url.Values{}
			for _, k := range of.JoinKeys {
				field := "key." + k.Name
				if len(of.JoinKeys) == 1 {
					field = "id"
				}
				given.Set(field, plain(named[k.Name]))
			}
			if e := entityOf(of, given); !known[e.Segment()] && len(some) < n {
				known[e.Segment()], some = true, append(some, e)
			}
		}
	}
	return some, nil
}

// plain is a JSON text or number without quotes.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}
