package registry_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

func drafts(t *testing.T, r *registry.Registry, entityType string, features ...registry.Unregistered) *registry.Catalog {
	t.Helper()
	c, err := r.RegisterUnregistered(ctx, entityType, features)
	require.NoError(t, err)
	return c
}

func TestDraftsOfAWrite(t *testing.T) {
	r := start(t)
	c := drafts(t, r, "customer", registry.Unregistered{Name: "age", ValueType: value.Integer}, registry.Unregistered{Name: "customer_city", ValueType: value.String})
	require.EqualValues(t, 1, c.Revision())
	require.Same(t, c, r.Catalog())
	et, _ := c.EntityType("customer")
	require.Equal(t, []registry.JoinKey{{Name: "customer_id", ValueType: value.String}}, et.JoinKeys)
	served := c.Served("customer")
	require.Len(t, served, 2)
	require.Equal(t, registry.Draft, served[0].Status)
	require.Equal(t, "customer:age", served[0].Reference())
	city, err := c.Resolve("customer", "city")
	require.NoError(t, err)
	require.Equal(t, "customer_city", city.Name)

	again := drafts(t, r, "customer", registry.Unregistered{Name: "age", ValueType: value.Integer}, registry.Unregistered{Name: "city", ValueType: value.String})
	require.Same(t, c, again, "what is there already changes nothing")

	c = drafts(t, r, "customer", registry.Unregistered{Name: "age", ValueType: value.Float}, registry.Unregistered{Name: "vip", ValueType: value.Boolean})
	age, err := c.Resolve("customer", "age")
	require.NoError(t, err)
	require.Equal(t, value.Float, age.ValueType)
	require.Equal(t, served[0].Ordinal, age.Ordinal)
	require.Equal(t, "age__2", age.Column)
	require.Equal(t, "age", age.Widened)
	require.Equal(t, 1, age.Since)
	require.Equal(t, 2, age.Group.SchemaVersion)
	vip, err := c.Resolve("customer", "vip")
	require.NoError(t, err)
	require.Equal(t, 2, vip.Since)
	_, err = c.Resolve("customer", "age@1")
	require.NoError(t, err, "older values are read as FLOAT")

	drafts(t, r, "customer", registry.Unregistered{Name: "age", ValueType: value.Integer})
	_, err = r.RegisterUnregistered(ctx, "customer", []registry.Unregistered{{Name: "age", ValueType: value.String}})
	requireFault(t, err, "value-type-conflict")

	for _, name := range []string{"Age", "event_time", "customer_id", "a b", ""} {
		_, err = r.RegisterUnregistered(ctx, "customer", []registry.Unregistered{{Name: name, ValueType: value.Integer}})
		requireFault(t, err, "invalid-definition")
	}
	_, err = r.RegisterUnregistered(ctx, "Customer", []registry.Unregistered{{Name: "x", ValueType: value.Integer}})
	require.Equal(t, "entity_type", mustFault(t, err).Violations[0].Location)
}

func TestWidening(t *testing.T) {
	r := start(t)
	c := drafts(t, r, "e", registry.Unregistered{Name: "n", ValueType: value.Integer})
	stale, err := c.Resolve("e", "n")
	require.NoError(t, err)
	c, err = r.Widen(ctx, stale)
	require.NoError(t, err)
	again, err := r.Widen(ctx, stale)
	require.NoError(t, err, "somebody else widened it meanwhile")
	require.Same(t, c, again)

	define(t, r, "feature", `{"name": "active", "entity_type": "e", "value_type": "INTEGER"}`)
	active, err := r.Catalog().Resolve("e", "active")
	require.NoError(t, err)
	_, err = r.Widen(ctx, active)
	requireFault(t, err, "value-type-conflict")

	drafts(t, r, "e", registry.Unregistered{Name: "big", ValueType: value.Integer})
	r.Guards.Exact = func(_ context.Context, f *registry.Feature) error {
		return fault.New(fault.Conflict, "not-exact", "%s holds integers beyond 2^53", f.Name)
	}
	big, err := r.Catalog().Resolve("e", "big")
	require.NoError(t, err)
	_, err = r.Widen(ctx, big)
	requireFault(t, err, "not-exact")
	_, err = r.Define(ctx, "feature", "", []byte(`{"name": "big", "entity_type": "e", "value_type": "FLOAT"}`), registry.Options{})
	requireFault(t, err, "not-exact")
}

func TestRegisteringADraft(t *testing.T) {
	r := start(t)
	drafts(t, r, "e", registry.Unregistered{Name: "n", ValueType: value.Integer}, registry.Unregistered{Name: "zip", ValueType: value.Integer},
		registry.Unregistered{Name: "used", ValueType: value.Integer})
	d := define(t, r, "feature", `{"name": "n", "entity_type": "e", "value_type": "FLOAT", "owner": "ds"}`)
	require.False(t, d.Created)
	n, err := d.Catalog.Resolve("e", "n")
	require.NoError(t, err)
	require.Equal(t, registry.Active, n.Status)
	require.Equal(t, "n__2", n.Column)
	require.Equal(t, "n", n.Widened)

	zip, err := d.Catalog.Resolve("e", "zip")
	require.NoError(t, err)
	d = define(t, r, "feature", `{"name": "zip", "entity_type": "e", "value_type": "STRING"}`)
	again, err := d.Catalog.Resolve("e", "zip")
	require.NoError(t, err)
	require.Equal(t, "zip__2", again.Column)
	require.Empty(t, again.Widened)
	require.Greater(t, again.Ordinal, zip.Ordinal, "its values begin anew")
	require.Equal(t, again.Group.SchemaVersion, again.Since)
	before, err := d.Catalog.Resolve("e", "zip@1")
	require.NoError(t, err)
	require.Equal(t, zip.Ordinal, before.Ordinal, "and those from before stay")

	define(t, r, "service", `{"name": "s", "features": ["e:used"]}`)
	_, err = r.Define(ctx, "feature", "", []byte(`{"name": "used", "entity_type": "e", "value_type": "STRING"}`), registry.Options{})
	requireFault(t, err, "breaking-change")
	require.ErrorContains(t, err, "service s")
	define(t, r, "feature", `{"name": "used", "entity_type": "e", "value_type": "FLOAT"}`)
	s, err := r.Catalog().Service("s")
	require.NoError(t, err)
	require.Equal(t, value.Float, s.Features[0].ValueType)
}

