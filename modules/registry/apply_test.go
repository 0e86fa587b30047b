package registry_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

const file = `# a comment
entity_types:
  - {name: customer, join_keys: [{name: customer_id, value_type: STRING}]}
groups:
  - name: purchases
    entity_type: customer
    kind: events
    id_column: order_id
    retention: 1825d
    features: [{name: order_id, value_type: STRING}, {name: amount, value_type: FLOAT, unit: USD}]
  - name: customer_purchases
    entity_type: customer
    ttl: 90d
    features:
      - {name: customer_purchase_count_30d, value_type: INTEGER, description: Purchases in the last 30 days, frequency: DAILY, tags: [core]}
      - {name: avg_order_value_90d, value_type: FLOAT}
services:
  - {name: churn, features: ["customer_purchases:customer_purchase_count_30d", avg_order_value_90d]}
rules:
  - {name: value_range, feature: customer_purchases:avg_order_value_90d, params: {min: 0, max: 10000}}
`

func apply(t testing.TB, r *registry.Registry, file string) *registry.Plan {
	t.Helper()
	plan, err := r.Apply(ctx, []byte(file), "", registry.Options{})
	require.NoError(t, err)
	return plan
}

func TestAFileIsApplied(t *testing.T) {
	r := start(t)
	before := describe(r.Catalog())
	dry, err := r.Apply(ctx, []byte(file), "", registry.Options{DryRun: true})
	require.NoError(t, err)
	require.Equal(t, before, describe(r.Catalog()), "a dry run changes nothing")
	require.True(t, dry.DryRun)

	plan := apply(t, r, file)
	dry.DryRun = false
	require.Equal(t, dry, plan, "a dry run answers what the change then does")
	require.Equal(t, []registry.Named{
		{Kind: "entity_type", Name: "customer"},
		{Kind: "group", Name: "purchases"}, {Kind: "group", Name: "customer_purchases"},
		{Kind: "feature", Name: "purchases:order_id"}, {Kind: "feature", Name: "purchases:amount"},
		{Kind: "feature", Name: "customer_purchases:customer_purchase_count_30d"}, {Kind: "feature", Name: "customer_purchases:avg_order_value_90d"},
		{Kind: "service", Name: "churn"}, {Kind: "rule", Name: "value_range"},
	}, plan.Created)
	c := r.Catalog()
	purchases, _ := c.Group("purchases")
	require.Equal(t, registry.Events, purchases.Kind)
	require.Equal(t, "order_id", purchases.IDColumn)
	group, _ := c.Group("customer_purchases")
	require.Equal(t, 90*24*time.Hour, group.TTL)
	require.Zero(t, group.Retention)
	require.Equal(t, 1825*24*time.Hour, purchases.Retention)
	service, err := c.Service("churn")
	require.NoError(t, err)
	require.Equal(t, group.Features, service.Features)
	rule, ok := c.Definition("rule", "value_range")
	require.True(t, ok)
	require.JSONEq(t, `{"feature": "customer_purchases:avg_order_value_90d", "params": {"min": 0, "max": 10000}}`, string(rule.Document))

	again := apply(t, r, file)
	require.Len(t, again.Unchanged, 9)
	require.Empty(t, again.Changed)
	require.EqualValues(t, 1, r.Catalog().Revision())

	changed := apply(t, r, `{"groups": [{"name": "customer_purchases", "ttl": "30d", "features": [
		{"name": "avg_order_value_90d", "unit": "EUR", "description": "Mean", "value_type": "FLOAT"}, {"name": "new_one", "value_type": "STRING[]"}]}]}`)
	require.Equal(t, []registry.Change{
		{Kind: "group", Name: "customer_purchases", Version: 2, Members: []registry.MemberChange{{Member: "ttl", From: []byte(`"90d"`), To: []byte(`"30d"`)}}},
		{Kind: "feature", Name: "customer_purchases:avg_order_value_90d", Version: 2, Members: []registry.MemberChange{
			{Member: "description", From: []byte("null"), To: []byte(`"Mean"`)}, {Member: "unit", From: []byte("null"), To: []byte(`"EUR"`)}}},
	}, changed.Changed)
	require.Equal(t, []registry.Named{{Kind: "feature", Name: "customer_purchases:new_one"}}, changed.Created)
	require.Equal(t, []registry.Named{
		{Kind: "group", Name: "purchases"},
		{Kind: "feature", Name: "purchases:order_id"}, {Kind: "feature", Name: "purchases:amount"},
		{Kind: "feature", Name: "customer_purchases:customer_purchase_count_30d"},
		{Kind: "service", Name: "churn"}, {Kind: "rule", Name: "value_range"},
	}, changed.NotNamed)
	group, _ = r.Catalog().Group("customer_purchases")
	require.Equal(t, 2, group.SchemaVersion)
	require.Equal(t, 2, group.Features[2].Since)
	require.Equal(t, "Purchases in the last 30 days", group.Features[0].Description)
	service, err = r.Catalog().Service("churn")
	require.NoError(t, err)
	require.Same(t, group.Features[1], service.Features[1])
}

