package validation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/alerts"
)

const shopFile = `
entity_types: [{name: customer}, {name: seat, join_keys: [{name: row}, {name: number, value_type: INTEGER}]}]
groups:
  - name: purchases
    entity_type: customer
    kind: events
    features: [{name: order_id, value_type: STRING}, {name: amount, value_type: FLOAT}, {name: quantity, value_type: INTEGER}, {name: currency, value_type: STRING}, {name: sizes, value_type: "FLOAT[]"}]
  - name: customer_purchases
    entity_type: customer
    features: [{name: total, value_type: FLOAT, frequency: DAILY}, {name: last_order, value_type: STRING}, {name: seen_at, value_type: TIMESTAMP}]
  - {name: seats, entity_type: seat, features: [{name: sold, value_type: BOOLEAN}]}
baselines:
  - {name: january, group: purchases, features: [amount], source: {window: {from: 2026-01-01T00:00:00Z, to: 2026-02-01T01:00:00+01:00}}}
`

// wordsOf are the violations of a fault.
func wordsOf(t testing.TB, err error) []string {
	problem, ok := fault.As(err)
	require.True(t, ok, "%v is no fault", err)
	words := []string{}
	for _, v := range problem.Violations {
		words = append(words, v.Location+": "+v.Message)
	}
	return words
}

