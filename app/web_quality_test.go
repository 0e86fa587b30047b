package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"
)

// qualityPages are those about whether data is good, and who is told.
type qualityPages struct {
	browser
	caller
}

func openQuality(t *testing.T, changes ...string) *qualityPages {
	c := settings(t, append([]string{"FEATURESTORE_VALIDATION_EVERY=0s"}, changes...)...)
	base := "http://" + start(t, c).Addresses()[0]
	return &qualityPages{browser{t, base}, caller{t, base}}
}

// main is what a page says.
func (q *qualityPages) main(path string) *goquery.Selection { return q.page(200, path).Find("main") }

// says asks that a page says all of that.
func (q *qualityPages) says(path string, wanted ...string) *goquery.Selection {
	q.Helper()
	main := q.main(path)
	for _, text := range wanted {
		require.Contains(q.T, q.words(main), text, path)
	}
	return main
}

// words are the text of an element, with one space between them.
func (q *qualityPages) words(s *goquery.Selection) string {
	return strings.Join(strings.Fields(s.Text()), " ")
}

// does sends a form as a browser without JavaScript does, and answers what came of it.
func (q *qualityPages) does(status int, action string, form url.Values) string {
	q.Helper()
	answer, err := http.PostForm(q.browser.base+"/admin/actions/"+action, form)
	require.NoError(q.T, err)
	defer answer.Body.Close()
	page, err := goquery.NewDocumentFromReader(answer.Body)
	require.NoError(q.T, err)
	require.Equal(q.T, status, answer.StatusCode, page.Text())
	return q.words(page.Find("main"))
}

// fields is what a form would send as it stands.
func (q *qualityPages) fields(form *goquery.Selection) url.Values {
	values := url.Values{}
	form.Find("input, textarea, select").Each(func(_ int, s *goquery.Selection) {
		name := s.AttrOr("name", "")
		switch {
		case s.Is("select"):
			chosen := s.Find("option[selected]")
			if chosen.Length() == 0 {
				chosen = s.Find("option").First()
			}
			values.Add(name, chosen.AttrOr("value", chosen.Text()))
		case s.Is("textarea"):
			values.Add(name, s.Text())
		case s.AttrOr("type", "") != "checkbox" || s.Is("[checked]"):
			values.Add(name, s.AttrOr("value", ""))
		}
	})
	return values
}

// What there is to say while there is nothing.
func TestWebQualityEmpty(t *testing.T) {
	q := openQuality(t)
	q.says("/admin/quality", "There are no rules yet", "0 rows in quarantine", "0 open alerts")
	q.says("/admin/reports", "There is no such report")
	q.says("/admin/proposals", "There are no groups yet")
	q.says("/admin/quarantine", "No row is like that")
	q.says("/admin/baselines", "None. Register one here")
	q.says("/admin/alerts", "None is open")
	q.says("/admin/alerts?state=resolved", "No alert is like that")
	q.says("/admin/silences", "Nothing is silenced")
	q.says("/admin/receivers", "None: nobody is told")
	for _, path := range []string{"/admin/rules/nothing", "/admin/reports/1", "/admin/quarantine/nothing", "/admin/receivers/nothing", "/admin/quarantine?group=nothing", "/admin/proposals?group=nothing"} {
		require.Contains(t, q.words(q.page(404, path).Find("main")), "there is no", path)
	}
	q.page(422, "/admin/alerts?state=wrong")
	q.page(400, "/admin/silences?page_token=x")
}

