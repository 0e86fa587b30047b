package registry_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/registry"
)

// call is one request to a registry that the calls before have left as it is, and what must come back.
type call struct {
	name   string
	method string
	path   string
	body   string
	header string // "Name: value", one a line
	status int
	want   string // JSON; members that it does not name are not compared. Of a problem: parts of it, one a line
}

// server mounts the registry's routes as the program does.
func server(r *registry.Registry) http.Handler {
	return httpapitest.Serve(slog.New(slog.DiscardHandler), r.Routes)
}

func (c call) send(t *testing.T, to http.Handler) *http.Response {
	request := httptest.NewRequest(c.method, "http://localhost"+c.path, strings.NewReader(c.body))
	for line := range strings.Lines(c.header) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	to.ServeHTTP(recorder, request)
	return recorder.Result()
}

func (c call) run(t *testing.T, to http.Handler) {
	t.Helper()
	answer := c.send(t, to)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, c.status, answer.StatusCode, "%s: %s", c.name, body)
	if c.status >= 400 {
		require.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"), c.name)
		for line := range strings.Lines(c.want) {
			require.Contains(t, string(body), strings.TrimSpace(line), c.name)
		}
		return
	}
	if c.want == "" {
		return
	}
	var got, want any
	require.NoError(t, json.Unmarshal(body, &got), "%s: %s", c.name, body)
	require.NoError(t, json.Unmarshal([]byte(c.want), &want), c.name)
	require.Equal(t, want, only(want, got), "%s: %s", c.name, body)
}

// only leaves of got the members that want has.
func only(want, got any) any {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return got
		}
		left := map[string]any{}
		for name := range w {
			if value, ok := g[name]; ok {
				left[name] = only(w[name], value)
			}
		}
		return left
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return got
		}
		left := make([]any, len(g))
		for i := range g {
			left[i] = only(w[i], g[i])
		}
		return left
	}
	return got
}

