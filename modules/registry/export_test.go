package registry_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
)

// meanings writes down what every name leads to: short names, former names, and the versions that references name.
func meanings(c *registry.Catalog) string {
	var b strings.Builder
	for _, g := range c.Groups() {
		for _, f := range g.Features {
			names := slices.Sorted(slices.Values(c.ShortNames(f)))
			fmt.Fprintln(&b, f.Reference(), f.ValueType, names, f.Aliases)
			for _, older := range f.Older {
				fmt.Fprintln(&b, "  ", older.FirstVersion, older.Version, older.ValueType)
			}
		}
	}
	for _, s := range c.Services() {
		for i, f := range s.Features {
			fmt.Fprintln(&b, s.Name, s.References[i], f.Reference(), f.ValueType, f.Until != 0)
		}
	}
	return b.String()
}

// moved applies a registry's export to an empty one.
func moved(t *testing.T, r *registry.Registry) (file string, to *registry.Registry) {
	t.Helper()
	file, to = string(export(t, r, "application/yaml")), start(t)
	apply(t, to, file)
	require.Equal(t, file, string(export(t, to, "application/yaml")))
	require.Equal(t, meanings(r.Catalog()), meanings(to.Catalog()))
	return file, to
}

// References with a version mean the same where an export is applied, also versions that a new definition does not have.
func TestAnExportTakesVersionsWithIt(t *testing.T) {
	r := start(t)
	breaking := registry.Options{AllowBreaking: true}
	for _, body := range []string{
		`{"features": [{"name": "f", "entity_type": "e", "value_type": "INTEGER"}, {"name": "plain", "entity_type": "e", "value_type": "FLOAT"}]}`,
		`{"features": [{"name": "f", "entity_type": "e", "unit": "USD"}, {"name": "plain", "entity_type": "e", "unit": "USD"}]}`,
		`{"features": [{"name": "f", "entity_type": "e", "value_type": "STRING"}]}`,
		`{"features": [{"name": "f", "entity_type": "e", "unit": "EUR"}]}`,
		`{"services": [{"name": "s", "features": ["e:f@2", "e:f@4", "e:plain@2"]}]}`,
	} {
		_, err := r.Apply(ctx, []byte(body), "", breaking)
		require.NoError(t, err, body)
	}
	file, to := moved(t, r)
	require.Contains(t, file, "generations:")
	service, err := to.Catalog().Service("s")
	require.NoError(t, err)
	require.Equal(t, "INTEGER", service.Features[0].ValueType.String())
	require.Equal(t, "STRING", service.Features[1].ValueType.String())
	require.Equal(t, 4, service.Features[1].Version)
	apply(t, to, `{"features": [{"name": "f", "entity_type": "e", "unit": "GBP"}]}`)
	f, err := to.Catalog().Resolve("e", "f@5")
	require.NoError(t, err, "versions go on from there")
	require.Equal(t, "STRING", f.ValueType.String())

	// Where the feature is there already, its own versions count.
	plan := apply(t, r, file)
	require.Empty(t, plan.Changed)
	require.Empty(t, plan.Created)
}

// Short names lead where they did, though others claim them first in the order of the file.
func TestAnExportTakesShortNamesWithIt(t *testing.T) {
	r := start(t)
	apply(t, r, `{"groups": [{"name": "one", "entity_type": "customer", "features": []}]}`)
	feature(t, r, "two", "x")
	feature(t, r, "one", "x")
	feature(t, r, "one", "customer_y")
	feature(t, r, "two", "y")
	leadsTo(t, r, "x", "two:x")
	leadsTo(t, r, "y", "one:customer_y")
	file, to := moved(t, r)
	require.Contains(t, file, "short_names:\n    customer:\n        x: two:x\n        y: one:customer_y\n")
	leadsTo(t, to, "x", "two:x")
	leadsTo(t, to, "y", "one:customer_y")

	// A name that nobody has stays so.
	r = start(t)
	apply(t, r, `{"features": [{"name": "z", "entity_type": "customer", "value_type": "FLOAT", "status": "draft"}]}`)
	feature(t, r, "one", "customer_z")
	_, err := registry.DeleteFeature(r, ctx, "customer", "z")
	require.NoError(t, err)
	leadsTo(t, r, "z", "")
	file, to = moved(t, r)
	require.Contains(t, file, "z: null")
	leadsTo(t, to, "z", "")

	// First come stays: in a registry that has the names they are left as they are.
	other := start(t)
	feature(t, other, "one", "x")
	apply(t, other, `{"groups": [{"name": "two", "entity_type": "customer", "features": [{"name": "x", "value_type": "INTEGER"}]}], "short_names": {"customer": {"x": "two:x"}}}`)
	leadsTo(t, other, "x", "one:x")
}

