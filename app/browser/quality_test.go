package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// press clicks on what a selector finds, and waits for the page to say what came of it, and to show what has changed.
func (b *tab) press(selector, wanted string) {
	b.Helper()
	b.click(selector)
	b.text("#result", wanted)
	b.rest()
}

// write puts a text in the place of what a control holds.
func (b *tab) write(selector, text string) {
	b.Helper()
	b.do(chromedp.Clear(selector), chromedp.SendKeys(selector, text))
}

// gone waits until nothing is found any more.
func (b *tab) gone(selector string) {
	b.Helper()
	require.Eventually(b, func() bool {
		n, err := chromedp.Run(b.ctx, chromedp.Evaluate[int64](fmt.Sprintf(`document.querySelectorAll(%q).length`, selector)))
		return err == nil && n == 0
	}, patience, 50*time.Millisecond, selector)
}

// A row that waits is found, mended, tried and replayed, with the page at each step as it is then.
func TestQuarantineRepaired(t *testing.T) {
	b := open(t)
	b.fill()
	b.visit("/admin/quality")
	b.text(".numbers", "1\nrow in quarantine")
	b.click(`.numbers a[href="/admin/quarantine"]`)
	b.text("article", "Atlantis")
	b.click(`article a[role="button"]`)
	b.text("h1", "Row in quarantine")
	b.text("main", "city is Atlantis")
	b.press(`form.amend button[formaction$="/try-amend"]`, "It would still break rules")
	b.write(`[name="value.city"]`, "Paris")
	b.press(`form.amend button[formaction$="/try-amend"]`, "It would break no rule")
	b.press(`form.amend button:not([formaction])`, "Saved. It breaks no rule now.")
	b.text("#row", "it can be replayed")
	b.press(`#result form[action$="/replay"] button`, "1 row stored, 0 still waiting.")
	b.text("#row", "replayed")
	require.Equal(t, "Paris", b.call(200, "GET", "/get/customer/d/orders:city", "", "")["value"])

	b.call(202, "POST", "/store/customer/x", `{"orders:city": "Nowhere"}`, "application/json")
	b.call(202, "POST", "/store/customer/y", `{"orders:city": "Nowhere"}`, "application/json")
	b.visit("/admin/quarantine?group=orders")
	require.NoError(t, acceptDialogs(b))
	b.click(`article input[type="checkbox"]`)
	b.press(`#chosen button[formaction$="/discard"]`, "1 row discarded.")
	b.text("#rows", "orders x of")
	b.press(`#rows > .actions form[action$="/discard"] button`, "1 row discarded.")
	b.text("#rows", "No row is like that")
	focused, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.activeElement.id`))
	require.NoError(t, err)
	require.Equal(t, "result", focused, "the button is gone that had the focus")
}

// An alert is acknowledged and silenced with a reason, and the silence ended, all where it stands.
func TestAlertSilenced(t *testing.T) {
	b := open(t)
	b.fill()
	b.visit("/admin/alerts?rule=few_rows")
	b.text("#alerts article", "firing")
	b.click("#alerts details summary")
	in := func(action, name string) string {
		return fmt.Sprintf(`#alerts form[action$="/%s"] [name=%s]`, action, name)
	}
	b.write(in("acknowledge", "by"), "ann")
	b.write(in("acknowledge", "note"), "the shop was closed")
	b.press(`#alerts form[action$="/acknowledge"] button`, "Acknowledged")
	b.text("#alerts article", "Acknowledged by ann")
	b.click("#alerts details summary")
	b.write(in("silence", "by"), "ann")
	b.write(in("silence", "note"), "until Monday")
	b.press(`#alerts form[action$="/silence"] button`, "It covers 1 open alert")
	b.text("#alerts article", "until Monday")
	b.click(`nav.places a[href="/admin/silences"]`)
	b.text("#silences", "until Monday")
	b.press(`#silences form[action$="/end-silence"] button`, "The silence has ended")
	b.text("#silences", "Nothing is silenced")
	b.visit("/admin/alerts?rule=few_rows")
	b.text("#alerts article", "acknowledged")
}