// Rules over time, their reports, a rule and its switches.
func TestWebRules(t *testing.T) {
	q := openQuality(t)
	q.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	q.says("/admin/rules/amount_positive", "It has not been evaluated yet", "A value is bad if it is not above 0")
	withinADay(time.Minute)
	q.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,10,Berlin\nb,2026-01-01T00:00:00Z,-5,Paris\n", "Content-Type: text/csv")
	report := q.call(200, "POST", "/validate", `{"group": "orders"}`)

	q.page(422, "/admin/quality?days=1000")
	matrix := q.says("/admin/quality", "2 of 3 rules broken").Find("table.heat")
	require.Equal(t, 14, matrix.Find("thead abbr").Length())
	require.Equal(t, 3, matrix.Find("tbody tr").Length())
	today := matrix.Find("tbody tr").First().Find(".cell").Last()
	require.True(t, today.HasClass("bad"), today.AttrOr("title", ""))
	require.Contains(t, q.words(today), "amount_positive")
	require.Equal(t, "✕", q.words(today.Find("[aria-hidden]")), "colour is not all that says it")
	require.Equal(t, 31, q.main("/admin/quality?days=31").Find("table.heat thead abbr").Length())
	require.Zero(t, q.main("/admin/quality?group=clicks").Find("table.heat").Length())
	q.says("/admin/quality?group=clicks", "No rule is like that")
	require.Equal(t, 1, q.main("/admin/quality?kind=in_set").Find("table.heat tbody tr").Length())

	one := q.says(fmt.Sprintf("/admin/reports/%v", report["id"]), "The rule few_rows is broken on orders", "looking at everything that is stored")
	require.Equal(t, 1, one.Find(`a[href="/admin/features/orders/amount"]`).Length())
	require.Equal(t, 1, q.main("/admin/reports?way=call").Find("tbody tr").Length())
	q.says("/admin/reports?status=skipped", "There is no such report")

	rule := q.says("/admin/rules/amount_positive", "1 (50 %)", "everything that is stored", "firing")
	require.Equal(t, 2, rule.Find("section").Last().ChildrenFiltered(".wide").Find("tbody tr").Length(), "a result of the load and one of the call")
	require.Equal(t, "In numbers: Bad rows", q.words(rule.Find("figure.plot summary")))
	require.Equal(t, 2, rule.Find("figure.plot tbody tr").Length())
	require.Contains(t, q.does(200, "judge-rule", url.Values{"name": {"amount_positive"}, "group": {"orders"}}), "✕ amount_positive: fail, of 2 rows, in report")
	require.Contains(t, q.does(200, "switch-rule", url.Values{"name": {"amount_positive"}, "to": {"off"}}), "is switched off")
	q.says("/admin/rules/amount_positive", "Switchedoff", "Switch on")
	require.Equal(t, 1, q.main("/admin/quality?enabled=false").Find("table.heat tbody tr").Length())
	require.Contains(t, q.does(200, "switch-rule", url.Values{"name": {"amount_positive"}, "to": {"on"}}), "is evaluated again")
	require.Contains(t, q.does(200, "delete-rule", url.Values{"name": {"few_rows"}}), "The rule few_rows is deleted")
	q.page(404, "/admin/rules/few_rows")

	var many strings.Builder
	for i := range 60 {
		fmt.Fprintf(&many, "  - {name: rule_%02d, group: orders, kind: not_null, features: [amount]}\n", i)
	}
	q.call(200, "POST", "/apply", "rules:\n"+many.String(), "Content-Type: application/yaml")
	first := q.main("/admin/quality?group=orders&days=7")
	require.Equal(t, 50, first.Find("table.heat tbody tr").Length())
	require.Contains(t, q.words(first), "rules of this page broken")
	next := first.Find("#over-time > p > a").AttrOr("href", "")
	require.Contains(t, next, "days=7")
	require.Equal(t, 12, q.main(next).Find("table.heat tbody tr").Length())
}

