package storetest

import (
	"fmt"
	"strings"

	"featurestore/modules/registry"
)

// bracketed reads "name(a T, b T)" and the like: what stands in the brackets, as name and type.
func bracketed(words []string) (before []string, inside [][2]string, err error) {
	text := strings.Join(words, " ")
	head, rest, found := strings.Cut(text, "(")
	if !found || !strings.HasSuffix(rest, ")") {
		return nil, nil, fmt.Errorf("the brackets are missing")
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(rest, ")"), ",") {
		name, kind, _ := strings.Cut(strings.TrimSpace(part), " ")
		inside = append(inside, [2]string{name, kind})
	}
	return strings.Fields(head), inside, nil
}

func (r *scriptRun) entity(words []string, _ []Line) error {
	before, keys, err := bracketed(words)
	if err != nil {
		return err
	}
	var joinKeys []map[string]string
	for _, k := range keys {
		joinKeys = append(joinKeys, map[string]string{"name": k[0], "value_type": k[1]})
	}
	r.entityOf[before[1]] = before[1] // its default group
	return r.Apply(map[string]any{"entity_types": []any{map[string]any{"name": r.own(before[1]), "join_keys": joinKeys}}})
}

func (r *scriptRun) group(words []string, _ []Line) error {
	before, columns, err := bracketed(words)
	if err != nil {
		return err
	}
	group := map[string]any{"name": r.own(before[1]), "entity_type": r.own(before[3]), "kind": "features"}
	if before[0] == "events" {
		group["kind"] = "events"
	}
	if len(before) > 5 {
		group[map[string]string{"ttl": "ttl", "id": "id_column"}[before[4]]] = before[5]
	}
	var features []map[string]string
	for _, c := range columns {
		features = append(features, map[string]string{"name": c[0], "value_type": c[1]})
	}
	group["features"] = features
	r.entityOf[before[1]] = before[3]
	return r.Apply(map[string]any{"groups": []any{group}})
}

// idColumn declares an id column later.
func (r *scriptRun) idColumn(words []string, _ []Line) error {
	group := map[string]any{"name": r.own(words[1]), "id_column": words[2]}
	if words[2] == "none" {
		group["id_column"] = nil
	}
	return r.Apply(map[string]any{"groups": []any{group}})
}

func (r *scriptRun) add(words []string, _ []Line) error {
	return r.Apply(r.feature(words[1], map[string]string{"name": words[2], "value_type": words[3]}))
}

func (r *scriptRun) retype(words []string, _ []Line) error {
	return r.apply(r.feature(words[1], map[string]string{"name": words[2], "value_type": words[3]}), registry.Options{AllowBreaking: len(words) == 4})
}

func (r *scriptRun) rename(words []string, _ []Line) error {
	return r.Apply(r.feature(words[1], map[string]string{"name": words[3], "renamed_from": words[2]}))
}

// feature defines one feature of a group.
func (r *scriptRun) feature(group string, members map[string]string) map[string]any {
	return map[string]any{"groups": []any{map[string]any{"name": r.own(group), "entity_type": r.own(r.entityOf[group]), "features": []map[string]string{members}}}}
}

func (r *scriptRun) ttl(words []string, _ []Line) error {
	group := map[string]any{"name": r.own(words[1]), "entity_type": r.own(r.entityOf[words[1]]), "ttl": words[2]}
	if words[2] == "none" {
		group["ttl"] = nil
	}
	return r.Apply(map[string]any{"groups": []any{group}})
}
