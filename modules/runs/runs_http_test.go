package runs

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/app/httpapi/httpapitest"
)

func TestRoutes(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)
	db := databasetest.SQLite(t)()
	require.NoError(t, Migrate(t.Context(), db))
	r := New(db, quick, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	handler := httpapitest.Serve(slog.New(slog.DiscardHandler), r.Routes)
	r.process = "host, process 7"
	active, err := r.Begin(t.Context(), "load", "purchases", map[string]int{"a": 1})
	require.NoError(t, err)
	require.NoError(t, active.Finish(t.Context(), map[string]int64{"stored": 9007199254740993}, nil))
	_, err = r.Submit(t.Context(), "materialization", "purchases", nil)
	require.NoError(t, err)
	failing, err := r.Begin(t.Context(), "pipeline", "totals", nil)
	require.NoError(t, err)
	failing.Logf("read %d rows\nof two files", 12)
	failing.Rows(5)
	failing.Inputs([]string{"purchases"})
	failing.Outputs([]string{"totals"})
	require.NoError(t, failing.Finish(t.Context(), nil, Hold("half of the rows are missing")))
	require.NoError(t, db.Exec("UPDATE runs SET submitted = 1 WHERE id = 3").Error)

	const load = `{"id":1,"kind":"load","subject":"purchases","state":"succeeded","parameters":{"a":1},"result":{"stored":9007199254740993},"attempts":1,"owner":"host, process 7",` +
		`"heartbeat_at":"2026-01-02T03:04:05.123456Z","created_at":"2026-01-02T03:04:05.123456Z","started_at":"2026-01-02T03:04:05.123456Z","finished_at":"2026-01-02T03:04:05.123456Z"}`
	const queued = `{"id":2,"kind":"materialization","subject":"purchases","state":"queued","attempts":0,"created_at":"2026-01-02T03:04:05.123456Z"}`
	const cancelled = `{"id":2,"kind":"materialization","subject":"purchases","state":"cancelled","reason":"cancelled by a caller","attempts":0,` +
		`"created_at":"2026-01-02T03:04:05.123456Z","finished_at":"2026-01-02T03:04:05.123456Z","cancel_requested":true}`

	const held = `{"id":3,"kind":"pipeline","subject":"totals","state":"held","reason":"half of the rows are missing","rows":5,"inputs":["purchases"],"outputs":["totals"],` +
		`"attempts":1,"owner":"host, process 7","heartbeat_at":"2026-01-02T03:04:05.123456Z","created_at":"2026-01-02T03:04:05.123456Z",` +
		`"started_at":"2026-01-02T03:04:05.123456Z","finished_at":"2026-01-02T03:04:05.123456Z"}`
	const forced = `{"id":4,"kind":"pipeline","subject":"totals","state":"queued","attempts":0,"retry_of":3,"forced":true,"created_at":"2026-01-02T03:04:05.123456Z"}`

	for _, c := range []struct {
		name, method, path string
		status             int
		want               string // exact JSON, or a part of a problem
	}{
		{"all", "GET", "/runs", 200, `{"runs":[` + held + `,` + queued + `,` + load + `]}`},
		{"first page", "GET", "/runs?limit=2", 200, `{"runs":[` + held + `,` + queued + `],"next_page_token":"2"}`},
		{"last page", "GET", "/runs?limit=1&page_token=2", 200, `{"runs":[` + load + `]}`},
		{"beyond", "GET", "/runs?page_token=1", 200, `{"runs":[]}`},
		{"of a kind", "GET", "/runs?kind=load", 200, `{"runs":[` + load + `]}`},
		{"of a state and subject", "GET", "/runs?state=queued&subject=purchases", 200, `{"runs":[` + queued + `]}`},
		{"of no subject", "GET", "/runs?subject=none", 200, `{"runs":[]}`},
		{"unknown state", "GET", "/runs?state=asleep", 422, "query.state"},
		{"bad limit", "GET", "/runs?limit=-1", 422, "query.limit"},
		{"bad token", "GET", "/runs?page_token=x", 400, "invalid-page-token"},
		{"misspelt", "GET", "/runs?knd=load", 400, "known are kind"},
		{"one", "GET", "/runs/1", 200, load},
		{"wait for one that is done", "GET", "/runs/1?wait=10s", 200, load},
		{"wait in vain", "GET", "/runs/2?wait=20ms", 200, queued},
		{"wait too long", "GET", "/runs/1?wait=1h", 400, "invalid-duration"},
		{"wait a little too long", "GET", "/runs/1?wait=10m1s", 400, "invalid-duration"},
		{"held ones since", "GET", "/runs?state=held&since=2026-01-02T03:04:05%2B00:00", 200, `{"runs":[` + held + `]}`},
		{"since, with a plus sign as it is", "GET", "/runs?since=2026-01-02T05:04:06+02:00", 200, `{"runs":[]}`},
		{"since some time", "GET", "/runs?since=yesterday", 400, "invalid-time"},
		{"of a schedule", "GET", "/runs?schedule=nightly", 200, `{"runs":[]}`},
		{"a log", "GET", "/runs/3/log", 200, "2026-01-02T03:04:05.123Z read 12 rows\n2026-01-02T03:04:05.123Z of two files\n"},
		{"a log of nothing", "GET", "/runs/1/log", 200, ""},
		{"a log of an unknown one", "GET", "/runs/9/log", 404, "unknown-run"},
		{"release a held one", "POST", "/runs/3/retry?force=true", 202, forced},
		{"release it again", "POST", "/runs/3/retry?force=true", 202, forced},
		{"retry a queued one", "POST", "/runs/4/retry", 409, "run-not-finished"},
		{"retry one that succeeded", "POST", "/runs/1/retry", 409, "run-succeeded"},
		{"retry an unknown one", "POST", "/runs/9/retry", 404, "unknown-run"},
		{"force it somehow", "POST", "/runs/3/retry?force=somehow", 422, "query.force"},
		{"unknown", "GET", "/runs/9", 404, "unknown-run"},
		{"no number", "GET", "/runs/x", 422, "path.id"},
		{"negative", "GET", "/runs/-1", 422, "path.id"},
		{"cancel a queued one", "POST", "/runs/2/cancel", 200, cancelled},
		{"cancel again", "POST", "/runs/2/cancel", 200, cancelled},
		{"cancel a finished one", "POST", "/runs/1/cancel", 409, "run-finished"},
		{"cancel an unknown one", "POST", "/runs/9/cancel", 404, "unknown-run"},
		{"cancel a retry", "POST", "/runs/4/cancel", 200, `{"id":4,"kind":"pipeline","subject":"totals","state":"cancelled","reason":"cancelled by a caller","attempts":0,"retry_of":3,` +
			`"forced":true,"created_at":"2026-01-02T03:04:05.123456Z","finished_at":"2026-01-02T03:04:05.123456Z","cancel_requested":true}`},
		{"retry what was retried", "POST", "/runs/3/retry", 409, "retried already as run 4"},
	} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), c.method, "http://localhost"+c.path, nil))
		body, err := io.ReadAll(recorder.Body)
		require.NoError(t, err)
		require.Equal(t, c.status, recorder.Code, "%s: %s", c.name, body)
		switch {
		case c.status < 300 && strings.HasSuffix(c.path, "/log"):
			require.Equal(t, c.want, string(body), c.name)
			require.Equal(t, "text/plain; charset=utf-8", recorder.Header().Get("Content-Type"))
		case c.status < 300:
			require.JSONEq(t, c.want, string(body), c.name)
		default:
			require.Contains(t, string(body), c.want, c.name)
		}
	}
}

