package registry_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

// clock is a clock that goes on by a second with each look.
func clock() func() time.Time {
	now := time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

// start gives a registry on an embedded database of the test's own.
func start(t testing.TB, change ...func(*registry.Config)) *registry.Registry {
	return startOn(t, databasetest.SQLite(t)(), change...)
}

func startOn(t testing.TB, db *gorm.DB, change ...func(*registry.Config)) *registry.Registry {
	config := registry.DefaultConfig()
	config.Poll = 50 * time.Millisecond
	for _, c := range change {
		c(&config)
	}
	require.NoError(t, registry.Migrate(ctx, db))
	r, err := registry.New(db, config, slog.New(slog.DiscardHandler), ruleKind)
	require.NoError(t, err)
	r.Clock = clock()
	r.Guards.InUse = func(context.Context, *registry.Group) (bool, error) { return false, nil }
	require.NoError(t, r.Start(ctx))
	t.Cleanup(r.Stop)
	return r
}

// ruleKind stands for the kinds that other modules bring.
var ruleKind = &registry.Kind{
	Name:   "rule",
	Plural: "rules",
	Members: []registry.Member{
		{Name: "feature", Required: true, Read: registry.Text(200)},
		{Name: "params", Read: registry.ReadFree},
	},
	Check: func(after *registry.Catalog, _ string, members registry.Members) []fault.Violation {
		if _, err := after.ResolveReference(string(members["feature"][1 : len(members["feature"])-1])); err != nil {
			return []fault.Violation{{Location: "feature", Message: err.Error()}}
		}
		return nil
	},
	Reads: func(members registry.Members) []registry.Named {
		return []registry.Named{{Kind: "feature", Name: string(members["feature"][1 : len(members["feature"])-1])}}
	},
}

const ownersBody = `{"name": "customer_purchase_count_30d", "description": "Purchases in the last 30 days", "entity_type": "customer",
	"value_type": "INTEGER", "source": "orders", "category": "behaviour", "frequency": "DAILY", "owner": "ds", "tags": ["core"]}`

func define(t testing.TB, r *registry.Registry, kind, body string) *registry.Defined {
	d, err := r.Define(ctx, kind, "", []byte(body), registry.Options{})
	require.NoError(t, err)
	return d
}

func TestAFeatureIsRegistered(t *testing.T) {
	r := start(t)
	d := define(t, r, "feature", ownersBody)
	require.True(t, d.Created)
	require.Equal(t, "customer:customer_purchase_count_30d", d.Name)
	f, err := r.Catalog().Resolve("customer", "purchase_count_30d")
	require.NoError(t, err)
	require.Equal(t, value.Integer, f.ValueType)
	require.Equal(t, 1, f.Version)
	require.Equal(t, registry.Active, f.Status)
	require.Equal(t, []registry.JoinKey{{Name: "customer_id", ValueType: value.String}}, f.Group.EntityType.JoinKeys)
	require.Equal(t, 1, f.Group.SchemaVersion)
	require.EqualValues(t, 1, f.Ordinal)
	require.Equal(t, "customer_purchase_count_30d", f.Column)
	require.Equal(t, []string{"customer_purchase_count_30d", "purchase_count_30d"}, r.Catalog().ShortNames(f))

	d = define(t, r, "feature", ownersBody)
	require.False(t, d.Created)
	require.Len(t, d.Plan.Unchanged, 1)
	require.EqualValues(t, 1, d.Catalog.Revision())

	d = define(t, r, "feature", `{"name": "customer_purchase_count_30d", "entity_type": "customer", "owner": null, "description": "Other"}`)
	require.Equal(t, 2, d.Plan.Changed[0].Version)
	f, err = r.Catalog().Resolve("customer", "customer:customer_purchase_count_30d@1")
	require.NoError(t, err)
	require.Equal(t, "Other", f.Description)
	require.Empty(t, f.Owner)
	require.Equal(t, []string{"core"}, f.Tags)
}

func requireFault(t *testing.T, err error, slug string) {
	t.Helper()
	f, ok := fault.As(err)
	require.True(t, ok, "%v is no fault", err)
	require.Equal(t, slug, f.Slug, f.Detail)
}

func mustFault(t *testing.T, err error) *fault.Error {
	t.Helper()
	f, ok := fault.As(err)
	require.True(t, ok, "%v is no fault", err)
	return f
}
