package browser

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// tap clicks on what a selector finds, by script, wherever on the page it is.
func (b *tab) tap(selector string) {
	b.Helper()
	b.do(chromedp.WaitReady(selector), chromedp.Evaluate[chromedp.Void](`document.querySelector(`+quote(selector)+`).click()`))
}

func quote(text string) string { return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"` }

// holds asks the page whether something holds, until it does.
func (b *tab) holds(expression string) {
	b.Helper()
	require.Eventually(b, func() bool {
		held, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		return err == nil && held
	}, patience, 50*time.Millisecond, expression)
}

// An entity is looked up: what it is now, how it went, why, what it was; then it is erased.
func TestLookUpWithHistory(t *testing.T) {
	b := open(t)
	b.fill()
	b.call(200, "POST", "/apply", `
entity_types: [{name: shop, join_keys: [{name: shop_id, value_type: INTEGER}, {name: region, value_type: STRING}]}]
groups: [{name: turnover, entity_type: shop, features: [{name: revenue, value_type: INTEGER}]}]
`, "application/yaml")
	b.call(200, "POST", "/store/shop/shop_id=7,region=eu?event_time=2026-01-01T00:00:00Z", `{"revenue": 5}`, "application/json")
	b.visit("/admin/look-up")
	b.text("#some", "a")
	b.do(chromedp.SendKeys("main input[name=id]", "a"))
	b.click("main form.filters button")
	b.text("main h2", "customer a")
	b.text("main", "Paris")
	b.holds(`document.querySelectorAll("figure.plot .uplot canvas").length === 1`)
	drawn, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`(function () {
	  var c = document.querySelector("figure.plot canvas"), p = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, n = 0;
	  for (var i = 3; i < p.length; i += 4) if (p[i]) n++;
	  return n })()`))
	require.NoError(t, err)
	require.Greater(t, drawn, 100, "the plot is drawn")
	b.holds(`document.querySelector("figure.plot .u-legend").innerText.indexOf("amount") >= 0`)

	b.tap(`a[aria-label="Why amount is so"]`)
	b.text("tr.why td:not(:empty)", "orders:amount")
	b.tap("tr.why button[data-empties]")
	b.holds(`Array.from(document.querySelectorAll("tr.why")).every(function (r) { return r.offsetHeight === 0 }) && document.activeElement.getAttribute("aria-label") === "Why amount is so"`)

	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("input[name=at]").value = "2026-01-02T00:00"`))
	b.click("main form.filters button")
	b.text("main h2", "as of 2026-01-02 00:00:00 UTC")
	b.text("main tbody", "Berlin")
	b.do(chromedp.SetValue(`select[name=entity_type]`, "shop"), chromedp.Evaluate[chromedp.Void](`document.querySelector("select[name=entity_type]").dispatchEvent(new Event("change", {bubbles: true}))`))
	b.holds(`document.querySelectorAll("#keys input").length === 2`)
	b.rest()
	b.do(chromedp.SendKeys(`input[name="key.shop_id"]`, "7"), chromedp.SendKeys(`input[name="key.region"]`, "eu"), chromedp.Evaluate[chromedp.Void](`document.querySelector("input[name=at]").value = ""`))
	b.click("main form.filters button")
	b.text("main h2", "shop shop_id=7, region=eu")

	b.tap(`a[href*="/erase"]`)
	b.text("h1", "Erase shop")
	b.do(chromedp.SendKeys("input[name=confirm]", "7"))
	b.press("main button.danger", "Nothing was erased")
	b.do(chromedp.SetValue("input[name=confirm]", "shop_id=7, region=eu"))
	b.press("main button.danger", "ledger of erasures")
	b.tap("#result a")
	b.text("dl.facts", "succeeded")
	b.visit("/admin/look-up?entity_type=shop&key.shop_id=7&key.region=eu")
	b.text("main", "NOT_FOUND")
}

// A training set is chosen from a service's page, its spine taken as it stands and then from a file, looked at and downloaded.
func TestTrainingSetBuiltAndDownloaded(t *testing.T) {
	b := open(t)
	b.fill()
	folder := t.TempDir()
	b.do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder})
		return chromedp.Void{}, err
	})
	b.visit("/admin/services/churn")
	b.text("main tbody", "PRESENT")
	b.tap(`a[href^="/admin/training-set?service=churn"]`)
	b.text("h1", "Training set")
	b.tap("form.spine button[hx-post]")
	b.text("#preview p.rows", "All")
	b.text("#preview", "✓")

	spine := filepath.Join(folder, "mine.csv")
	require.NoError(t, os.WriteFile(spine, []byte("customer_id,event_time,label\na,2026-01-02T00:00:00Z,yes\nnobody,2026-01-02T00:00:00Z,no\n"), 0o600))
	b.do(chromedp.SetUploadFiles("form.spine input[type=file]", []string{spine}))
	b.tap("form.spine button[hx-post]")
	b.text("#preview", "nobody")
	b.text("#preview", "NOT_FOUND")
	saved := func(button, name string) []byte {
		b.tap(button)
		var text []byte
		require.Eventually(t, func() bool {
			var err error
			text, err = os.ReadFile(filepath.Join(folder, name))
			return err == nil && len(text) > 0
		}, patience, 50*time.Millisecond, name)
		return text
	}
	require.Equal(t, "customer_id,event_time,label,amount,city\na,2026-01-02T00:00:00Z,yes,10.0,Berlin\nnobody,2026-01-02T00:00:00Z,no,,\n", string(saved(`form.spine button[formaction*="format=csv"]`, "training_set.csv")))
	require.Equal(t, "PAR1", string(saved(`form.spine button[formaction*="format=parquet"]`, "training_set.parquet")[:4]))
	require.Equal(t, "customer_id,event_time\n", string(saved("a[download]", "spine.csv")))

	b.visit("/admin/training-set?find=city")
	b.click("input[value='orders:city']")
	b.tap("button.choose")
	b.text("main", "1 feature: city.")
	b.do(chromedp.SetValue("form.spine textarea", "customer_id\na\n"))
	b.tap("form.spine button[hx-post]")
	b.text("#preview", "there is no time column")
	b.text("figure.call", "/training-sets?features=orders%3Acity")
}
