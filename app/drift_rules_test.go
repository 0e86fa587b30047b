package app

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/config"
)

// ordersOf is a file of 200 orders of a month, their amounts shifted.
func ordersOf(month string, shift int) string {
	rows := "customer_id,event_time,amount\n"
	for i := range 200 {
		rows += fmt.Sprintf("%d,2026-%s-%02dT00:00:00Z,%d.5\n", i, month, i%28+1, (i*37)%100+shift)
	}
	return rows
}

// After each load its profile is kept, and a rule of kind distribution is judged on what it brought: the score is kept when nothing is wrong, and
// what has drifted alerts. The baseline is frozen at its first use.
func TestLoadsAreJudgedByTheirDistribution(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		c.Validation.Every = 0 // nothing is evaluated but after the loads
		a := start(t, c)
		api := caller{t, "http://" + a.Addresses()[0]}
		api.call(200, "POST", "/apply", `
entity_types: [{name: customer, join_keys: [{name: customer_id, value_type: STRING}]}]
groups:
  - {name: orders, entity_type: customer, features: [{name: amount, value_type: FLOAT}]}
baselines:
  - {name: january, group: orders, source: {window: {from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z"}}}
  - {name: training, group: orders, source: {training_set: {}}}
rules:
  - {name: drift, group: orders, kind: distribution, features: [amount], params: {baseline: january}}
  - {name: drift_before, group: orders, kind: distribution, features: [amount], params: {baseline: previous_period}}
  - {name: drift_training, group: orders, kind: distribution, features: [amount], params: {baseline: training}}
`, "Content-Type: application/yaml")
		var runs []any
		for month, shift := range []int{0, 0, 300} {
			loaded := api.call(200, "POST", "/rows/orders", ordersOf(fmt.Sprintf("%02d", month+1), shift), "Content-Type: text/csv")
			api.settled(loaded["validation_run_id"])
			runs = append(runs, loaded["run_id"])
			require.EqualValues(t, 200, api.profileOf("load", loaded["run_id"])["rows"])
		}
		results := func(rule string) (all []map[string]any) {
			for _, r := range api.call(200, "GET", "/rules/"+rule+"/history", "")["points"].([]any) {
				all = append(all, r.(map[string]any))
			}
			require.Len(t, all, 3)
			return all
		}
		for rule, statuses := range map[string][]string{"drift": {"fail", "pass", "pass"}, "drift_before": {"fail", "pass", "skipped"}, "drift_training": {"error", "error", "error"}} {
			for i, r := range results(rule) {
				require.Equal(t, statuses[i], r["status"], "%s: %v", rule, r)
				if r["status"] == "pass" || r["status"] == "fail" {
					require.NotNil(t, r["observed"], "the score is kept: %v", r)
					require.NotNil(t, r["details"].(map[string]any)["psi"])
				}
			}
		}
		require.Contains(t, fmt.Sprint(results("drift_training")[0]["reason"]), "POST /baselines/training/freeze")
		firing := map[any]bool{}
		for _, alert := range api.call(200, "GET", "/alerts", "")["alerts"].([]any) {
			alert := alert.(map[string]any)
			firing[alert["rule"]] = alert["state"] == "firing"
			require.Equal(t, "drift", alert["class"], "%v", alert)
		}
		require.True(t, firing["drift"])
		require.True(t, firing["drift_before"])
		merged := api.call(200, "GET", "/profiles?group=orders&feature=amount&kind=load&merge=true", "")
		require.EqualValues(t, 600, merged["rows"])
		require.Len(t, merged["merged"], len(runs))
	})
}
