package alerts

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/registry"
)

// The scenarios begin with a group purchases, three alerts of it (range 1, nulls 2, fresh 3, which is resolved), and a sink at which file
// sink-url leads; the clock stands. Receivers are defined by the scenarios.
func TestHTTP(t *testing.T) {
	db := databasetest.SQLite(t)()
	require.NoError(t, registry.Migrate(t.Context(), db))
	definitions, err := registry.New(db, registry.DefaultConfig(), quiet, ReceiverKind())
	require.NoError(t, err)
	definitions.Clock = func() time.Time { return epoch }
	definitions.Guards.InUse = func(context.Context, *registry.Group) (bool, error) { return false, nil }
	require.NoError(t, definitions.Start(t.Context()))
	t.Cleanup(definitions.Stop)

	sink := newSink(t)
	sink.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			http.Error(w, "closed for today", http.StatusForbidden)
		}
	}
	c := testConfig(t)
	c.ExternalAddress = "https://features.example.org"
	secretFile(t, c, "sink-url", sink.URL+"/hook")
	secretFile(t, c, "broken-url", sink.URL+"/broken")
	clock := &fakeClock{now: epoch}
	a := process(t, db, c, Defined{definitions}, clock, quiet)
	server := httpapitest.Listen(t, httpapitest.Serve(quiet, definitions.Routes, a.Routes, func(api huma.API) { DefinitionRoutes(api, definitions) }))
	answer := server.Call(t, "POST /groups", `{"name": "purchases", "entity_type": "customer", "features": [{"name": "amount", "value_type": "FLOAT"}]}`)
	require.Equal(t, 201, answer.Status, answer.Body)

	whole := failing("fresh", epoch)
	whole.Feature, whole.Class, whole.Severity, whole.Owner = "", Source, Warn, ""
	require.NoError(t, a.Observe(t.Context(), failing("range", epoch)))
	require.NoError(t, a.Observe(t.Context(), failing("nulls", epoch)))
	require.NoError(t, a.Observe(t.Context(), whole))
	whole.Status, whole.At = Passed, epoch.Add(time.Second)
	require.NoError(t, a.Observe(t.Context(), whole))
	server.Run(t, "testdata/http/alerts.txt")
	server.Run(t, "testdata/http/silences.txt")
	server.Run(t, "testdata/http/definitions.txt")

	clock.Advance(time.Minute)
	server.Run(t, "testdata/http/receivers.txt")
	a.work(t)
	server.Run(t, "testdata/http/deliveries.txt")
	require.Len(t, sink.got, 6, "three tests and, of one run, three notifications")
}
