package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// summing is a pipeline that fails as long as its source has so much that a sum is beyond 64 bits.
const summing = `
entity_types: [{name: customer, join_keys: [{name: customer_id, value_type: STRING}]}]
groups:
  - {name: clicks, entity_type: customer, kind: events, features: [{name: seconds, value_type: INTEGER}]}
  - {name: counts, entity_type: customer, features: [{name: seconds_7d, value_type: INTEGER}]}
pipelines:
  - {name: seconds_daily, description: Time spent, source: {group: clicks}, target: counts, tick: daily, aggregate: [{feature: seconds_7d, function: sum, of: seconds, window: 7d}]}
`

// settled waits for a run and answers its state.
func (b *tab) settled(run any) string {
	b.Helper()
	return fmt.Sprint(b.call(200, "GET", fmt.Sprintf("/runs/%v?wait=60s", run), "", "")["state"])
}

// A run that failed is found from the overview, understood by its sentence, and done again once its cause is gone.
func TestFailedRun(t *testing.T) {
	b := open(t)
	b.call(200, "POST", "/apply", summing, "application/yaml")
	b.call(200, "POST", "/rows/clicks?wait=1m", "customer_id,event_time,seconds\na,2026-01-01T10:00:00Z,3\n", "text/csv")
	bad := b.call(200, "POST", "/rows/clicks?wait=1m", "customer_id,event_time,seconds\na,2026-01-01T11:00:00Z,9223372036854775807\n", "text/csv")
	failed := b.call(200, "POST", "/pipelines/seconds_daily/backfill?from=2026-01-02&to=2026-01-02&wait=60s", "", "")
	require.Equal(t, "failed", failed["state"], "%v", failed)

	b.visit("/admin/")
	b.text("#running", "seconds_daily")
	// Lists that look again by themselves do not take a link away while it is pressed; this one looks twenty times a second.
	b.do(chromedp.Evaluate[chromedp.Void](`list = document.querySelector("#running")
		Object.entries({get: "/admin/", trigger: "every 50ms", select: "#running > *", swap: "innerHTML"}).forEach(([name, value]) => list.setAttribute("hx-" + name, value))
		list.first = list.firstElementChild
		htmx.process(list)`))
	require.Eventually(t, func() bool {
		again, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`list.firstElementChild !== list.first`))
		return err == nil && again
	}, patience, 50*time.Millisecond, "the list looks again")
	b.pressLong(fmt.Sprintf(`#running a[href="/admin/runs/%v"]`, failed["id"]))
	b.text("h1", "pipeline of seconds_daily")
	b.text(".run-state .box", "seconds_7d")
	require.Equal(t, "succeeded", b.settled(b.call(202, "POST", fmt.Sprintf("/runs/%v/revert", bad["run_id"]), "", "")["id"]))
	b.click(`form[action$="/retry-run"] button`)
	b.text("#result", "has been asked for")
	b.text("#result .run-state", "succeeded")
	b.click("#result .box a")
	b.text("dl.facts", "succeeded")
	b.text(".run-state", "rows")
	require.Eventually(t, func() bool { return b.call(200, "GET", "/get/customer/a/seconds_7d", "", "")["value"] == 3.0 }, patience, 50*time.Millisecond)
	b.visit("/admin/pipelines/seconds_daily")
	b.text("figure.timeline", "the higher a bar")
}

// A load that brought wrong values is found by the feature that shows them, and taken back with one button that asks first.
func TestBadLoad(t *testing.T) {
	b := open(t)
	b.fill()
	bad := b.call(200, "POST", "/rows/orders?wait=1m&file=bad.csv", "customer_id,event_time,amount,city\na,2026-01-05T00:00:00Z,777,Paris\n", "text/csv")
	b.visit("/admin/look-up?entity_type=customer&id=a")
	b.text("main", "777")
	b.visit("/admin/groups/orders")
	b.text("figure.timeline", "the longer")
	b.click(fmt.Sprintf(`main table a[href="/admin/runs/%v"]`, bad["run_id"]))
	b.text("h1", "load of orders")
	b.text(".run-state", "stored")
	asked, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector('form[action$="revert-run"]').getAttribute("hx-confirm")`))
	require.NoError(t, err)
	require.Contains(t, asked, "Take back everything")
	require.NoError(t, acceptDialogs(b))
	b.click(`form[action$="revert-run"] button`)
	b.text("#result", "taken back")
	b.text("#result .run-state", "succeeded")
	b.visit("/admin/look-up?entity_type=customer&id=a")
	require.NotContains(t, b.text("main", "Paris"), "777")
	require.Equal(t, 20.0, b.call(200, "GET", "/get/customer/a/amount", "", "")["value"])
}

// What a schedule will do next is said on its clock and on the viewer's; it is paused and resumed.
func TestSchedule(t *testing.T) {
	b := open(t)
	b.call(200, "POST", "/apply", strings.Replace(definitions, `schedule: {cron: "0 2 * * *"}`, `schedule: {cron: "0 2 * * *", time_zone: Asia/Tokyo}`, 1), "application/yaml")
	b.visit("/admin/schedules/pipeline:daily")
	next := b.text("p.next", "here (")
	require.Contains(t, next, "T02:00:00+09:00")
	b.press(`form[action$="/pause-schedule"] button`, "Paused")
	b.text("#plan", "Resume")
	b.text("#after", "Nothing, while it is paused")
	b.visit("/admin/pipelines/daily")
	b.text("main", "paused")
	b.do(chromedp.SendKeys(`[name="from"]`, "2026"))
	b.press(`form[action$="/resume-schedule"] button`, "Resumed")
	b.text("#plan", "Pause its schedule")
	b.holds(`document.querySelector("[name=from]").value === "2026"`)
	b.visit("/admin/pipelines")
	b.click(`form[action$="/pause-schedule"] button`)
	b.text("#plan", "Resume")
}
