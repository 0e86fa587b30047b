package app

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/config"
	"featurestore/modules/store/storetest/servers"
)

// split is how compose.yaml and k8s/ share the roles out between two processes.
var split = [][]string{
	{config.Registry, config.Validation, config.Scheduler, config.Web},
	{config.Store, config.Materialization, config.Batch},
}

// paths are the paths that a process describes, by method.
func paths(t *testing.T, a *App) map[string][]string {
	_, _, body := get(t, "http://"+a.Addresses()[0]+"/openapi.json")
	var document struct {
		Paths map[string]map[string]struct{}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &document))
	found := map[string][]string{}
	for path, methods := range document.Paths {
		for method := range methods {
			found[path] = append(found[path], strings.ToUpper(method))
		}
		slices.Sort(found[path])
	}
	return found
}

func firstSegment(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first
}

// A process serves the paths of its roles and nothing else: each role alone, the two halves that are deployed, and all.
func TestRolesAreServedApart(t *testing.T) {
	postgres, schema := servers.Postgres(t)
	redis, prefix := servers.Redis(t)
	process := func(roles ...string) *App {
		c := settings(t, "FEATURESTORE_POSTGRES_URL="+postgres, "FEATURESTORE_POSTGRES_SCHEMA="+schema, "FEATURESTORE_REDIS_URL="+redis, "FEATURESTORE_REDIS_PREFIX="+prefix)
		c.Roles = roles
		return start(t, c)
	}
	whole := process(config.All)
	all := paths(t, whole)
	require.NoError(t, whole.Stop())
	owners := map[string]bool{}
	for path := range all {
		first := firstSegment(path)
		owner := roleOf(first)
		require.True(t, owner != "" || slices.Contains(everywhere, first), "%s stands in no row of the table of roles", path)
		owners[owner] = true
	}
	for _, r := range roles { // a module that is there serves all that the table says
		for _, first := range r.paths {
			served := slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(path string) bool { return firstSegment(path) == first })
			require.True(t, served || !owners[r.name], "the role %s serves no /%s", r.name, first)
		}
	}
	var cases [][]string
	for _, role := range config.Roles {
		cases = append(cases, []string{role})
	}
	for _, has := range append(cases, split...) {
		t.Run(strings.Join(has, ","), func(t *testing.T) {
			a := process(has...)
			want := map[string][]string{}
			for path, methods := range all {
				if owner := roleOf(firstSegment(path)); owner == "" || slices.Contains(has, owner) {
					want[path] = methods
				}
			}
			require.Equal(t, want, paths(t, a))
			for _, path := range []string{"/healthz", "/readyz", "/metrics", "/version", "/docs", "/runs"} {
				status, _, body := get(t, "http://"+a.Addresses()[0]+path)
				require.Equal(t, http.StatusOK, status, body)
			}
			for _, r := range roles {
				if slices.Contains(has, r.name) {
					continue
				}
				for _, first := range r.paths {
					status, header, body := get(t, "http://"+a.Addresses()[0]+"/"+first+"/something")
					require.Equal(t, http.StatusNotFound, status, body)
					require.Equal(t, "application/problem+json", header.Get("Content-Type"))
					require.Contains(t, body, `"type":"urn:featurestore:problem:another-role"`)
					require.Contains(t, body, "/"+first+" is served by the role "+r.name)
				}
			}
			require.NoError(t, a.Stop())
		})
	}
}

// Every role has its row, in the order of config, and no two serve the same paths.
func TestTableOfRoles(t *testing.T) {
	taken := slices.Clone(everywhere)
	for i, r := range roles {
		require.Equal(t, config.Roles[i], r.name)
		require.NotEmpty(t, r.work)
		require.True(t, slices.IsSorted(r.paths), r.name)
		for _, path := range r.paths {
			require.NotContains(t, taken, path)
			taken = append(taken, path)
		}
	}
	require.Len(t, roles, len(config.Roles))
	var out bytes.Buffer
	require.NoError(t, WriteRoles(&out))
	for _, r := range roles {
		require.Contains(t, out.String(), "\n"+r.name+" ")
		for _, path := range r.paths {
			require.Contains(t, out.String(), "/"+path)
		}
	}
	var shared []string
	for _, half := range split {
		shared = append(shared, half...)
	}
	require.ElementsMatch(t, config.Roles, shared, "what is deployed has every role once")
}

func TestAskHealth(t *testing.T) {
	a := start(t, settings(t))
	require.NoError(t, AskHealth(t.Context(), a.Addresses()))
	_, port, err := net.SplitHostPort(a.Addresses()[0])
	require.NoError(t, err)
	for _, everyAddress := range []string{":" + port, "0.0.0.0:" + port} {
		require.NoError(t, AskHealth(t.Context(), []string{everyAddress}))
	}
	down := func(context.Context) error { return context.DeadlineExceeded }
	for i := range a.checks {
		a.checks[i].perform = down
	}
	require.ErrorContains(t, AskHealth(t.Context(), a.Addresses()), "cannot answer: 503 Service Unavailable")
	require.NoError(t, a.Stop())
	require.ErrorContains(t, AskHealth(t.Context(), a.Addresses()), "no process answers on "+a.Addresses()[0])
}
