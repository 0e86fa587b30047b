package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The newest result of a rule is the worst that its newest evaluation came to, over all of its features: not that of one of them, and not that of an
// evaluation before. On a feature's page it is the feature's own.
func TestWebNewestResults(t *testing.T) {
	q := openQuality(t)
	q.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	q.call(201, "POST", "/rules", `{"name": "known", "group": "orders", "kind": "not_null", "features": ["amount", "city"]}`)
	q.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,,Berlin\nb,2026-01-01T00:00:00Z,5,Paris\n", "Content-Type: text/csv")
	q.call(200, "POST", "/validate", `{"group": "orders"}`)
	newest := func(path, rule string) string {
		return q.words(q.main(path).Find(`section a[href="/admin/rules/` + rule + `"]`).First().Closest("tr"))
	}
	require.Contains(t, newest("/admin/groups/orders", "known"), "✕ fail")
	require.Contains(t, newest("/admin/features/orders/amount", "known"), "✕ fail")
	require.Contains(t, newest("/admin/features/orders/city", "known"), "✓ pass")
	require.Contains(t, newest("/admin/quality", "known"), "orders✕ fail")
	q.says("/admin/quality", "2 of 4 rules broken")

	q.call(200, "POST", "/rules", `{"name": "few_rows", "params": {"max": 2}}`)
	q.call(200, "POST", "/validate", `{"group": "orders"}`)
	require.Contains(t, newest("/admin/quality", "few_rows"), "orders✓ pass", "what it came to earlier today is in the day's cell")
	q.says("/admin/quality", "1 of 4 rules broken")
}

// All open alerts are counted, however many there are.
func TestWebManyAlerts(t *testing.T) {
	q := openQuality(t)
	q.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	var many strings.Builder
	for i := range 101 {
		fmt.Fprintf(&many, "  - {name: rule_%03d, group: orders, kind: row_count, params: {max: 0}}\n", i)
	}
	q.call(200, "POST", "/apply", "rules:\n"+many.String(), "Content-Type: application/yaml")
	q.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,1,Berlin\n", "Content-Type: text/csv")
	q.call(200, "POST", "/validate", `{"group": "orders"}`)
	overview := q.says("/admin/", "101 open alerts", "All 101 open alerts")
	require.Equal(t, 25, overview.Find(`h2:contains("Alerts")`).Parent().Find("tbody tr").Length())
	q.says("/admin/quality", "101 open alerts", "47 of 50 rules of this page broken")
}

// What explains a value is of now, and says so to who comes from what it was at another time.
func TestWebWhyThen(t *testing.T) {
	q := openQuality(t)
	q.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	q.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,1,Berlin\na,2026-02-01T00:00:00Z,2,Paris\n", "Content-Type: text/csv")
	why := func(path string) string {
		return q.words(q.main(q.main(path).Find(`a[aria-label="Why amount is so"]`).AttrOr("href", "")))
	}
	require.Contains(t, why("/admin/look-up?entity_type=customer&id=a&at=2026-01-15T00:00:00Z"), "This is about the value as it is now. What counted as of 2026-01-15T00:00:00Z")
	require.NotContains(t, why("/admin/look-up?entity_type=customer&id=a"), "This is about the value as it is now")
}
