package registry_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// lasting are groups that were made while there was no registry.ttl.
const lasting = `
entity_types: [{name: shop}]
groups:
  - {name: old, entity_type: shop, features: [{name: a, value_type: FLOAT}]}`

func expiring(c *registry.Config) { c.TTL = 90 * 24 * time.Hour }

// startExpiring has groups of before and, from then on, registry.ttl.
func startExpiring(t *testing.T) *registry.Registry {
	open := databasetest.SQLite(t)
	apply(t, startOn(t, open()), lasting)
	return startOn(t, open(), expiring)
}

func TestGroupsThatSayNothingGetRegistryTTL(t *testing.T) {
	to := server(startExpiring(t))
	for _, c := range []call{
		{name: "of before", method: "GET", path: "/groups/old", status: 200, want: `{"ttl": null, "version": 1}`},
		{name: "of before, changed", method: "POST", path: "/groups", body: `{"name": "old", "owner": "ds"}`, status: 200, want: `{"ttl": null, "version": 2}`},
		{name: "applied again", method: "POST", path: "/apply", header: "Content-Type: application/yaml", body: lasting, status: 200, want: `{"unchanged": [{"kind": "entity_type", "name": "shop"},
			{"kind": "group", "name": "old"}, {"kind": "feature", "name": "old:a"}]}`},
		{name: "said nothing", method: "POST", path: "/groups", body: `{"name": "silent", "entity_type": "shop"}`, status: 201, want: `{"ttl": "90d"}`},
		{name: "said that it lasts", method: "POST", path: "/groups", body: `{"name": "null", "entity_type": "shop", "ttl": null}`, status: 201, want: `{"ttl": null}`},
		{name: "the same in a word", method: "POST", path: "/groups", body: `{"name": "word", "entity_type": "shop", "ttl": "none"}`, status: 201, want: `{"ttl": null}`},
		{name: "said how long", method: "POST", path: "/groups", body: `{"name": "said", "entity_type": "shop", "ttl": "36h"}`, status: 201, want: `{"ttl": "36h"}`},
		{name: "kept for less", method: "POST", path: "/groups", body: `{"name": "kept", "entity_type": "shop", "retention": "30d"}`, status: 201, want: `{"ttl": "30d"}`},
		{name: "events", method: "POST", path: "/groups", body: `{"name": "sold", "entity_type": "shop", "kind": "events"}`, status: 201, want: `{"ttl": null}`},
		{name: "what it has is no default any more", method: "POST", path: "/groups", body: `{"name": "silent", "ttl": null}`, status: 200, want: `{"ttl": null}`},
		{name: "a feature's own group", method: "POST", path: "/features", body: `{"name": "age", "entity_type": "till", "value_type": "FLOAT"}`, status: 201},
		{name: "has it too", method: "GET", path: "/groups/till", status: 200, want: `{"ttl": "90d"}`},
		{name: "made by PUT", method: "PUT", path: "/groups/put", body: `{"entity_type": "shop"}`, status: 201, want: `{"ttl": "90d"}`},
		{name: "the same PUT is the same group", method: "PUT", path: "/groups/put", body: `{"entity_type": "shop"}`, status: 200, want: `{"ttl": "90d", "version": 1}`},
		{name: "a PUT clears what was said", method: "PUT", path: "/groups/said", body: `{"entity_type": "shop"}`, status: 200, want: `{"ttl": "90d"}`},
		{name: "and can say that it lasts", method: "PUT", path: "/groups/said", body: `{"entity_type": "shop", "ttl": null}`, status: 200, want: `{"ttl": null}`},
	} {
		c.run(t, to)
	}
}

func TestDraftsGetRegistryTTL(t *testing.T) {
	r := start(t, expiring)
	_, err := r.RegisterUnregistered(ctx, "shop", []registry.Unregistered{{Name: "x", ValueType: value.Float}})
	require.NoError(t, err)
	group, found := r.Catalog().Group("shop")
	require.True(t, found)
	require.Equal(t, 90*24*time.Hour, group.TTL)
}

// An export makes a registry with another registry.ttl, or none, say the same.
func TestAnExportTakesTheTTLWithIt(t *testing.T) {
	r := startExpiring(t)
	apply(t, r, `groups: [{name: silent, entity_type: shop}, {name: sold, entity_type: shop, kind: events}]`)
	file := export(t, r, "application/yaml")
	for _, to := range []*registry.Registry{start(t), start(t, expiring), start(t, func(c *registry.Config) { c.TTL = time.Hour })} {
		apply(t, to, string(file))
		for name, ttl := range map[string]time.Duration{"old": 0, "silent": 90 * 24 * time.Hour, "sold": 0} {
			group, found := to.Catalog().Group(name)
			require.True(t, found, name)
			require.Equal(t, ttl, group.TTL, name)
		}
	}
}