func TestFeatureRoutes(t *testing.T) {
	to := server(start(t))
	for _, c := range []call{
		{name: "the owner's call", method: "POST", path: "/features", body: ownersBody, status: 201, want: `{
			"name": "customer_purchase_count_30d", "description": "Purchases in the last 30 days", "entity_type": "customer", "group": "customer",
			"reference": "customer:customer_purchase_count_30d", "short_names": ["customer_purchase_count_30d", "purchase_count_30d"],
			"value_type": "INTEGER", "status": "active", "source": "orders", "category": "behaviour", "frequency": "DAILY", "owner": "ds",
			"tags": ["core"], "version": 1, "metadata": null, "default": null, "unit": "", "docs_url": "", "reason": "", "replacement": ""}`},
		{name: "again", method: "POST", path: "/features", body: ownersBody, status: 200, want: `{"version": 1}`},
		{name: "by curl -d", method: "POST", path: "/features", body: ownersBody, header: "Content-Type: application/x-www-form-urlencoded",
			status: 200, want: `{"version": 1}`},
		{name: "a changed member", method: "POST", path: "/features", body: `{"name": "customer_purchase_count_30d", "entity_type": "customer", "owner": "growth"}`,
			status: 200, want: `{"version": 2, "owner": "growth", "tags": ["core"]}`},
		{name: "null clears", method: "POST", path: "/features", body: `{"name": "customer_purchase_count_30d", "entity_type": "customer", "tags": null, "owner": ""}`,
			status: 200, want: `{"version": 3, "owner": "", "tags": []}`},
		{name: "another type", method: "POST", path: "/features", body: `{"name": "customer_purchase_count_30d", "entity_type": "customer", "value_type": "STRING"}`,
			status: 409, want: "breaking-change\nINTEGER and cannot become STRING\n\"location\":\"value_type\""},
		{name: "another type, dry run", method: "POST", path: "/features?dry_run=true", body: `{"name": "customer_purchase_count_30d", "entity_type": "customer", "value_type": "STRING", "owner": "x"}`,
			status: 200, want: `{"dry_run": true, "breaking": [{"kind": "feature", "name": "customer:customer_purchase_count_30d", "member": "value_type", "from": "INTEGER", "to": "STRING", "readers": []}],
				"changed": [{"kind": "feature", "version": 4, "members": [{"member": "owner", "from": null, "to": "x"}]}]}`},
		{name: "read", method: "GET", path: "/features/customer/customer_purchase_count_30d", status: 200, want: `{"version": 3}`},
		{name: "read by short name", method: "GET", path: "/features/customer/purchase_count_30d", status: 200, want: `{"name": "customer_purchase_count_30d"}`},
		{name: "read by reference", method: "GET", path: "/features/customer/customer:customer_purchase_count_30d", status: 200, want: `{"version": 3}`},
		{name: "read by escaped reference", method: "GET", path: "/features/customer/customer%3Acustomer_purchase_count_30d", status: 200, want: `{"version": 3}`},
		{name: "misspelt", method: "GET", path: "/features/customer/purchase_count_30", status: 404, want: "unknown-feature\ndid you mean \\\"purchase_count_30d\\\"?"},
		{name: "misspelt entity type", method: "GET", path: "/features/custmer/x", status: 404, want: "unknown-entity-type\ndid you mean \\\"customer\\\"?"},
		{name: "with a version", method: "GET", path: "/features/customer/purchase_count_30d@1", status: 400, want: "invalid-reference"},
		{name: "replace with an old ETag", method: "PUT", path: "/features/customer/purchase_count_30d", header: `If-Match: "2"`,
			body: `{"value_type": "INTEGER"}`, status: 412, want: "changed-meanwhile\nversion 3 now"},
		{name: "replace", method: "PUT", path: "/features/customer/purchase_count_30d", header: `If-Match: "3"`,
			body: `{"value_type": "INTEGER", "unit": "purchases"}`, status: 200, want: `{"version": 4, "description": "", "frequency": "", "unit": "purchases", "status": "active"}`},
		{name: "replace what is not there, if it is there", method: "PUT", path: "/features/customer/other", header: `If-Match: *`,
			body: `{"value_type": "INTEGER"}`, status: 412, want: "it does not exist"},
		{name: "make by PUT", method: "PUT", path: "/features/customer/age", body: `{"value_type": "INTEGER", "status": "draft"}`, status: 201,
			want: `{"status": "draft", "version": 1}`},
		{name: "contradict the URL", method: "PUT", path: "/features/customer/age", body: `{"name": "ages", "value_type": "INTEGER"}`, status: 422, want: `"location":"name"`},
		{name: "deprecate", method: "POST", path: "/features/customer/purchase_count_30d/deprecate", body: `{"reason": "miscounts", "replacement": "age"}`,
			status: 200, want: `{"status": "deprecated", "reason": "miscounts", "replacement": "customer:age", "version": 5}`},
		{name: "deprecate for nothing known", method: "POST", path: "/features/customer/purchase_count_30d/deprecate", body: `{"replacement": "agee"}`,
			status: 422, want: "did you mean \\\"age\\\"?"},
		{name: "deprecate for itself", method: "POST", path: "/features/customer/age/deprecate", body: `{"replacement": "age"}`, status: 422, want: "does not replace itself"},
		{name: "delete a draft that is in use", method: "DELETE", path: "/features/customer/age", status: 409, want: "in-use\nfeature customer:customer_purchase_count_30d"},
		{name: "archive", method: "POST", path: "/features/customer/purchase_count_30d/archive", status: 200, want: `{"status": "archived", "reason": "miscounts", "version": 6}`},
		{name: "back to life", method: "POST", path: "/features", body: `{"name": "customer_purchase_count_30d", "entity_type": "customer", "status": "active"}`,
			status: 200, want: `{"status": "active", "reason": "", "replacement": ""}`},
		{name: "no draft again", method: "POST", path: "/features", body: `{"name": "customer_purchase_count_30d", "entity_type": "customer", "status": "draft"}`,
			status: 422, want: "does not become a draft again"},
		{name: "delete what is no draft", method: "DELETE", path: "/features/customer/purchase_count_30d", status: 409, want: "not-a-draft"},
		{name: "delete, dry run", method: "DELETE", path: "/features/customer/age?dry_run=true", status: 200, want: `{"deleted": [{"kind": "feature", "name": "customer:age"}]}`},
		{name: "delete", method: "DELETE", path: "/features/customer/age", status: 200, want: `{"dry_run": false, "deleted": [{"kind": "feature", "name": "customer:age"}]}`},
		{name: "delete again", method: "DELETE", path: "/features/customer/age", status: 404, want: "unknown-feature"},
		{name: "make again", method: "POST", path: "/features", body: `{"name": "age", "entity_type": "customer", "value_type": "FLOAT"}`, status: 201, want: `{"version": 3}`},
		{name: "versions of what came back", method: "GET", path: "/features/customer/age/versions", status: 200, want: `{"versions": [
			{"version": 3, "action": "created", "definition": {"value_type": "FLOAT", "status": "active"}},
			{"version": 2, "action": "deleted"},
			{"version": 1, "action": "created", "changes": [], "changed_at": "2026-01-02T03:04:16.123456Z"}]}`},
		{name: "what changed", method: "GET", path: "/features/customer/purchase_count_30d/versions?limit=1&page_token=3", status: 200, want: `{"versions": [
			{"version": 2, "action": "changed", "changes": [{"member": "owner", "from": "ds", "to": "growth"}]}], "next_page_token": "2"}`},
		{name: "bad token", method: "GET", path: "/features/customer/age/versions?page_token=x", status: 400, want: "invalid-page-token"},
		{name: "a default", method: "POST", path: "/features", body: `{"name": "age", "entity_type": "customer", "default": 1.5, "metadata": {"b": [1, {"d": 12345678901234567890, "c": null}], "a": "x"}}`,
			status: 200, want: `{"default": 1.5, "metadata": {"a": "x", "b": [1, {"c": null, "d": 12345678901234567890}]}}`},
		{name: "a default that does not fit", method: "POST", path: "/features", body: `{"name": "age", "entity_type": "customer", "default": "x"}`, status: 422, want: `"location":"default"`},
	} {
		c.run(t, to)
	}
}

