package app

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/config"
)

// A job beside other processes, and alone in a folder, brings copies in step and ends.
func TestMaterializeOnce(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	where := installation(t)
	apart := settings(t, where...)
	apart.Roles = []string{config.Registry, config.Store} // which keep no copies in step
	for _, c := range []*config.Config{apart, settings(t)} {
		var out bytes.Buffer
		require.NoError(t, Materialize(t.Context(), c, "incremental", nil, &out, log))
		require.Equal(t, "none defined\n", out.String())
		a := start(t, c)
		status, body := send(t, http.MethodPost, "http://"+a.Addresses()[0]+"/store/customer/1", `{"n": 5}`)
		require.Equal(t, http.StatusOK, status, body)
		if c.Embedded() {
			err := Materialize(t.Context(), c, "full", nil, &out, log)
			require.ErrorContains(t, err, "works on the data folder")
			require.NoError(t, a.Stop())
		}
		out.Reset()
		require.NoError(t, Materialize(t.Context(), c, "full", []string{"customer"}, &out, log))
		require.Regexp(t, `^run \d+  customer  succeeded  \{"mode":"full","rows_read":1,.*\} in .*\n$`, out.String())
		var refusal *Refusal
		require.ErrorAs(t, Materialize(t.Context(), c, "full", []string{"costumer"}, &out, log), &refusal)
		require.ErrorAs(t, Materialize(t.Context(), c, "some", nil, &out, log), &refusal)
		stopped, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, Materialize(stopped, c, "full", nil, &out, log))
	}
	apart.ReadOnly = true
	var refusal *Refusal
	require.ErrorAs(t, Materialize(t.Context(), apart, "full", nil, &bytes.Buffer{}, log), &refusal)
}

// A job computes what is due of pipelines, and ends.
func TestRunPipelinesOnce(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	where := installation(t)
	apart := settings(t, where...)
	apart.Roles = []string{config.Registry, config.Store} // which compute nothing
	for _, c := range []*config.Config{apart, settings(t)} {
		var out bytes.Buffer
		require.NoError(t, RunPipelines(t.Context(), c, nil, &out, log))
		require.Equal(t, "none defined\n", out.String())
		a := start(t, c)
		api := caller{t, "http://" + a.Addresses()[0]}
		api.call(200, "POST", "/apply", `
entity_types: [{name: customer, join_keys: [{name: customer_id, value_type: STRING}]}]
groups:
  - {name: clicks, entity_type: customer, kind: events, features: [{name: page, value_type: STRING}]}
  - {name: counts, entity_type: customer, features: [{name: clicks_total, value_type: INTEGER}]}
pipelines:
  - {name: daily, source: {group: clicks}, target: counts, tick: daily, aggregate: [{feature: clicks_total, function: count, window: lifetime}]}
`, "Content-Type: application/yaml")
		api.call(200, "POST", "/rows/clicks", "customer_id,event_time,page\na,2026-01-01T10:00:00Z,x\na,2026-01-02T10:00:00Z,y\n", "Content-Type: text/csv")
		if c.Embedded() {
			require.NoError(t, a.Stop())
		}
		out.Reset()
		require.NoError(t, RunPipelines(t.Context(), c, nil, &out, log))
		require.Regexp(t, `^run \d+  daily  succeeded  \{.*\} in .*\n$`, out.String())
		var refusal *Refusal
		require.ErrorAs(t, RunPipelines(t.Context(), c, []string{"dayly"}, &out, log), &refusal)
		require.Contains(t, refusal.Error(), `did you mean "daily"?`)
		if c.Embedded() {
			a = start(t, c)
			api = caller{t, "http://" + a.Addresses()[0]}
		}
		require.EqualValues(t, 2, api.call(200, "GET", "/history/customer/a?features=clicks_total&limit=1", "")["observations"].([]any)[0].(map[string]any)["features"].(map[string]any)["clicks_total"])
	}
}
