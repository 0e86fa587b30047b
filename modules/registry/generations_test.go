package registry_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

const purchases = `
entity_types: [{name: customer}]
groups:
- {name: purchases, entity_type: customer, features: [{name: amount, value_type: INTEGER}, {name: mean, value_type: FLOAT}]}
services:
- {name: churn, features: [purchases:amount, purchases:mean]}
- {name: pinned, features: [purchases:amount@1]}
rules:
- {name: range, feature: "purchases:amount"}
- {name: past, feature: "purchases:amount@1"}
`

func TestBreakingChanges(t *testing.T) {
	r := start(t)
	apply(t, r, purchases)
	to := server(r)
	const retype = `{"name": "amount", "group": "purchases", "entity_type": "customer", "value_type": "STRING"}`
	const readers = `"readers": [{"kind": "service", "name": "churn"}, {"kind": "rule", "name": "range"}]`
	for _, c := range []call{
		{name: "refused", method: "POST", path: "/features", body: retype, status: 409,
			want: "breaking-change\nthat would break service churn, rule range; register\nallow_breaking=true\nreadable as purchases:amount@1\n\"location\":\"value_type\""},
		{name: "planned", method: "POST", path: "/features?dry_run=true", body: retype, status: 200, want: `{"changed": [], "unchanged": [],
			"breaking": [{"kind": "feature", "name": "purchases:amount", "member": "value_type", "from": "INTEGER", "to": "STRING", "allowed": false, ` + readers + `}]}`},
		{name: "planned as allowed", method: "POST", path: "/features?dry_run=true&allow_breaking=true", body: retype, status: 200, want: `{
			"changed": [{"kind": "feature", "name": "purchases:amount", "version": 2, "members": [{"member": "value_type", "from": "INTEGER", "to": "STRING"}]}],
			"breaking": [{"name": "purchases:amount", "allowed": true, ` + readers + `,
				"text": "a new generation of values begins: what was observed as INTEGER until now stays readable as purchases:amount@1, and purchases:amount is NOT_FOUND until it is observed as STRING"}]}`},
		{name: "which did nothing", method: "GET", path: "/features/customer/amount", status: 200, want: `{"version": 1, "value_type": "INTEGER"}`},
		{name: "no boolean", method: "POST", path: "/features?allow_breaking=perhaps", body: retype, status: 422, want: "query.allow_breaking"},
		{name: "not for services", method: "POST", path: "/services?allow_breaking=true", body: `{"name": "churn"}`, status: 400, want: "query.allow_breaking"},
		{name: "allowed", method: "POST", path: "/features?allow_breaking=true", body: retype, status: 200,
			want: `{"version": 2, "value_type": "STRING", "older_generations": [{"value_type": "INTEGER", "first_version": 1, "last_version": 1}]}`},
		{name: "the answer sent back", method: "PUT", path: "/features/customer/amount", body: `{"value_type": "STRING", "older_generations": [], "aliases": []}`, status: 200, want: `{"version": 2}`},
		{name: "a change of another member", method: "PUT", path: "/features/customer/amount", body: `{"value_type": "STRING", "unit": "EUR"}`, status: 200, want: `{"version": 3}`},
		{name: "by PUT", method: "PUT", path: "/features/customer/amount?allow_breaking=true", body: `{"value_type": "FLOAT", "unit": "EUR"}`, status: 200,
			want: `{"version": 4, "older_generations": [{"value_type": "INTEGER", "first_version": 1, "last_version": 1}, {"value_type": "STRING", "first_version": 2, "last_version": 3}]}`},
		{name: "a group", method: "POST", path: "/groups?allow_breaking=true", body: `{"name": "purchases", "features": [{"name": "mean", "value_type": "STRING"}]}`, status: 200,
			want: `{"version": 1, "schema_version": 4, "features": [{"name": "amount"}, {"name": "mean", "version": 2, "value_type": "STRING"}]}`},
		{name: "a group by PUT", method: "PUT", path: "/groups/purchases?allow_breaking=true", body: `{"features": [{"name": "mean", "value_type": "BOOLEAN"}]}`, status: 200,
			want: `{"schema_version": 5, "features": [{"name": "amount"}, {"name": "mean", "version": 3, "value_type": "BOOLEAN"}]}`},
		{name: "what else breaks stays refused", method: "PUT", path: "/groups/purchases?allow_breaking=true", body: `{"kind": "events"}`, status: 409, want: "breaking-change"},
		{name: "a default that does not fit", method: "POST", path: "/features?allow_breaking=true", body: `{"name": "mean", "entity_type": "customer", "value_type": "FLOAT", "default": true}`,
			status: 422, want: `"location":"default"`},
		{name: "the file again", method: "POST", path: "/apply", body: purchases, status: 409, want: "service churn, rule range"},
		{name: "and allowed", method: "POST", path: "/apply?allow_breaking=true", body: purchases, status: 200,
			want: `{"breaking": [{"name": "purchases:amount", "from": "FLOAT", "to": "INTEGER", "allowed": true}, {"name": "purchases:mean", "from": "BOOLEAN", "allowed": true}]}`},
		{name: "the pinned service", method: "GET", path: "/services/pinned", status: 200, want: `{"features": ["purchases:amount@1"], "version": 1}`},
	} {
		c.run(t, to)
	}
	c := r.Catalog()
	group, _ := c.Group("purchases")
	require.Len(t, group.Features, 2)
	require.Len(t, group.Older, 6)
	for version, want := range map[string]struct {
		valueType value.Type
		column    string
		version   int
	}{
		"1": {value.Integer, "amount", 1}, "2": {value.String, "amount__2", 3}, "3": {value.String, "amount__2", 3},
		"4": {value.Float, "amount__3", 4}, "5": {value.Integer, "amount__4", 5},
	} {
		f, err := c.Resolve("customer", "amount@"+version)
		require.NoError(t, err)
		require.Equal(t, want.valueType, f.ValueType, version)
		require.Equal(t, want.column, f.Column, version)
		require.Equal(t, want.version, f.Version, version)
		require.Same(t, group, f.Group)
	}
	_, err := c.Resolve("customer", "amount@6")
	requireFault(t, err, "unknown-version")
	require.ErrorContains(t, err, "the newest is 5")
	pinned, err := c.Service("pinned")
	require.NoError(t, err)
	require.Equal(t, value.Integer, pinned.Features[0].ValueType)
	require.Equal(t, "amount", pinned.Features[0].Column, "the first generation, not the newest of that type")
}

