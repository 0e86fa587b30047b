package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// summing is a pipeline that fails as long as its source has so much that a sum is beyond 64 bits. Its schedule is paused.
const summing = `
entity_types: [{name: customer, join_keys: [{name: customer_id, value_type: STRING}]}]
groups:
  - {name: clicks, entity_type: customer, kind: events, features: [{name: seconds, value_type: INTEGER}]}
  - {name: counts, entity_type: customer, features: [{name: seconds_7d, value_type: INTEGER}]}
pipelines:
  - {name: daily, source: {group: clicks}, target: counts, tick: daily, aggregate: [{feature: seconds_7d, function: sum, of: seconds, window: 7d}], schedule: {cron: "0 2 * * *", time_zone: Asia/Tokyo}}
`

// The pages of a pipeline, its schedule and its runs: before anything ran, after a failure, and after it worked.
func TestWebPipelinesAndRuns(t *testing.T) {
	a := start(t, settings(t))
	b := browser{t, "http://" + a.Addresses()[0]}
	api := caller{t, b.base}
	require.Contains(t, words(b.page(200, "/admin/pipelines").Find("main")), "None yet. A pipeline computes features from events")
	require.Contains(t, words(b.page(200, "/admin/runs").Find("main")), "No run is like that")
	api.call(200, "POST", "/apply", summing, "Content-Type: application/yaml")
	api.call(200, "POST", "/schedules/pipeline:daily/pause", "")
	pipeline := words(b.page(200, "/admin/pipelines/daily").Find("main"))
	for _, text := range []string{"Reads clicks", "Feeds counts", "It has not run yet", "None is published yet", "0 2 * * * (Asia/Tokyo)", "paused", "Resume its schedule", "sum(seconds) 7d"} {
		require.Contains(t, pipeline, text)
	}
	schedule := words(b.page(200, "/admin/schedules/pipeline:daily").Find("main"))
	for _, text := range []string{"Time zone Asia/Tokyo", "Nothing, while it is paused", "It has asked for none yet", "No tick has passed yet"} {
		require.Contains(t, schedule, text)
	}

	api.call(200, "POST", "/rows/clicks?wait=1m", "customer_id,event_time,seconds\na,2026-01-01T10:00:00Z,3\n", "Content-Type: text/csv")
	bad := api.call(200, "POST", "/rows/clicks?wait=1m", "customer_id,event_time,seconds\na,2026-01-01T11:00:00Z,9223372036854775807\n", "Content-Type: text/csv")
	failed := api.call(200, "POST", "/pipelines/daily/backfill?from=2026-01-02&to=2026-01-02&wait=60s", "")
	require.Equal(t, "failed", failed["state"])
	run := b.page(200, fmt.Sprintf("/admin/runs/%v", failed["id"])).Find("main")
	require.Contains(t, words(run.Find(".run-state .box")), "seconds_7d", "why it failed, in a sentence")
	require.Equal(t, 1, run.Find(`form[action$="/retry-run"]`).Length())
	require.Zero(t, run.Find(`form[action$="/revert-run"], form[action$="/cancel-run"], form[action$="/release-run"]`).Length(), "only what can be done is offered")
	require.Empty(t, run.Find(".run-state").AttrOr("hx-get", ""), "one that has ended is not asked for again")
	require.Contains(t, words(b.page(200, "/admin/runs?state=failed").Find("#found")), "daily")

	reverted := api.call(202, "POST", fmt.Sprintf("/runs/%v/revert", bad["run_id"]), "")
	api.settled(reverted["id"])
	retried := api.call(202, "POST", fmt.Sprintf("/runs/%v/retry", failed["id"]), "")
	api.settled(retried["id"])
	run = b.page(200, fmt.Sprintf("/admin/runs/%v", retried["id"])).Find("main")
	for _, text := range []string{"✓ succeeded", "Rows written 1", fmt.Sprintf("Repeats run %v", failed["id"]), "Inputs", "Outputs"} {
		require.Contains(t, words(run), text)
	}
	require.Equal(t, 1, run.Find(`form[action$="/revert-run"]`).Length())
	require.Contains(t, run.Find(`form[action$="/revert-run"]`).AttrOr("hx-confirm", ""), "Take back everything", "what cannot be undone asks first")

	page := b.page(200, "/admin/pipelines/daily").Find("main")
	require.Equal(t, 2, page.Find("figure.timeline a").Length())
	require.Equal(t, 1, page.Find("figure.timeline a.bad").Length())
	require.Equal(t, "✕", page.Find("figure.timeline a.bad text").Text(), "a symbol beside the colour")
	require.Contains(t, words(page), "2026-01-02 00:00:00 UTC ✓ published 1")
	require.Regexp(t, `✓ succeeded run \d+ , `, words(b.page(200, "/admin/pipelines").Find("tbody").First()))
	api.call(200, "POST", "/schedules/pipeline:daily/resume", "")
	next := b.page(200, "/admin/schedules/pipeline:daily").Find("p.next")
	require.Equal(t, 5, next.Find("time").Length())
	require.Regexp(t, `^in \S+ \S+ · \S+T02:00:00\+09:00 in Asia/Tokyo`, words(next))
	at, err := time.Parse(time.RFC3339, next.Find(".viewer").First().AttrOr("data-time", ""))
	require.NoError(t, err, "a script adds the viewer's clock")
	require.Equal(t, 17, at.Hour())
	b.crawl()
}
