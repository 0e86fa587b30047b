package registry_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
)

// what each feature of these says of "spend", from the best match to the worst, and in the order of references where they are alike.
const spending = `
entity_types: [{name: customer}, {name: shop}]
groups:
- name: customer
  entity_type: customer
  features:
  - {name: customer_spend, value_type: FLOAT, description: also called spend}
  - {name: zeal, value_type: FLOAT, description: "what they SPEND in a year"}
- name: a_group
  entity_type: customer
  features:
  - {name: age, value_type: FLOAT, owner: spend_team}
  - {name: bill, value_type: FLOAT, tags: [Spending]}
  - {name: cart, value_type: FLOAT, description: none of it}
- name: money
  entity_type: shop
  features:
  - {name: total_spend, value_type: FLOAT}
  - {name: spend_30d, value_type: FLOAT, description: a sum}
  - {name: spend, value_type: FLOAT, description: a sum, tags: [core]}
  - {name: outlay, value_type: FLOAT}
- {name: spend_plans, entity_type: shop, features: [{name: x, value_type: FLOAT, tags: [core]}]}
`

func TestSearchRanks(t *testing.T) {
	r := start(t)
	apply(t, r, spending)
	_, err := registry.RenameFeature(r, ctx, "shop", "money:outlay", "expense")
	require.NoError(t, err)
	to := server(r)
	for search, want := range map[string][]string{
		"spend": {"customer:customer_spend", "money:spend", "money:spend_30d", "spend_plans:x", "money:total_spend",
			"a_group:bill", "customer:zeal", "a_group:age"},
		"SPEND":            {"customer:customer_spend", "money:spend", "money:spend_30d", "spend_plans:x", "money:total_spend", "a_group:bill", "customer:zeal", "a_group:age"},
		"money:spend":      {"money:spend", "money:spend_30d"},
		"outlay":           {"money:expense"},
		"spend core":       {"money:spend", "spend_plans:x"},
		"core spend":       {"money:spend", "spend_plans:x"},
		"sum spend":        {"money:spend", "money:spend_30d"},
		"spend nothing":    nil,
		"customer":         {"customer:customer_spend", "customer:zeal"},
		"customer:z spend": {"customer:zeal"},
	} {
		for _, limit := range []int{1, 2, 3, 100} {
			var got []string
			for token := ""; ; {
				var page struct {
					Features []struct {
						Reference string `json:"reference"`
					} `json:"features"`
					Total int    `json:"total"`
					Next  string `json:"next_page_token"`
				}
				answer := call{method: "GET", path: fmt.Sprintf("/features?search=%s&limit=%d&page_token=%s", url.QueryEscape(search), limit, token)}.send(t, to)
				body, err := io.ReadAll(answer.Body)
				require.NoError(t, err)
				require.NoError(t, json.Unmarshal(body, &page), string(body))
				require.Equal(t, len(want), page.Total)
				require.LessOrEqual(t, len(page.Features), limit)
				for _, f := range page.Features {
					got = append(got, f.Reference)
				}
				if token = page.Next; token == "" {
					break
				}
			}
			require.Equal(t, want, got, "%q by %d", search, limit)
		}
	}
}