// What the same request pins does not break, and can name the version that it makes.
func TestABreakingChangeWithItsReaders(t *testing.T) {
	r := start(t)
	apply(t, r, purchases)
	_, err := r.Delete(ctx, "rule", "range", registry.Options{})
	require.NoError(t, err)
	file := `
groups: [{name: purchases, features: [{name: amount, value_type: STRING}]}]
services:
- {name: churn, features: [amount@1, purchases:mean]}
- {name: fresh, features: [purchases:amount, purchases:amount@1, purchases:mean]}
- {name: ahead, features: [purchases:amount@2]}
`
	for _, o := range []registry.Options{{}, {DryRun: true}} {
		_, err = r.Apply(ctx, []byte(file), "", o)
		requireFault(t, err, "breaking-change")
	}
	plan, err := r.Apply(ctx, []byte(file[:strings.Index(file, "- {name: fresh")]), "", registry.Options{DryRun: true})
	require.NoError(t, err)
	require.Empty(t, plan.Breaking[0].Readers)
	require.False(t, plan.Breaking[0].Allowed)

	plan, err = r.Apply(ctx, []byte(file), "", registry.Options{AllowBreaking: true})
	require.NoError(t, err)
	require.Empty(t, plan.Breaking[0].Readers)
	require.True(t, plan.Breaking[0].Allowed)
	for name, want := range map[string][]value.Type{
		"churn": {value.Integer, value.Float}, "pinned": {value.Integer}, "fresh": {value.String, value.Integer, value.Float}, "ahead": {value.String},
	} {
		s, err := r.Catalog().Service(name)
		require.NoError(t, err)
		var got []value.Type
		for _, f := range s.Features {
			got = append(got, f.ValueType)
		}
		require.Equal(t, want, got, name)
	}
	plan, err = r.Apply(ctx, []byte(strings.Replace(file, "[amount@1,", "[amount,", 1)), "", registry.Options{})
	require.NoError(t, err)
	require.Equal(t, "churn", plan.Changed[0].Name)
	plan, err = r.Apply(ctx, []byte(strings.Replace(strings.Replace(file, "STRING", "FLOAT", 1), "[amount@1,", "[amount,", 1)), "", registry.Options{DryRun: true})
	require.NoError(t, err)
	require.Equal(t, []registry.Named{{Kind: "service", Name: "churn"}, {Kind: "service", Name: "fresh"}}, plan.Breaking[0].Readers, "restated as it is, a service still reads it")

	_, err = r.Apply(ctx, []byte(`services: [{name: twice, features: [purchases:amount, purchases:amount@2]}]`), "", registry.Options{})
	require.ErrorContains(t, err, "the same values of the feature purchases:amount are given twice")
	_, err = r.Apply(ctx, []byte(`services: [{name: never, features: [purchases:amount@3]}]`), "", registry.Options{})
	require.ErrorContains(t, err, "has no version 3")
	_, err = registry.DeleteFeature(r, ctx, "customer", "amount")
	requireFault(t, err, "in-use")
}