// Rules are proposed from a profile that is stored, and registered one by one or together.
func TestWebProposals(t *testing.T) {
	q := openQuality(t)
	q.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	q.says("/admin/proposals", "Rules that the values seen would pass")
	q.says("/admin/proposals?group=clicks", "has not been profiled yet")
	require.Contains(t, q.does(200, "profile-now", url.Values{"group": {"clicks"}}), "was made")
	q.says("/admin/proposals?group=clicks", "fewer than 50 values")

	rows := strings.Builder{}
	rows.WriteString("customer_id,event_time,amount,city\n")
	for i := range 80 {
		fmt.Fprintf(&rows, "c%d,2026-01-01T00:00:00Z,%d,%s\n", i, 10+i, []string{"Berlin", "Paris"}[i%2])
	}
	q.call(200, "POST", "/rows/orders?wait=1m", rows.String(), "Content-Type: text/csv")
	require.Contains(t, q.does(200, "profile-now", url.Values{"group": {"orders"}}), "was made")
	page := q.says("/admin/proposals?group=orders", "Proposed: ", "range", "there is a rule of the kind", "all rows, 80 rows")
	form := page.Find(`form[action$="apply-proposals"]`)
	n := form.Find("tbody tr").Length()
	require.Greater(t, n, 2)
	sent := q.fields(form)
	require.Len(t, sent["only"], n)
	require.Contains(t, q.does(422, "apply-proposals", url.Values{"group": sent["group"], "profile": sent["profile"]}), "Nothing is chosen")
	require.Contains(t, q.does(200, "apply-proposals", url.Values{"group": sent["group"], "profile": sent["profile"], "only": sent["only"], "one": sent["only"][:1]}), "1 rule registered")
	require.Equal(t, n-1, q.main("/admin/proposals?group=orders").Find(`form[action$="apply-proposals"] tbody tr`).Length())
	sent.Set("only", sent["only"][1])
	require.Contains(t, q.does(200, "apply-proposals", sent), "1 rule registered")
	q.says("/admin/rules/"+sent.Get("only"), "warn, record", "Proposed: ")
}

