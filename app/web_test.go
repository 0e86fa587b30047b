package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"featurestore/config"
)

// browser reads pages of the admin page as one without JavaScript does.
type browser struct {
	*testing.T
	base string
}

// page reads a page, which must be whole HTML of ours whatever its status.
func (b browser) page(status int, path string) *goquery.Document {
	b.Helper()
	answered, header, body := get(b.T, b.base+path)
	require.Equal(b, status, answered, "%s: %s", path, body)
	require.Equal(b, "text/html; charset=utf-8", header.Get("Content-Type"), path)
	require.Contains(b, header.Get("Content-Security-Policy"), "default-src 'self'", path)
	page, err := goquery.NewDocumentFromReader(strings.NewReader(body))
	require.NoError(b, err)
	require.Equal(b, 1, page.Find("h1").Length(), path)
	require.NotEmpty(b, page.Find("title").Text(), path)
	page.Find("script").Each(func(_ int, s *goquery.Selection) {
		src, _ := s.Attr("src")
		require.True(b, strings.HasPrefix(src, "/admin/static/") && strings.TrimSpace(s.Text()) == "", "%s has a script that is not ours: %s", path, s.Text())
	})
	require.Zero(b, page.Find("[style], [onclick], [onerror], [onload], iframe, object, embed").Length(), path)
	page.Find("input:not([type=hidden]), select, textarea").Each(func(_ int, s *goquery.Selection) {
		label, _ := s.Attr("aria-label")
		require.True(b, label != "" || s.Closest("label").Length() == 1, "%s: a control without a label: %s", path, s.AttrOr("name", "?"))
	})
	page.Find("button").Each(func(_ int, s *goquery.Selection) { require.NotEmpty(b, strings.TrimSpace(s.Text()), path) })
	page.Find("th").Each(func(_ int, s *goquery.Selection) { require.NotEmpty(b, s.AttrOr("scope", ""), path) })
	return page
}

// crawl follows all links from the overview on, and answers the pages of ours that it found.
func (b browser) crawl() []string {
	var found []string
	queue := []string{"/admin/"}
	seen := map[string]bool{"/admin/": true}
	for len(queue) > 0 {
		at := queue[0]
		queue, found = queue[1:], append(found, queue[0])
		page := b.page(http.StatusOK, at)
		page.Find("a[href], link[href], script[src], form[action]").Each(func(_ int, s *goquery.Selection) {
			to := s.AttrOr("href", s.AttrOr("src", s.AttrOr("action", "")))
			u, err := url.Parse(to)
			require.NoError(b, err)
			if u.Host != "" || s.Is("form[method=post]") {
				return
			}
			if u.Path == "" {
				require.True(b, u.Fragment != "" && page.Find("#"+u.Fragment).Length() == 1, "%s: %s leads nowhere", at, to)
				return
			}
			to = u.RequestURI()
			if seen[to] {
				return
			}
			seen[to] = true
			_, file := s.Attr("download")
			if strings.HasPrefix(to, "/admin/") && !strings.HasPrefix(to, "/admin/static/") && !file {
				queue = append(queue, to)
				return
			}
			answered, _, body := get(b.T, b.base+to)
			require.Equal(b, 200, answered, "%s, linked on %s: %s", to, at, body)
		})
	}
	return found
}

// withinADay waits for the next day, in UTC, if this one ends while what follows goes on, of which a page shows the days.
func withinADay(lasts time.Duration) {
	now := time.Now().UTC()
	if next := now.Truncate(24 * time.Hour).Add(24 * time.Hour); next.Sub(now) < lasts {
		time.Sleep(next.Sub(now))
	}
}

const webDefinitions = `
entity_types: [{name: customer, join_keys: [{name: customer_id, value_type: STRING}]}]
groups:
  - {name: orders, entity_type: customer, ttl: 3650d, owner: shop, features: [
      {name: amount, value_type: FLOAT, description: What was paid, tags: [core], owner: finance, unit: USD}, {name: city, value_type: STRING}]}
  - {name: clicks, entity_type: customer, kind: events, features: [{name: page, value_type: STRING}]}
  - {name: counts, entity_type: customer, features: [{name: clicks_7d, value_type: INTEGER, frequency: DAILY}]}
services: [{name: churn, features: ["orders:amount", "orders:city"]}]
rules:
  - {name: amount_positive, group: orders, kind: positive, features: [amount]}
  - {name: few_rows, group: orders, kind: row_count, params: {max: 1}}
  - {name: city_known, group: orders, kind: in_set, features: [city], params: {values: [Berlin, Paris]}, action: quarantine}
pipelines:
  - {name: daily, source: {group: clicks}, target: counts, tick: daily, aggregate: [{feature: clicks_7d, function: count, window: 7d}], schedule: {cron: "0 2 * * *"}}
`

