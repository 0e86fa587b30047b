package validation

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// emptyRegistry gives a function that makes a database file with the registry's tables, by copying one.
func emptyRegistry(t *testing.T) func(name string) string {
	folder := t.TempDir()
	first := filepath.Join(folder, "first.db")
	db, err := database.OpenSQLite(context.Background(), first, quiet)
	require.NoError(t, err)
	require.NoError(t, registry.Migrate(context.Background(), db))
	require.NoError(t, database.Close(db))
	content, err := os.ReadFile(first)
	require.NoError(t, err)
	n := 0
	return func(name string) string {
		n++
		path := filepath.Join(folder, fmt.Sprint(name, n, ".db"))
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
}

// Definitions change at random. Whatever is refused changes nothing; what is accepted compiles, is what it was when it is exported and
// applied again, here and elsewhere, in YAML and in JSON; and sending back what a call answers changes nothing.
func TestDefinitionsRoundTrip(t *testing.T) {
	steps := 4
	if os.Getenv("FEATURESTORE_TEST_FULL") == "1" {
		steps = 20
	}
	empty := emptyRegistry(t)
	ctx := context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		open := func() *registry.Registry {
			db, err := database.OpenSQLite(ctx, empty("r"), quiet)
			require.NoError(rt, err)
			require.NoError(rt, db.Exec("PRAGMA synchronous = OFF").Error) // no test of this stops the computer
			definitions := registryOn(t, db)
			rt.Cleanup(func() {
				definitions.Stop()
				database.Close(db) //nolint:errcheck // a test
			})
			return definitions
		}
		definitions := open()
		apply(t, definitions, shopFile)
		guards := NewGuards(definitions, quiet)
		names := map[string][]string{"purchases": {"order_id", "amount", "quantity", "currency", "sizes", "price"}, "customer_purchases": {"total", "last_order", "seen_at"}}
		groups := rapid.SampledFrom([]string{"purchases", "purchases", "customer_purchases"})
		for step := range rapid.IntRange(1, steps).Draw(rt, "steps") {
			group := groups.Draw(rt, "group")
			feature := rapid.SampledFrom(names[group])
			var file string
			switch rapid.IntRange(0, 5).Draw(rt, "action") {
			case 0, 1, 2:
				kind := rapid.SampledFrom([]string{`range, params: {min: 0}`, `not_null`, `in_set, params: {values: [1, "a", 2.50]}`, `regex, params: {pattern: "^a: \"b\"\\d"}`, `mean, params: {min: -1e3, warn_min: 0}`,
					`distribution, params: {baseline: january}`, `freshness, params: {max_age: 2d}`, `unique`, `divergence, params: {bins: [!!float -1e999, 0, !!float 1e999], weights: [0.5, 0.5]}`,
					`reference, params: {entity_type: customer}`}).Draw(rt, "kind")
				more := ""
				for _, m := range []string{`where: "amount > 1 or quantity == nil"`, `severity: warn`, `action: quarantine`, `enabled: false`, `for: 3`, `null_policy: fail`, `tolerance: {max_bad_rate: 0.05}`, `owner: "a: b"`, `description: "one\ntwo"`, `where: null`, `tolerance: null`} {
					if rapid.IntRange(0, 4).Draw(rt, m) == 0 {
						more += ", " + m
					}
				}
				file = fmt.Sprintf("rules: [{name: r%d, group: %s, kind: %s, features: [%s]%s}]", step%4, group, kind, feature.Draw(rt, "feature"), more)
			case 3:
				source := rapid.SampledFrom([]string{`{run: 3}`, `{previous: {period: 7d}}`, `{training_set: {known_at: "x"}}`, `{window: {from: 2026-01-01T00:00:00Z, to: 2026-01-01T00:00:00.5Z}}`}).Draw(rt, "source")
				file = fmt.Sprintf("baselines: [{name: %s, group: %s, features: [%s], source: %s}]", rapid.SampledFrom([]string{"january", "b"}).Draw(rt, "baseline"), group, feature.Draw(rt, "feature"), source)
			case 4:
				file = `groups: [{name: purchases, features: [{name: price, renamed_from: amount}]}]`
			case 5:
				file = fmt.Sprintf("groups: [{name: %s, features: [{name: %s, value_type: %s}]}]", group, feature.Draw(rt, "feature"), rapid.SampledFrom([]string{"FLOAT", "STRING", "INTEGER"}).Draw(rt, "type"))
			}
			before := exported(t, definitions, "application/json")
			_, err := definitions.Apply(ctx, []byte(file), "application/yaml", registry.Options{AllowBreaking: rapid.Bool().Draw(rt, "allow")})
			if _, ok := fault.As(err); err != nil {
				require.True(rt, ok, "%s: %v", file, err)
				require.Equal(rt, before, exported(t, definitions, "application/json"))
				continue
			}
			for _, g := range definitions.Catalog().Groups() {
				require.Empty(rt, guards.Judged(g).Broken, file)
			}
		}
		for _, d := range definitions.Catalog().Definitions(kindRule) {
			body, err := appendAnswer(nil, ruleAnswer(definitions.Catalog(), d))
			require.NoError(rt, err)
			same, err := definitions.Define(ctx, kindRule, d.Name, body, registry.Options{Replace: true})
			require.NoError(rt, err, string(body))
			require.Empty(rt, same.Plan.Changed, string(body))
		}
		copied := open()
		for _, accept := range []string{"application/yaml", "application/json"} {
			file := exported(t, definitions, accept)
			plan, err := definitions.Apply(ctx, []byte(file), accept, registry.Options{})
			require.NoError(rt, err, file)
			require.Empty(rt, plan.Created, file)
			require.Empty(rt, plan.Changed, file)
			require.Empty(rt, plan.NotNamed, file)
			_, err = copied.Apply(ctx, []byte(file), accept, registry.Options{})
			require.NoError(rt, err, file)
			require.Equal(rt, file, exported(t, copied, accept))
		}
	})
}