func TestGroupRoutes(t *testing.T) {
	to := server(start(t))
	for _, c := range []call{
		{name: "with features", method: "POST", path: "/groups", body: `{"name": "purchases", "entity_type": "customer", "ttl": "24h",
			"features": [{"name": "amount", "value_type": "FLOAT"}, {"name": "count", "value_type": "INTEGER"}]}`, status: 201,
			want: `{"name": "purchases", "kind": "features", "ttl": "24h", "id_column": null, "schema_version": 1, "version": 1, "features": [
				{"name": "amount", "group": "purchases", "entity_type": "customer", "version": 1}, {"name": "count"}]}`},
		{name: "again", method: "POST", path: "/groups", body: `{"name": "purchases", "ttl": "24h"}`, status: 200, want: `{"version": 1}`},
		{name: "another ttl", method: "POST", path: "/groups", body: `{"name": "purchases", "ttl": "15m"}`, status: 200, want: `{"version": 2, "ttl": "15m"}`},
		{name: "for ever", method: "POST", path: "/groups", body: `{"name": "purchases", "ttl": null}`, status: 200, want: `{"version": 3, "ttl": null, "schema_version": 1}`},
		{name: "a retention", method: "POST", path: "/groups", body: `{"name": "purchases", "ttl": "24h", "retention": "1d"}`, status: 200,
			want: `{"version": 4, "ttl": "24h", "retention": "1d", "schema_version": 1}`},
		{name: "a ttl beyond it", method: "POST", path: "/groups", body: `{"name": "purchases", "ttl": "25h"}`, status: 422, want: "shorter than the ttl, 25h\n\"location\":\"retention\""},
		{name: "bad retention", method: "POST", path: "/groups", body: `{"name": "purchases", "retention": "0d"}`, status: 422, want: "longer than nothing\n\"location\":\"retention\""},
		{name: "kept for ever", method: "POST", path: "/groups", body: `{"name": "purchases", "ttl": null, "retention": null}`, status: 200, want: `{"version": 5, "ttl": null, "retention": null}`},
		{name: "bad ttl", method: "POST", path: "/groups", body: `{"name": "purchases", "ttl": "1.5h"}`, status: 422, want: "15m, 24h or 90d\n\"location\":\"ttl\""},
		{name: "ttl as a number", method: "POST", path: "/groups", body: `{"name": "purchases", "ttl": 3600}`, status: 422, want: "15m, 24h or 90d"},
		{name: "another feature", method: "POST", path: "/groups", body: `{"name": "purchases", "features": [{"name": "last", "value_type": "TIMESTAMP"}]}`, status: 200,
			want: `{"version": 5, "schema_version": 2, "features": [{"name": "amount"}, {"name": "count"}, {"name": "last"}]}`},
		{name: "another kind", method: "POST", path: "/groups", body: `{"name": "purchases", "kind": "events"}`, status: 409, want: "breaking-change"},
		{name: "events", method: "POST", path: "/groups", body: `{"name": "clicks", "entity_type": "customer", "kind": "events", "id_column": "click_id", "retention": "30d",
			"features": [{"name": "click_id", "value_type": "STRING"}]}`, status: 201, want: `{"kind": "events", "id_column": "click_id", "ttl": null, "retention": "30d"}`},
		{name: "read", method: "GET", path: "/groups/purchases", status: 200, want: `{"version": 5}`},
		{name: "misspelt", method: "GET", path: "/groups/purchase", status: 404, want: "unknown-group\ndid you mean \\\"purchases\\\"?"},
		{name: "list", method: "GET", path: "/groups?limit=1", status: 200, want: `{"groups": [{"name": "purchases"}], "next_page_token": "2"}`},
		{name: "the rest", method: "GET", path: "/groups?page_token=2", status: 200, want: `{"groups": [{"name": "clicks"}]}`},
		{name: "of an entity type", method: "GET", path: "/groups?entity_type=customer", status: 200, want: `{"groups": [{}, {}]}`},
		{name: "of none", method: "GET", path: "/groups?entity_type=custome", status: 404, want: "unknown-entity-type"},
		{name: "replace", method: "PUT", path: "/groups/purchases", header: `If-Match: W/"5"`, body: `{"description": "All"}`, status: 200,
			want: `{"version": 6, "entity_type": "customer", "features": [{}, {}, {}]}`},
		{name: "replace an old one", method: "PUT", path: "/groups/purchases", header: `If-Match: "1", "3"`, body: `{}`, status: 412, want: "changed-meanwhile"},
		{name: "versions", method: "GET", path: "/groups/purchases/versions", status: 200, want: `{"versions": [{"version": 6}, {"version": 5}, {"version": 4}, {"version": 3}, {"version": 2}, {"version": 1}]}`},
		{name: "versions of none", method: "GET", path: "/groups/purchase/versions", status: 404, want: "unknown-group"},
		{name: "dry run", method: "POST", path: "/groups?dry_run=true", body: `{"name": "new", "entity_type": "shop"}`, status: 200,
			want: `{"dry_run": true, "created": [{"kind": "entity_type", "name": "shop"}, {"kind": "group", "name": "new"}]}`},
		{name: "which made nothing", method: "GET", path: "/groups/new", status: 404, want: "unknown-group"},
		{name: "delete", method: "DELETE", path: "/groups/purchases", status: 200,
			want: `{"deleted": [{"kind": "group", "name": "purchases"}, {"kind": "feature"}, {"kind": "feature"}, {"kind": "feature"}]}`},
	} {
		c.run(t, to)
	}
}