func TestWebPages(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		c.Validation.Every = 0
		a := start(t, c)
		b := browser{t, "http://" + a.Addresses()[0]}
		api := caller{t, b.base}

		empty := b.crawl()
		for _, wanted := range []string{"/admin/", "/admin/catalogue", "/admin/look-up", "/admin/training-set", "/admin/runs", "/admin/alerts", "/admin/pipelines", "/admin/quality", "/admin/quarantine", "/admin/system"} {
			require.Contains(t, empty, wanted)
		}
		require.Contains(t, b.page(200, "/admin/").Find("main").Text(), "Nothing is registered yet")
		require.Equal(t, "There is no such page.", strings.TrimSpace(strings.TrimPrefix(b.page(404, "/admin/nothing").Find(".box p").Text(), "Not found.")))
		require.Contains(t, b.page(404, "/admin/groups/ordres").Find("main").Text(), `there is no group "ordres"`)

		api.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
		b.crawl()
		require.Contains(t, b.page(200, "/admin/features/orders/amount").Find("main").Text(), "No profile has been made yet")
		withinADay(time.Minute)
		loaded := api.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,10,Berlin\nb,2026-01-01T00:00:00Z,-5,\nc,2026-01-02T00:00:00Z,20,Paris\nd,2026-01-02T00:00:00Z,20,Atlantis\n", "Content-Type: text/csv")
		api.settled(loaded["validation_run_id"])
		report := api.call(200, "POST", "/validate", `{"group": "orders"}`)
		require.Equal(t, "fail", report["status"])

		pages := b.crawl()
		for _, wanted := range []string{"/admin/features/orders/amount", "/admin/groups/orders", "/admin/groups/clicks", "/admin/entity-types/customer", "/admin/services/churn",
			fmt.Sprintf("/admin/runs/%v", loaded["run_id"]), "/admin/catalogue?tag=core", "/admin/pipelines/daily", "/admin/schedules/pipeline:daily",
			fmt.Sprintf("/admin/reports/%v", report["id"]), "/admin/rules/amount_positive"} {
			require.Contains(t, pages, wanted)
		}
		overview := b.page(200, "/admin/").Find("main")
		require.Contains(t, overview.Text(), "is broken on orders:amount")
		today := overview.Find("table.heat tbody tr").First().Find(".cell").Last()
		require.True(t, today.HasClass("bad"), today.AttrOr("title", ""))

		feature := b.page(200, "/admin/features/orders/amount").Find("main")
		require.Equal(t, "amount", feature.Find("h1").Text())
		for _, text := range []string{"What was paid", "FLOAT, USD", "finance", "amount_positive", "churn", "33", "curl 'http://"} {
			require.Contains(t, feature.Text(), text)
		}
		require.NotZero(t, feature.Find("svg.histogram rect title").Length())
		require.Equal(t, 5, feature.Find("svg.lineage rect").Length(), "entity type, group, feature, service, rule")

		quarantine := b.page(200, "/admin/quarantine").Find("article")
		require.Equal(t, 1, quarantine.Length())
		for _, text := range []string{"Atlantis", "city_known", "by load", "row 4", "waiting"} {
			require.Contains(t, quarantine.Text(), text)
		}
		require.Contains(t, b.page(200, fmt.Sprintf("/admin/reports/%v", report["id"])).Find("main").Text(), "The rule few_rows is broken on orders")
		require.Contains(t, b.page(200, "/admin/schedules/pipeline:daily").Find("main").Text(), "0 2 * * *")

		look := b.page(200, "/admin/look-up?entity_type=customer&id=a").Find("main")
		require.Contains(t, look.Text(), "Berlin")
		require.Contains(t, b.page(200, "/admin/look-up?entity_type=customer&id=a&at=2025-01-01T00:00:00Z").Find("main").Text(), "NOT_FOUND")
		require.Contains(t, b.page(404, "/admin/look-up?entity_type=nobody&id=a").Find("main").Text(), "nobody")

		require.Equal(t, 1, b.page(200, "/admin/catalogue?search=paid").Find("main tbody tr").Length())
		require.Contains(t, b.page(200, "/admin/catalogue?search=nothing_like_it").Find("main").Text(), "Nothing is called so")
		require.Contains(t, b.page(422, "/admin/catalogue?status=wrong").Find("main").Text(), "status")
	})
}

