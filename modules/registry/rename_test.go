package registry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

func TestRenaming(t *testing.T) {
	r := start(t)
	apply(t, r, `
entity_types: [{name: customer}]
groups:
- {name: purchases, entity_type: customer, features: [{name: amount, value_type: INTEGER}, {name: mean, value_type: FLOAT}, {name: old_mean, value_type: FLOAT, status: deprecated, replacement: mean}]}
- {name: clicks, entity_type: customer, kind: events, id_column: click, features: [{name: click, value_type: STRING}]}
- {name: later, entity_type: customer, features: [{name: amount, value_type: INTEGER}]}
services:
- {name: churn, features: [purchases:amount, purchases:mean@1]}
rules:
- {name: range, feature: "purchases:mean"}
`)
	to := server(r)
	const rename = "/features/customer/amount/rename"
	for _, c := range []call{
		{name: "planned", method: "POST", path: rename + "?dry_run=true", body: `{"new_name": "total"}`, status: 200, want: `{"changed": [
			{"kind": "feature", "name": "purchases:total", "version": 2, "members": [{"member": "name", "from": "amount", "to": "total"}]},
			{"kind": "service", "name": "churn", "version": 2, "members": [{"member": "features", "from": ["purchases:amount", "purchases:mean@1"], "to": ["purchases:total", "purchases:mean@1"]}]}]}`},
		{name: "of another version", method: "POST", path: rename, header: `If-Match: "2"`, body: `{"new_name": "total"}`, status: 412, want: "changed-meanwhile"},
		{name: "renamed", method: "POST", path: rename, header: `If-Match: "1"`, body: `{"new_name": "total"}`, status: 200,
			want: `{"name": "total", "reference": "purchases:total", "aliases": ["amount"], "short_names": ["amount", "total"], "version": 2}`},
		{name: "by its former name", method: "GET", path: "/features/customer/amount", status: 200, want: `{"name": "total"}`},
		{name: "by its former reference", method: "GET", path: "/features/customer/purchases:amount", status: 200, want: `{"name": "total"}`},
		{name: "by its name", method: "GET", path: "/features/customer/total", status: 200, want: `{"name": "total"}`},
		{name: "the service", method: "GET", path: "/services/churn", status: 200, want: `{"features": ["purchases:total", "purchases:mean@1"], "version": 2}`},
		{name: "one history", method: "GET", path: "/features/customer/amount/versions", status: 200, want: `{"versions": [
			{"version": 2, "action": "changed", "changes": [{"member": "name", "from": "amount", "to": "total"}]}, {"version": 1, "action": "created"}]}`},
		{name: "again", method: "POST", path: "/features/customer/total/rename", body: `{"new_name": "total"}`, status: 200, want: `{"version": 2}`},
		{name: "changed by its former name", method: "POST", path: "/features", body: `{"name": "amount", "entity_type": "customer", "unit": "EUR"}`, status: 200, want: `{"name": "total", "unit": "EUR", "version": 3}`},
		{name: "replaced by its former name", method: "PUT", path: "/features/customer/amount", body: `{"name": "amount", "value_type": "INTEGER"}`, status: 200, want: `{"name": "total", "unit": "", "version": 4}`},
		{name: "replaced under both", method: "PUT", path: "/features/customer/amount", body: `{"name": "total", "value_type": "INTEGER"}`, status: 200, want: `{"version": 4}`},
		{name: "the alias for another", method: "POST", path: "/features/customer/mean/rename", body: `{"new_name": "amount"}`, status: 422, want: "former name of the feature purchases:total\n\"location\":\"new_name\""},
		{name: "a name that is taken", method: "POST", path: "/features/customer/mean/rename", body: `{"new_name": "total"}`, status: 422, want: "has a feature total already"},
		{name: "both names in one file", method: "POST", path: "/apply", body: `groups: [{name: purchases, features: [{name: total, unit: a}, {name: amount, unit: b}]}]`, status: 422, want: "given twice"},
		{name: "a reserved name", method: "POST", path: "/features/customer/mean/rename", body: `{"new_name": "event_time"}`, status: 422, want: "reserved"},
		{name: "a join key's name", method: "POST", path: "/features/customer/mean/rename", body: `{"new_name": "customer_id"}`, status: 422, want: "join key"},
		{name: "no name", method: "POST", path: "/features/customer/mean/rename", body: `{"new_name": "Mean!"}`, status: 422, want: `"location":"new_name"`},
		{name: "nothing", method: "POST", path: "/features/customer/mean/rename", body: `{}`, status: 422, want: "new_name: must be given"},
		{name: "more", method: "POST", path: "/features/customer/mean/rename", body: `{"new_name": "x", "name": "y"}`, status: 422, want: "this call takes new_name"},
		{name: "no object", method: "POST", path: "/features/customer/mean/rename", body: `["x"]`, status: 422, want: "expected an object"},
		{name: "no body", method: "POST", path: "/features/customer/mean/rename", status: 400, want: "empty-body"},
		{name: "a feature that is not there", method: "POST", path: "/features/customer/meen/rename", body: `{"new_name": "x"}`, status: 404, want: "unknown-feature\ndid you mean \\\"mean\\\"?"},
		{name: "a version", method: "POST", path: "/features/customer/mean@1/rename", body: `{"new_name": "x"}`, status: 400, want: "invalid-reference"},
		{name: "what refers to it", method: "POST", path: "/features/customer/mean/rename", body: `{"new_name": "average"}`, status: 200, want: `{"short_names": ["mean", "average"]}`},
		{name: "a replacement", method: "GET", path: "/features/customer/old_mean", status: 200, want: `{"replacement": "purchases:average", "version": 2}`},
		{name: "a pinned service", method: "GET", path: "/services/churn", status: 200, want: `{"features": ["purchases:total", "purchases:average@1"]}`},
		{name: "another module's kind still reads it", method: "POST", path: "/features?dry_run=true", body: `{"name": "average", "entity_type": "customer", "value_type": "STRING"}`, status: 200,
			want: `{"breaking": [{"readers": [{"kind": "feature", "name": "purchases:old_mean"}, {"kind": "rule", "name": "range"}]}]}`},
		{name: "an id column", method: "POST", path: "/features/customer/clicks:click/rename", body: `{"new_name": "click_id"}`, status: 200, want: `{"short_names": []}`},
		{name: "which the group follows", method: "GET", path: "/groups/clicks", status: 200, want: `{"id_column": "click_id", "version": 2}`},
		{name: "in a file", method: "POST", path: "/apply", body: `groups: [{name: purchases, features: [{name: sum, renamed_from: total, value_type: INTEGER}]}]`, status: 200,
			want: `{"changed": [{"name": "purchases:sum", "version": 5}, {"kind": "service", "name": "churn"}]}`},
		{name: "in the file again", method: "POST", path: "/apply", body: `groups: [{name: purchases, features: [{name: sum, renamed_from: total, value_type: INTEGER}]}]`, status: 200,
			want: `{"changed": [], "unchanged": [{"name": "purchases"}, {"name": "purchases:sum"}]}`},
		{name: "in an older file", method: "POST", path: "/apply", body: `groups: [{name: purchases, features: [{name: total, renamed_from: amount, value_type: INTEGER}]}]`, status: 200,
			want: `{"changed": []}`},
		{name: "with the service in one file", method: "POST", path: "/apply", body: `{"groups": [{"name": "purchases", "features": [{"name": "total", "renamed_from": "sum"}]}],
			"services": [{"name": "churn", "features": ["purchases:sum", "average@1"]}]}`, status: 200,
			want: `{"changed": [{"name": "purchases:total"}, {"name": "churn", "members": [{"to": ["purchases:total", "purchases:average@1"]}]}]}`},
		{name: "back", method: "POST", path: "/features", body: `{"name": "amount", "entity_type": "customer", "renamed_from": "total"}`, status: 200,
			want: `{"name": "amount", "aliases": ["sum", "total"], "short_names": ["amount", "total", "sum"]}`},
		{name: "onto one that is there", method: "POST", path: "/apply", body: `groups: [{name: purchases, features: [{name: average, renamed_from: amount}]}]`, status: 422,
			want: "has a feature average already"},
		{name: "from nothing known", method: "POST", path: "/features", body: `{"name": "fresh", "entity_type": "customer", "renamed_from": "stale", "value_type": "FLOAT"}`, status: 201,
			want: `{"name": "fresh", "aliases": ["stale"], "short_names": ["fresh", "stale"], "version": 1}`},
		{name: "from another thing known", method: "POST", path: "/features", body: `{"name": "fresh", "entity_type": "customer", "renamed_from": ["stale", "staler"]}`, status: 200,
			want: `{"aliases": ["stale"], "version": 1}`},
		{name: "from one of several names", method: "POST", path: "/features", body: `{"name": "fresher", "entity_type": "customer", "renamed_from": ["stale", "fresh"]}`, status: 200,
			want: `{"aliases": ["stale", "fresh"], "version": 2}`},
		{name: "from a bad one of several", method: "POST", path: "/features", body: `{"name": "fresh", "entity_type": "customer", "renamed_from": ["stale", "No!"]}`, status: 422, want: `"location":"renamed_from"`},
		{name: "from what is no name", method: "POST", path: "/features", body: `{"name": "fresh", "entity_type": "customer", "renamed_from": 1}`, status: 422, want: `"location":"renamed_from"`},
		{name: "a group has none", method: "POST", path: "/groups", body: `{"name": "purchases", "renamed_from": "x"}`, status: 422, want: "unknown member"},
	} {
		c.run(t, to)
	}
	c := r.Catalog()
	f, err := c.Resolve("customer", "sum@1")
	require.NoError(t, err)
	require.Equal(t, "amount", f.Column)
	require.EqualValues(t, 1, f.Ordinal)
	require.Equal(t, 1, f.Group.SchemaVersion, "the layout is the same")
	other, err := c.Resolve("customer", "later:amount")
	require.NoError(t, err)
	require.Equal(t, "later", other.Group.Name)

	file := export(t, r, "application/yaml")
	plan, err := r.Apply(ctx, file, "", registry.Options{})
	require.NoError(t, err)
	require.Empty(t, plan.Changed)
	copied := start(t)
	apply(t, copied, string(file))
	require.Equal(t, string(file), string(export(t, copied, "application/yaml")))
	for _, name := range []string{"amount", "sum", "total", "mean@1", "average", "stale"} {
		f, err := copied.Catalog().Resolve("customer", name)
		require.NoError(t, err)
		was, err := c.Resolve("customer", name)
		require.NoError(t, err)
		require.Equal(t, was.Reference(), f.Reference())
	}
}

