package batch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/batch"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

// definitions are a pipeline of some windows over events, whose rows are those of entities with events in them.
func definitions(window, further string) string {
	return fmt.Sprintf(`
entity_types: [{name: e, join_keys: [{name: c, value_type: STRING}]}]
groups:
  - {name: ev, entity_type: e, kind: events, features: [{name: v, value_type: INTEGER}]}
  - {name: t, entity_type: e, owner: shop, features: [{name: n, value_type: INTEGER}, {name: s, value_type: INTEGER}]}
pipelines:
  - name: p
    source: {group: ev}
    target: t
    tick: daily
    aggregate: [{feature: n, function: count, window: %s, empty: nothing}, {feature: s, function: sum, of: v, window: %[1]s, empty: nothing}]
    %s
`, window, further)
}

const (
	head = "c,event_time,v"
	all  = "min_rows_ratio: 0" // no tick is held back
)

// A run computes what comes after all that was published, and again what has changed since; windows are (tick − length, tick].
func TestWhatIsDue(t *testing.T) {
	w := newWorld(t, definitions("2d", all))
	w.load("ev", head, "a,2026-01-10T12:00:00Z,1", "a,2026-01-11T12:00:00Z,2", "b,2026-01-11T00:00:00Z,5")
	require.Equal(t, 1, w.succeeded("run?until=2026-01-12&").Ticks, "the newest alone, where none was published")
	first := []string{"a 2026-01-12 2,3,n s", "b 2026-01-12 1,5,n s"}
	require.Equal(t, first, trimmed(w.rows()))

	var planned batch.PlannedRun
	w.call(http.StatusOK, "POST /pipelines/p/run?until=2026-01-14T23:59:59Z&dry_run=true", "", &planned)
	require.Equal(t, "[2026-01-13T00:00:00Z 2026-01-14T00:00:00Z]", fmt.Sprint(planned.Ticks))
	result := w.succeeded("run?until=2026-01-14T23:59:59Z&")
	require.Equal(t, [4]int64{2, 0, 1, 1}, [4]int64{int64(result.Ticks), int64(result.Late), result.Rows, result.Stored})
	require.Equal(t, append(first[:1:1], "a 2026-01-13 1,2,n s", first[1]), trimmed(w.rows()))
	again := w.succeeded("run?until=2026-01-14&")
	require.Zero(t, again.Ticks)

	late := w.load("ev", head, "c,2026-01-12T06:00:00Z,7", "d,2026-01-05T00:00:00Z,7", "a,2026-01-14T00:00:01Z,7")
	result = w.succeeded("run?until=2026-01-14&")
	require.Equal(t, [4]int64{2, 2, 2, 1}, [4]int64{int64(result.Ticks), int64(result.Late), result.Stored, result.Unchanged}, "a's row of the 13th says what it said")
	require.Contains(t, trimmed(w.rows()), "c 2026-01-14 1,7,n s")
	w.revert(late)
	result = w.succeeded("run?until=2026-01-14&")
	require.Equal(t, [3]int64{3, 3, 2}, [3]int64{int64(result.Ticks), int64(result.Late), result.TakenBack}, "of what was taken back the oldest and newest time are known")
	require.Equal(t, append(first[:1:1], "a 2026-01-13 1,2,n s", first[1]), trimmed(w.rows()))
	require.Zero(t, w.succeeded("run?until=2026-01-14&").Ticks)
	require.Equal(t, []string{"2026-01-14 published", "2026-01-13 published", "2026-01-12 published"}, w.ticks("?to=2026-01-14"))
	require.Equal(t, []string{"2026-01-16 unpublished", "2026-01-15 unpublished"}, w.ticks("?to=2026-01-16&state=unpublished"))
}

// trimmed is rows in one spelling.
func trimmed(rows []string) []string {
	for i, row := range rows {
		rows[i] = strings.ReplaceAll(row, `"`, "")
	}
	return rows
}