func TestWhatAnExportSaysOfThePastIsChecked(t *testing.T) {
	of := func(generations string) string {
		return `{"features": [{"name": "f", "entity_type": "e", "value_type": "FLOAT", "generations": ` + generations + `}]}`
	}
	named := func(names string) string {
		return `{"features": [{"name": "f", "entity_type": "e", "value_type": "FLOAT"}], "groups": [
			{"name": "events", "entity_type": "e", "kind": "events", "features": [{"name": "g", "value_type": "FLOAT"}]}], "short_names": ` + names + `}`
	}
	for file, want := range map[string]string{
		of(`{}`):   "expected a list of generations",
		of(`[]`):   "1 to 100 generations",
		of(`[1]`):  "features[0].generations[0]: expected an object",
		of(`[{}]`): "must be given",
		of(`[{"first_version": 1, "last_version": 2}]`):                                                                                         "must be given",
		of(`[{"first_version": "1", "last_version": 2, "value_type": "FLOAT"}]`):                                                                "features[0].generations[0].first_version: expected the number",
		of(`[{"first_version": 1, "last_version": 2, "value_type": "NUMBER"}]`):                                                                 "features[0].generations[0].value_type",
		of(`[{"first_version": 1, "last_version": 2, "value_type": "FLOAT", "x": 1}]`):                                                          "unknown member",
		of(`[{"first_version": 2, "last_version": 1, "value_type": "FLOAT"}]`):                                                                  "do not go on from each other",
		of(`[{"first_version": -1, "last_version": 1, "value_type": "FLOAT"}]`):                                                                 "do not go on from each other",
		of(`[{"first_version": 1, "last_version": 9999999999, "value_type": "FLOAT"}]`):                                                         "do not go on from each other",
		of(`[{"first_version": 1, "last_version": 2, "value_type": "FLOAT"}, {"first_version": 4, "last_version": 4, "value_type": "FLOAT"}]`):  "generations[1]: the versions do not go on",
		of(`[{"first_version": 1, "last_version": 2, "value_type": "FLOAT"}, {"first_version": 3, "last_version": 4, "value_type": "STRING"}]`): "the newest generation has the feature's value type, FLOAT",
		of(`[` + strings.Repeat(`{"first_version": 1, "last_version": 1, "value_type": "FLOAT"},`, 100) + `{}]`):                                "1 to 100 generations",
		named(`[]`):                       "expected an object of entity types",
		named(`{"e": 1}`):                 "short_names.e: expected an object",
		named(`{"e": {"x": 1}}`):          "short_names.e.x: expected a string",
		named(`{"f": {"x": "e:f"}}`):      "short_names.f.x: there is no entity type",
		named(`{"e": {"x": "e:g"}}`):      "short_names.e.x: there is no feature",
		named(`{"e": {"f": "f"}}`):        "short_names.e.f: there is no feature of that reference",
		named(`{"e": {"x": "e:f"}}`):      "x is no short name of e:f",
		named(`{"e": {"g": "events:g"}}`): "g is no short name of events:g",
	} {
		r := start(t)
		_, err := r.Apply(ctx, []byte(file), "", registry.Options{})
		requireFault(t, err, "invalid-definition")
		require.ErrorContains(t, err, want, file)
		require.Zero(t, r.Catalog().Revision())
	}
	apply(t, start(t), named(`{"e": {"f": "e:f"}}`))
	apply(t, start(t), named(`null`))
}