// Each wrong member has its sentence, and all that is wrong is listed.
func TestBadDefinitions(t *testing.T) {
	definitions := registryOn(t, databasetest.SQLite(t)())
	apply(t, definitions, shopFile)
	before := definitions.Catalog().Revision()
	const good = `name: r, group: purchases, kind: range, features: [amount], params: {min: 0}`
	for file, wanted := range map[string][]string{
		`rules: [{name: Bad}]`:                     {"rules[0].name: a name is 1 to 48"},
		`rules: [{name: a__b, kind: 7, group: 1}]`: {"rules[0].name: a name is 1 to 48", "rules[0].kind: expected a string, got a number", "rules[0].group: expected a string, got a number"},
		`rules: [{name: r}]`:                       {"rules[0].group: must be given", "rules[0].kind: must be given"},
		`rules: [{name: r, group: purchase, kind: not_null, features: [amount]}]`:                {`rules[0].group: there is no group "purchase"; did you mean "purchases"?`},
		`rules: [{name: r, group: purchases, kind: rang, features: [amount]}]`:                   {`rules[0].kind: there is no kind "rang"; did you mean "range"?`},
		`rules: [{name: r, group: purchases, kind: range, features: [amout], params: {min: 0}}]`: {`rules[0].features[0]: there is no feature "amout"; did you mean "amount"?`},
		`rules: [{name: r, group: purchases, kind: range, features: [amount], params: {min: 0, mix: 1, max: [1]}}]`: {
			`rules[0].params.mix: range has no such param; did you mean "max"`, "rules[0].params.max: "},
		`rules: [{name: r, group: purchases, kind: range, features: [amount], params: {min: 5, max: 1}}]`: {"rules[0].params.max: is below min"},
		`rules: [{name: r, group: purchases, kind: range, features: [], params: {min: 5}}]`:               {"rules[0].features: range takes at least 1 features"},
		`rules: [{name: r, group: purchases, kind: mean, features: [currency], params: {min: 5}}]`:        {"rules[0].features: currency of STRING cannot be judged by mean, which takes numbers"},
		`rules: [{name: r, group: purchases, kind: in_set, features: [quantity], params: {values: [a]}}]`: {"rules[0].params.values[0]: "},
		`rules: [{name: r, group: purchases, kind: compare, features: [amount, currency], params: {op: ">"}}]`: {
			"rules[0].features: amount is FLOAT and currency is STRING: they cannot be compared"},
		`rules: [{` + good + `, where: "currency = 'EUR'"}]`:                                       {"rules[0].where: unexpected token"},
		`rules: [{` + good + `, where: "curency == 'EUR'"}]`:                                       {`rules[0].where: there is no feature "curency"; did you mean "currency"?`},
		`rules: [{` + good + `, where: "amount + currency > 1"}]`:                                  {"rules[0].where: "},
		`rules: [{name: r, group: purchases, kind: expression, params: {expr: "amount > limit"}}]`: {`rules[0].params.expr: there is no feature "limit"`},
		`rules: [{` + good + `, severity: fatal, action: delete, null_policy: maybe, enabled: "no"}]`: {"rules[0].severity: use info, warn, error", "rules[0].action: use record, quarantine, reject_batch",
			"rules[0].null_policy: use ignore, fail", "rules[0].enabled: expected true or false, got a string"},
		`rules: [{` + good + `, severity: warn, action: quarantine}]`: {"rules[0].action: only a rule of severity error keeps rows out"},
		`rules: [{name: r, group: purchases, kind: mean, features: [amount], params: {min: 5}, action: quarantine}]`: {
			"rules[0].action: mean is decided over many rows, so that it keeps none of them out: use record, or reject_batch"},
		`rules: [{name: r, group: purchases, kind: mean, features: [amount], params: {min: 5}, action: reject_batch, window: 7d}]`: {
			"rules[0].window: a rule of kind mean that refuses what a pipeline is about to publish looks at that: leave window out, or use load"},
		`rules: [{` + good + `, tolerance: {max_bad_rate: 2, max_bad_count: -1, most: 1}}]`: {"rules[0].tolerance.max_bad_rate: expected a share from 0 to 1",
			"rules[0].tolerance.max_bad_count: expected a whole number", "rules[0].tolerance.most: unknown member"},
		`rules: [{` + good + `, tolerance: {max_bad_rate: 0.1, max_bad_count: 3}}]`: {"rules[0].tolerance: give max_bad_rate or max_bad_count, not both"},
		`rules: [{` + good + `, tolerance: 5}]`:                                     {"rules[0].tolerance: expected an object, got a number"},
		`rules: [{name: r, group: purchases, kind: mean, features: [amount], params: {min: 5}, tolerance: {max_bad_count: 1}}]`: {
			"rules[0].tolerance: mean has no bad rows that could be tolerated"},
		`rules: [{` + good + `, for: 0, resolve_after: 1001}]`:                                        {"rules[0].for: expected how many evaluations in a row, 1 to 1000", "rules[0].resolve_after: expected how many"},
		`rules: [{` + good + `, for: 1.5, resolve_after: "2"}]`:                                       {"rules[0].for: expected how many evaluations in a row, 1 to 1000", "rules[0].resolve_after: expected how many"},
		`rules: [{` + good + `, owners: [me]}]`:                                                       {`rules[0].owners: unknown member; did you mean "owner"?`},
		`rules: [{` + good + `, owner: "a\0b"}]`:                                                      {"rules[0].owner: a string holds NUL"},
		`rules: [{` + good + `, version: 3, created_at: x}]`:                                          nil,
		`rules: [{name: kinds, group: purchases, kind: range, features: [amount], params: {min: 0}}]`: {"rules[0].name: is the name of a call, /rules/kinds: use another"},
		`rules: [{name: import, group: purchases, kind: range, features: [amount], params: {min: 0}}, {name: propose, group: purchases, kind: range, features: [amount], params: {min: 0}}]`: {
			"rules[0].name: is the name of a call", "rules[1].name: is the name of a call"},
		`rules: [{` + good + `}, {` + good + `}]`: {"rules[1].name: the rule is given twice"},

		// Freshness goes by what the feature promises, if the rule does not say.
		`rules: [{name: r, group: customer_purchases, kind: freshness, features: [total]}]`:   nil,
		`rules: [{name: r, group: customer_purchases, kind: freshness, features: [seen_at]}]`: {"rules[0].params.max_age: must be given: no frequency"},
		`rules: [{name: r, group: purchases, kind: freshness, params: {max_age: soon}}]`:      {"rules[0].params.max_age: write a duration"},

		// References.
		`rules: [{name: r, group: customer_purchases, kind: reference, features: [last_order], params: {group: purchases, feature: order_id}}]`: nil,
		`rules: [{name: r, group: purchases, kind: reference, features: [quantity], params: {entity_type: customer}}]`:                          nil,
		`rules: [{name: r, group: purchases, kind: reference, features: [currency], params: {entity_type: shop}}]`:                              {`rules[0].params.entity_type: there is no entity type "shop"`},
		`rules: [{name: r, group: purchases, kind: reference, features: [currency], params: {entity_type: seat}}]`:                              {"rules[0].params.entity_type: has 2 join keys"},
		`rules: [{name: r, group: customer_purchases, kind: reference, features: [seen_at], params: {entity_type: customer}}]`:                  {"rules[0].params.entity_type: customer_purchases:seen_at is TIMESTAMP and the join key of customer is STRING"},
		`rules: [{name: r, group: customer_purchases, kind: reference, features: [last_order], params: {group: purchase, feature: order_id}}]`:  {"rules[0].params.group: there is no group"},
		`rules: [{name: r, group: customer_purchases, kind: reference, features: [last_order], params: {group: purchases, feature: order}}]`:    {`rules[0].params.feature: there is no feature "order" in the group purchases`},
		`rules: [{name: r, group: customer_purchases, kind: reference, features: [last_order], params: {group: purchases, feature: quantity}}]`: {"rules[0].params.feature: customer_purchases:last_order is STRING and purchases:quantity is INTEGER"},
		`rules: [{name: r, group: purchases, kind: reference, features: [currency]}]`:                                                           {"rules[0].params: give entity_type, or group and feature"},

		// Baselines of rules.
		`rules: [{name: r, group: purchases, kind: distribution, features: [amount], params: {baseline: january}}]`:           nil,
		`rules: [{name: r, group: purchases, kind: distribution, features: [quantity], params: {baseline: previous_period}}]`: nil,
		`rules: [{name: r, group: purchases, kind: distribution, features: [amount]}]`:                                        {"rules[0].params.baseline: must be given"},
		`rules: [{name: r, group: purchases, kind: distribution, features: [amount], params: {baseline: januar}}]`:            {`rules[0].params.baseline: there is no baseline "januar"; did you mean "january"?`},
		`rules: [{name: r, group: customer_purchases, kind: distribution, features: [total], params: {baseline: january}}]`:   {"rules[0].params.baseline: is a baseline of the group purchases, and the rule is about customer_purchases"},
		`rules: [{name: r, group: purchases, kind: distribution, features: [amount, quantity], params: {baseline: january}}]`: {"rules[0].params.baseline: the baseline leaves out quantity, which features[1] names"},

		// Baselines.
		`baselines: [{name: b}]`:                                                                                                  {"baselines[0].group: must be given", "baselines[0].source: must be given"},
		`baselines: [{name: b, group: nobody, source: {run: 1}}]`:                                                                 {"baselines[0].group: there is no group"},
		`baselines: [{name: previous_period, group: purchases, source: {run: 1}}]`:                                                {"baselines[0].name: stands for the period before the judged window"},
		`baselines: [{name: b, group: purchases, features: [amount, amont], source: {run: 1}}]`:                                   {`baselines[0].features[1]: there is no feature "amont" in the group purchases; did you mean "amount"?`},
		`baselines: [{name: b, group: purchases, source: {}}]`:                                                                    {"baselines[0].source: give exactly one of window, run, previous or training_set"},
		`baselines: [{name: b, group: purchases, source: {run: 1, training_set: {}}}]`:                                            {"baselines[0].source: give exactly one of window"},
		`baselines: [{name: b, group: purchases, source: run}]`:                                                                   {"baselines[0].source: expected an object with window"},
		`baselines: [{name: b, group: purchases, source: {runn: 1}}]`:                                                             {`baselines[0].source.runn: unknown member; a source has window, run, previous or training_set; did you mean "run"?`},
		`baselines: [{name: b, group: purchases, source: {run: -1}}]`:                                                             {"baselines[0].source.run: expected the id of a load's run"},
		`baselines: [{name: b, group: purchases, source: {window: {from: 2026-01-01T00:00:00Z}}}]`:                                {"baselines[0].source.window.to: must be given"},
		`baselines: [{name: b, group: purchases, source: {window: {from: yesterday, to: 2026-01-01T00:00:00}}}]`:                  {"baselines[0].source.window.from: expected ", "baselines[0].source.window.to: 2026-01-01T00:00:00 has no offset"},
		`baselines: [{name: b, group: purchases, source: {window: {from: 2026-01-02T00:00:00Z, to: 2026-01-02T01:00:00+01:00}}}]`: {"baselines[0].source.window.to: is not after from"},
		`baselines: [{name: b, group: purchases, source: {window: {from: 5, until: x}}}]`:                                         {"baselines[0].source.window.from: expected a text", "baselines[0].source.window.until: unknown member"},
		`baselines: [{name: b, group: purchases, source: {previous: {period: week}}}]`:                                            {"baselines[0].source.previous.period: write a duration"},
		`baselines: [{name: b, group: purchases, source: {previous: 7d}}]`:                                                        {"baselines[0].source.previous: expected an object"},
		`baselines: [{name: b, group: purchases, source: {training_set: {known: 1}}}]`:                                            {`baselines[0].source.training_set.known: unknown member`},
	} {
		_, err := definitions.Apply(context.Background(), []byte(file), "", registry.Options{DryRun: wanted == nil})
		if wanted == nil {
			require.NoError(t, err, file)
			continue
		}
		require.Error(t, err, file)
		require.True(t, fault.Is(err, "invalid-definition"), "%s: %v", file, err)
		got := wordsOf(t, err)
		require.Len(t, got, len(wanted), "%s: %q", file, got)
		for _, begin := range wanted {
			require.True(t, slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, begin) }), "%s: no %q in %q", file, begin, got)
		}
	}
	require.Equal(t, before, definitions.Catalog().Revision())
}