// What a back-fill computes in one go is what the runs of the days have computed, late events and all.
func TestBackfillEqualsTickByTick(t *testing.T) {
	daily, backfilled := newWorld(t, definitions("3d", all)), newWorld(t, definitions("3d", all), func(c *batch.Config) { c.ChunkTicks = 6 })
	random := rand.New(rand.NewPCG(1, 2))
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const days = 20
	for day := range days {
		rows := []string{head}
		for range 8 {
			at := first.AddDate(0, 0, day).Add(time.Duration(random.Int64N(24)) * time.Hour)
			if random.IntN(4) == 0 { // late
				at = at.AddDate(0, 0, -random.IntN(day+1))
			}
			rows = append(rows, fmt.Sprintf("%c,%s,%d", 'a'+rune(random.IntN(5)), at.Format(time.RFC3339), random.IntN(10)))
		}
		daily.load("ev", rows...)
		backfilled.load("ev", rows...)
		daily.succeeded("run?until=" + first.AddDate(0, 0, day+1).Format(time.DateOnly) + "&")
	}
	call := fmt.Sprintf("backfill?from=2026-01-02&to=%s&", first.AddDate(0, 0, days).Format(time.DateOnly))
	result := backfilled.succeeded(call)
	require.Equal(t, days, result.Ticks)
	require.Equal(t, backfilled.rows(), daily.rows())
	require.NotEmpty(t, daily.rows())
	stored := backfilled.stored()
	again := backfilled.succeeded(call)
	require.Equal(t, [3]int64{result.Rows, 0, 0}, [3]int64{again.Unchanged, again.Stored, again.TakenBack}, "running it again changes nothing")
	require.Equal(t, stored, backfilled.stored())
	repaired := daily.succeeded(call)
	require.Equal(t, [2]int64{0, 0}, [2]int64{repaired.Stored, repaired.TakenBack}, "nor does it where the days were computed one by one")
}

// Reverting a run leaves its ticks unpublished, and the next run publishes them again.
func TestRevertedTicksAreDue(t *testing.T) {
	w := newWorld(t, definitions("2d", all))
	w.load("ev", head, "a,2026-01-10T12:00:00Z,1", "b,2026-01-11T12:00:00Z,2")
	run := w.run("backfill?from=2026-01-10&to=2026-01-13&")
	rows := w.rows()
	require.NotEmpty(t, rows)
	w.revert(run.ID)
	require.Empty(t, w.rows())
	require.Len(t, w.ticks("?from=2026-01-10&to=2026-01-13&state=unpublished"), 4)
	result := w.succeeded("run?until=2026-01-13&")
	require.Equal(t, 4, result.Ticks)
	require.Equal(t, rows, w.rows())
	require.Len(t, w.ticks("?from=2026-01-10&to=2026-01-13&state=published"), 4)
}

// A definition that was wrong and is repaired leaves no wrong rows: neither values, nor rows that should not be.
func TestRepairedDefinition(t *testing.T) {
	events := []string{head, "a,2026-01-10T12:00:00Z,1", "b,2026-01-11T12:00:00Z,2", "b,2026-01-13T12:00:00Z,4"}
	const call = "backfill?from=2026-01-10&to=2026-01-16&"
	right, wrong := newWorld(t, definitions("1d", all)), newWorld(t, definitions("3d", all))
	right.load("ev", events...)
	wrong.load("ev", events...)
	right.succeeded(call)
	wrong.succeeded(call)
	require.NotEqual(t, right.rows(), wrong.rows())
	wrong.apply(definitions("1d", all))
	require.Zero(t, wrong.succeeded("run?until=2026-01-16&").Ticks, "what is published stays as it was defined then")
	result := wrong.succeeded(call)
	require.Equal(t, 2, result.Version)
	require.Positive(t, result.TakenBack)
	require.Equal(t, right.rows(), wrong.rows())
}

// A tick with under half of the rows that are usual is held back, while the others are published. Force lets it through; so does a source
// that is complete by then.
func TestPartialUpstreamIsHeld(t *testing.T) {
	w := newWorld(t, definitions("1d", ""))
	day := func(day, entities int) {
		rows := []string{head}
		for i := range entities {
			rows = append(rows, fmt.Sprintf("e%d,2026-01-%02dT12:00:00Z,1", i, day))
		}
		w.load("ev", rows...)
	}
	for d, entities := range []int{10, 11, 10, 12, 4, 10, 5} {
		day(1+d, entities)
	}
	run := w.run("backfill?from=2026-01-02&to=2026-01-08&")
	require.Equal(t, "held", run.State)
	require.Contains(t, run.Reason, "the tick 2026-01-06T00:00:00Z has 4 rows, where 11 are usual")
	require.Equal(t, 6, run.Result.Ticks)
	require.Equal(t, []string{"2026-01-06 held"}, w.ticks("?to=2026-01-08&state=held"))

	again := w.run("run?until=2026-01-08&")
	require.Equal(t, "held", again.State, "it is due as long as it is held back")
	var forced ran
	w.call(http.StatusAccepted, fmt.Sprintf("POST /runs/%d/retry?force=true", again.ID), "", &forced)
	w.call(http.StatusOK, fmt.Sprintf("GET /runs/%d?wait=30s", forced.ID), "", &forced)
	require.Equal(t, "succeeded", forced.State, forced.Reason)
	require.Equal(t, 1, forced.Result.Ticks)
	require.Empty(t, w.ticks("?to=2026-01-08&state=held"))

	day(8, 3)
	require.Equal(t, "held", w.run("run?until=2026-01-09&").State)
	for i := 3; i < 10; i++ {
		w.load("ev", head, fmt.Sprintf("e%d,2026-01-08T12:00:00Z,1", i))
	}
	require.Equal(t, 1, w.succeeded("run?until=2026-01-09&").Ticks)
}