func TestRefusedChanges(t *testing.T) {
	for name, c := range map[string]struct {
		file, slug, want string
	}{
		"value type with readers": {`groups: [{name: customer_purchases, features: [{name: avg_order_value_90d, value_type: STRING}]}]`,
			"breaking-change", "would break service churn, rule value_range"},
		"value type without readers": {`groups: [{name: purchases, features: [{name: amount, value_type: INTEGER}]}]`,
			"breaking-change", "could no longer be read"},
		"kind of a group":            {`groups: [{name: customer_purchases, kind: events}]`, "breaking-change", "the kind of the group customer_purchases is features"},
		"entity type of a group":     {`groups: [{name: customer_purchases, entity_type: shop}]`, "breaking-change", "entity_type of the group"},
		"join keys with groups":      {`entity_types: [{name: customer, join_keys: [{name: id}]}]`, "breaking-change", "while it has groups: group purchases"},
		"event group in a service":   {`services: [{name: s, features: ["purchases:amount"]}]`, "invalid-definition", "no newest values"},
		"twice in a service":         {`services: [{name: s, features: [avg_order_value_90d, "customer_purchases:avg_order_value_90d"]}]`, "invalid-definition", "given twice"},
		"empty service":              {`services: [{name: s}]`, "invalid-definition", "services[0].features: must be given"},
		"unknown in a service":       {`services: [{name: s, features: [avg_order_value_90]}]`, "invalid-definition", `did you mean "avg_order_value_90d"?`},
		"unknown group":              {`features: [{name: x, group: customer_purchase, value_type: FLOAT}]`, "invalid-definition", `did you mean "customer_purchases"?`},
		"group of another type":      {`features: [{name: x, group: purchases, entity_type: shop, value_type: FLOAT}]`, "invalid-definition", "belongs to the entity type customer"},
		"unknown id column":          {`groups: [{name: purchases, id_column: other}]`, "invalid-definition", "no feature of that name"},
		"id column of features":      {`groups: [{name: customer_purchases, id_column: avg_order_value_90d}]`, "invalid-definition", "only a group of kind events"},
		"id column of numbers":       {`groups: [{name: purchases, id_column: amount}]`, "invalid-definition", "an id is an INTEGER or a STRING"},
		"ttl of events":              {`groups: [{name: purchases, ttl: 1d}]`, "invalid-definition", "it has no ttl"},
		"retention below the ttl":    {`groups: [{name: customer_purchases, retention: 89d}]`, "invalid-definition", "groups[0].retention: shorter than the ttl, 90d"},
		"ttl above the retention":    {`groups: [{name: other, entity_type: customer, ttl: 48h, retention: 1d}]`, "invalid-definition", "shorter than the ttl, 48h"},
		"retention without a unit":   {`groups: [{name: purchases, retention: 30}]`, "invalid-definition", "15m, 24h or 90d"},
		"rule of nothing":            {`rules: [{name: r, feature: "a:b"}]`, "invalid-definition", "rules[0].feature"},
		"named twice":                {`services: [{name: churn}, {name: churn}]`, "invalid-definition", "given twice"},
		"feature twice":              {`groups: [{name: purchases, features: [{name: n, value_type: FLOAT}, {name: n, value_type: FLOAT}]}]`, "invalid-definition", "features[1].name"},
		"no entity type":             {`groups: [{name: g}]`, "invalid-definition", "groups[0].entity_type: must be given"},
		"no value type":              {`features: [{name: g, entity_type: customer}]`, "invalid-definition", "features[0].value_type: must be given"},
		"default group elsewhere":    {`groups: [{name: shop, entity_type: customer}, {name: x, entity_type: shop}]`, "invalid-definition", "default group"},
		"default group of events":    {`groups: [{name: customer, entity_type: customer, kind: events}]`, "invalid-definition", "of kind features"},
		"type named like a group":    {`entity_types: [{name: purchases}]`, "invalid-definition", "there is a group of that name"},
		"features of an entity type": {`entity_types: [{name: customer, features: [{name: x, value_type: FLOAT}]}]`, "invalid-definition", "entity_types[0].features: unknown member"},
		"groups of an entity type":   {`entity_types: [{name: customer, groups: [{name: g}]}]`, "invalid-definition", "entity_types[0].groups: unknown member"},
		"reason of an active one":    {`features: [{name: avg_order_value_90d, entity_type: customer, reason: x}]`, "invalid-definition", "only a feature that is deprecated"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			apply(t, r, file)
			before := describe(r.Catalog())
			_, err := r.Apply(ctx, []byte(c.file+"\nentity_types2:\n"), "", registry.Options{})
			requireFault(t, err, "invalid-definition")
			_, err = r.Apply(ctx, []byte(c.file), "", registry.Options{})
			requireFault(t, err, c.slug)
			require.ErrorContains(t, err, c.want)
			_, err = r.Refresh(ctx)
			require.NoError(t, err)
			require.Equal(t, before, describe(r.Catalog()))
			plan, err := r.Apply(ctx, []byte(c.file), "", registry.Options{DryRun: true})
			if c.slug == "breaking-change" {
				require.NoError(t, err)
				require.NotEmpty(t, plan.Breaking)
				for _, b := range plan.Breaking {
					require.NotContains(t, plan.Unchanged, registry.Named{Kind: b.Kind, Name: b.Name}, "what is refused is not as the file says")
				}
			} else {
				requireFault(t, err, c.slug)
			}
		})
	}
}