// A draft that was deleted takes its generations with it.
func TestGenerationsOfADraftThatComesBack(t *testing.T) {
	r := start(t)
	drafts(t, r, "e", registry.Unregistered{Name: "n", ValueType: value.Integer})
	define(t, r, "feature", `{"name": "n", "entity_type": "e", "value_type": "STRING", "status": "draft"}`)
	_, err := registry.DeleteFeature(r, ctx, "e", "n")
	require.NoError(t, err)
	drafts(t, r, "e", registry.Unregistered{Name: "n", ValueType: value.Integer})
	c := r.Catalog()
	f, err := c.Resolve("e", "n")
	require.NoError(t, err)
	require.Equal(t, "n__3", f.Column)
	require.Empty(t, f.Group.Older)
	_, err = c.Resolve("e", "n@2")
	requireFault(t, err, "unknown-version")
	require.ErrorContains(t, err, "the oldest version that can is 4")
	_, err = c.Resolve("e", "n@4")
	require.NoError(t, err)
}

func TestAGroupHasOnlySoManyColumns(t *testing.T) {
	r := start(t)
	const features, most = 500, 1500
	types := []string{"INTEGER", "STRING", "FLOAT"}
	body := func(t string) []byte {
		var all []string
		for i := range features {
			all = append(all, fmt.Sprintf(`{"name": "f%d", "value_type": %q}`, i, t))
		}
		return []byte(`{"groups": [{"name": "wide", "entity_type": "e", "features": [` + strings.Join(all, ",") + `]}]}`)
	}
	for _, t2 := range types {
		_, err := r.Apply(ctx, body(t2), "", registry.Options{AllowBreaking: true})
		require.NoError(t, err)
	}
	group, _ := r.Catalog().Group("wide")
	require.Len(t, group.Features, features, "the limit of features is about the newest")
	require.Len(t, group.Stored(), most)
	_, err := r.Apply(ctx, []byte(`groups: [{name: wide, features: [{name: f0, value_type: BOOLEAN}]}]`), "", registry.Options{AllowBreaking: true})
	requireFault(t, err, "invalid-definition")
	require.ErrorContains(t, err, "has had 1500 features and value types")
}

// Processes change the type of one feature at the same time: every accepted change is a generation of its own, in a place of its own,
// and what each version had can be read.
func TestConcurrentBreakingChanges(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		processes := []*registry.Registry{startOn(t, open()), startOn(t, open())}
		apply(t, processes[0], purchases)
		const writers, each = 6, 5
		types := []string{"STRING", "FLOAT", "INTEGER", "BOOLEAN", "TIMESTAMP", "JSON"}
		var wg sync.WaitGroup
		var mutex sync.Mutex
		accepted, refused := map[int]string{1: "INTEGER"}, 0
		var failed error
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					to := types[(w+i)%len(types)]
					file := fmt.Sprintf(`groups: [{name: purchases, features: [{name: amount, value_type: %s}]}]`, to)
					plan, err := processes[w%2].Apply(ctx, []byte(file), "", registry.Options{AllowBreaking: i%2 == 0})
					mutex.Lock()
					switch {
					case fault.Is(err, "breaking-change"):
						refused++
					case err != nil:
						failed = errors.Join(failed, err)
					case len(plan.Changed) > 0:
						accepted[plan.Changed[0].Version] = to
					}
					mutex.Unlock()
				}
			})
		}
		wg.Wait()
		require.NoError(t, failed)
		c, err := processes[1].Refresh(ctx)
		require.NoError(t, err)
		places := map[string]bool{}
		for version, wanted := range accepted {
			f, err := c.Resolve("customer", fmt.Sprint("amount@", version))
			require.NoError(t, err)
			require.Equal(t, wanted, f.ValueType.String(), "version %d", version)
			places[f.Column], places[fmt.Sprint(f.Ordinal)] = true, true
		}
		f, err := c.Resolve("customer", "amount")
		require.NoError(t, err)
		require.Len(t, accepted, f.Version, "no version is lost")
		require.Len(t, places, 2*f.Version, "none shares a place with another")
		require.Greater(t, f.Version, 1)
		t.Logf("measured: %d generations made by %d writers, %d changes refused", f.Version, writers, refused)
	})
}