// A rule that says reject_batch leaves everything as it was, and the run says which.
func TestRejectedTicks(t *testing.T) {
	w := newWorld(t, definitions("1d", all)+`
rules: [{name: not_too_much, group: t, kind: range, features: [s], params: {max: 100}, action: reject_batch}]
`, func(c *batch.Config) { c.ChunkTicks = 1 })
	w.load("ev", head, "a,2026-01-01T12:00:00Z,1", "a,2026-01-02T12:00:00Z,1000", "a,2026-01-03T12:00:00Z,1")
	run := w.run("backfill?from=2026-01-02&to=2026-01-04&")
	require.Equal(t, "failed", run.State)
	require.Contains(t, run.Reason, "publishing the tick 2026-01-03T00:00:00Z failed")
	require.Contains(t, run.Reason, "not_too_much")
	require.Equal(t, 1, run.Result.Ticks)
	require.Equal(t, []string{"2026-01-04 failed", "2026-01-03 failed", "2026-01-02 published"}, w.ticks("?to=2026-01-04"))
	require.Equal(t, []string{"a 2026-01-02 1,1,n s"}, trimmed(w.rows()))
	w.apply(`rules: [{name: not_too_much, params: {max: 10000}}]`)
	require.Equal(t, 3, w.succeeded("backfill?from=2026-01-02&to=2026-01-04&").Ticks)
}

// Where the pipeline or its target change under a run, it decides anew; where the pipeline is deleted, what it has published stays.
func TestDefinitionsChangeUnderARun(t *testing.T) {
	widened := strings.Replace(definitions("1d", all), "{name: s, value_type: INTEGER}", "{name: s, value_type: INTEGER}, {name: another, value_type: INTEGER}", 1)
	w := newWorld(t, definitions("2d", all), func(c *batch.Config) { c.ChunkTicks = 2 })
	w.load("ev", head, "a,2026-01-01T12:00:00Z,1", "a,2026-01-03T12:00:00Z,3")
	chunk := 0
	w.before = func(*batch.Job) error {
		if chunk++; chunk == 2 {
			w.apply(widened)
		}
		return nil
	}
	result := w.succeeded("backfill?from=2026-01-02&to=2026-01-05&")
	require.Equal(t, 2, result.Version)
	w.before = nil
	other := newWorld(t, widened)
	other.load("ev", head, "a,2026-01-01T12:00:00Z,1", "a,2026-01-03T12:00:00Z,3")
	other.succeeded("backfill?from=2026-01-02&to=2026-01-05&")
	require.Equal(t, other.rows(), w.rows())

	chunk = 0
	w.before = func(*batch.Job) error {
		if chunk++; chunk == 2 {
			_, err := w.definitions.Delete(context.Background(), "pipeline", "p", registry.Options{})
			return err
		}
		return nil
	}
	var run ran
	w.call(http.StatusOK, "POST /pipelines/p/backfill?from=2026-01-06&to=2026-01-09&wait=30s", "", &run)
	require.Equal(t, "failed", run.State)
	require.Contains(t, run.Reason, "there is no pipeline \"p\"")
	require.Equal(t, "[{2026-01-06T00:00:00Z 2026-01-07T00:00:00Z}]", fmt.Sprint(run.Result.Published))
}