// TestEveryMistakeIsListed looks at the places of several mistakes in one file.
func TestEveryMistakeIsListed(t *testing.T) {
	r := start(t)
	_, err := r.Apply(ctx, []byte(`
groups:
  - {name: Bad, entity_type: 7, ttl: 1.5, colour: red}
  - name: good
    entity_type: e
    features:
      - {name: event_time, value_type: NUMBER, frequency: HOURLEY, tags: [a, a, ""], docs_url: "ftp://x", metadata: [1]}
      - 7
servces: []
`), "", registry.Options{})
	f := mustFault(t, err)
	var places []string
	for _, v := range f.Violations {
		places = append(places, v.Location)
	}
	require.Equal(t, []string{
		"groups[0].name", "groups[0].entity_type", "groups[0].ttl", "groups[0].colour",
		"groups[1].features[0].name", "groups[1].features[0].value_type", "groups[1].features[0].frequency", "groups[1].features[0].tags[1]",
		"groups[1].features[0].tags[2]", "groups[1].features[0].docs_url", "groups[1].features[0].metadata", "groups[1].features[1]", "servces",
	}, places)
}

// A service can name a version that its own file makes, so that an export can be applied to an empty registry too; it cannot name one
// that the file does not make.
func TestAServiceNamesAVersionOfItsFile(t *testing.T) {
	r := start(t)
	apply(t, r, `
features: [{name: old, entity_type: e, value_type: FLOAT, status: deprecated, replacement: f}, {name: f, entity_type: e, value_type: FLOAT}]
services: [{name: s, features: ["e:f@1"]}]`)
	exported := export(t, r, "application/yaml")
	plan, err := start(t).Apply(ctx, exported, "application/yaml", registry.Options{})
	require.NoError(t, err)
	require.Len(t, plan.Created, 5)

	for file, newest := range map[string]string{
		`{"services": [{"name": "s", "features": ["e:f@2"]}]}`:                                                                          "the newest is 1",
		`{"features": [{"name": "old", "entity_type": "e", "replacement": "f"}], "services": [{"name": "s", "features": ["e:old@2"]}]}`: "the newest is 1", // it is so already
		`{"features": [{"name": "f", "entity_type": "e", "unit": "EUR"}], "services": [{"name": "s", "features": ["e:f@3"]}]}`:          "the newest is 2",
	} {
		_, err := r.Apply(ctx, []byte(file), "", registry.Options{})
		require.ErrorContains(t, err, newest, file)
	}
	plan = apply(t, r, `{"features": [{"name": "f", "entity_type": "e", "unit": "EUR"}], "services": [{"name": "s", "features": ["e:f@2"]}]}`)
	require.Len(t, plan.Changed, 2)
	service, err := r.Catalog().Service("s")
	require.NoError(t, err)
	require.Equal(t, 2, service.Features[0].Version)
}

// A list of the API can be applied as it was answered, what a request cannot set included.
func TestAnAnswerCanBeApplied(t *testing.T) {
	r := start(t)
	apply(t, r, file)
	plan := apply(t, r, `{"entity_types": [{"name": "customer", "version": 1, "groups": ["purchases", "customer_purchases"]}]}`)
	require.Equal(t, []registry.Named{{Kind: "entity_type", Name: "customer"}}, plan.Unchanged)
}

func TestAGroupWithoutAnEntityTypeIsReportedOnce(t *testing.T) {
	_, err := start(t).Apply(ctx, []byte(`groups: [{name: g, features: [{name: x, value_type: FLOAT, entity_type: e}]}]`), "", registry.Options{})
	require.Len(t, mustFault(t, err).Violations, 1, "%v", err)
	require.ErrorContains(t, err, "groups[0].entity_type: must be given")
}