func TestServiceRoutes(t *testing.T) {
	to := server(start(t))
	for _, c := range []call{
		{name: "a feature", method: "POST", path: "/features", body: `{"name": "x", "entity_type": "customer", "value_type": "FLOAT"}`, status: 201},
		{name: "another", method: "POST", path: "/features", body: `{"name": "y", "entity_type": "shop", "value_type": "FLOAT"}`, status: 201},
		{name: "make", method: "POST", path: "/services", body: `{"name": "churn", "features": ["y", "customer:x@1"], "owner": "ds"}`, status: 201,
			want: `{"name": "churn", "features": ["shop:y", "customer:x@1"], "entity_types": ["shop", "customer"], "version": 1}`},
		{name: "again", method: "POST", path: "/services", body: `{"name": "churn", "features": ["shop:y", "customer:x@1"]}`, status: 200, want: `{"version": 1}`},
		{name: "the same in other words", method: "POST", path: "/services", body: `{"name": "churn", "features": ["y@1", "x"]}`, status: 200, want: `{"version": 2}`},
		{name: "unknown", method: "POST", path: "/services", body: `{"name": "churn", "features": ["z", 1]}`, status: 422, want: `"location":"features[1]"`},
		{name: "unknown feature", method: "POST", path: "/services", body: `{"name": "churn", "features": ["z"]}`, status: 422, want: `"location":"features[0]"`},
		{name: "unknown version", method: "POST", path: "/services", body: `{"name": "churn", "features": ["x@2"]}`, status: 422, want: "has no version 2"},
		{name: "feature in use", method: "DELETE", path: "/features/shop/y", status: 409, want: "in-use\nservice churn"},
		{name: "group in use", method: "DELETE", path: "/groups/shop", status: 409, want: "in-use\nservice churn"},
		{name: "entity type in use", method: "DELETE", path: "/entity-types/shop", status: 409, want: "in-use\ngroup shop"},
		{name: "read", method: "GET", path: "/services/churn", status: 200, want: `{"version": 2}`},
		{name: "misspelt", method: "GET", path: "/services/chrun", status: 404, want: "did you mean \\\"churn\\\"?"},
		{name: "list", method: "GET", path: "/services", status: 200, want: `{"services": [{"name": "churn", "owner": "ds"}]}`},
		{name: "replace", method: "PUT", path: "/services/churn", body: `{"features": ["x"]}`, status: 200, want: `{"owner": "", "features": ["customer:x"]}`},
		{name: "replace by nothing", method: "PUT", path: "/services/churn", body: `{}`, status: 422, want: "features: must be given"},
		{name: "versions", method: "GET", path: "/services/churn/versions?limit=1", status: 200, want: `{"versions": [{"version": 3}], "next_page_token": "3"}`},
		{name: "delete an old one", method: "DELETE", path: "/services/churn", header: `If-Match: "2"`, status: 412, want: "changed-meanwhile"},
		{name: "delete", method: "DELETE", path: "/services/churn", header: `If-Match: "3"`, status: 200, want: `{"deleted": [{"kind": "service", "name": "churn"}]}`},
		{name: "again", method: "DELETE", path: "/services/churn", status: 404, want: "unknown-service"},
		{name: "versions stay", method: "GET", path: "/services/churn/versions", status: 200, want: `{"versions": [{"action": "deleted"}, {}, {}, {}]}`},
	} {
		c.run(t, to)
	}
}