// A run that is cancelled ends the computation, and leaves nothing in the folder.
func TestCancelledRun(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "staging")
	w := newWorld(t, definitions("2d", all), func(c *batch.Config) { c.Folder = folder })
	w.load("ev", head, "a,2026-01-01T12:00:00Z,1")
	w.before = func(job *batch.Job) error {
		entries, err := filepath.Glob(filepath.Join(folder, "*", "run-*"))
		require.NoError(t, err)
		require.Equal(t, []string{job.Folder}, entries)
		var list struct{ Runs []ran }
		w.call(http.StatusOK, "GET /runs?kind=pipeline", "", &list)
		w.call(http.StatusOK, fmt.Sprintf("POST /runs/%d/cancel", list.Runs[0].ID), "", nil)
		return nil
	}
	run := w.run("backfill?from=2026-01-02&to=2026-01-05&")
	require.Equal(t, "cancelled", run.State, run.Reason)
	require.Empty(t, w.rows())
	left, err := filepath.Glob(filepath.Join(folder, "*", "run-*"))
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = os.Stat(folder)
	require.NoError(t, err)
}

// Files do not say what has come in: a tick is computed again by a back-fill only.
func TestFilesAreReadAgainByABackfill(t *testing.T) {
	root := t.TempDir()
	w := newWorld(t, strings.Replace(definitions("2d", all), "source: {group: ev}", `source: {files: "*.csv", root: landing, columns: {v: INTEGER}, event_time: at}`, 1),
		func(c *batch.Config) { c.Roots = []string{"landing=" + root} })
	write := func(name, rows string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte("c,at,v\n"+rows), 0o600))
	}
	write("1.csv", "a,2026-01-10T12:00:00Z,1\n")
	run := w.run("run?until=2026-01-11&")
	require.Equal(t, "succeeded", run.State, run.Reason)
	require.JSONEq(t, `{"root": "landing", "files": "*.csv"}`, string(run.Inputs))
	write("2.csv", "b,2026-01-10T13:00:00Z,2\n")
	require.Zero(t, w.succeeded("run?until=2026-01-11&").Ticks)
	require.EqualValues(t, 1, w.succeeded("backfill?from=2026-01-11&to=2026-01-11&").Stored)
	require.Equal(t, []string{"a 2026-01-11 1,1,n s", "b 2026-01-11 1,2,n s"}, trimmed(w.rows()))
}

// A tick whose events are gone by the retention of their group stays as it is: it is not computed again from what is left.
func TestTicksWhoseEventsAreGone(t *testing.T) {
	w := newWorld(t, strings.Replace(definitions("2d", all), "kind: events,", "kind: events, retention: 30d,", 1))
	w.load("ev", head, "a,2026-01-10T12:00:00Z,1", "b,2026-01-10T13:00:00Z,2")
	w.succeeded("backfill?from=2026-01-11&to=2026-01-12&")
	rows := w.rows()
	var compaction ran
	w.call(http.StatusOK, "POST /compact?wait=30s", `{"group": "ev"}`, &compaction)
	w.load("ev", head, "c,2026-01-10T14:00:00Z,3")
	require.Zero(t, w.succeeded("run?until=2026-01-12&").Ticks)
	run := w.run("backfill?from=2026-01-11&to=2026-01-12&")
	require.Equal(t, "failed", run.State)
	require.Contains(t, run.Reason, "events of ev that the longest window of 2026-01-11T00:00:00Z reaches back to are gone by the group's retention")
	require.Equal(t, rows, w.rows())
}

