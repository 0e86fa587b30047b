package browser

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"featurestore/app"
	"featurestore/config"
)

// patience is how long a page may take to show what it is to show, on a loaded machine.
const patience = time.Minute

// tab is a browser's tab on a server of its own. What the page's scripts complain about fails the test.
type tab struct {
	*testing.T
	ctx  context.Context
	base string

	mu         sync.Mutex
	complaints []string
}

// open starts a server, with changes of its settings, and a browser. Without Chromium the test is skipped, unless FEATURESTORE_TEST_CHROMIUM is "required".
func open(t *testing.T, changes ...string) *tab {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("FEATURESTORE_TEST_CHROMIUM") != "required" {
		t.Skip("there is no chromium here")
	}
	require.NoError(t, err)
	loaded, err := config.Load(config.Sources{Environment: append([]string{
		"FEATURESTORE_DATA=" + filepath.Join(t.TempDir(), "data"), "FEATURESTORE_HTTP_LISTEN=127.0.0.1:0,127.0.0.1:0", "FEATURESTORE_VALIDATION_EVERY=0s",
	}, changes...)})
	require.NoError(t, err)
	a, err := app.New(t.Context(), &loaded.Config, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, a.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, a.Stop()) })

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WSURLReadTimeout(patience))
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	b := &tab{T: t, ctx: ctx, base: "http://" + a.Addresses()[0]}
	require.NoError(t, chromedp.Listen(ctx, func(event any) {
		switch event := event.(type) {
		case *runtime.EventExceptionThrown:
			text := event.ExceptionDetails.Text
			if thrown := event.ExceptionDetails.Exception; thrown != nil {
				text += " " + thrown.Description
			}
			b.complain(text)
		case *runtime.EventConsoleAPICalled:
			if event.Type == "error" {
				b.complain(fmt.Sprint(event.Args))
			}
		case *log.EventEntryAdded:
			if event.Entry.Level == "error" {
				b.complain(event.Entry.Text + " " + event.Entry.URL)
			}
		}
	}))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Empty(t, b.complaints, "the browser's console")
	})
	return b
}

func (b *tab) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, text)
}

// do performs steps, which must succeed within patience.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	require.NoError(b, chromedp.Do(ctx, steps...))
}

func (b *tab) visit(path string) {
	b.Helper()
	b.do(chromedp.Navigate(b.base + path))
}

// text waits until an element of a page that is loaded, with its scripts, shows something that has a text in it, and answers what it shows.
func (b *tab) text(selector, wanted string) string {
	b.Helper()
	shown := ""
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		found, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.readyState === "complete" ? (document.querySelector(%q) || {innerText: ""}).innerText : ""`, selector)))
		if shown = found; err == nil && strings.Contains(shown, wanted) {
			return shown
		}
	}
	require.Contains(b, shown, wanted, selector)
	return shown
}

// click clicks on what a selector finds, once nothing is under way that would replace or move it.
func (b *tab) click(selector string) {
	b.Helper()
	b.rest()
	b.do(chromedp.Click(selector))
}

// rest waits until the page is loaded, and has asked for nothing more and shown all that it asked for.
func (b *tab) rest() {
	b.Helper()
	b.holds(`document.readyState === "complete" && document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added") === null`)
}

// point is a place in the window, in pixels.
type point struct{ X, Y float64 }

// middle is where what a selector finds is clicked on; it is brought into view.
func (b *tab) middle(selector string) point {
	b.Helper()
	at, err := chromedp.Run(b.ctx, chromedp.Evaluate[point](fmt.Sprintf(`(found => {
		found.scrollIntoView({block: "center", behavior: "instant"})
		const box = found.getBoundingClientRect()
		return {x: box.x + box.width / 2, y: box.y + box.height / 2}
	})(document.querySelector(%q))`, selector)))
	require.NoError(b, err)
	return at
}

// pressLong clicks as a hand does, which takes longer to let go than a page takes to change.
func (b *tab) pressLong(selector string) {
	b.Helper()
	at, left := b.middle(selector), []chromedp.MouseOption{chromedp.ButtonLeft, chromedp.ClickCount(1)}
	b.do(chromedp.MouseEvent(chromedp.MousePressed, at.X, at.Y, left...))
	time.Sleep(time.Second)
	b.do(chromedp.MouseEvent(chromedp.MouseReleased, at.X, at.Y, left...))
}

// call makes a call of the API.
func (b *tab) call(status int, method, path, body string, contentType string) map[string]any {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), method, b.base+path, strings.NewReader(body))
	require.NoError(b, err)
	request.Header.Set("Content-Type", contentType)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(b, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(b, err)
	require.Equal(b, status, answer.StatusCode, "%s", text)
	var decoded map[string]any
	require.NoError(b, json.Unmarshal(text, &decoded))
	return decoded
}

