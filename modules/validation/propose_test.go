package validation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

func (w *world) proposals(change func(*proposeInput)) ProposeAnswer {
	in := &proposeInput{}
	in.Body.Group = "orders"
	if change != nil {
		change(in)
	}
	out, err := w.propose(w.t.Context(), in)
	require.NoError(w.t, err)
	return out.Body
}

// What is proposed is accepted as it is, warns and records, and is passed by what it was proposed from; features tagged pii show no values.
func TestProposedRules(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), &rowsInMemory{})
	w.apply(shop)
	group := w.named("orders")
	w.days(group, 0, 2)
	answer := w.proposals(nil)
	require.EqualValues(t, 200, answer.Rows)
	byName := map[string]ProposedRule{}
	for _, r := range answer.Rules {
		byName[r.Name] = r
		require.Equal(t, rules.Warn, r.Severity)
		require.Equal(t, rules.Record, r.Action)
		require.NoError(t, registry.CheckName(r.Name))
		require.True(t, strings.HasPrefix(r.Description, "Proposed: "), r.Description)
	}
	require.Len(t, byName, len(answer.Rules))
	require.JSONEq(t, `{"values":["DE","ES","FR","IT"]}`, string(byName["orders_country_in_set"].Params))
	require.Contains(t, byName, "orders_amount_range")
	require.Contains(t, byName, "orders_email_regex")
	require.NotContains(t, byName, "orders_salary_range", "it would show salaries")
	for _, r := range answer.Rules {
		if r.Features[0] == "email" || r.Features[0] == "salary" {
			require.NotContains(t, string(r.Params)+r.Description, "person")
			require.NotContains(t, string(r.Params)+r.Description, "1099")
		}
	}

	body, err := json.Marshal(map[string]any{"rules": answer.Rules})
	require.NoError(t, err)
	_, err = w.registry.Apply(t.Context(), body, "application/json", registry.Options{DryRun: true})
	require.NoError(t, err)

	applied := w.proposals(func(in *proposeInput) {
		in.Body.Apply, in.Body.Only = true, []string{"orders_country_in_set", "orders_amount_range"}
	})
	require.Len(t, applied.Plan.Created, 2)
	require.Len(t, applied.Rules, 2)
	again := w.proposals(func(in *proposeInput) { in.Body.Apply = true })
	require.ElementsMatch(t, []CoveredFeature{{"country", "in_set", "orders_country_in_set"}, {"amount", "range", "orders_amount_range"}}, again.Covered)
	require.Len(t, again.Plan.Created, len(answer.Rules)-2)
	require.Empty(t, w.proposals(nil).Rules, "nothing is left to propose")

	defined := DefinitionsOf(w.registry.Catalog(), nil)
	var all []rules.Definition
	for _, d := range defined.RulesOf("orders") {
		all = append(all, *d)
	}
	set, wrong := rules.Compile(all, Fields(w.named("orders")))
	require.Empty(t, wrong)
	run := set.Begin(rules.Options{})
	require.NoError(t, w.stored.Scan(t.Context(), group, Window{}, func(b *rules.Batch) error { run.Add(b, nil); return nil }))
	for _, o := range run.Finish() {
		require.Equal(t, rules.Pass, o.Status, "%s: %s", o.Rule, o.Reason)
	}
}

// Names are unique among all rules, and as short as names must be.
func TestProposedNames(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), &rowsInMemory{})
	long := strings.Repeat("orders_of_customers", 2)
	w.apply(strings.ReplaceAll(shop, "name: orders", "name: "+long))
	group := w.named(long)
	w.days(group, 0, 1)
	w.apply(fmt.Sprintf(`rules: [{name: %s, group: %s, kind: row_count, params: {min: 1}}]`, keptName("", long+"_country_in_set"), long))
	answer := w.proposals(func(in *proposeInput) { in.Body.Group, in.Body.Apply = long, true })
	var names []string
	for _, r := range answer.Rules {
		names = append(names, r.Name)
		require.NoError(t, registry.CheckName(r.Name), r.Name)
	}
	slices.Sort(names)
	require.Len(t, slices.Compact(names), len(answer.Rules))
	require.Len(t, answer.Plan.Created, len(answer.Rules))
}

// Stored profiles can be proposed from, unless they have rows in common.
func TestProposeFromProfiles(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), &rowsInMemory{})
	w.apply(shop)
	group := w.named("orders")
	w.days(group, 0, 4)
	a, b, all := w.profile(group, between(0, 2)), w.profile(group, between(2, 4)), w.profile(group, Window{})
	answer := w.proposals(func(in *proposeInput) { in.Body.Profiles = []int64{a, b} })
	require.EqualValues(t, 400, answer.Rows)
	require.NotEmpty(t, answer.Rules)
	in := &proposeInput{}
	in.Body.Group, in.Body.Profiles = "orders", []int64{a, all}
	_, err := w.propose(t.Context(), in)
	require.ErrorContains(t, err, "cannot be merged with the others")
	load := w.profile(group, Window{Run: 1})
	in.Body.Profiles = []int64{load, load}
	_, err = w.propose(t.Context(), in)
	require.ErrorContains(t, err, "cannot be merged with the others", "none is counted twice")
	in.Body.Profiles = []int64{4711}
	_, err = w.propose(t.Context(), in)
	require.ErrorContains(t, err, "there is no profile 4711")
	few := w.proposals(func(in *proposeInput) { in.Body.Window = &WindowRequest{From: "2026-01-09T00:00:00Z"} })
	require.Empty(t, few.Rules, "there are no rows")
}