// What calls for runs refuse.
func TestBadRuns(t *testing.T) {
	w := newWorld(t, definitions("2d", "tick_zone: Europe/Berlin"))
	for call, slug := range map[string]string{
		"/pipelines/q/run": "404 unknown-pipeline",
		"/pipelines/q/backfill?from=2026-01-01&to=2026-01-02":             "404 unknown-pipeline",
		"/pipelines/p/backfill":                                           "422 ",
		"/pipelines/p/backfill?from=2026-01-01":                           "422 ",
		"/pipelines/p/backfill?from=2026-01-02&to=2026-01-01":             "400 invalid-range",
		"/pipelines/p/backfill?from=2026-01-02&to=2026-03-01":             "400 invalid-range",
		"/pipelines/p/backfill?from=yesterday&to=2026-01-01":              "400 invalid-time",
		"/pipelines/p/backfill?from=0002-01-01&to=2026-01-01":             "422 too-many-ticks",
		"/pipelines/p/run?until=soon":                                     "400 invalid-time",
		"/pipelines/p/run?ticks=2026-01-01T00:00:00Z":                     "422 no-tick",
		"/pipelines/p/run?ticks=2026-02-02":                               "400 invalid-range",
		"/pipelines/p/run?ticks=2026-01-01&ticks=2026-02-02&dry_run=true": "400 invalid-range",
		"/pipelines/p/run?ticks=2026-01-01&until=2026-01-01":              "400 two-ways",
		"/pipelines/p/run?engine=abacus":                                  "422 unknown-engine",
		"/pipelines/p/run?wait=1h":                                        "400 invalid-duration",
		"/pipelines/p/run?ticks=2026-01-01T00:00:00%2B01:00&dry_run=true": "200 ",
		"/pipelines/p/run?ticks=2026-01-01&dry_run=true":                  "200 ",
	} {
		answer := w.server.Call(t, "POST "+call, "")
		status, problem, _ := strings.Cut(slug, " ")
		require.Equal(t, status, fmt.Sprint(answer.Status), "%s: %s", call, answer.Body)
		require.Contains(t, answer.Body, problem, call)
	}
	require.Equal(t, http.StatusBadRequest, w.server.Call(t, "GET /pipelines/p/ticks?page_token=x", "").Status)
	require.Equal(t, http.StatusNotFound, w.server.Call(t, "GET /pipelines/q/ticks", "").Status)
}

// Where more is due than a run computes, it computes the oldest, and the next run goes on.
func TestMoreIsDueThanARunComputes(t *testing.T) {
	w := newWorld(t, definitions("2d", all))
	w.load("ev", head, "a,2001-01-01T12:00:00Z,1")
	reverted := w.run("backfill?from=2001-01-02&to=2014-01-01&")
	w.revert(reverted.ID)
	w.succeeded("backfill?from=2014-01-02&to=2014-01-02&")
	w.apply(`pipelines: [{name: p, tick: hourly}]`)
	var planned batch.PlannedRun
	w.call(http.StatusOK, "POST /pipelines/p/run?dry_run=true", "", &planned)
	require.Equal(t, 100_000, planned.Count)
	require.Equal(t, "2001-01-02T00:00:00Z", planned.Ticks[0].String())
	require.Equal(t, http.StatusUnprocessableEntity, w.server.Call(t, "POST /pipelines/p/backfill?from=2001-01-01&to=2026-01-01&dry_run=true", "").Status)
}

// Rules about what a run brought judge it once it has brought all, whichever of its pieces has brought something.
func TestWhatPiecesBroughtIsJudged(t *testing.T) {
	w := newWorld(t, definitions("1d", ""), func(c *batch.Config) { c.ChunkTicks = 2 })
	judged := func(run ran) int64 {
		t.Helper()
		select {
		case is := <-w.judged:
			require.Equal(t, run.ID, is)
			require.Empty(t, w.judged, "once")
			return is
		default:
			return 0
		}
	}
	for day := 1; day <= 9; day++ {
		w.load("ev", head, fmt.Sprintf("a,2026-01-%02dT12:00:00Z,1", day), fmt.Sprintf("b,2026-01-%02dT12:00:00Z,1", day), fmt.Sprintf("c,2026-01-%02dT12:00:00Z,1", day))
	}
	require.NotZero(t, judged(w.run("backfill?from=2026-01-02&to=2026-01-10&")))
	require.Zero(t, judged(w.run("backfill?from=2026-01-02&to=2026-01-10&")), "nothing was stored")
	w.load("ev", head, "d,2026-01-01T12:00:00Z,1")
	require.NotZero(t, judged(w.run("backfill?from=2026-01-02&to=2026-01-10&")), "of the first piece")

	for day := 10; day <= 11; day++ {
		w.load("ev", head, fmt.Sprintf("a,2026-01-%02dT12:00:00Z,1", day), fmt.Sprintf("b,2026-01-%02dT12:00:00Z,1", day))
	}
	w.load("ev", head, "a,2026-01-12T12:00:00Z,1")
	run := w.run("run?until=2026-01-14&")
	require.Equal(t, "held", run.State)
	require.Equal(t, 2, run.Result.Ticks)
	require.NotZero(t, judged(run), "before what was held back")
}

