package validation

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/rules"
)

const guardedFile = `
groups:
  - {name: orders, entity_type: customer, features: [{name: amount, value_type: FLOAT}, {name: country, value_type: STRING, tags: [pii]}, {name: total, value_type: INTEGER, frequency: DAILY}]}
  - {name: visits, entity_type: customer, features: [{name: pages, value_type: INTEGER}]}
rules:
  - {name: amount_range, group: orders, kind: range, features: [amount], params: {min: 0, max: 100}, severity: error, action: quarantine}
  - {name: known_country, group: orders, kind: in_set, features: [country], params: {values: [DE, FR]}, severity: warn}
  - {name: switched_off, group: orders, kind: not_null, features: [amount], enabled: false}
  - {name: mean_amount, group: orders, kind: mean, features: [amount], params: {min: 1}}
`

// namesOf are the rules of a set.
func namesOf(set *rules.Set) []string {
	names := []string{}
	if set != nil {
		for _, r := range set.Rules() {
			names = append(names, fmt.Sprint(r.Name, "@", r.Version))
		}
	}
	return names
}

// brokenBy evaluates one row, whose values stand in the order of the features.
func brokenBy(set *rules.Set, row ...value.Value) []string {
	columns := make([]int, len(row))
	for i := range columns {
		columns[i] = i
	}
	names := []string{}
	set.Begin(rules.Options{}).Add(&rules.Batch{Values: row, Rows: 1, Width: len(row), Columns: columns}, func(b *rules.Bad) {
		names = append(names, b.Rule.Name+" "+strings.Join(b.Features, ","))
	})
	return names
}

func groupOf(t testing.TB, catalog *registry.Catalog, name string) *registry.Group {
	group, found := catalog.Group(name)
	require.True(t, found)
	return group
}

func TestGuards(t *testing.T) {
	definitions := registryOn(t, databasetest.SQLite(t)())
	guards := NewGuards(definitions, quiet)
	apply(t, definitions, guardedFile)
	orders, visits := groupOf(t, definitions.Catalog(), "orders"), groupOf(t, definitions.Catalog(), "visits")

	require.Nil(t, guards.Guard(visits), "a group without rules")
	require.Equal(t, []string{"amount_range@1", "known_country@1"}, namesOf(guards.Guard(orders)))
	require.Equal(t, []string{"amount_range@1", "known_country@1", "mean_amount@1"}, namesOf(guards.Judged(orders).All))
	require.Empty(t, guards.Judged(orders).Broken)
	require.Equal(t, []string{"amount_range amount", "known_country country"}, brokenBy(guards.Guard(orders), value.OfFloat(101), value.OfString("XX"), value.OfInt(1)))
	fields := guards.Guard(orders).Fields()
	require.True(t, fields[1].PII)
	require.EqualValues(t, 24*3600*1_000_000, fields[2].Frequency)

	// What has nothing to do with the group leaves its rules compiled as they are.
	set := guards.Guard(orders)
	apply(t, definitions, `groups: [{name: visits, description: Visits, features: [{name: seconds, value_type: FLOAT}]}]`)
	require.Same(t, set, guards.Guard(orders))
	require.Same(t, groupOf(t, definitions.Catalog(), "orders"), orders)

	// A rule that changes, and one that is new.
	apply(t, definitions, `rules: [{name: amount_range, params: {min: 0, max: 200}}, {name: pages, group: visits, kind: positive, features: [pages]}]`)
	require.Equal(t, []string{"amount_range@2", "known_country@1"}, namesOf(guards.Guard(orders)))
	require.Empty(t, brokenBy(guards.Guard(orders), value.OfFloat(101), value.OfString("DE"), value.OfInt(1)))
	require.Equal(t, []string{"pages@1"}, namesOf(guards.Guard(groupOf(t, definitions.Catalog(), "visits"))))

	// A write under way holds the group as it was: the rules are those of now, over the features that it has.
	apply(t, definitions, `
groups: [{name: orders, features: [{name: discount, value_type: FLOAT}]}]
rules: [{name: discount_range, group: orders, kind: range, features: [discount], params: {max: 1}}]`)
	after := groupOf(t, definitions.Catalog(), "orders")
	require.NotSame(t, orders, after)
	require.Equal(t, []string{"amount_range@2", "known_country@1"}, namesOf(guards.Guard(orders)))
	require.Len(t, guards.Guard(orders).Fields(), 3)
	require.Same(t, guards.Guard(orders), guards.Guard(orders))
	require.Equal(t, []string{"amount_range@2", "known_country@1", "discount_range@1"}, namesOf(guards.Guard(after)))
	require.Len(t, guards.Guard(after).Fields(), 4)
	require.Equal(t, "discount_range", guards.Judged(orders).Broken[0].Rule.Name)
	require.Contains(t, guards.Judged(orders).Broken[0].Reason, `features[0]: there is no feature "discount"`)

	// What loads that are only planned would make of the group is not kept for ever.
	for i := range 2 * maxOthers {
		planned, err := definitions.RegisterInGroup(context.Background(), after, []registry.Unregistered{{Name: fmt.Sprint("planned_", i), ValueType: value.Float}}, true)
		require.NoError(t, err)
		require.Len(t, guards.Guard(groupOf(t, planned, "orders")).Fields(), 5)
	}
	require.Len(t, guards.now().groups["orders"].others, maxOthers)

	// All switched off.
	for _, name := range []string{"amount_range", "known_country", "discount_range", "mean_amount"} {
		apply(t, definitions, `rules: [{name: `+name+`, enabled: false}]`)
	}
	require.Nil(t, guards.Guard(after))
	require.Nil(t, guards.Judged(after).All)
}

