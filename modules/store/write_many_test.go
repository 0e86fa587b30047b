package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/store"
)

// Everything that is wrong with the rows of a call is said at once and in their order, whether it was found by reading a row, by its values
// or by comparing all of them.
func TestAllThatIsWrongWithRowsIsListed(t *testing.T) {
	const rows = `{"rows": [
		{"entity_id": "0", "features": {"vip": "perhaps"}},
		{"entity_id": "1"},
		{"entity_id": "2", "features": {"fresh": 9223372036854775807}},
		{"entity_id": "3", "event_time": "yesterday", "features": {"purchase_count": 1.5, "avg_order_value": true}},
		{"entity_id": "4", "entity": {"customer_id": "4"}, "features": {"vip": 1}},
		{"entity_id": "5", "features": {"nothing:at_all": 1, "vip": true}},
		{"entity_id": "6", "features": {"fresh": 1.5}},
		{"entity_id": "7", "features": {"vip": true}},
		{"entity_id": "", "event_time": "2027-01-01T00:00:00Z", "features": {"vip": 8}}]}`
	const csv = "customer_id,event_time,vip,purchase_count\n" +
		"0,2026-05-01T00:00:00Z,perhaps,\n1\n2,soon,true,1.5\n3,2026-05-01T00:00:00Z,true,\n4,2026-05-01T00:00:00Z,\"a\"b,\n"
	cases := []struct {
		name, body, contentType string
		limit                   int
		slug                    string
		locations               []string
	}{
		{"rows", rows, "application/json", 100, "invalid-observation", []string{"rows[0].vip", "rows[1].features", "rows[2].fresh",
			"rows[3].event_time", "rows[3].purchase_count", "rows[3].avg_order_value", "rows[4].entity_id", "rows[4].vip", "rows[5].nothing:at_all",
			"rows[8].entity_id", "rows[8].event_time", "rows[8].vip"}},
		{"as many as there is room for, and no row behind them is looked at", rows, "application/json", 4, "invalid-observation",
			[]string{"rows[0].vip", "rows[1].features", "rows[3].event_time", "rows[3].purchase_count"}},
		{"a table", csv, "text/csv", 100, "invalid-observation",
			[]string{"row 1.vip", "row 2", "row 3, column event_time", "row 3.purchase_count", "row 5, column vip"}},
		{"nothing but rows that cannot be read", "customer_id,vip\n1\n2\n", "text/csv", 100, "invalid-observation", []string{"row 1", "row 2"}},
		{"nothing but names that lead to nothing", `{"rows": [{"entity_id": "0", "features": {"nothing:at_all": 1}}, {"entity_id": "1", "features": {"vip": true, "profile:vip@7": true}}]}`,
			"application/json", 100, "unknown-feature", []string{"rows[0].nothing:at_all", "rows[1].profile:vip@7"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, func(config *store.Config) { config.LoadErrors = c.limit })
			s.Run(t, "testdata/http/1_storing.txt")
			before := s.dump(t)
			for _, key := range []string{"", "Idempotency-Key: k"} {
				answer := s.Call(t, "POST /store/customer", c.body, headersOf(strings.Trim("Content-Type: "+c.contentType+"|"+key, "|"))...)
				var problem struct {
					Type       string
					Violations []fault.Violation
				}
				require.NoError(t, json.Unmarshal([]byte(answer.Body), &problem), answer.Body)
				require.Equal(t, "urn:featurestore:problem:"+c.slug, problem.Type, answer.Body)
				var locations []string
				for _, v := range problem.Violations {
					locations = append(locations, v.Location)
				}
				require.Equal(t, c.locations, locations, fmt.Sprint(problem.Violations))
				require.True(t, before == s.dump(t), "state has changed")
			}
		})
	}
}