func TestRequiredMembers(t *testing.T) {
	r := start(t, func(c *registry.Config) { c.Require = []string{"owner", "tags"} })
	_, err := r.Define(ctx, "feature", "", []byte(`{"name": "x", "entity_type": "e", "value_type": "FLOAT", "tags": []}`), registry.Options{})
	require.Len(t, mustFault(t, err).Violations, 2)
	_, err = r.RegisterUnregistered(ctx, "e", []registry.Unregistered{{Name: "x", ValueType: value.Float}})
	require.NoError(t, err, "drafts need none of them")
	_, err = r.Define(ctx, "feature", "", []byte(`{"name": "x", "entity_type": "e"}`), registry.Options{})
	require.Error(t, err, "registering a draft does")
	define(t, r, "feature", `{"name": "x", "entity_type": "e", "owner": "ds", "tags": ["a"]}`)
	_, err = r.Define(ctx, "feature", "", []byte(`{"name": "x", "entity_type": "e", "owner": null}`), registry.Options{})
	require.ErrorContains(t, err, "registry.require")
}

func TestYAMLIsReadAsItsAuthorsMeantIt(t *testing.T) {
	r := start(t)
	apply(t, r, `
groups:
  - &first
    name: g
    entity_type: e
    ttl: none
    metadata: {date: 2026-01-02, yes: yes, hex: 0x10, under: 1_000, float: .5, big: 12345678901234567890, nothing: ~, flag: true, list: &l [1, 2], again: *l, text: "007"}
    features:
    - name: f
      value_type: INTEGER
      description: |
        Two
        lines
`)
	g, _ := r.Catalog().Group("g")
	require.Zero(t, g.TTL)
	require.JSONEq(t, `{"date": "2026-01-02", "yes": "yes", "hex": 16, "under": 1000, "float": 0.5, "big": 12345678901234567890, "nothing": null, "flag": true,
		"list": [1, 2], "again": [1, 2], "text": "007"}`, string(g.Metadata))
	require.Equal(t, "Two\nlines\n", g.Features[0].Description)
	for text, want := range map[string]string{
		"a: [":                            "invalid-yaml",
		"groups: []\ngroups: []":          "given twice, in line 2",
		"groups: []\n---\ngroups: []":     "only one document",
		"groups: [{<<: {name: x}}]":       "merge keys",
		"groups: [{name: .nan}]":          "no number that can be kept",
		"groups: [{name: !!binary aGk=}]": "are not read",
		"groups: [{? [a] : b}]":           "a key is no text",
		"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]": "more than",
		"groups: " + strings.Repeat("[", 200) + strings.Repeat("]", 200): "nested deeper",
		"a: &a [*a]":         "nested deeper",
		"- a":                "expected an object",
		"just text":          "expected an object",
		"":                   "empty-body",
		"# only a comment\n": "empty-body",
		"\xff":               "invalid-yaml",
	} {
		_, err := r.Apply(ctx, []byte(text), "application/yaml", registry.Options{})
		f := mustFault(t, err)
		require.Contains(t, f.Slug+" "+f.Error(), want, "%.100q", text)
	}
}

// TestAnyTextSurvivesAnExport writes texts that YAML takes for something else.
func TestAnyTextSurvivesAnExport(t *testing.T) {
	r := start(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		text := rapid.OneOf(
			rapid.StringN(1, 20, 90),
			rapid.SampledFrom([]string{"yes", "null", "~", "0x10", "1e3", "2026-01-02", " a ", "a\n\n", "- a", "# a", "a: b", "\"", "'", "{", "\u0085", "\u2028", "\ufeff", "\t", "!!str x", "*a", "%", "@", "0777", "1_0", ".inf", "<<", "=", "\r\n", "\x7f", "😀"}),
		).Filter(func(s string) bool { return !strings.ContainsRune(s, 0) }).Draw(rt, "text")
		number := rapid.OneOf(rapid.Custom(func(rt *rapid.T) string { return fmt.Sprint(rapid.Float64().Draw(rt, "float")) }), rapid.SampledFrom([]string{"1E5", "1e-7", "-0", "123456789012345678901234567890"})).Draw(rt, "number")
		quoted := string(registry.QuoteText(text))
		body := fmt.Sprintf(`{"name": "s", "features": ["e:f"], "description": %s, "metadata": {%s: [%s, %s]}, "tags": [%s]}`, quoted, quoted, quoted, number, quoted)
		if round == 1 {
			define(t, r, "feature", `{"name": "f", "entity_type": "e", "value_type": "FLOAT"}`)
		}
		_, err := r.Define(ctx, "service", "", []byte(body), registry.Options{})
		require.NoError(rt, err, "%q", text)
		file := export(t, r, "application/yaml")
		plan, err := r.Apply(ctx, file, "application/yaml", registry.Options{})
		require.NoError(rt, err, "%s", file)
		require.Empty(rt, plan.Changed, "%s", file)
	})
}