const reading = `
rules:
  - {name: amounts, group: purchases, kind: mean, features: [amount], params: {min: 0}, where: "quantity > 0"}
  - {name: sums, group: purchases, kind: expression, params: {expr: "amount >= 0 and currency != 'XXX'"}, severity: error, action: quarantine}
  - {name: known_orders, group: customer_purchases, kind: reference, features: [last_order], params: {group: purchases, feature: order_id}}
  - {name: drift, group: purchases, kind: distribution, features: [amount], params: {baseline: january}}
`

func (r refusals) refused(file, slug string, words ...string) {
	r.Helper()
	_, err := r.definitions.Apply(context.Background(), []byte(file), "", registry.Options{AllowBreaking: r.allow})
	require.Error(r, err, file)
	require.True(r, fault.Is(err, slug), "%v", err)
	for _, w := range words {
		require.Contains(r, err.Error()+strings.Join(wordsOf(r, err), "; "), w)
	}
}

type refusals struct {
	testing.TB
	definitions *registry.Registry
	allow       bool
}

// What rules read is not deleted under them, and does not become something that they cannot judge.
func TestWhatRulesReadIsKept(t *testing.T) {
	ctx := context.Background()
	definitions := registryOn(t, databasetest.SQLite(t)())
	apply(t, definitions, shopFile+reading)
	for kind, names := range map[string]map[string]string{
		"group":    {"purchases": "rule amounts, rule sums", "customer_purchases": "rule known_orders"},
		"baseline": {"january": "rule drift"},
	} {
		for name, users := range names {
			_, err := definitions.Delete(ctx, kind, name, registry.Options{})
			require.True(t, fault.Is(err, "in-use"), "%s: %v", name, err)
			require.Contains(t, err.Error(), users)
		}
	}

	apply(t, definitions, `{"entity_types": [{"name": "courier"}], "rules": [{"name": "couriers", "group": "purchases", "kind": "reference", "features": ["currency"], "params": {"entity_type": "courier"}}]}`)
	_, err := definitions.Delete(ctx, "entity_type", "courier", registry.Options{})
	require.True(t, fault.Is(err, "in-use"), "%v", err)
	require.Contains(t, err.Error(), "rule couriers")
	_, err = definitions.Apply(ctx, []byte(`entity_types: [{name: courier, join_keys: [{name: courier_id, value_type: INTEGER}]}]`), "", registry.Options{})
	require.Contains(t, wordsOf(t, err)[0], "entity_types[0]: the rule couriers would not be valid any more")

	r := refusals{t, definitions, false}
	r.refused(`groups: [{name: purchases, features: [{name: amount, value_type: STRING}]}]`, "breaking-change", "would break baseline january, rule amounts, rule sums, rule drift")
	r.refused(`groups: [{name: purchases, features: [{name: quantity, value_type: STRING}]}]`, "breaking-change", "would break rule amounts")
	r.refused(`groups: [{name: purchases, features: [{name: order_id, value_type: INTEGER}]}]`, "breaking-change", "would break rule known_orders")
	r.allow = true
	r.refused(`groups: [{name: purchases, features: [{name: amount, value_type: STRING}]}]`, "invalid-definition",
		"groups[0].features[0]: the rule amounts would not be valid any more, change it as well: features: amount of STRING cannot be judged by mean",
		"the rule sums would not be valid any more")
	r.refused(`groups: [{name: purchases, features: [{name: order_id, value_type: INTEGER}]}]`, "invalid-definition",
		"the rule known_orders would not be valid any more, change it as well: params.feature: customer_purchases:last_order is STRING and purchases:order_id is INTEGER")
	r.refused(`baselines: [{name: january, features: [quantity]}]`, "invalid-definition", "baselines[0]: the rule drift would not be valid any more, change it as well: params.baseline: the baseline leaves out amount")

	// Together with its rules a feature can change, and one that is switched off does not mind.
	_, err = definitions.Apply(ctx, []byte(`
groups: [{name: purchases, features: [{name: amount, value_type: STRING}, {name: quantity, value_type: FLOAT}]}]
rules: [{name: amounts, enabled: false}, {name: sums, params: {expr: "amount != ''"}}]`), "", registry.Options{AllowBreaking: true})
	require.NoError(t, err)
	r.refused(`rules: [{name: amounts, enabled: true}]`, "invalid-definition", "rules[0].features: amount of STRING cannot be judged by mean")
	require.Equal(t, []string{"sums@2"}, namesOf(NewGuards(definitions, quiet).Guard(groupOf(t, definitions.Catalog(), "purchases"))))

	// A frequency that freshness goes by cannot just go.
	apply(t, definitions, `rules: [{name: fresh, group: customer_purchases, kind: freshness, features: [total]}]`)
	r.refused(`groups: [{name: customer_purchases, features: [{name: total, frequency: null}]}]`, "invalid-definition", "the rule fresh would not be valid any more", "no frequency tells")

	// A draft that nobody reads could be deleted; not one that a rule reads.
	_, err = definitions.RegisterInGroup(ctx, groupOf(t, definitions.Catalog(), "purchases"), []registry.Unregistered{{Name: "draft", ValueType: value.Integer}}, false)
	require.NoError(t, err)
	apply(t, definitions, `rules: [{name: of_draft, group: purchases, kind: not_null, features: [order_id], where: "draft != 0"}]`)
	r.allow = false
	r.refused(`groups: [{name: purchases, features: [{name: draft, value_type: STRING}]}]`, "breaking-change", "would break rule of_draft")
}

