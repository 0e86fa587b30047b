package registry_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/storetest/servers"
)

func TestWithoutItsDatabase(t *testing.T) {
	server := servers.StartPostgres(t)
	db, err := database.OpenPostgres(ctx, server.URL(), "registry", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer database.Close(db) //nolint:errcheck // a test
	r := startOn(t, db)
	define(t, r, "feature", ownersBody)

	require.NoError(t, server.Kill())
	_, err = r.Define(ctx, "feature", "", []byte(`{"name": "x", "entity_type": "customer", "value_type": "FLOAT"}`), registry.Options{})
	requireFault(t, err, "registry-unavailable")
	require.Equal(t, fault.Busy, mustFault(t, err).Kind)
	_, err = r.Refresh(ctx)
	requireFault(t, err, "registry-unavailable")
	_, err = r.Catalog().Resolve("customer", "purchase_count_30d")
	require.NoError(t, err, "what is known can still be read")

	require.NoError(t, server.Start())
	require.Eventually(t, func() bool {
		_, err := r.Define(ctx, "feature", "", []byte(`{"name": "x", "entity_type": "customer", "value_type": "FLOAT"}`), registry.Options{})
		return err == nil
	}, time.Minute, 50*time.Millisecond)
	require.EqualValues(t, 2, r.Catalog().Revision())
}

func TestAChangeThatIsCancelledChangesNothing(t *testing.T) {
	r := start(t)
	cancelled, cancel := context.WithCancel(ctx)
	r.Guards.Exact = func(context.Context, *registry.Feature) error { cancel(); return nil }
	drafts(t, r, "e", registry.Unregistered{Name: "n", ValueType: value.Integer})
	before := describe(r.Catalog())
	_, err := r.Define(cancelled, "feature", "", []byte(`{"name": "n", "entity_type": "e", "value_type": "FLOAT"}`), registry.Options{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = r.Refresh(ctx)
	require.NoError(t, err)
	require.Equal(t, before, describe(r.Catalog()))
}