// What a form asks for is done by the API, and what came of it is on the page, in words.
func TestWebActions(t *testing.T) {
	a := start(t, settings(t))
	b := browser{t, "http://" + a.Addresses()[0]}
	api := caller{t, b.base}
	api.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	loaded := api.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,-10,Berlin\n", "Content-Type: text/csv")
	api.settled(loaded["validation_run_id"])
	api.call(200, "POST", "/validate", `{"group": "orders"}`)

	act := func(status int, name string, form url.Values) string {
		answer, err := http.PostForm(b.base+"/admin/actions/"+name, form)
		require.NoError(t, err)
		defer answer.Body.Close()
		page, err := goquery.NewDocumentFromReader(answer.Body)
		require.NoError(t, err)
		require.Equal(t, status, answer.StatusCode, page.Text())
		return strings.Join(strings.Fields(page.Find("main").Text()), " ")
	}
	require.Regexp(t, `^Materialize✓ Run \d+ has been asked for\. Look at it\. The same by hand: POST /materialize$`, act(200, "materialize", url.Values{"group": {"orders"}}))
	require.Regexp(t, `has been asked for`, act(200, "materialize-full", url.Values{"group": {"orders"}}))
	require.Regexp(t, `has been asked for`, act(200, "check", url.Values{"group": {"orders"}}))
	require.Contains(t, act(404, "materialize", url.Values{"group": {"ordres"}}), `there is no group "ordres"; did you mean "orders"?`)
	require.Contains(t, act(404, "explode", nil), "There is no such action")
	require.Regexp(t, `has been asked for`, act(200, "rebuild", url.Values{"group": {"orders"}}))
	require.Regexp(t, `has been asked for`, act(200, "validate", url.Values{"group": {"orders"}}))
	require.Regexp(t, `has been asked for`, act(200, "profile", url.Values{"group": {"orders"}}))
	require.Contains(t, act(200, "pause-schedule", url.Values{"name": {"pipeline:daily"}}), "Paused")
	require.Contains(t, b.page(200, "/admin/schedules/pipeline:daily").Find("main").Text(), "Resume")
	require.Contains(t, act(200, "resume-schedule", url.Values{"name": {"pipeline:daily"}}), "Resumed")
	api.call(202, "POST", "/store/customer/q", `{"orders:city": "Atlantis"}`)
	require.Contains(t, act(200, "replay", url.Values{"group": {"orders"}}), "0 rows stored, 1 still waiting.")
	require.Contains(t, act(200, "discard", url.Values{"group": {"orders"}}), "1 row discarded.")

	open := api.call(200, "GET", "/alerts?open=true", "")["alerts"].([]any)
	require.NotEmpty(t, open)
	id := fmt.Sprint(open[0].(map[string]any)["id"])
	require.Contains(t, act(200, "acknowledge", url.Values{"id": {id}, "by": {"ann"}, "note": {"known"}}), "Acknowledged")
	require.Equal(t, "acknowledged", api.call(200, "GET", "/alerts/"+id, "")["state"])
	require.Contains(t, act(200, "silence", url.Values{"rule": {"few_rows"}, "group": {"orders"}, "by": {"ann"}, "note": {"known"}, "for": {"1h"}}), "Silenced")
	silences := api.call(200, "GET", "/silences", "")["silences"].([]any)
	require.Len(t, silences, 1)
	require.Contains(t, b.page(200, "/admin/alerts").Find("main").Text(), "known")
	require.Contains(t, act(200, "end-silence", url.Values{"id": {fmt.Sprint(silences[0].(map[string]any)["id"])}}), "has ended")

	require.Contains(t, act(200, "revert-run", url.Values{"id": {fmt.Sprint(loaded["run_id"])}}), "taken back")
	require.Eventually(t, func() bool {
		return api.call(200, "GET", "/get/customer/a/amount", "")["status"] == "NOT_FOUND"
	}, time.Minute, 20*time.Millisecond)
}

// Whatever people write into definitions and values is shown as text.
func TestWebShowsHostileTexts(t *testing.T) {
	hostile := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'; alert(1); //`, `{{.Data}}`, `</textarea><script>alert(1)</script>`, `javascript:alert(1)`,
		`<svg onload=alert(1)>`, `&lt;b&gt;`, "\u202eright to left", "مرحبا بالعالم", "🧪👩‍🔬 emoji", strings.Repeat("long ", 100), strings.Repeat("x", 500), `<!-- -->`, `]]>`, "a\tb", `\u003cscript\u003e`,
		`<a href="javascript:alert(1)">x</a>`, `<style>*{display:none}</style>`, `<base href="https://example.org/">`,
	}
	a := start(t, settings(t))
	b := browser{t, "http://" + a.Addresses()[0]}
	api := caller{t, b.base}
	for i, text := range hostile {
		name := fmt.Sprintf("feature_%d", i)
		body := string(jsonOf(t, map[string]any{"name": name, "entity_type": "thing", "value_type": "STRING", "description": text, "owner": text, "source": text, "category": text, "unit": text, "docs_url": "https://example.org/" + url.PathEscape(text),
			"tags": []string{strings.ToValidUTF8(text[:min(len(text), 90)], "")}}))
		api.call(201, "POST", "/features", body)
		api.call(200, "POST", "/store/thing/"+url.PathEscape(text), string(jsonOf(t, map[string]any{name: text})))
		page := b.page(200, "/admin/features/thing/"+name)
		require.Equal(t, strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(page.Find(".lead").Text()), " "))
		values := b.page(200, "/admin/look-up?entity_type=thing&id="+url.QueryEscape(text)).Find("main td.text .value")
		require.Positive(t, values.FilterFunction(func(_ int, s *goquery.Selection) bool {
			return s.Text() != "" && strings.HasPrefix(text, strings.TrimSuffix(s.Text(), "…"))
		}).Length(), "%q is not shown", text)
		b.page(200, "/admin/catalogue?search="+url.QueryEscape(strings.Fields(text)[0]))
	}
	b.crawl()
}

func jsonOf(t *testing.T, v any) []byte {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}