// Proposals are chosen and applied on the page, and gone from it then.
func TestProposalsApplied(t *testing.T) {
	b := open(t)
	b.call(200, "POST", "/apply", definitions, "application/yaml")
	rows := "customer_id,event_time,amount,city\n"
	for i := range 80 {
		rows += fmt.Sprintf("c%d,2026-01-01T00:00:00Z,%d,Paris\n", i, 10+i)
	}
	b.call(200, "POST", "/rows/orders?wait=1m", rows, "text/csv")
	b.visit("/admin/quality")
	b.click(`nav.places a[href="/admin/proposals"]`)
	b.text("h1", "Proposals")
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("main select[name=group]").value = "orders"`))
	b.click("main form.filters button")
	b.holds(`location.search.indexOf("group=orders") >= 0`)
	b.press(`form[action$="/profile-now"] button`, "was made")
	b.text("#proposed", "orders_amount_range")
	b.press(`#proposed button[value="orders_amount_range"]`, "1 rule registered")
	b.gone(`#proposed button[value="orders_amount_range"]`)
	b.press(`#proposed form[action$="/apply-proposals"] .actions button`, "registered. They warn and record")
	b.text("#proposed", "Nothing is proposed besides what there is already")
	b.visit("/admin/rules/orders_amount_range")
	b.text("dl.facts", "warn, record")
}

// A receiver that cannot be reached is seen on whatever page a person is.
func TestFailingReceiverIsSeen(t *testing.T) {
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
	b := open(t, "FEATURESTORE_ALERTS_SECRETS_FOLDER="+secrets, "FEATURESTORE_ALERTS_ALLOWED_TARGETS=127.0.0.1")
	b.call(201, "POST", "/receivers", `{"name": "shop", "kind": "webhook", "url_file": "hook"}`, "application/json")
	b.visit("/admin/receivers")
	b.press(`form[action$="/test-receiver"] button`, "The test did not reach shop")
	b.text("#receivers", "failing")
	b.visit("/admin/catalogue")
	b.text("main > .box.bad", "The receiver shop is not reached")
	b.click("main > .box.bad a")
	b.text("h1", "shop")
	b.text("#deliveries", "answered 403")
	broken.Store(false)
	b.press(`#deliveries form[action$="/resend"] button`, "is queued again")
	require.Eventually(t, func() bool {
		return len(b.call(200, "GET", "/receivers/shop/deliveries?state=delivered", "", "")["deliveries"].([]any)) == 1
	}, patience, 50*time.Millisecond)
	b.visit("/admin/catalogue")
	b.gone("main > .box.bad")
}

// The pages about quality, with something on each, at both widths and in both themes.
func TestEveryQualityPage(t *testing.T) {
	secrets := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(secrets, "hook"), []byte("http://127.0.0.1:1/hook"), 0o600))
	b := open(t, "FEATURESTORE_ALERTS_SECRETS_FOLDER="+secrets, "FEATURESTORE_ALERTS_ALLOWED_TARGETS=127.0.0.1")
	loaded := b.fill()
	rows := "customer_id,event_time,amount,city\n"
	for i := range 80 {
		rows += fmt.Sprintf("c%d,2026-01-01T00:00:00Z,%d,Paris\n", i, 10+i)
	}
	b.call(200, "POST", "/rows/orders?wait=1m", rows, "text/csv")
	b.call(200, "POST", "/profiles", `{"group": "orders"}`, "application/json")
	b.call(200, "POST", "/apply", fmt.Sprintf(`
receivers: [{name: shop, kind: webhook, url_file: hook, owners: [shop, finance], min_severity: warn}]
baselines:
  - {name: january, group: orders, source: {window: {from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z"}}}
  - {name: first_load, group: orders, features: [amount], source: {run: %v}}
  - {name: trained_on, group: orders, source: {training_set: {}}}
`, loaded["run_id"]), "application/yaml")
	b.call(201, "POST", "/baselines/january/freeze", "", "")
	b.call(200, "POST", "/receivers/shop/test", "", "")
	b.call(201, "POST", "/silences", `{"matcher": {"group": "ord*", "rule": "few_*"}, "until": "4h", "author": "ann", "reason": "The shop moves, and loads come twice until Monday"}`, "application/json")
	id := b.call(200, "GET", "/quarantine", "", "")["rows"].([]any)[0].(map[string]any)["id"]
	b.everywhere(t, map[string]string{
		"quality": "/admin/quality", "rule": "/admin/rules/amount_positive", "reports": "/admin/reports", "report": "/admin/reports/1", "proposals": "/admin/proposals?group=orders",
		"quarantine": "/admin/quarantine?group=orders", "quarantined": "/admin/quarantine/" + fmt.Sprint(id), "baselines": "/admin/baselines", "alerts": "/admin/alerts",
		"silences": "/admin/silences", "receivers": "/admin/receivers", "receiver": "/admin/receivers/" + url.PathEscape("shop"),
	})
}