const definitions = `
entity_types: [{name: customer, description: Who buys, join_keys: [{name: customer_id, value_type: STRING}]}]
groups:
  - {name: orders, entity_type: customer, description: What was ordered, owner: shop, features: [
      {name: amount, value_type: FLOAT, description: What was paid, tags: [core], owner: finance, unit: USD}, {name: city, value_type: STRING}]}
  - {name: clicks, entity_type: customer, kind: events, features: [{name: page, value_type: STRING}]}
  - {name: counts, entity_type: customer, features: [{name: clicks_7d, value_type: INTEGER, frequency: DAILY}]}
services: [{name: churn, features: ["orders:amount", "orders:city"]}]
rules:
  - {name: amount_positive, group: orders, kind: positive, features: [amount], severity: warn}
  - {name: few_rows, group: orders, kind: row_count, params: {max: 1}}
  - {name: city_known, group: orders, kind: in_set, features: [city], params: {values: [Berlin, Paris]}, action: quarantine}
pipelines:
  - {name: daily, source: {group: clicks}, target: counts, tick: daily, aggregate: [{feature: clicks_7d, function: count, window: 7d}], schedule: {cron: "0 2 * * *"}}
`

// fill registers definitions and loads rows, of which one waits in quarantine, and answers the load.
func (b *tab) fill() map[string]any {
	b.Helper()
	b.call(200, "POST", "/apply", definitions, "application/yaml")
	loaded := b.call(200, "POST", "/rows/orders?wait=1m&file=orders.csv", "customer_id,event_time,amount,city\na,2026-01-01T00:00:00Z,10,Berlin\nb,2026-01-01T00:00:00Z,-5,Paris\na,2026-01-03T00:00:00Z,20,Paris\nd,2026-01-02T00:00:00Z,20,Atlantis\n", "text/csv")
	require.Equal(b, "succeeded", b.call(200, "GET", fmt.Sprintf("/runs/%v?wait=60s", loaded["validation_run_id"]), "", "")["state"])
	b.call(200, "POST", "/validate", `{"group": "orders"}`, "application/json")
	return loaded
}

// From an empty page to the first feature, and from a search to its call.
func TestFirstFeature(t *testing.T) {
	b := open(t)
	b.visit("/")
	b.text("main", "Nothing is registered yet")
	call := b.text("main pre", "curl -d")
	body := call[strings.Index(call, "'{")+1 : strings.Index(call, "}'")+1]
	b.call(201, "POST", "/features", body, "application/x-www-form-urlencoded")
	b.visit("/admin/")
	b.text(".numbers", "1\nfeature")
	b.do(chromedp.Evaluate[chromedp.Void](`document.dispatchEvent(new KeyboardEvent("keydown", {key: "/", bubbles: true}))`))
	focused, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.activeElement.id`))
	require.NoError(t, err)
	require.Equal(t, "search", focused, "the key / goes to the search")
	b.do(chromedp.SendKeys("#search", "purchases in"), chromedp.Submit("#search"))
	b.text("main tbody", "purchase_count_30d")
	b.click("main tbody a")
	b.text("h1", "purchase_count_30d")
	b.text("figure.call", "curl 'http://")
}

// An entity's values and history; a load found in the list of runs and reverted.
func TestLookUpAndRevert(t *testing.T) {
	b := open(t)
	loaded := b.fill()
	b.visit("/admin/look-up")
	b.do(chromedp.SendKeys("main input[name=id]", "a"))
	b.click("main form button")
	b.text("main", "Paris")
	b.text("main", "2026-01-01 00:00:00 UTC")
	b.visit("/admin/look-up?entity_type=customer&id=a&at=2026-01-02T00:00:00Z")
	b.text("main", "Berlin")
	b.visit("/admin/runs?kind=load")
	b.click(fmt.Sprintf(`main a[href="/admin/runs/%v"]`, loaded["run_id"]))
	b.text("h1", "load of orders")
	require.NoError(t, acceptDialogs(b))
	b.click(`form[action$="revert-run"] button`)
	b.text("#result", "taken back")
	require.Eventually(t, func() bool { return b.call(200, "GET", "/get/customer/a/amount", "", "")["status"] == "NOT_FOUND" }, patience, 50*time.Millisecond)
}

// What a page does is shown on the page: a materialization, an alert that is silenced, a row that is discarded.
func TestActions(t *testing.T) {
	b := open(t)
	b.fill()
	b.visit("/admin/groups/orders")
	b.press(`form[action$="/materialize"] button`, "has been asked for")
	b.click("#result a")
	b.text("h1", "materialization of orders")
	b.text("dl.facts", "succeeded")

	b.visit("/admin/alerts")
	b.text("main", "few_rows")
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("article details").forEach(function (d) { d.open = true })`),
		chromedp.SendKeys(`article form[action$="/silence"] input[name=by]`, "ann"), chromedp.SendKeys(`article form[action$="/silence"] input[name=note]`, "known"))
	b.press(`article form[action$="/silence"] button`, "Silenced until")
	b.visit("/admin/alerts")
	b.text("main", "silenced")

	b.visit("/admin/quarantine?group=orders")
	b.text("article", "Atlantis")
	b.press(`article form[action$="/replay"] button`, "0 rows stored, 1 still waiting.")
	b.call(200, "POST", "/apply", strings.Replace(definitions, "[Berlin, Paris]", "[Berlin, Paris, Atlantis]", 1), "application/yaml")
	b.press(`article form[action$="/replay"] button`, "1 row stored, 0 still waiting.")
}

