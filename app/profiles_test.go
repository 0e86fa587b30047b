package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/config"
)

// caller calls a running app and expects a status.
type caller struct {
	t    *testing.T
	base string
}

func (c caller) call(status int, method, path, body string, headers ...string) (answer map[string]any) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	require.NoError(c.t, err)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(c.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	require.Equal(c.t, status, response.StatusCode, "%s %s answered %s", method, path, text)
	require.NoError(c.t, json.Unmarshal(text, &answer), string(text))
	return answer
}

// settled waits for a run to succeed.
func (c caller) settled(run any) {
	c.t.Helper()
	answer := c.call(200, "GET", fmt.Sprintf("/runs/%v?wait=60s", run), "")
	require.Equal(c.t, "succeeded", answer["state"], "%v", answer)
}

// allSettled waits for all runs that look at what is stored.
func (c caller) allSettled() {
	c.t.Helper()
	for _, kind := range []string{"validate", "profile"} {
		for _, run := range c.call(200, "GET", "/runs?kind="+kind, "")["runs"].([]any) {
			c.settled(run.(map[string]any)["id"])
		}
	}
}

// profilesOf lists profiles with a feature.
func (c caller) profilesOf(feature string) (all []map[string]any) {
	c.t.Helper()
	for _, p := range c.call(200, "GET", "/profiles?group=orders&feature="+feature, "")["profiles"].([]any) {
		all = append(all, p.(map[string]any))
	}
	return all
}

// profileOf is the profile of a load, or with run nil a profile of a window; nil if there is none.
func (c caller) profileOf(kind string, run any) map[string]any {
	c.t.Helper()
	for _, p := range c.profilesOf("amount") {
		if p["kind"] == kind && p["run_id"] == run {
			return p
		}
	}
	return nil
}

// featureIn is a feature of an answer's list.
func featureIn(t *testing.T, answer map[string]any, name string) map[string]any {
	t.Helper()
	for _, f := range answer["features"].([]any) {
		if f := f.(map[string]any); f["feature"] == name {
			return f
		}
	}
	require.Fail(t, "there is no feature "+name, "%v", answer)
	return nil
}

// Values that are stored are profiled, frozen and compared, on both stacks; an erased entity's go from the profiles before its erasure has ended.
func TestStoredValuesAreProfiled(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		a := start(t, c)
		api := caller{t, "http://" + a.Addresses()[0]}
		api.call(200, "POST", "/apply", `
entity_types: [{name: customer, join_keys: [{name: customer_id, value_type: STRING}]}]
groups:
  - {name: orders, entity_type: customer, features: [{name: amount, value_type: FLOAT}, {name: city, value_type: STRING}]}
baselines:
  - {name: january, group: orders, source: {window: {from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z"}}}
  - {name: training, group: orders, source: {training_set: {}}}
`, "Content-Type: application/yaml")
		rows := "customer_id,event_time,amount,city\n"
		for i := range 200 {
			rows += fmt.Sprintf("%d,2026-01-%02dT00:00:00Z,%d.5,Berlin\n", i, i%28+1, i%50)
		}
		rows += "mallory,2026-01-05T00:00:00Z,999999,Atlantis\n"
		api.call(200, "POST", "/rows/orders", rows, "Content-Type: text/csv")
		later := strings.ReplaceAll(strings.ReplaceAll(rows, "2026-01-", "2026-02-"), "Berlin", "Paris")
		load := api.call(200, "POST", "/rows/orders", later, "Content-Type: text/csv")["run_id"]

		january := api.call(200, "POST", "/profiles", `{"group": "orders", "window": {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}}`)
		require.EqualValues(t, 201, january["rows"])
		require.EqualValues(t, 999999, featureIn(t, january, "amount")["max"])
		run := api.call(202, "POST", "/profiles", fmt.Sprintf(`{"group": "orders", "window": {"run": %v}}`, load), "Prefer: respond-async")
		api.settled(run["id"])
		merged := api.call(200, "GET", "/profiles?group=orders&kind=load&merge=true&from=2026-02-01T00:00:00Z", "")
		require.EqualValues(t, 201, merged["rows"])

		drifted := api.call(200, "POST", "/drift", `{"group": "orders", "baseline": "january", "window": {"from": "2026-02-01T00:00:00Z"}}`)
		require.EqualValues(t, 1, drifted["alerts"])
		require.Equal(t, "alert", featureIn(t, drifted, "city")["verdict"])
		require.Equal(t, "ok", featureIn(t, drifted, "amount")["verdict"])
		require.EqualValues(t, 201, api.call(200, "GET", "/baselines/january/frozen", "")["rows"], "it was frozen at its first use")

		training := api.call(200, "POST", "/baselines/january/freeze", "")
		require.Equal(t, "numeric", featureIn(t, training, "amount")["kind"])
		api.call(409, "POST", "/drift", `{"group": "orders", "baseline": "training"}`)
		frozen := api.call(201, "POST", "/baselines/training/freeze", strings.ReplaceAll(rows, "amount", "orders__amount"), "Content-Type: text/csv")
		require.EqualValues(t, 201, frozen["rows"])
		require.EqualValues(t, 201, featureIn(t, frozen, "amount")["sample"])
		api.call(200, "POST", "/baselines/training/freeze", strings.ReplaceAll(rows, "amount", "orders__amount"), "Content-Type: text/csv")
		api.call(409, "POST", "/baselines/training/freeze", later, "Content-Type: text/csv")
		problem := api.call(422, "POST", "/baselines/training/freeze", "customer_id,amount\n1,many\n", "Content-Type: text/csv")
		require.Contains(t, fmt.Sprint(problem), "row 1, column amount")
		api.call(422, "POST", "/baselines/training/freeze", "customer_id,amuont\n1,2\n", "Content-Type: text/csv")
		same := api.call(200, "POST", "/drift", `{"group": "orders", "baseline": "training", "window": {"to": "2026-02-01T00:00:00Z"}, "metrics": ["psi", "ks"]}`)
		require.EqualValues(t, 0, same["alerts"])
		require.EqualValues(t, 0, featureIn(t, same, "amount")["metrics"].(map[string]any)["psi"])

		erased := api.call(202, "DELETE", "/store/customer/mallory", "")
		api.settled(erased["id"])
		api.allSettled()
		for _, p := range api.profilesOf("amount") {
			require.EqualValues(t, 200, p["rows"])
			require.EqualValues(t, 49.5, featureIn(t, p, "amount")["max"])
		}
		require.NotNil(t, api.profileOf("window", nil))
		require.NotNil(t, api.profileOf("load", load))
		require.EqualValues(t, 0, featureIn(t, api.call(200, "GET", "/baselines/training/frozen", ""), "amount")["sample"])

		revert := api.call(202, "POST", fmt.Sprintf("/runs/%v/revert", load), "")
		api.settled(revert["id"])
		api.allSettled()
		require.NotNil(t, api.profileOf("window", nil))
		require.Nil(t, api.profileOf("load", load), "what a load was like goes with its rows")
	})
}