func TestEntityTypeRoutes(t *testing.T) {
	to := server(start(t))
	for _, c := range []call{
		{name: "make", method: "POST", path: "/entity-types", body: `{"name": "shop", "join_keys": [{"name": "region"}, {"name": "number", "value_type": "INTEGER"}]}`, status: 201,
			want: `{"name": "shop", "join_keys": [{"name": "region", "value_type": "STRING"}, {"name": "number", "value_type": "INTEGER"}], "groups": [], "features": [], "version": 1}`},
		{name: "make without keys", method: "PUT", path: "/entity-types/customer", body: `{}`, status: 201, want: `{"join_keys": [{"name": "customer_id", "value_type": "STRING"}]}`},
		{name: "a feature", method: "POST", path: "/features", body: `{"name": "x", "entity_type": "shop", "value_type": "FLOAT"}`, status: 201},
		{name: "read", method: "GET", path: "/entity-types/shop", status: 200, want: `{"groups": ["shop"], "features": [{"name": "x"}]}`},
		{name: "misspelt", method: "GET", path: "/entity-types/shpo", status: 404, want: "did you mean \\\"shop\\\"?"},
		{name: "list", method: "GET", path: "/entity-types", status: 200, want: `{"entity_types": [{"name": "shop", "groups": ["shop"]}, {"name": "customer"}]}`},
		{name: "other keys", method: "POST", path: "/entity-types", body: `{"name": "shop", "join_keys": [{"name": "region"}]}`, status: 409, want: "while it has groups"},
		{name: "other types", method: "POST", path: "/entity-types", body: `{"name": "shop", "join_keys": [{"name": "region"}, {"name": "number", "value_type": "STRING"}]}`, status: 200, want: `{"version": 2}`},
		{name: "a key of FLOAT", method: "POST", path: "/entity-types", body: `{"name": "other", "join_keys": [{"name": "a", "value_type": "FLOAT"}]}`, status: 422, want: "INTEGER or STRING"},
		{name: "a key twice", method: "POST", path: "/entity-types", body: `{"name": "other", "join_keys": [{"name": "a"}, {"name": "a"}]}`, status: 422, want: `"location":"join_keys[1].name"`},
		{name: "a key with more", method: "POST", path: "/entity-types", body: `{"name": "other", "join_keys": [{"name": "a", "nullable": true}]}`, status: 422, want: `"location":"join_keys[0].nullable"`},
		{name: "no keys", method: "POST", path: "/entity-types", body: `{"name": "other", "join_keys": []}`, status: 422, want: "1 to 16 join keys"},
		{name: "keys as text", method: "POST", path: "/entity-types", body: `{"name": "other", "join_keys": ["a"]}`, status: 422, want: `"location":"join_keys[0]"`},
		{name: "too long a name for a key", method: "POST", path: "/entity-types", body: `{"name": "` + strings.Repeat("a", 46) + `"}`, status: 422, want: "the name is too long"},
		{name: "delete", method: "DELETE", path: "/entity-types/customer", status: 200, want: `{"deleted": [{"kind": "entity_type", "name": "customer"}]}`},
		{name: "versions", method: "GET", path: "/entity-types/customer/versions", status: 200, want: `{"versions": [{"action": "deleted"}, {"action": "created"}]}`},
	} {
		c.run(t, to)
	}
}

func TestSearch(t *testing.T) {
	r := start(t)
	to := server(r)
	apply(t, r, `
groups:
- name: money
  entity_type: customer
  features:
  - {name: amount, value_type: FLOAT, description: Sum of purchases, owner: ds, tags: [core, money]}
  - {name: mean, value_type: FLOAT, description: Mean of purchases, owner: ds, tags: [core], status: draft}
- name: clicks
  entity_type: visitor
  features:
  - {name: count, value_type: INTEGER, owner: growth, source: Web, tags: [core, money]}
`)
	for _, c := range []call{
		{name: "all", path: "/features", want: `{"total": 3, "features": [{"name": "amount"}, {"name": "mean"}, {"name": "count"}]}`},
		{name: "a word", path: "/features?search=PURCHASES", want: `{"total": 2, "features": [{"name": "amount"}, {"name": "mean"}]}`},
		{name: "two words", path: "/features?search=purchases+mean", want: `{"features": [{"name": "mean"}]}`},
		{name: "a source", path: "/features?search=web", want: `{"features": [{"name": "count"}]}`},
		{name: "a reference", path: "/features?search=money:am", want: `{"features": [{"name": "amount"}]}`},
		{name: "a tag", path: "/features?tag=money", want: `{"features": [{"name": "amount"}, {"name": "count"}]}`},
		{name: "two tags", path: "/features?tag=money&tag=core&owner=ds", want: `{"features": [{"name": "amount"}]}`},
		{name: "an entity type", path: "/features?entity_type=visitor", want: `{"features": [{"name": "count"}]}`},
		{name: "a group", path: "/features?group=money&status=active", want: `{"features": [{"name": "amount"}]}`},
		{name: "drafts", path: "/features?status=draft", want: `{"features": [{"name": "mean"}]}`},
		{name: "nothing", path: "/features?search=%25", want: `{"total": 0, "features": []}`},
		{name: "a page", path: "/features?limit=2", want: `{"total": 3, "features": [{"name": "amount"}, {"name": "mean"}], "next_page_token": "6"}`},
		{name: "the next", path: "/features?limit=2&page_token=6", want: `{"total": 3, "features": [{"name": "count"}]}`},
		{name: "a page of a search", path: "/features?search=core&limit=2", want: `{"total": 3, "features": [{"name": "count"}, {"name": "amount"}], "next_page_token": "MyBtb25leTphbW91bnQ"}`},
		{name: "the next of it", path: "/features?search=core&limit=2&page_token=MyBtb25leTphbW91bnQ", want: `{"total": 3, "features": [{"name": "mean"}]}`},
		{name: "the token of a list", path: "/features?search=core&page_token=6", status: 400, want: "invalid-page-token\nthe same search"},
		{name: "the token of a search", path: "/features?page_token=MyBtb25leTphbW91bnQ", status: 400, want: "invalid-page-token"},
		{name: "a token that was changed", path: "/features?search=core&page_token=OSBtb25leTphbW91bnQ", status: 400, want: "invalid-page-token"},
		{name: "sorted by name", path: "/features?sort=name&limit=2", want: `{"total": 3, "features": [{"name": "amount"}, {"name": "count"}], "next_page_token": "7"}`},
		{name: "the next of them", path: "/features?sort=name&limit=2&page_token=7", want: `{"total": 3, "features": [{"name": "mean"}]}`},
		{name: "a search that is sorted", path: "/features?search=purchases&sort=status", want: `{"total": 2, "features": [{"name": "amount"}, {"name": "mean"}]}`},
		{name: "sorted by group", path: "/features?sort=group", want: `{"features": [{"name": "count"}, {"name": "amount"}, {"name": "mean"}]}`},
		{name: "a page of what is not among them", path: "/features?sort=name&group=clicks&page_token=1", status: 400, want: "invalid-page-token\nthe same filters"},
		{name: "unknown order", path: "/features?sort=size", status: 422, want: "query.sort"},
		{name: "unknown status", path: "/features?status=new", status: 422, want: "query.status"},
		{name: "unknown group", path: "/features?group=mony", status: 404, want: "did you mean \\\"money\\\"?"},
		{name: "negative limit", path: "/features?limit=-1", status: 422, want: "query.limit"},
		{name: "misspelt parameter", path: "/features?serch=x", status: 400, want: "query.serch"},
	} {
		c.method = "GET"
		if c.status == 0 {
			c.status = 200
		}
		c.run(t, to)
	}
}