// What a run failed by says what of the rows, or of the definition, is wrong.
func TestReasonSaysWhatIsWrong(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "x.csv"), []byte("c,event_time,w\na,2026-01-10T12:00:00Z,no JSON\nb,2026-01-10T12:00:00Z,{}\n"), 0o600))
	root := func(c *batch.Config) { c.Roots = []string{"files=" + folder} }
	w := newWorld(t, `
entity_types: [{name: e, join_keys: [{name: c, value_type: STRING}]}]
groups: [{name: t, entity_type: e, features: [{name: j, value_type: JSON}]}]
pipelines:
  - {name: p, source: {root: files, files: x.csv, columns: {w: STRING}}, target: t, tick: daily, sql: "SELECT c, max(w) AS j FROM events WHERE event_us <= :tick GROUP BY c"}
`, root)
	run := w.run("run?ticks=2026-01-11&")
	require.Equal(t, "failed", run.State)
	require.Contains(t, run.Reason, "nothing was stored: 1 of 2 rows are bad; j: expected JSON")

	config := batch.DefaultConfig() // of another process, which has no such root
	_, err := batch.NewCompiler(config).PlanOf(w.definitions.Catalog(), "p")
	require.ErrorContains(t, err, `the pipeline p cannot be computed as it is defined: source.root: there is no root "files"`)
}

// What is due is what has come: by the clock of whoever asks, which may be a little ahead, and whatever a clock that was wrong has had published.
func TestWhatIsDueIsNotInTheFuture(t *testing.T) {
	w := newWorld(t, definitions("2d", all))
	w.load("ev", head, "a,2026-01-30T12:00:00Z,1")
	w.succeeded("run?until=2026-01-31&")
	var planned batch.PlannedRun
	w.call(http.StatusOK, "POST /pipelines/p/run?until=2099-01-01&dry_run=true", "", &planned)
	require.Equal(t, "[2026-02-01T00:00:00Z]", fmt.Sprint(planned.Ticks))

	w.now = w.now.Add(-2 * time.Second) // this process is behind the database, by whose clock the schedule's tick has come
	until := batch.Moment(w.now.Add(2 * time.Second).UnixMicro())
	run, _, err := w.runs.Order(t.Context(), runs.Order{Kind: batch.RunKind, Subject: "p", Parameters: batch.Request{Until: &until}})
	require.NoError(t, err)
	run, err = w.runs.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, runs.Succeeded, run.State, run.Reason)
	require.Equal(t, []string{"2026-02-01 published", "2026-01-31 published"}, w.ticks("?to=2026-02-01"))

	w.now = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	w.succeeded("run?ticks=2099-01-01&")
	w.now = time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)
	w.load("ev", head, "a,2026-01-30T13:00:00Z,1")
	w.call(http.StatusOK, "POST /pipelines/p/run?dry_run=true", "", &planned)
	require.Equal(t, "[2026-01-31T00:00:00Z 2026-02-01T00:00:00Z 2026-02-02T00:00:00Z 2026-02-03T00:00:00Z]", fmt.Sprint(planned.Ticks))
	require.Equal(t, 2, planned.Late)
}

// A pipeline has succeeded for a time once its newest tick until then is published.
func TestSucceeded(t *testing.T) {
	w := newWorld(t, definitions("2d", all))
	at := time.Date(2026, 1, 12, 2, 0, 0, 0, time.UTC)
	is := func(at time.Time) bool {
		yes, err := w.runner.Succeeded(t.Context(), "p", at)
		require.NoError(t, err)
		return yes
	}
	require.False(t, is(at))
	w.succeeded("run?until=2026-01-12&")
	require.True(t, is(at))
	require.True(t, is(at.Add(-2*time.Hour)))
	require.False(t, is(at.Add(-3*time.Hour)))
	require.False(t, is(at.Add(22*time.Hour)))
	_, err := w.runner.Succeeded(t.Context(), "q", at)
	require.Error(t, err)
}

// Pages of ticks follow each other.
func TestPagesOfTicks(t *testing.T) {
	w := newWorld(t, definitions("2d", all))
	w.succeeded("backfill?from=2026-01-02&to=2026-01-08&")
	var seen []string
	for token := ""; ; {
		var page struct {
			Ticks []batch.TickAnswer `json:"ticks"`
			Next  string             `json:"next_page_token"`
		}
		w.call(http.StatusOK, "GET /pipelines/p/ticks?limit=3&to=2026-01-08"+token, "", &page)
		for _, tick := range page.Ticks {
			seen = append(seen, tick.Tick.String()[8:10])
		}
		if page.Next == "" {
			break
		}
		token = "&page_token=" + page.Next
	}
	require.Equal(t, "08 07 06 05 04 03 02", strings.Join(seen, " "))
}