// A row in quarantine is looked at, mended, tried and replayed; others are chosen, or taken by what they have in common.
func TestWebQuarantine(t *testing.T) {
	q := openQuality(t)
	q.call(200, "POST", "/apply", strings.Replace(webDefinitions, "city, value_type: STRING", "city, value_type: STRING}, {name: parts, value_type: \"INTEGER[]\"}, {name: paid, value_type: BOOLEAN}, {name: more, value_type: JSON}, {name: secret, value_type: STRING, tags: [pii]", 1), "Content-Type: application/yaml")
	barred := q.call(202, "POST", "/store/customer/d", `{"orders:city": "Atlantis", "orders:amount": 20.5, "orders:parts": [1, 2], "orders:paid": null, "orders:more": {"a": [1]}, "orders:secret": "hush"}`)
	id := barred["quarantined"].([]any)[0].(map[string]any)["id"].(string)
	list := q.says("/admin/quarantine", "Atlantis", "city_known", "(masked)")
	require.NotContains(t, list.Text(), "hush")
	q.says("/admin/quality", "1 row in quarantine")

	row := q.says("/admin/quarantine/"+id, "What it breaks", "city_known: city is Atlantis", "by write")
	form := q.fields(row.Find("form.amend"))
	require.Equal(t, url.Values{
		"id": {id}, "type.amount": {"FLOAT"}, "as.amount": {"value"}, "value.amount": {"20.5"}, "type.city": {"STRING"}, "as.city": {"value"}, "value.city": {"Atlantis"},
		"type.parts": {"INTEGER[]"}, "as.parts": {"value"}, "value.parts": {"[1,2]"}, "type.paid": {"BOOLEAN"}, "as.paid": {"null"}, "value.paid": {""},
		"type.more": {"JSON"}, "as.more": {"value"}, "value.more": {`{"a":[1]}`}, "type.secret": {"STRING"}, "as.secret": {"value"}, "value.secret": {"hush"},
		"was.amount": {"20.5"}, "was.city": {`"Atlantis"`}, "was.parts": {"[1,2]"}, "was.paid": {""}, "was.more": {`{"a":[1]}`}, "was.secret": {`"hush"`},
	}, form)
	form.Set("value.amount", "twenty")
	require.Contains(t, q.does(422, "amend", form), "amount", "what is no number is refused in the API's words")
	form.Set("value.amount", "21")
	require.Contains(t, q.does(200, "try-amend", form), "It would still break rules. Nothing was changed. city_known: city is Atlantis")
	form.Set("value.city", "Paris")
	form.Set("as.paid", "absent")
	form.Set("value.parts", " [3] ")
	require.Contains(t, q.does(200, "try-amend", form), "It would break no rule. Nothing was changed.")
	q.says("/admin/quarantine/"+id, "Atlantis")
	require.Contains(t, q.does(200, "amend", form), "Saved. It breaks no rule now. Replay it")
	q.says("/admin/quarantine", "It breaks no rule any more")
	require.Contains(t, q.does(200, "replay", url.Values{"id": {id}}), "1 row stored, 0 still waiting.")
	got := q.call(200, "GET", "/get/customer/d?features=orders:city,orders:amount,orders:parts,orders:paid,orders:more,orders:secret", "")
	require.Equal(t, map[string]any{"orders:city": "Paris", "orders:amount": 21.0, "orders:parts": []any{3.0}, "orders:paid": nil, "orders:more": map[string]any{"a": []any{1.0}}, "orders:secret": "hush"}, got["features"])
	require.Equal(t, "NOT_FOUND", got["statuses"].(map[string]any)["orders:paid"])
	q.says("/admin/quarantine/"+id, "replayed", "Its values are not kept here any more")
	require.Contains(t, q.does(409, "amend", form), "does not wait in quarantine any more")

	var rows strings.Builder
	rows.WriteString("customer_id,event_time,amount,city\n")
	for i := range 60 {
		fmt.Fprintf(&rows, "e%d,2026-01-01T00:00:00Z,%d,Atlantis\n", i, 10+i)
	}
	loaded := q.call(200, "POST", "/rows/orders?wait=1m&file=june.csv", rows.String(), "Content-Type: text/csv")
	first := q.says("/admin/quarantine?state=waiting", "by load", "file june.csv", "row 60")
	require.Equal(t, 50, first.Find("article").Length())
	chosen := first.Find(`input[form="chosen"]`)
	require.Equal(t, 50, chosen.Length())
	next := first.Find("#rows > p > a").AttrOr("href", "")
	require.Contains(t, next, "state=waiting")
	require.Equal(t, 10, q.main(next).Find("article").Length())
	two := url.Values{"id": {chosen.Eq(0).AttrOr("value", ""), chosen.Eq(1).AttrOr("value", "")}}
	require.Contains(t, q.does(200, "replay", two), "0 rows stored, 2 still waiting. city_known: city is Atlantis")
	require.Contains(t, q.does(200, "discard", two), "2 rows discarded")
	require.Contains(t, q.does(200, "discard", two), "No such row waits")
	require.Contains(t, q.does(422, "discard", nil), "Nothing is chosen", "to choose nothing is no way to choose all")

	q.call(200, "POST", "/apply", "rules: [{name: city_known, params: {values: [Berlin, Paris, Atlantis]}}]", "Content-Type: application/yaml")
	all := q.says(fmt.Sprintf("/admin/quarantine?rule=city_known&run_id=%v", loaded["run_id"]), "Try all that fit").Find(`form[action$="/try-replay"]`)
	require.Contains(t, q.does(200, "try-replay", q.fields(all)), "58 rows would be stored, 0 would go on waiting. Nothing was changed. Replay them")
	require.Contains(t, q.does(200, "replay", q.fields(all)), "58 rows stored, 0 still waiting.")
	counts := q.main("/admin/quarantine").Find("table tbody tr").First()
	require.Equal(t, "orders0592000", q.words(counts))
}

