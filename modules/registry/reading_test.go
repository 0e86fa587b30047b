package registry

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"featurestore/app/fault"
)

// FuzzReading reads anything as an apply file: it answers a fault or definitions whose members are well-formed, and never panics.
func FuzzReading(f *testing.F) {
	for _, seed := range []string{
		`{"entity_types": [{"name": "a", "join_keys": [{"name": "b"}]}]}`,
		`{"groups": [{"name": "a", "ttl": "1d", "features": [{"name": "f", "value_type": "FLOAT", "tags": ["x"], "metadata": {"a": [1, null]}, "default": ""}]}]}`,
		"services:\n- {name: s, features: [a, 'b:c@1'], metadata: {<<: &x [1, 0x1f, .5, ~, yes]}, tags: *x}\n",
		"", "[", "{}", "null", "a: !!binary x", "\ufeff{}", "? a\n: b", "&a [*a]", "%YAML 1.2\n---\na",
	} {
		f.Add([]byte(seed), "")
		f.Add([]byte(seed), "application/yaml")
	}
	kinds := []*Kind{entityTypeKind, groupKind, featureKind, serviceKind}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		value, err := parseFile(body, contentType)
		if err != nil {
			if _, ok := fault.As(err); !ok {
				t.Fatalf("%v is no fault", err)
			}
			return
		}
		reading := newReader(kinds)
		reading.file(value)
		if settled(reading.problems) != nil {
			return
		}
		for _, w := range reading.found {
			document := jsontext.Value(w.kind.encode(w.members))
			if !document.IsValid() {
				t.Fatalf("%s", document)
			}
			for _, m := range w.members {
				if m != nil && !jsontext.Value(m).IsValid() {
					t.Fatalf("%s", m)
				}
			}
		}
	})
}