func TestAFeatureIsFoundInItsGroup(t *testing.T) {
	r := start(t)
	feature(t, r, "one", "x")
	d := define(t, r, "feature", `{"name": "x", "entity_type": "customer", "owner": "ds"}`)
	require.Equal(t, "one:x", d.Name, "without a group, the feature of that name is meant")
	d = define(t, r, "feature", `{"name": "x", "group": "one", "unit": "EUR"}`)
	require.Equal(t, "one:x", d.Name, "the group knows its entity type")
	d = define(t, r, "feature", `{"name": "x", "entity_type": "customer", "group": "customer", "value_type": "FLOAT"}`)
	require.True(t, d.Created)
	require.Equal(t, "one:x", d.Plan.ShortNamesTaken[0].BelongsTo)
}

func TestAtMost500FeaturesInAGroup(t *testing.T) {
	r := start(t)
	list := ""
	for i := range registry.MaxFeatures {
		list += fmt.Sprintf(`{"name": "f%d", "value_type": "FLOAT"},`, i)
	}
	define(t, r, "group", `{"name": "g", "entity_type": "e", "features": [`+list[:len(list)-1]+`]}`)
	_, err := r.Define(ctx, "feature", "", []byte(`{"name": "more", "entity_type": "e", "group": "g", "value_type": "FLOAT"}`), registry.Options{})
	require.ErrorContains(t, err, "has 500 features")
	require.Equal(t, "name", mustFault(t, err).Violations[0].Location)
}

func TestJoinKeys(t *testing.T) {
	r := start(t)
	used := map[string]bool{}
	r.Guards.InUse = func(_ context.Context, g *registry.Group) (bool, error) { return used[g.Name], nil }
	define(t, r, "feature", `{"name": "x", "entity_type": "e", "value_type": "FLOAT"}`)
	define(t, r, "entity_type", `{"name": "e", "join_keys": [{"name": "e_id", "value_type": "INTEGER"}]}`)
	g, _ := r.Catalog().Group("e")
	require.Equal(t, value.Integer, g.EntityType.JoinKeys[0].ValueType)
	require.Equal(t, 2, g.SchemaVersion, "the layout is another")
	used["e"] = true
	_, err := r.Define(ctx, "entity_type", "", []byte(`{"name": "e", "join_keys": [{"name": "e_id", "value_type": "STRING"}]}`), registry.Options{})
	requireFault(t, err, "breaking-change")
	require.ErrorContains(t, err, "while values are stored: group e")
	_, err = r.Delete(ctx, "group", "e", registry.Options{})
	requireFault(t, err, "in-use")
	r.Guards.InUse = func(context.Context, *registry.Group) (bool, error) { return false, context.DeadlineExceeded }
	_, err = r.Delete(ctx, "group", "e", registry.Options{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	r.Guards.InUse = nil
	_, err = r.Delete(ctx, "group", "e", registry.Options{})
	requireFault(t, err, "in-use")
}

func TestAGroupThatComesBack(t *testing.T) {
	r := start(t)
	feature(t, r, "g", "x")
	before, _ := r.Catalog().Group("g")
	_, err := r.Delete(ctx, "group", "g", registry.Options{})
	require.NoError(t, err)
	_, ok := r.Catalog().GroupByID(before.ID)
	require.False(t, ok)
	leadsTo(t, r, "x", "")
	require.Equal(t, "x", before.Features[0].Name, "who has the old catalog goes on with it")

	feature(t, r, "g", "x")
	after, _ := r.Catalog().Group("g")
	require.Equal(t, before.ID, after.ID)
	require.Greater(t, after.SchemaVersion, before.SchemaVersion)
	require.Equal(t, "x__2", after.Features[0].Column)
	require.NotEqual(t, before.Features[0].Ordinal, after.Features[0].Ordinal)
	leadsTo(t, r, "x", "g:x")
}

// An id that gets another type would not tell rows apart any more.
func TestAnIDColumnKeepsItsType(t *testing.T) {
	r := start(t)
	_, err := r.Apply(ctx, []byte(`groups: [{name: scans, entity_type: customer, kind: events, id_column: n, features: [{name: n, value_type: INTEGER, status: draft}]}]
entity_types: [{name: customer}]`), "application/yaml", registry.Options{})
	require.NoError(t, err)
	group, _ := r.Catalog().Group("scans")
	require.Equal(t, "n", group.RowID().Name)
	_, err = r.Widen(ctx, group.RowID())
	requireFault(t, err, "value-type-conflict")
	_, err = r.Apply(ctx, []byte(`groups: [{name: scans, features: [{name: n, value_type: STRING}]}]`), "application/yaml", registry.Options{AllowBreaking: true})
	requireFault(t, err, "value-type-conflict")
	version := group.SchemaVersion
	_, err = r.Apply(ctx, []byte(`groups: [{name: scans, id_column: null}]`), "application/yaml", registry.Options{})
	require.NoError(t, err)
	group, _ = r.Catalog().Group("scans")
	require.Nil(t, group.RowID())
	require.Greater(t, group.SchemaVersion, version, "who writes by the old definition must notice")
}
