package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/database"
	"featurestore/config"
	"featurestore/modules/store/storetest/servers"
)

// A process says how it is set, without secrets, and how far the tables are.
func TestSettingsAndMigrations(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		c.Environment, c.Store.MaxRows = "laptop", 77
		api := caller{t, "http://" + start(t, c).Addresses()[0]}
		answer := api.call(200, "GET", "/settings", "")
		require.Equal(t, "laptop", answer["environment"])
		require.Equal(t, false, answer["read_only"])
		require.Len(t, answer["roles"], len(config.Roles))
		found := map[string]map[string]any{}
		for _, s := range answer["settings"].([]any) {
			s := s.(map[string]any)
			found[s["key"].(string)] = s
		}
		require.Equal(t, map[string]any{"key": "store.max_rows", "value": "77", "default": "10000", "differs": true}, found["store.max_rows"])
		require.Equal(t, map[string]any{"key": "log.level", "value": "info", "default": "info", "differs": false}, found["log.level"])
		require.Equal(t, false, found["engines.offline"]["differs"], "it was left to be chosen")

		answer = api.call(200, "GET", "/migrations", "")
		require.EqualValues(t, c.Engines.Registry, answer["engine"])
		require.EqualValues(t, database.Level, answer["level"])
		modules := []any{}
		for _, m := range answer["migrations"].([]any) {
			modules = append(modules, m.(map[string]any)["module"])
			require.Positive(t, m.(map[string]any)["version"])
		}
		require.Equal(t, []any{"database", "registry", "runs", "scheduler", "validation", "validation_alerts"}, modules)
	})
}

func TestSettingsMaskSecrets(t *testing.T) {
	postgres, schema := servers.Postgres(t)
	redis, prefix := servers.Redis(t)
	c := settings(t, "FEATURESTORE_POSTGRES_URL="+postgres, "FEATURESTORE_POSTGRES_SCHEMA="+schema, "FEATURESTORE_REDIS_URL="+redis, "FEATURESTORE_REDIS_PREFIX="+prefix)
	a := start(t, c)
	a.config.Postgres.URL, a.config.Redis.URL = "postgres://someone:hidden@db/features", "redis://:hidden@cache:6379"
	for _, path := range []string{"/settings", "/admin/system"} {
		_, _, body := get(t, "http://"+a.Addresses()[0]+path)
		require.Contains(t, body, "someone:***@db", path)
		require.Contains(t, body, "redis://:***@cache:6379", path)
		require.NotContains(t, body, "hidden@", path)
	}
}