// Rules go on by the names that features had: in features, where, expressions, references and baselines.
func TestRenamedFeatures(t *testing.T) {
	ctx := context.Background()
	definitions := registryOn(t, databasetest.SQLite(t)())
	apply(t, definitions, shopFile+reading)
	guards := NewGuards(definitions, quiet)
	version := func() int {
		rule, err := guards.Definitions().Rule("amounts")
		require.NoError(t, err)
		return rule.Version
	}
	plan := apply(t, definitions, `groups: [{name: purchases, features: [{name: price, renamed_from: amount}, {name: pieces, renamed_from: quantity}, {name: id, renamed_from: order_id}, {name: money, renamed_from: currency}]}]`)
	require.Len(t, plan.Changed, 4, "the rules stay as they were written")
	require.Equal(t, 1, version())
	purchases := groupOf(t, definitions.Catalog(), "purchases")
	judged := guards.Judged(purchases)
	require.Empty(t, judged.Broken)
	require.Equal(t, []string{"price"}, judged.All.Rules()[0].Features, "outcomes call features as they are called now")
	row := []float64{-1}
	require.Equal(t, []string{"sums price,money"}, brokenBy(judged.Rows, text("o1"), number(row[0]), integer(1), text("EUR"), absent))

	rule, err := guards.Definitions().Rule("sums")
	require.NoError(t, err)
	require.Equal(t, []string{"amount", "currency"}, rule.Reads())
	baseline, err := guards.Definitions().Baseline("january")
	require.NoError(t, err)
	require.Equal(t, []string{"price"}, baseline.Features)

	r := refusals{t, definitions, false}
	r.refused(`groups: [{name: purchases, features: [{name: price, value_type: STRING}]}]`, "breaking-change", "would break baseline january, rule amounts, rule sums, rule drift")
	r.refused(`rules: [{name: x, group: purchases, kind: not_null, features: [price, amount]}]`, "invalid-definition", "features[1]: is a former name of price: given twice")
	r.refused(`baselines: [{name: x, group: purchases, features: [price, amount], source: {run: 1}}]`, "invalid-definition", "features[1]: is a former name of price: given twice")
	apply(t, definitions, `rules: [{name: amounts, where: "pieces > 0 and quantity < 9"}]`)
	require.Equal(t, 2, version())
	lineage, err := definitions.Lineage("feature", "purchases:price")
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(lineage.Downstream.Nodes), "{rule amounts 2 1} {rule drift 1 1} {rule sums 1 1}")

	// Exported and applied elsewhere, the former names come along.
	copied := registryOn(t, databasetest.SQLite(t)())
	apply(t, copied, exported(t, definitions, "application/yaml"))
	require.Equal(t, exported(t, definitions, "application/json"), exported(t, copied, "application/json"))
	_, err = copied.Apply(ctx, []byte(exported(t, definitions, "application/json")), "", registry.Options{})
	require.NoError(t, err)
}