func TestWhatAQueuedRunWaitsFor(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		require.NoError(t, Migrate(t.Context(), db))
		config := DefaultConfig()
		r := New(db, config, time.Now, slog.New(slog.DiscardHandler))
		config.QuietHours = "00:00-12:00,12:00-00:00"
		quiet := New(db, config, time.Now, slog.New(slog.DiscardHandler))
		config.QuietHours, config.Heavy = "", 0
		free := New(db, config, time.Now, slog.New(slog.DiscardHandler))
		order := func(o Order) Run {
			o.Kind = "work"
			run, _, err := r.Order(t.Context(), o)
			require.NoError(t, err)
			return run
		}
		running := order(Order{Key: "a", Heavy: true})
		_, found, err := r.repository.claim(t.Context(), "work", claimant{owner: "somebody", lease: time.Minute, heavy: 1})
		require.NoError(t, err)
		require.True(t, found)
		for want, c := range map[string]struct {
			process *Runs
			order   Order
		}{
			"":                               {r, Order{}},
			"its time, 2040-01-01T00:00:00Z": {r, Order{NotBefore: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), Key: "a"}},
			"the end of run 1, which has the same concurrency key":             {r, Order{Key: "a", Heavy: true}},
			"the end of quiet hours":                                           {quiet, Order{Heavy: true, Key: "b"}},
			"a place for heavy runs, of which there are 1 (runs.heavy): run 1": {quiet, Order{Heavy: true, Now: true}},
		} {
			run := order(c.order)
			got, err := c.process.WaitsFor(t.Context(), &run)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		run := order(Order{Heavy: true})
		got, err := free.WaitsFor(t.Context(), &run)
		require.NoError(t, err)
		require.Empty(t, got)
		running, err = r.Get(t.Context(), running.ID)
		require.NoError(t, err)
		got, err = r.WaitsFor(t.Context(), &running)
		require.NoError(t, err)
		require.Empty(t, got)
	})
}