func TestApplyRoutes(t *testing.T) {
	r := start(t)
	to := server(r)
	for _, c := range []call{
		{name: "empty", method: "GET", path: "/apply", header: "Accept: application/json", status: 200, want: `{}`},
		{name: "what would be", method: "POST", path: "/apply?dry_run=true", body: file, header: "Content-Type: application/yaml", status: 200, want: `{"dry_run": true, "changed": []}`},
		{name: "YAML", method: "POST", path: "/apply", body: file, header: "Content-Type: application/yaml", status: 200, want: `{"dry_run": false, "not_named": [], "unchanged": []}`},
		{name: "by curl --data-binary", method: "POST", path: "/apply", body: file, header: "Content-Type: application/x-www-form-urlencoded", status: 200, want: `{"created": [], "changed": []}`},
		{name: "JSON", method: "POST", path: "/apply", body: `{"services": [{"name": "churn", "owner": "ds"}]}`, header: "Content-Type: application/json", status: 200,
			want: `{"changed": [{"kind": "service", "name": "churn", "version": 2, "members": [{"member": "owner", "from": null, "to": "ds"}]}]}`},
		{name: "JSON that says YAML", method: "POST", path: "/apply", body: `{"services": [{"name": "churn", "owner": "\ud83d\ude00"}]}`, header: "Content-Type: application/yaml", status: 200,
			want: `{"changed": [{"members": [{"from": "ds", "to": "😀"}]}]}`},
		{name: "a form", method: "POST", path: "/apply", body: file, header: "Content-Type: multipart/form-data; boundary=x", status: 415, want: "unsupported-content-type"},
		{name: "compressed", method: "POST", path: "/apply", body: file, header: "Content-Encoding: gzip", status: 415, want: "unsupported-content-encoding"},
		{name: "empty body", method: "POST", path: "/apply", status: 400, want: "empty-body"},
		{name: "broken JSON", method: "POST", path: "/apply", body: `{"services": [`, status: 400, want: "invalid-json\nends too early"},
		{name: "too large", method: "POST", path: "/apply", body: `{"services": "` + strings.Repeat("x", 17<<20) + `"}`, status: 413, want: "body-too-large"},
	} {
		c.run(t, to)
	}
	answer := call{method: "GET", path: "/apply"}.send(t, to)
	require.Equal(t, "application/yaml", answer.Header.Get("Content-Type"))
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, exportedFile, string(body))
}

const exportedFile = `entity_types:
    - name: customer
      join_keys: [{name: customer_id, value_type: STRING}]
groups:
    - name: purchases
      entity_type: customer
      kind: events
      retention: 1825d
      id_column: order_id
      features:
        - name: order_id
          value_type: STRING
        - name: amount
          value_type: FLOAT
          unit: USD
    - name: customer_purchases
      entity_type: customer
      ttl: 90d
      features:
        - name: customer_purchase_count_30d
          value_type: INTEGER
          description: Purchases in the last 30 days
          tags: [core]
          frequency: DAILY
        - name: avg_order_value_90d
          value_type: FLOAT
services:
    - name: churn
      features: ['customer_purchases:customer_purchase_count_30d', 'customer_purchases:avg_order_value_90d']
      owner: "\U0001F600"
rules:
    - name: value_range
      feature: customer_purchases:avg_order_value_90d
      params:
        max: 10000
        min: 0
`