// What is no longer judged says why.
func TestEnded(t *testing.T) {
	definitions := registryOn(t, databasetest.SQLite(t)())
	apply(t, definitions, shopFile+reading)
	guards := NewGuards(definitions, quiet)
	ended := func(group, rule, feature string) string { return guards.Definitions().Ended(group, rule, feature) }
	require.Empty(t, ended("purchases", "amounts", "amount"))
	require.Empty(t, ended("purchases", "sums", ""))
	require.Equal(t, "the rule was deleted", ended("purchases", "never", ""))
	require.Equal(t, "the rule is about the group purchases now", ended("customer_purchases", "amounts", "total"))
	require.Equal(t, "the rule no longer looks at the feature", ended("purchases", "amounts", "currency"))
	apply(t, definitions, `
groups: [{name: purchases, features: [{name: price, renamed_from: amount}]}]
rules: [{name: sums, enabled: false}]`)
	require.Equal(t, "the feature is called price now", ended("purchases", "amounts", "amount"))
	require.Empty(t, ended("purchases", "amounts", "price"))
	require.Equal(t, "the rule was switched off", ended("purchases", "sums", ""))
	_, err := definitions.Delete(context.Background(), "rule", "amounts", registry.Options{})
	require.NoError(t, err)
	require.Equal(t, "the rule was deleted", ended("purchases", "amounts", "price"))
}

func TestClasses(t *testing.T) {
	require.Equal(t, alerts.Source, ClassOf("freshness"))
	require.Equal(t, alerts.Drift, ClassOf("distribution"))
	require.Equal(t, alerts.Data, ClassOf("range"))
}
