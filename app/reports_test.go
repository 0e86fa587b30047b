package app

import (
	"fmt"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/httpapi/httpapitest"
	"featurestore/config"
)

// scenarios runs scenarios against a whole process.
func scenarios(t *testing.T, a *App, pattern string) {
	base, err := url.Parse("http://" + a.Addresses()[0])
	require.NoError(t, err)
	httpapitest.Listen(t, httputil.NewSingleHostReverseProxy(base)).Run(t, pattern)
}

func TestReports(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		c.Validation.Every = 0 // nothing is evaluated that the scenarios do not ask for
		scenarios(t, start(t, c), "testdata/http/reports.txt")
	})
}

// What single writes broke is reported when the process stops at the latest; a rule that is deleted ends its alerts; an entity that is erased
// is shown by no report.
func TestReportsOfSingleWrites(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		c.Validation.WriteReportEvery, c.Validation.Every = time.Hour, 0
		a := start(t, c)
		api := caller{t, "http://" + a.Addresses()[0]}
		api.call(200, "POST", "/apply", `
entity_types: [{name: customer, join_keys: [{name: customer_id, value_type: STRING}]}]
groups:
  - {name: orders, entity_type: customer, features: [{name: amount, value_type: FLOAT}, {name: city, value_type: STRING}]}
rules:
  - {name: amount_positive, group: orders, kind: positive, features: [amount], action: quarantine}
  - {name: city_given, group: orders, kind: not_null, features: [city], severity: warn}
  - {name: few_rows, group: orders, kind: row_count, params: {max: 1}}
`, "Content-Type: application/yaml")
		api.call(202, "POST", "/store/customer/mallory", `{"orders:amount": -5, "orders:city": null}`)
		api.call(200, "POST", "/store/customer/alice", `{"orders:amount": 5, "orders:city": null}`)
		api.call(200, "POST", "/store/customer/bob", `{"orders:amount": 7, "orders:city": "Berlin"}`)
		require.NoError(t, a.Stop())

		a = start(t, c)
		api = caller{t, "http://" + a.Addresses()[0]}
		reports := api.call(200, "GET", "/reports?group=orders&way=write", "")["reports"].([]any)
		require.Len(t, reports, 1)
		path := fmt.Sprintf("/reports/%v", reports[0].(map[string]any)["id"])
		results := api.call(200, "GET", path, "")["results"].([]any)
		require.Len(t, results, 2)
		positive, city := results[0].(map[string]any), results[1].(map[string]any)
		require.EqualValues(t, 3, positive["rows"])
		require.EqualValues(t, 1, positive["bad"])
		require.Equal(t, "The rule amount_positive is broken on orders:amount, looking at what was written singly: bad are 1 of 3 rows (33.3 %); expected "+
			positive["expected"].(string)+". They wait in quarantine, and are not stored.", positive["sentence"])
		require.Equal(t, "mallory", positive["examples"].([]any)[0].(map[string]any)["entity_id"])
		require.Len(t, city["examples"], 2)
		require.Len(t, api.call(200, "GET", "/alerts?open=true", "")["alerts"], 2)

		few := api.call(200, "POST", "/validate", `{"group": "orders", "rules": ["few_rows"]}`)
		require.Equal(t, "fail", few["status"], "%v", few)
		status, _, metrics := get(t, "http://"+a.Addresses()[0]+"/metrics")
		require.Equal(t, 200, status)
		for _, line := range []string{
			`featurestore_rule_status{feature="",group="orders",rule="few_rows",status="fail"} 1`,
			`featurestore_rule_bad_rate{feature="amount",group="orders",rule="amount_positive"} 0.3333333333333333`,
			`featurestore_rule_considered_rows{feature="city",group="orders",rule="city_given"} 3`,
			`featurestore_rule_evaluation_timestamp_seconds{feature="city",group="orders",rule="city_given"} `,
		} {
			require.Contains(t, metrics, line)
		}
		api.call(202, "POST", "/store/customer/mallory", `{"orders:amount": -5}`)
		_, _, metrics = get(t, "http://"+a.Addresses()[0]+"/metrics")
		require.Contains(t, metrics, `featurestore_rule_bad_rows_total{became="quarantined",group="orders",rule="amount_positive"} 1`)

		api.call(200, "DELETE", "/rules/few_rows", "")
		for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			if _, _, metrics = get(t, "http://"+a.Addresses()[0]+"/metrics"); !strings.Contains(metrics, "few_rows") {
				break
			}
			require.True(t, time.Now().Before(until), "the rule's metrics stay")
		}
		ended := api.call(200, "GET", "/alerts?rule=few_rows", "")["alerts"].([]any)[0].(map[string]any)
		require.Equal(t, "resolved", ended["state"])
		require.Equal(t, "the rule was deleted", ended["resolution"])
		require.NotEmpty(t, api.call(200, "GET", "/rules/few_rows/history", "")["points"], "its history stays")

		api.settled(api.call(202, "DELETE", "/store/customer/mallory", "")["id"])
		results = api.call(200, "GET", path, "")["results"].([]any)
		require.Empty(t, results[0].(map[string]any)["examples"])
		require.Len(t, results[1].(map[string]any)["examples"], 1)
		require.NoError(t, a.Stop())
		a = start(t, c)
		api = caller{t, "http://" + a.Addresses()[0]}
		reports = api.call(200, "GET", "/reports?group=orders&way=write&limit=1", "")["reports"].([]any)
		results = api.call(200, "GET", fmt.Sprintf("/reports/%v", reports[0].(map[string]any)["id"]), "")["results"].([]any)
		require.EqualValues(t, 1, results[0].(map[string]any)["bad"])
		require.Empty(t, results[0].(map[string]any)["examples"], "it was added up before the erasure, and reported after it")
	})
}
