package registry_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
)

const lineage = `
entity_types: [{name: customer}, {name: shop}]
groups:
- name: purchases
  entity_type: customer
  features:
  - {name: amount, value_type: INTEGER}
  - {name: mean, value_type: FLOAT}
  - {name: sum, value_type: FLOAT, status: deprecated, replacement: "purchases:amount"}
- {name: clicks, entity_type: customer, kind: events, id_column: click, features: [{name: click, value_type: STRING}]}
- {name: turnover, entity_type: shop, features: [{name: revenue, value_type: FLOAT}]}
services:
- {name: churn, features: [purchases:amount, purchases:mean, turnover:revenue]}
rules:
- {name: range, feature: "purchases:amount"}
`

func TestLineage(t *testing.T) {
	r := start(t)
	apply(t, r, lineage)
	_, err := r.Apply(ctx, []byte(`{"groups": [{"name": "purchases", "features": [{"name": "amount", "value_type": "STRING"}]}],
		"services": [{"name": "past", "features": ["purchases:amount@1", "purchases:amount"]}]}`), "", registry.Options{AllowBreaking: true})
	require.NoError(t, err)
	_, err = registry.RenameFeature(r, ctx, "customer", "mean", "average")
	require.NoError(t, err)
	to := server(r)
	const amountDown = `{"nodes": [
		{"kind": "feature", "name": "purchases:sum", "version": 1, "depth": 1}, {"kind": "rule", "name": "range", "version": 1, "depth": 1},
		{"kind": "service", "name": "churn", "version": 2, "depth": 1}, {"kind": "service", "name": "past", "version": 1, "depth": 1}],
		"edges": [
		{"from": {"kind": "feature", "name": "purchases:amount"}, "to": {"kind": "feature", "name": "purchases:sum"}, "why": "names it as its replacement"},
		{"from": {"kind": "feature", "name": "purchases:amount"}, "to": {"kind": "rule", "name": "range"}, "why": "reads it"},
		{"from": {"kind": "feature", "name": "purchases:amount"}, "to": {"kind": "service", "name": "churn"}, "why": "reads it"},
		{"from": {"kind": "feature", "name": "purchases:amount"}, "to": {"kind": "service", "name": "past"}, "why": "reads it"},
		{"from": {"kind": "feature", "name": "purchases:amount"}, "to": {"kind": "service", "name": "past"}, "why": "reads it", "version": "1"}]}`
	for _, c := range []call{
		{name: "a feature", path: "feature/purchases:amount", want: `{"kind": "feature", "name": "purchases:amount", "version": 2, "depth": 0,
			"upstream": {"nodes": [{"kind": "group", "name": "purchases", "version": 1, "depth": 1}, {"kind": "entity_type", "name": "customer", "version": 1, "depth": 2}],
				"edges": [{"from": {"kind": "group", "name": "purchases"}, "to": {"kind": "feature", "name": "purchases:amount"}, "why": "belongs to it"},
					{"from": {"kind": "entity_type", "name": "customer"}, "to": {"kind": "group", "name": "purchases"}, "why": "is of it"}]},
			"downstream": ` + amountDown + `}`},
		{name: "by a former name", path: "feature/purchases%3Amean", want: `{"name": "purchases:average", "version": 2, "downstream": {"nodes": [{"kind": "service", "name": "churn"}]}}`},
		{name: "by a short name", path: "feature/revenue", want: `{"name": "turnover:revenue"}`},
		{name: "a service, to its entity types", path: "service/churn", want: `{"downstream": {"nodes": [], "edges": []}, "upstream": {"nodes": [
			{"name": "purchases:amount", "depth": 1}, {"name": "purchases:average", "depth": 1}, {"name": "turnover:revenue", "depth": 1},
			{"name": "purchases", "depth": 2}, {"name": "turnover", "depth": 2}, {"name": "customer", "depth": 3}, {"name": "shop", "depth": 3}]}}`},
		{name: "an entity type, to its services", path: "entity_type/shop", want: `{"upstream": {"nodes": []}, "downstream": {"nodes": [
			{"kind": "group", "name": "turnover", "depth": 1}, {"kind": "feature", "depth": 2}, {"kind": "service", "name": "churn", "depth": 3}]}}`},
		{name: "a group of events", path: "group/clicks", want: `{"downstream": {"nodes": [{"name": "clicks:click"}], "edges": [{"why": "belongs to it"}]}}`},
		{name: "another module's kind", path: "rule/range", want: `{"upstream": {"nodes": [{"name": "purchases:amount"}, {"name": "purchases"}, {"name": "customer"}]}}`},
		{name: "an unknown kind", path: "features/purchases:amount", status: 404, want: "unknown-kind\nentity_type, group, feature, service, rule; did you mean \\\"feature\\\"?"},
		{name: "an unknown feature", path: "feature/purchases:amont", status: 404, want: "unknown-feature\ndid you mean \\\"purchases:amount\\\"?"},
		{name: "an unknown service", path: "service/chrun", status: 404, want: "unknown-service\ndid you mean \\\"churn\\\"?"},
		{name: "an unknown group", path: "group/purchase", status: 404, want: "unknown-group"},
		{name: "an unknown entity type", path: "entity_type/custmer", status: 404, want: "unknown-entity-type"},
		{name: "an unknown rule", path: "rule/rang", status: 404, want: "unknown-rule\ndid you mean \\\"range\\\"?"},
		{name: "a version", path: "feature/purchases:amount@1", status: 400, want: "invalid-reference"},
	} {
		c.method, c.path = "GET", "/lineage/"+c.path
		if c.status == 0 {
			c.status = 200
		}
		c.run(t, to)
	}
}

// Deprecated features can name each other as replacements. The answer has no cycle, and is the same each time.
func TestLineageHasNoCycles(t *testing.T) {
	r := start(t)
	const features = 12
	file := "groups:\n- name: g\n  entity_type: e\n  features:\n"
	for i := range features {
		file += fmt.Sprintf("  - {name: f%d, value_type: FLOAT, status: deprecated, replacement: \"g:f%d\"}\n", i, (i+1)%features)
	}
	apply(t, r, file)
	for i := range features {
		name := fmt.Sprint("g:f", i)
		first, err := r.Lineage("feature", name)
		require.NoError(t, err)
		require.Len(t, first.Downstream.Nodes, features-1)
		require.Len(t, first.Downstream.Edges, features-1, "all but the one that closes the cycle")
		require.Equal(t, features-1, first.Downstream.Nodes[features-2].Depth)
		for _, g := range []registry.Graph{first.Upstream, first.Downstream} {
			requireAcyclic(t, g)
		}
		again, err := r.Lineage("feature", name)
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
}

// requireAcyclic takes away what nothing leads to until nothing is left.
func requireAcyclic(t *testing.T, g registry.Graph) {
	t.Helper()
	edges := g.Edges
	for len(edges) > 0 {
		needed := map[registry.Named]bool{}
		for _, e := range edges {
			needed[e.To] = true
		}
		var left []registry.Edge
		for _, e := range edges {
			if needed[e.From] {
				left = append(left, e)
			}
		}
		require.Less(t, len(left), len(edges), "a cycle: %v", left)
		edges = left
	}
}
