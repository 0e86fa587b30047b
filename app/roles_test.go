package app

import (
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/config"
	"featurestore/modules/store/storetest/servers"
)

// A process serves the roles it has: the calls of the others are not there.
func TestRolesAreServedApart(t *testing.T) {
	postgres, schema := servers.Postgres(t)
	redis, prefix := servers.Redis(t)
	calls := map[string]string{config.Registry: "/apply", config.Validation: "/drift", config.Store: "/push", config.Materialization: "/materialize"}
	require.Len(t, calls, len(config.Roles))
	for _, roles := range [][]string{{config.Registry}, {config.Validation}, {config.Store, config.Materialization}, {config.All}} {
		c := settings(t, "FEATURESTORE_POSTGRES_URL="+postgres, "FEATURESTORE_POSTGRES_SCHEMA="+schema, "FEATURESTORE_REDIS_URL="+redis, "FEATURESTORE_REDIS_PREFIX="+prefix)
		c.Roles = roles
		a := start(t, c)
		for role, path := range calls {
			status, _, body := get(t, "http://"+a.Addresses()[0]+path) // all but /apply are for POST only
			served := slices.Contains(roles, role) || slices.Contains(roles, config.All)
			require.Equal(t, served, status != http.StatusNotFound, "%v: %s answered %s", roles, path, body)
		}
		require.NoError(t, a.Stop())
	}
}