// A short name belongs to the feature that had it first, whatever that is called later.
func TestShortNamesFollow(t *testing.T) {
	r := start(t)
	apply(t, r, `{"entity_types": [{"name": "customer"}], "groups": [
		{"name": "one", "entity_type": "customer", "features": [{"name": "x", "value_type": "INTEGER"}]},
		{"name": "two", "entity_type": "customer", "features": [{"name": "y", "value_type": "INTEGER"}]}]}`)
	_, err := registry.RenameFeature(r, ctx, "customer", "x", "customer_z")
	require.NoError(t, err)
	d, err := registry.RenameFeature(r, ctx, "customer", "y", "x")
	require.NoError(t, err)
	require.Equal(t, []registry.Taken{{ShortName: "x", Feature: "two:x", BelongsTo: "one:customer_z"}}, d.Plan.ShortNamesTaken)
	for name, reference := range map[string]string{"x": "one:customer_z", "customer_z": "one:customer_z", "z": "one:customer_z", "y": "two:x"} {
		f, err := r.Catalog().Resolve("customer", name)
		require.NoError(t, err)
		require.Equal(t, reference, f.Reference(), name)
	}
}

// The names of a draft that was deleted bring it back, under the one that is asked for.
func TestARenamedDraftComesBack(t *testing.T) {
	r := start(t)
	drafts(t, r, "e", registry.Unregistered{Name: "n", ValueType: value.Integer})
	_, err := registry.RenameFeature(r, ctx, "e", "n", "m")
	require.NoError(t, err)
	before, err := r.Catalog().Resolve("e", "n")
	require.NoError(t, err)
	_, err = registry.DeleteFeature(r, ctx, "e", "n")
	require.NoError(t, err)
	_, err = r.Catalog().Resolve("e", "m")
	requireFault(t, err, "unknown-feature")
	drafts(t, r, "e", registry.Unregistered{Name: "other", ValueType: value.Integer})
	_, err = registry.RenameFeature(r, ctx, "e", "other", "m")
	requireFault(t, err, "invalid-definition")
	require.ErrorContains(t, err, "that was deleted")

	drafts(t, r, "e", registry.Unregistered{Name: "n", ValueType: value.Float})
	f, err := r.Catalog().Resolve("e", "n")
	require.NoError(t, err)
	require.Equal(t, before.ID, f.ID)
	require.Equal(t, "n", f.Name)
	require.Equal(t, []string{"m"}, f.Aliases)
	require.Equal(t, "n__2", f.Column)
	require.Equal(t, 4, f.Version)
	fresh, err := r.Refresh(ctx)
	require.NoError(t, err)
	require.Equal(t, describe(r.Catalog()), describe(fresh))
}