func TestBadBodies(t *testing.T) {
	r := start(t)
	to := server(r)
	define(t, r, "feature", ownersBody)
	before := describe(r.Catalog())
	const rest = `, "entity_type": "customer", "value_type": "INTEGER"`
	for _, c := range []call{
		{name: "empty", body: "", status: 400, want: "empty-body"},
		{name: "space", body: " \n", status: 400, want: "empty-body"},
		{name: "no JSON", body: "name=x", status: 400, want: "invalid-json"},
		{name: "cut off", body: `{"name": "x"`, status: 400, want: "ends too early"},
		{name: "two values", body: `{"name": "x"} {}`, status: 400, want: "goes on after"},
		{name: "a list", body: `[{"name": "x"` + rest + `}]`, status: 422, want: "expected an object, got a list"},
		{name: "null", body: `null`, status: 422, want: "got null"},
		{name: "a member twice", body: `{"name": "x", "name": "x"` + rest + `}`, status: 400, want: "given twice\n\"location\":\"name\""},
		{name: "a nested member twice", body: `{"name": "x", "metadata": {"a": [{"b": 1, "b": 1}]}` + rest + `}`, status: 400, want: "\"location\":\"metadata.a[0].b\""},
		{name: "invalid UTF-8", body: "{\"name\": \"x\", \"owner\": \"\xff\"" + rest + "}", status: 400, want: "invalid-json"},
		{name: "half a surrogate", body: `{"name": "x", "owner": "\ud800"` + rest + `}`, status: 400, want: "invalid-json"},
		{name: "NUL", body: `{"name": "x", "owner": "a\u0000"` + rest + `}`, status: 422, want: "NUL is not allowed\n\"location\":\"owner\""},
		{name: "NUL in metadata", body: `{"name": "x", "metadata": {"a": ["\u0000"]}` + rest + `}`, status: 422, want: "NUL is not allowed"},
		{name: "NUL as a byte", body: "{\"name\": \"x\x00\"" + rest + "}", status: 400, want: "invalid-json"},
		{name: "too deep", body: `{"name": "x", "metadata": ` + strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100) + rest + `}`, status: 400, want: "nested deeper than 64"},
		{name: "unknown member", body: `{"name": "x", "desciption": "y"` + rest + `}`, status: 422, want: "did you mean \\\"description\\\"?\n\"location\":\"desciption\""},
		{name: "a member in other case", body: `{"Name": "x"` + rest + `}`, status: 422, want: "unknown member"},
		{name: "no name", body: `{"entity_type": "customer", "value_type": "INTEGER"}`, status: 422, want: "name: must be given"},
		{name: "name is null", body: `{"name": null` + rest + `}`, status: 422, want: "name: must be given"},
		{name: "name is empty", body: `{"name": ""` + rest + `}`, status: 422, want: "a name is 1 to 48"},
		{name: "name is a number", body: `{"name": 1` + rest + `}`, status: 422, want: "expected a string, got a number"},
		{name: "upper case", body: `{"name": "Age"` + rest + `}`, status: 422, want: "\"value\":\"Age\""},
		{name: "two underscores", body: `{"name": "a__b"` + rest + `}`, status: 422, want: "has no __"},
		{name: "too long", body: `{"name": "` + strings.Repeat("a", 49) + `"` + rest + `}`, status: 422, want: "1 to 48"},
		{name: "SQL", body: `{"name": "x\"; DROP TABLE registry_state; --"` + rest + `}`, status: 422, want: "invalid-definition"},
		{name: "reserved", body: `{"name": "event_time"` + rest + `}`, status: 422, want: "reserved"},
		{name: "join key", body: `{"name": "customer_id"` + rest + `}`, status: 422, want: "join key"},
		{name: "no entity type", body: `{"name": "x", "value_type": "INTEGER"}`, status: 422, want: "entity_type: must be given"},
		{name: "bad entity type", body: `{"name": "x", "entity_type": "../customer", "value_type": "INTEGER"}`, status: 422, want: "\"location\":\"entity_type\""},
		{name: "no value type", body: `{"name": "x", "entity_type": "customer"}`, status: 422, want: "value_type: must be given"},
		{name: "value type null", body: `{"name": "customer_purchase_count_30d", "entity_type": "customer", "value_type": null}`, status: 422, want: "value_type: must be given"},
		{name: "unknown value type", body: `{"name": "x", "entity_type": "customer", "value_type": "int"}`, status: 422, want: "use BOOLEAN, INTEGER"},
		{name: "array of JSON", body: `{"name": "x", "entity_type": "customer", "value_type": "JSON[]"}`, status: 422, want: "is no value type"},
		{name: "frequency", body: `{"name": "x", "frequency": "daily"` + rest + `}`, status: 422, want: "use REAL_TIME, HOURLY"},
		{name: "status", body: `{"name": "x", "status": "deleted"` + rest + `}`, status: 422, want: "use draft, active"},
		{name: "tags as text", body: `{"name": "x", "tags": "core"` + rest + `}`, status: 422, want: "expected a list of strings"},
		{name: "tag twice", body: `{"name": "x", "tags": ["a", "a"]` + rest + `}`, status: 422, want: "\"location\":\"tags[1]\""},
		{name: "tag of a number", body: `{"name": "x", "tags": [1]` + rest + `}`, status: 422, want: "\"location\":\"tags[0]\""},
		{name: "too many tags", body: `{"name": "x", "tags": [` + strings.Repeat(`"a",`, 50) + `"b"]` + rest + `}`, status: 422, want: "51 entries"},
		{name: "long description", body: `{"name": "x", "description": "` + strings.Repeat("a", 10_001) + `"` + rest + `}`, status: 422, want: "longer than 10000 bytes"},
		{name: "metadata as a list", body: `{"name": "x", "metadata": []` + rest + `}`, status: 422, want: "expected an object, got a list"},
		{name: "large metadata", body: `{"name": "x", "metadata": {"a": "` + strings.Repeat("a", 70_000) + `"}` + rest + `}`, status: 422, want: "larger than 65536 bytes"},
		{name: "number out of range", body: `{"name": "x", "metadata": {"a": 1e999}` + rest + `}`, status: 422, want: "out of range"},
		{name: "NaN", body: `{"name": "x", "metadata": {"a": NaN}` + rest + `}`, status: 400, want: "invalid-json"},
		{name: "docs url", body: `{"name": "x", "docs_url": "javascript:alert(1)"` + rest + `}`, status: 422, want: "http or https"},
		{name: "default of another type", body: `{"name": "x", "default": "a"` + rest + `}`, status: 422, want: "\"location\":\"default\""},
		{name: "default beyond 64 bits", body: `{"name": "x", "default": 9223372036854775808` + rest + `}`, status: 422, want: "\"location\":\"default\""},
		{name: "unknown replacement", body: `{"name": "x", "status": "deprecated", "replacement": "customer:y"` + rest + `}`, status: 422, want: "\"location\":\"replacement\""},
		{name: "reason of an active one", body: `{"name": "x", "reason": "y"` + rest + `}`, status: 422, want: "\"location\":\"reason\""},
		{name: "unknown group", body: `{"name": "x", "group": "none"` + rest + `}`, status: 422, want: "\"location\":\"group\""},
		{name: "huge", body: `{"name": "x", "description": "` + strings.Repeat("a", 2<<20) + `"` + rest + `}`, status: 413, want: "body-too-large"},
		{name: "XML", body: `<a/>`, header: "Content-Type: application/xml", status: 415, want: "unsupported-content-type"},
		{name: "text", body: `{"name": "x"` + rest + `}`, header: "Content-Type: text/plain", status: 415, want: "unsupported-content-type"},
		{name: "compressed", body: `{"name": "x"` + rest + `}`, header: "Content-Encoding: gzip", status: 415, want: "unsupported-content-encoding"},
	} {
		c.method, c.path = "POST", "/features"
		c.run(t, to)
	}
	for _, c := range []call{
		{name: "path tricks", method: "GET", path: "/features/customer/..%2f..%2fetc", status: 404, want: "unknown-feature"},
		{name: "percent twice", method: "GET", path: "/features/customer/%2561ge", status: 404, want: "%61ge"},
		{name: "unknown parameter", method: "POST", path: "/features?dryrun=true", body: ownersBody, status: 400, want: "query.dryrun"},
		{name: "dry_run of a word", method: "POST", path: "/features?dry_run=maybe", body: ownersBody, status: 422, want: "query.dry_run"},
		{name: "bad name in the URL", method: "PUT", path: "/groups/Bad", body: `{}`, status: 422, want: `"location":"name"`},
		{name: "bad feature in the URL", method: "PUT", path: "/features/customer/Bad", body: `{"value_type": "INTEGER"}`, status: 422, want: `"location":"name"`},
		{name: "bad entity type in the URL", method: "PUT", path: "/features/Customer/x", body: `{"value_type": "INTEGER"}`, status: 422, want: "a name is 1 to 48"},
		{name: "deprecate with more", method: "POST", path: "/features/customer/purchase_count_30d/deprecate", body: `{"status": "active"}`, status: 422, want: "takes reason and replacement"},
		{name: "deprecate with a list", method: "POST", path: "/features/customer/purchase_count_30d/deprecate", body: `[]`, status: 422, want: "expected an object"},
		{name: "deprecate nothing", method: "POST", path: "/features/customer/x/deprecate", status: 404, want: "unknown-feature"},
		{name: "delete nothing", method: "DELETE", path: "/entity-types/none", status: 404, want: "unknown-entity-type"},
	} {
		c.run(t, to)
	}
	_, err := r.Refresh(ctx)
	require.NoError(t, err)
	require.Equal(t, before, describe(r.Catalog()), "no bad request may change anything")
}

// TestWhatIsAnsweredCanBeSentBack replaces each definition by itself.
func TestWhatIsAnsweredCanBeSentBack(t *testing.T) {
	r := start(t)
	to := server(r)
	apply(t, r, file)
	for _, path := range []string{"/features/customer/customer_purchase_count_30d", "/groups/customer_purchases", "/groups/purchases", "/services/churn", "/entity-types/customer"} {
		answer := call{method: "GET", path: path}.send(t, to)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		call{name: path, method: "PUT", path: path, body: string(body), header: "If-Match: " + answer.Header.Get("ETag"), status: 200, want: `{"version": 1}`}.run(t, to)
	}
	require.EqualValues(t, 1, r.Catalog().Revision())
}

// export is the answer of GET /apply.
func export(t *testing.T, r *registry.Registry, accept string) []byte {
	answer := call{method: "GET", path: "/apply", header: "Accept: " + accept}.send(t, server(r))
	require.Equal(t, 200, answer.StatusCode)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return body
}