// Baselines are registered, frozen and deleted.
func TestWebBaselines(t *testing.T) {
	q := openQuality(t)
	q.call(200, "POST", "/apply", webDefinitions+"baselines: [{name: sent, group: orders, source: {training_set: {}}}]\n", "Content-Type: application/yaml")
	loaded := q.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,10,Berlin\nb,2026-01-01T00:00:00Z,5,Paris\n", "Content-Type: text/csv")
	q.says("/admin/baselines?group=clicks", "None of this group")
	q.says("/admin/baselines", "a training set, which is sent", "not frozen", "curl --data-binary")
	register := func(status int, pairs ...string) string {
		form := url.Values{"group": {"orders"}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return q.does(status, "register-baseline", form)
	}
	require.Contains(t, register(422, "name", "none"), "exactly one of")
	require.Contains(t, register(422, "name", "both", "run", "1", "period", "7d"), "exactly one of")
	require.Contains(t, register(422, "name", "words", "run", "seven"), "run")
	require.Contains(t, register(200, "name", "january", "from", "2026-01-01T00:00:00Z", "to", "2026-02-01T00:00:00Z"), "The baseline january is registered. Freeze it")
	require.Contains(t, register(200, "name", "load", "run", fmt.Sprint(loaded["run_id"])), "is registered")
	require.Contains(t, register(200, "name", "week", "period", "7d"), "is registered")
	require.Contains(t, q.does(200, "freeze-baseline", url.Values{"name": {"january"}}), "january is frozen: 2 rows, 2 features")
	page := q.says("/admin/baselines?group=orders", "the 7d before what is judged", "moves along", fmt.Sprintf("what run %v brought", loaded["run_id"]), "2 rows", "categorical")
	require.Equal(t, 1, page.Find(`form[action$="/freeze-baseline"]`).Length(), "of load: the others are frozen, move along or need a table")
	require.Contains(t, q.does(200, "delete-baseline", url.Values{"name": {"january"}}), "The baseline january is deleted")
	require.NotContains(t, q.main("/admin/baselines").Text(), "january")
	require.Contains(t, q.does(404, "delete-baseline", url.Values{"name": {"january"}}), "january")
}

// Alerts by state, with who took them on and why; silences by pattern.
func TestWebAlerts(t *testing.T) {
	q := openQuality(t)
	q.call(200, "POST", "/apply", webDefinitions, "Content-Type: application/yaml")
	q.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,-10,Berlin\nb,2026-01-01T00:00:00Z,-5,Paris\n", "Content-Type: text/csv")
	q.call(200, "POST", "/validate", `{"group": "orders"}`)
	open := q.says("/admin/alerts", "amount_positive on orders:amount", "few_rows on orders", "finance", "Nobody was told of it")
	require.Equal(t, 2, open.Find("article").Length())
	require.Equal(t, 1, q.main("/admin/alerts?owner=finance").Find("article").Length())
	q.says("/admin/alerts?severity=info", "No alert is like that")

	form := q.fields(open.Find(`form[action$="/acknowledge"]`).First())
	require.Contains(t, q.does(422, "acknowledge", form), "author", "a name is needed")
	form.Set("by", "ann")
	form.Set("note", "the shop was closed")
	require.Contains(t, q.does(200, "acknowledge", form), "Acknowledged")
	q.says("/admin/alerts?state=acknowledged", "Acknowledged by ann", "the shop was closed")
	require.Contains(t, q.does(200, "resolve", url.Values{"id": form["id"], "by": {"ann"}, "note": {"it was known"}}), "Resolved")
	q.says("/admin/alerts?state=resolved", "Resolved just now: ", "it was known")
	one := q.says("/admin/alerts?id="+form.Get("id"), "it was known", "All open alerts")
	require.Equal(t, 1, one.Find("article").Length(), "messages lead to the one alert, though it is resolved")
	q.page(404, "/admin/alerts?id=99999")
	q.page(422, "/admin/alerts?id=first")
	require.Contains(t, q.does(409, "resolve", url.Values{"id": form["id"], "by": {"ann"}, "note": {"again"}}), "resolved")

	pattern := url.Values{"group": {"ord*"}, "for": {"4h"}, "by": {"ben"}, "note": {"we are moving"}}
	require.Contains(t, q.does(200, "try-silence", pattern), "It would cover 1 open alert")
	require.Contains(t, q.does(422, "silence", url.Values{"for": {"4h"}, "by": {"ben"}, "note": {"all"}}), "give at least one of")
	require.Contains(t, q.does(422, "silence", url.Values{"rule": {"x"}, "for": {"soon"}, "by": {"ben"}, "note": {"all"}}), "body.until")
	require.Contains(t, q.does(200, "silence", pattern), "Silenced until")
	q.says("/admin/alerts?state=silenced", "Silenced by ben until", "we are moving")
	silences := q.says("/admin/silences", "group ord*", "in 3 hours", "ben", "we are moving")
	require.Contains(t, q.does(200, "end-silence", q.fields(silences.Find(`form[action$="/end-silence"]`))), "has ended")
	q.says("/admin/silences", "Nothing is silenced")
	q.says("/admin/silences?ended=true", "we are moving", "ended")
	q.says("/admin/alerts?state=firing", "firing")

	var rules strings.Builder
	for i := range 60 {
		fmt.Fprintf(&rules, "  - {name: rule_%02d, group: orders, kind: row_count, params: {min: 100}}\n", i)
		q.call(201, "POST", "/silences", fmt.Sprintf(`{"matcher": {"rule": "never_%d"}, "until": "4h", "author": "ben", "reason": "%d"}`, i, i))
	}
	q.call(200, "POST", "/apply", "rules:\n"+rules.String(), "Content-Type: application/yaml")
	q.call(200, "POST", "/validate", `{"group": "orders"}`)
	for _, list := range []struct{ path, entries, next string }{{"/admin/alerts?owner=shop", "article", "#alerts > p > a"}, {"/admin/silences", "tbody tr", "#silences > p > a"}} {
		first := q.main(list.path)
		require.Equal(t, 50, first.Find(list.entries).Length(), list.path)
		second := q.main(first.Find(list.next).AttrOr("href", ""))
		require.InDelta(t, 11, second.Find(list.entries).Length(), 1, "60, and for alerts few_rows too")
		require.Zero(t, second.Find(list.next).Length())
	}
}

// In a process that only reads everything is seen, and nothing can be sent.
func TestWebQualityForbidden(t *testing.T) {
	where := append(installation(t), "FEATURESTORE_VALIDATION_EVERY=0s")
	writer := start(t, settings(t, where...))
	api := caller{t, "http://" + writer.Addresses()[0]}
	api.call(200, "POST", "/apply", webDefinitions+"baselines: [{name: january, group: orders, source: {window: {from: \"2026-01-01T00:00:00Z\", to: \"2026-02-01T00:00:00Z\"}}}]\nreceivers: [{name: shop, kind: webhook, url_file: hook}]\n", "Content-Type: application/yaml")
	loaded := api.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,-10,Berlin\nd,2026-01-02T00:00:00Z,20,Atlantis\n", "Content-Type: text/csv")
	api.settled(loaded["validation_run_id"])
	api.call(200, "POST", "/profiles", `{"group": "orders"}`)
	api.call(201, "POST", "/silences", `{"matcher": {"rule": "few_rows"}, "until": "4h", "author": "ben", "reason": "known"}`)
	id := api.call(200, "GET", "/quarantine", "")["rows"].([]any)[0].(map[string]any)["id"].(string)
	require.NoError(t, writer.Stop())

	q := openQuality(t, append(where, "FEATURESTORE_READ_ONLY=true")...)
	for path, buttons := range map[string]int{
		"/admin/rules/few_rows": 3, "/admin/proposals?group=orders": 1, "/admin/quarantine": 7, "/admin/quarantine/" + id: 4, "/admin/baselines": 3, "/admin/alerts": 6, "/admin/silences": 3, "/admin/receivers": 1,
		"/admin/receivers/shop": 1,
	} {
		forms := q.says(path, "This process only reads").Find("form[method=post] button")
		require.Equal(t, buttons, forms.Length(), path)
		require.Equal(t, buttons, forms.Filter("[disabled]").Length(), path)
	}
	q.says("/admin/proposals?group=orders", "Read only. this process only reads")
}

// A receiver that fails is seen on every page until it is reached again; what was given up can be sent again.
func TestWebReceivers(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			http.Error(w, "closed for today", http.StatusForbidden)
		}
	}))
	t.Cleanup(sink.Close)
	secrets := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(secrets, "hook"), []byte(sink.URL), 0o600))
	q := openQuality(t, "FEATURESTORE_ALERTS_SECRETS_FOLDER="+secrets, "FEATURESTORE_ALERTS_ALLOWED_TARGETS=127.0.0.1", "FEATURESTORE_ALERTS_GROUP_WAIT=0s", "FEATURESTORE_ALERTS_POLL=10ms")
	q.call(200, "POST", "/apply", webDefinitions+"receivers: [{name: shop, kind: webhook, url_file: hook, min_severity: warn, owners: [shop]}]\n", "Content-Type: application/yaml")
	q.says("/admin/receivers", "shop", "never tried", "in the file hook", "warn and above, owners shop")
	q.says("/admin/receivers/shop", "Send a test to see whether it is reached")
	require.Zero(t, q.page(200, "/admin/catalogue").Find("main > .box.bad").Length())

	require.Contains(t, q.does(200, "test-receiver", url.Values{"name": {"shop"}}), "✕ The test did not reach shop.")
	for _, path := range []string{"/admin/", "/admin/catalogue", "/admin/groups/orders", "/admin/receivers"} {
		require.Contains(t, q.words(q.page(200, path).Find("main > .box.bad").First()), "The receiver shop is not reached", path)
	}
	q.says("/admin/receivers/shop", "It has not been reached since", "answered 403", "a test", "dead")
	q.says("/admin/receivers/shop?state=queued", "Nothing that is queued")
	q.call(200, "POST", "/rows/orders?wait=1m", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,10,Berlin\nb,2026-01-01T00:00:00Z,5,Paris\n", "Content-Type: text/csv")
	q.call(200, "POST", "/validate", `{"group": "orders", "rules": ["few_rows"]}`)
	require.Eventually(t, func() bool { return q.main("/admin/receivers/shop?state=dead").Find("tbody tr").Length() == 2 }, time.Minute, 20*time.Millisecond)
	q.says("/admin/receivers/shop", "new: The rule few_rows is broken on orders")

	broken.Store(false)
	again := q.main("/admin/receivers/shop?state=dead").Find(`form[action$="/resend"]`)
	require.Equal(t, 2, again.Length())
	require.Contains(t, q.does(200, "resend", q.fields(again.First())), "is queued again")
	require.Eventually(t, func() bool { return q.main("/admin/receivers/shop?state=delivered").Find("tbody tr").Length() == 1 }, time.Minute, 20*time.Millisecond)
	require.Zero(t, q.page(200, "/admin/catalogue").Find("main > .box.bad").Length(), "it is reached again")
	require.Contains(t, q.does(200, "test-receiver", url.Values{"name": {"shop"}}), "The receiver shop has taken the test.")
	q.says("/admin/receivers", "ok")
	require.Contains(t, q.does(404, "test-receiver", url.Values{"name": {"nobody"}}), "there is no receiver")
	require.Contains(t, q.says("/admin/alerts").Text(), "Told to shop")
}
