package app

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"featurestore/config"
)

// words are what a person reads of an element, with single spaces, also where one part of it follows another.
func words(s *goquery.Selection) string {
	var b strings.Builder
	s.Contents().Each(func(_ int, part *goquery.Selection) {
		b.WriteByte(' ')
		if goquery.NodeName(part) == "#text" {
			b.WriteString(part.Text())
		} else {
			b.WriteString(words(part))
		}
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

// Overview, groups, entity types and features say what is stored, how fresh it is, and what rules say of it.
func TestWebStoredAndHealthy(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		c.Validation.Every = 0
		a := start(t, c)
		b := browser{t, "http://" + a.Addresses()[0]}
		api := caller{t, b.base}
		require.Contains(t, b.page(200, "/admin/").Find("main").Text(), "There are no groups yet")
		api.call(200, "POST", "/apply", strings.Replace(webDefinitions, "description: What was paid", "frequency: DAILY, description: What was paid", 1), "Content-Type: application/yaml")
		before := b.page(200, "/admin/groups/orders").Find("main")
		require.Contains(t, words(before), "no profile yet")
		require.Contains(t, words(before.Find("dl.facts").First()), "Rows in history 0")

		now := time.Now().UTC()
		load := func(at time.Time, amount string) map[string]any {
			loaded := api.call(200, "POST", "/rows/orders?wait=1m", fmt.Sprintf("customer_id,event_time,amount,city\na,%[1]s,%[2]s,Berlin\nb,%[1]s,%[2]s,Paris\n", at.Format(time.RFC3339), amount), "Content-Type: text/csv")
			api.settled(loaded["validation_run_id"])
			return loaded
		}
		load(now.AddDate(0, 0, -5), "10")
		require.Eventually(t, func() bool {
			return strings.Contains(words(b.page(200, "/admin/groups/orders").Find("main")), "late 5 days ago")
		}, time.Minute, 50*time.Millisecond, "what is observed each day is late after two")
		load(now.Add(-time.Hour), "-5")
		require.Eventually(t, func() bool {
			return strings.Contains(words(b.page(200, "/admin/groups/orders").Find("main")), "fresh 1 hour ago")
		}, time.Minute, 50*time.Millisecond)
		api.call(200, "POST", "/validate", `{"group": "orders"}`)
		api.call(200, "POST", "/materialize/check?wait=1m", `{"group": "orders"}`)

		group := words(b.page(200, "/admin/groups/orders").Find("main"))
		require.Regexp(t, `Rules now ✕ broken`, group)
		require.Regexp(t, `Rows in history 4 \(\d`, group)
		require.Regexp(t, `Online copy State ✓ complete Watermark \d+ of \d+ Lag`, group)
		require.Regexp(t, `Last consistency check ✓ equal 2 entities, run \d+`, group)
		events := b.page(200, "/admin/groups/clicks").Find("main")
		require.Zero(t, events.Find("#copy").Length(), "an event group has no online copy")
		require.NotContains(t, words(events), "Rebuild")

		overview := b.page(200, "/admin/").Find("main")
		require.Regexp(t, `orders ✕ broken ✓ fresh 1 hour ago`, words(overview.Find("table.heat tbody tr").First()))
		stores := words(overview)
		require.Regexp(t, `offline (sqlite|postgres) ✓ ok [\d.]+ [KMG]?B on disk`, stores)
		require.Regexp(t, `online (sqlite|redis) ✓ ok [\d.]+ [KMG]?B (on disk|of memory)`, stores)
		require.Eventually(t, func() bool {
			return strings.Contains(words(b.page(200, "/admin/").Find("main")), "All 2 online copies answer")
		}, time.Minute, 50*time.Millisecond, "the one that is empty is complete after the next look")

		customer := words(b.page(200, "/admin/entity-types/customer").Find("main"))
		require.Regexp(t, `orders ✕ broken ✓ fresh 1 hour ago 2 3650d 4`, customer)
		require.Regexp(t, `clicks events – unjudged`, customer)
		require.Contains(t, customer, "Observations 4")

		feature := b.page(200, "/admin/features/orders/amount").Find("main")
		for _, pattern := range []string{`Rules now ✕ broken`, `✓ fresh 1 hour ago`, `curl 'http://[\d.:]+/get/customer/\w+/amount'`, `Services that use it: churn`, `entity_rows=\[\{"customer_id":"\w+"\}\]`} {
			require.Regexp(t, pattern, words(feature))
		}
		require.NotZero(t, feature.Find("#lineage details li").Length(), "the picture is there as a list too")
		require.Contains(t, words(feature.Find("#drift")), "has no baseline yet")
		clicks := words(b.page(200, "/admin/features/clicks/page").Find("#use"))
		require.Contains(t, clicks, "/rows/clicks'")
		require.NotContains(t, clicks, "/get/", "what /get refuses is not shown as a call")
	})
}

// A feature's values beside a baseline, on the same bins; and why they cannot be compared.
func TestWebDrift(t *testing.T) {
	a := start(t, settings(t))
	b := browser{t, "http://" + a.Addresses()[0]}
	api := caller{t, b.base}
	api.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	var rows strings.Builder
	rows.WriteString("customer_id,event_time,amount,city\n")
	for i := range 200 {
		month := 1 + i/100
		fmt.Fprintf(&rows, "c%d,2026-%02d-01T00:00:00Z,%d,Berlin\n", i, month, i%100*month)
	}
	api.call(200, "POST", "/rows/orders?wait=1m", rows.String(), "Content-Type: text/csv")
	api.call(201, "POST", "/baselines", `{"name": "january", "group": "orders", "source": {"window": {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}}}`)
	page := b.page(200, "/admin/features/orders/amount?baseline=january").Find("#drift")
	require.Equal(t, 1, page.Find("svg.histogram path").Length(), "the baseline is a line over the bars")
	require.NotZero(t, page.Find("svg.histogram rect").Length())
	require.Equal(t, page.Find("svg.histogram rect").Length(), page.Find("details tbody tr").Length())
	require.Regexp(t, `Bars: 200 values now\. Line: the same bins of the baseline, 100 values`, words(page))
	require.Equal(t, "january", page.Find("select[name=baseline] option[selected]").Text())
	require.Contains(t, words(b.page(200, "/admin/features/orders/amount?baseline=feburary").Find("#drift")), `there is no baseline "feburary"`)
}

// The catalogue finds definitions of all four kinds, narrows and orders them, and its address says how.
func TestWebCatalogue(t *testing.T) {
	a := start(t, settings(t))
	b := browser{t, "http://" + a.Addresses()[0]}
	api := caller{t, b.base}
	require.Contains(t, words(b.page(200, "/admin/catalogue").Find("#found")), "No feature is registered yet")
	api.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	features := func(query string) (names []string) {
		b.page(200, "/admin/catalogue?"+query).Find("#found tbody tr").Each(func(_ int, s *goquery.Selection) { names = append(names, s.Find("a").First().Text()) })
		return names
	}
	require.Equal(t, []string{"amount", "city", "page", "clicks_7d"}, features(""))
	require.Equal(t, []string{"amount", "city", "clicks_7d", "page"}, features("sort=name"))
	require.Equal(t, []string{"page", "clicks_7d", "city", "amount"}, features("sort=owner"))
	require.Equal(t, []string{"amount"}, features("tag=core&owner=finance&entity_type=customer&group=orders&status=active"))
	require.Equal(t, []string{"page", "clicks_7d"}, features("health=unjudged"))
	found := b.page(200, "/admin/catalogue?search=churn").Find("#found")
	require.Equal(t, "churn", found.Find("#services li a").Text(), "services are searched")
	require.Contains(t, words(found.Find("#groups")), "None meets this")
	require.Equal(t, "orders", b.page(200, "/admin/catalogue?search=shop").Find("#groups li a").Text(), "groups by their owner")
	require.Equal(t, "customer", b.page(200, "/admin/catalogue?search=custom").Find("#entity-types li a").Text())
	require.Contains(t, words(b.page(422, "/admin/catalogue?health=ill").Find("main")), `there is no health "ill"`)

	loaded := api.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,-10,Berlin\n", "Content-Type: text/csv")
	api.settled(loaded["validation_run_id"])
	api.call(200, "POST", "/validate", `{"group": "orders"}`)
	require.Equal(t, []string{"amount"}, features("health=broken"))
	require.Equal(t, []string{"city"}, features("health=healthy"))

	var definitions []string
	for i := range 120 {
		definitions = append(definitions, fmt.Sprintf(`{"name": "f_%03d", "value_type": "FLOAT"}`, i))
	}
	api.call(200, "POST", "/apply", `{"groups": [{"name": "many", "entity_type": "customer", "features": [`+strings.Join(definitions, ",")+`]}]}`)
	for _, query := range []string{"group=many&sort=name", "group=many&sort=name&health=unjudged"} {
		var seen []string
		at := "/admin/catalogue?" + query
		for pages := 1; at != ""; pages++ {
			page := b.page(200, at).Find("#found")
			page.Find("tbody tr").Each(func(_ int, s *goquery.Selection) { seen = append(seen, s.Find("a").First().Text()) })
			require.LessOrEqual(t, pages, 3)
			at = page.Find("a[rel=next]").AttrOr("href", "")
			if at != "" {
				u, err := url.Parse(at)
				require.NoError(t, err)
				require.Equal(t, "many", u.Query().Get("group"), "the address carries all of the state")
			}
		}
		require.Len(t, seen, 120)
		require.IsIncreasing(t, seen)
	}
	require.Contains(t, words(b.page(200, "/admin/groups/many").Find("#lineage, main")), "more, in the list")
}
