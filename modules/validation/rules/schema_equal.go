package rules

import (
	"encoding/json"
	"slices"
)

// sameJSON tells whether two values are equal as JSON Schema means it: numbers by what they are worth.
func sameJSON(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		x, okX := rational(a)
		y, okY := rational(b)
		if okX && okY {
			return x.Cmp(y) == 0
		}
		other, ok := b.(json.Number)
		return ok && a == other
	case []any:
		other, ok := b.([]any)
		return ok && slices.EqualFunc(a, other, sameJSON)
	case map[string]any:
		other, ok := b.(map[string]any)
		if !ok || len(a) != len(other) {
			return false
		}
		for name, v := range a {
			if w, has := other[name]; !has || !sameJSON(v, w) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b
}

// uniqueItems compares items by their canonical text, and numbers that are spelt in several ways by value.
func uniqueItems(e *schemaRun, v any) bool {
	list, ok := v.([]any)
	if !ok {
		return true
	}
	seen := map[string]bool{}
	for _, one := range list {
		e.steps++
		text, err := json.Marshal(canonical(one))
		if err != nil || seen[string(text)] {
			return false
		}
		seen[string(text)] = true
	}
	return true
}

func canonical(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, ok := rational(v); ok {
			return map[string]string{"": n.RatString()}
		}
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = canonical(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			out[name] = canonical(v[name])
		}
		return out
	}
	return v
}