// Both names of a draft that was deleted lead to it: one request cannot make two features of them, whichever comes first.
func TestARenamedDraftComesBackOnce(t *testing.T) {
	for _, names := range [][2]string{{"n", "m"}, {"m", "n"}} {
		r := start(t)
		drafts(t, r, "e", registry.Unregistered{Name: "n", ValueType: value.Integer})
		_, err := registry.RenameFeature(r, ctx, "e", "n", "m")
		require.NoError(t, err)
		_, err = registry.DeleteFeature(r, ctx, "e", "m")
		require.NoError(t, err)

		first, second := names[0], names[1]
		call{name: "registered", method: "POST", path: "/groups", status: 422, body: `{"name": "e", "features": [
			{"name": "` + first + `", "value_type": "FLOAT"}, {"name": "` + second + `", "value_type": "STRING"}]}`,
			want: "the feature is given twice: " + second + " is another name of " + first + "\n\"location\":\"features[1].name\""}.run(t, server(r))
		_, err = r.RegisterUnregistered(ctx, "e", []registry.Unregistered{{Name: first, ValueType: value.Float}, {Name: second, ValueType: value.String}})
		require.ErrorContains(t, err, second+" is another name of "+first)
		drafts(t, r, "e", registry.Unregistered{Name: first, ValueType: value.Float})
		f, err := r.Catalog().Resolve("e", second)
		require.NoError(t, err)
		require.Equal(t, first, f.Name)
	}
}