// Writers ask while definitions change: each gets a set that fits the group that it holds, with a rule no older than the ones before.
func TestGuardsWhileDefinitionsChange(t *testing.T) {
	definitions := registryOn(t, databasetest.SQLite(t)())
	guards := NewGuards(definitions, quiet)
	apply(t, definitions, guardedFile)
	var writers sync.WaitGroup
	var done atomic.Bool
	var asked atomic.Int64
	for range 4 {
		writers.Go(func() {
			for last := 0; !done.Load(); asked.Add(1) {
				group, _ := definitions.Catalog().Group("orders")
				set := guards.Guard(group)
				if set == nil || len(set.Fields()) != len(group.Features) || set.Rules()[0].Version < last {
					t.Errorf("the set %v does not fit the group", set)
					return
				}
				for i, f := range group.Features {
					if set.Fields()[i].Name != f.Name {
						t.Errorf("field %d is %s, and the feature %s", i, set.Fields()[i].Name, f.Name)
					}
				}
				last = set.Rules()[0].Version
			}
		})
	}
	for i := range 30 {
		apply(t, definitions, fmt.Sprintf(`
groups: [{name: orders, features: [{name: extra_%d, value_type: FLOAT}]}]
rules: [{name: amount_range, params: {min: 0, max: %d}}]`, i, 200+i))
		for before := asked.Load(); asked.Load() == before && !t.Failed(); { // somebody has asked since
			_, err := definitions.Refresh(context.Background())
			require.NoError(t, err)
		}
	}
	done.Store(true)
	writers.Wait()
	require.Equal(t, 31, guards.Guard(groupOf(t, definitions.Catalog(), "orders")).Rules()[0].Version)
}

func BenchmarkGuard(b *testing.B) {
	definitions := registryOn(b, databasetest.SQLite(b)())
	guards := NewGuards(definitions, quiet)
	apply(b, definitions, guardedFile)
	group := groupOf(b, definitions.Catalog(), "orders")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if guards.Guard(group) == nil {
				b.Error("no rules")
			}
		}
	})
}