// acceptDialogs answers yes to what htmx asks.
func acceptDialogs(b *tab) error {
	return chromedp.Do(b.ctx, chromedp.Evaluate[chromedp.Void](`window.confirm = function () { return true }`))
}

// Every page at both widths, in both themes: nothing scrolls sideways but tables in their boxes, axe finds no violation, and a screenshot is kept.
func TestEveryPage(t *testing.T) {
	b := open(t)
	loaded := b.fill()
	pages := map[string]string{
		"overview": "/admin/", "catalogue": "/admin/catalogue", "feature": "/admin/features/orders/amount", "group": "/admin/groups/orders", "entity_type": "/admin/entity-types/customer",
		"why": "/admin/look-up/why?entity_type=customer&id=a&feature=amount", "erase": "/admin/look-up/erase?entity_type=customer&id=a", "look_up_then": "/admin/look-up?entity_type=customer&id=a&at=2026-01-02T00:00:00Z",
		"training_set": "/admin/training-set?service=churn", "training_set_choice": "/admin/training-set", "look_up_empty": "/admin/look-up",
		"service": "/admin/services/churn", "look_up": "/admin/look-up?entity_type=customer&id=a", "runs": "/admin/runs", "run": fmt.Sprintf("/admin/runs/%v", loaded["run_id"]),
		"pipelines": "/admin/pipelines", "pipeline": "/admin/pipelines/daily", "schedule": "/admin/schedules/" + url.PathEscape("pipeline:daily"), "system": "/admin/system", "unknown": "/admin/groups/nothing",
	}
	b.everywhere(t, pages)
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := b.complaints[:0]
	for _, text := range b.complaints { // the page that is not there is a 404, which the console tells
		if !strings.HasSuffix(text, "/admin/groups/nothing") {
			kept = append(kept, text)
		}
	}
	b.complaints = kept
}

// everywhere looks at pages, by name and address, at both widths and in both themes.
func (b *tab) everywhere(t *testing.T, pages map[string]string) {
	axe := axeCore(t)
	require.NoError(t, os.MkdirAll("screenshots", 0o755))
	for name, path := range pages {
		t.Run(name, func(t *testing.T) {
			for _, width := range []int64{1280, 360} {
				for _, theme := range []string{"light", "dark"} {
					b.do(chromedp.EmulateViewport(width, 900), themed(theme))
					b.visit(path)
					wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`))
					require.NoError(t, err)
					require.LessOrEqual(t, wide, width, "%s scrolls sideways at %d", path, width)
					if theme == "light" {
						picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
						require.NoError(t, err)
						require.NoError(t, os.WriteFile(filepath.Join("screenshots", fmt.Sprintf("%s_%d.png", name, width)), picture, 0o644))
					}
					if width == 1280 {
						require.Empty(t, b.violations(axe), "%s, %s", path, theme)
					}
				}
			}
		})
	}
}

// themed has the page believe that the person prefers a theme.
func themed(theme string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
		return chromedp.Void{}, err
	}
}

// axeCore is the source of axe-core 4.14.1, as its makers publish it.
func axeCore(t *testing.T) string {
	file, err := os.Open("testdata/axe-core-4.14.1.min.js.gz")
	require.NoError(t, err)
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	require.NoError(t, err)
	text, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	return string(text)
}

// violations are what axe finds, each with its elements.
func (b *tab) violations(axe string) []string {
	b.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](axe + "\n;undefined"))
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](
		`axe.run().then(r => r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(" | ")))`, chromedp.EvalAwaitPromise))
	require.NoError(b, err)
	return found
}
