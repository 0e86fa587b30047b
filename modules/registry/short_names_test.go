package registry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

func feature(t *testing.T, r *registry.Registry, group, name string) registry.Plan {
	return define(t, r, "group", `{"name": "`+group+`", "entity_type": "customer", "features": [{"name": "`+name+`", "value_type": "INTEGER"}]}`).Plan
}

func leadsTo(t *testing.T, r *registry.Registry, name, want string) {
	t.Helper()
	f, err := r.Catalog().Resolve("customer", name)
	if want == "" {
		require.Error(t, err, name)
		return
	}
	require.NoError(t, err, name)
	require.Equal(t, want, f.Reference(), name)
}

func TestShortNamesBelongToTheFirst(t *testing.T) {
	r := start(t)
	require.Empty(t, feature(t, r, "one", "x").ShortNamesTaken)
	require.Equal(t, []registry.Taken{{ShortName: "x", Feature: "two:x", BelongsTo: "one:x"}}, feature(t, r, "two", "x").ShortNamesTaken)
	leadsTo(t, r, "x", "one:x")
	leadsTo(t, r, "two:x", "two:x")

	feature(t, r, "two", "customer_x") // x is taken
	leadsTo(t, r, "customer_x", "two:customer_x")
	leadsTo(t, r, "x", "one:x")

	feature(t, r, "two", "customer_y")
	leadsTo(t, r, "y", "two:customer_y")
	require.Equal(t, "two:customer_y", feature(t, r, "one", "y").ShortNamesTaken[0].BelongsTo)
	leadsTo(t, r, "y", "two:customer_y")
}

func TestWithinOneFileANameComesBeforeAShorterForm(t *testing.T) {
	r := start(t)
	_, err := r.Apply(ctx, []byte(`{"groups": [
		{"name": "one", "entity_type": "customer", "features": [{"name": "customer_x", "value_type": "INTEGER"}]},
		{"name": "two", "entity_type": "customer", "features": [{"name": "x", "value_type": "INTEGER"}]}]}`), "", registry.Options{})
	require.NoError(t, err)
	leadsTo(t, r, "x", "two:x")
}

func TestEventGroupsHaveNoShortNames(t *testing.T) {
	r := start(t)
	define(t, r, "group", `{"name": "purchases", "entity_type": "customer", "kind": "events", "features": [{"name": "customer_amount", "value_type": "FLOAT"}]}`)
	leadsTo(t, r, "customer_amount", "")
	leadsTo(t, r, "amount", "")
	leadsTo(t, r, "purchases:customer_amount", "purchases:customer_amount")
	require.Empty(t, r.Catalog().Served("customer"))
	require.Empty(t, feature(t, r, "one", "amount").ShortNamesTaken)
	leadsTo(t, r, "amount", "one:amount")
}

// A draft that a misdirected write made must not keep its name from the feature that was meant.
func TestAFreedNameGoesToTheNextFeatureOfThatName(t *testing.T) {
	r := start(t)
	_, err := r.RegisterUnregistered(ctx, "customer", []registry.Unregistered{{Name: "x", ValueType: value.Integer}})
	require.NoError(t, err)
	feature(t, r, "one", "x")
	feature(t, r, "one", "customer_x")
	leadsTo(t, r, "x", "customer:x")
	_, err = registry.DeleteFeature(r, ctx, "customer", "x")
	require.NoError(t, err)
	leadsTo(t, r, "x", "one:x")

	// A shorter form is never inherited: whoever goes on writing x would write into another feature.
	_, err = r.RegisterUnregistered(ctx, "customer", []registry.Unregistered{{Name: "y", ValueType: value.Integer}})
	require.NoError(t, err)
	feature(t, r, "one", "customer_y")
	_, err = registry.DeleteFeature(r, ctx, "customer", "y")
	require.NoError(t, err)
	leadsTo(t, r, "y", "")
}

func TestReferencesWithoutAnEntityType(t *testing.T) {
	r := start(t)
	feature(t, r, "one", "x")
	define(t, r, "feature", `{"name": "y", "entity_type": "shop", "value_type": "INTEGER"}`)
	define(t, r, "feature", `{"name": "both", "entity_type": "shop", "value_type": "INTEGER"}`)
	define(t, r, "feature", `{"name": "both", "entity_type": "customer", "value_type": "INTEGER"}`)
	c := r.Catalog()
	for reference, want := range map[string]string{
		"x": "one:x", "one:x": "one:x", "one:x@1": "one:x", "y": "shop:y", "shop:both": "shop:both", "x@1": "one:x",
	} {
		f, err := c.ResolveReference(reference)
		require.NoError(t, err, reference)
		require.Equal(t, want, f.Reference())
	}
	for reference, want := range map[string]string{
		"both": "ambiguous-feature", "z": "unknown-feature", "two:x": "unknown-feature", "x@2": "unknown-version", "x@0": "invalid-version",
		"x@": "invalid-version", "x@1@1": "invalid-version", "x@+1": "invalid-version", "": "unknown-feature", ":": "unknown-feature", "@": "unknown-feature",
	} {
		_, err := c.ResolveReference(reference)
		requireFault(t, err, want)
	}
	_, err := c.Resolve("shop", "one:x")
	requireFault(t, err, "unknown-feature")
	require.ErrorContains(t, err, "belongs to the entity type customer")
}
