package app

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	_ "embed"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
	"github.com/stretchr/testify/require"

	"featurestore/config"
)

// Pipelines from their preview to what is online, by scenarios.
func TestPipelines(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		c.Validation.Every = 0
		scenarios(t, start(t, c), "testdata/http/pipelines.txt")
	})
}

// A run that is held raises an alert of its target group, and the next one that succeeds resolves it. Metrics tell of it, and of the schedule.
func TestHeldPipelineIsToldOf(t *testing.T) {
	a := start(t, settings(t))
	api := caller{t, "http://" + a.Addresses()[0]}
	api.call(200, "POST", "/apply", `
entity_types: [{name: customer, join_keys: [{name: customer_id, value_type: STRING}]}]
groups:
  - {name: orders, entity_type: customer, kind: events, features: [{name: amount, value_type: FLOAT}]}
  - {name: spending, entity_type: customer, owner: shop, features: [{name: orders_1d, value_type: INTEGER}]}
pipelines:
  - {name: spending_daily, source: {group: orders}, target: spending, tick: daily, schedule: {cron: "0 2 1 1 *"},
     aggregate: [{feature: orders_1d, function: count, window: 1d, empty: nothing}]}
`, "Content-Type: application/yaml")
	load := func(day, from, to int) {
		rows := "customer_id,event_time,amount\n"
		for i := from; i < to; i++ {
			rows += fmt.Sprintf("%d,2026-01-%02dT12:00:00Z,1\n", i, day)
		}
		api.call(200, "POST", "/rows/orders", rows, "Content-Type: text/csv")
	}
	for day, customers := range []int{4, 4, 4, 1} {
		load(day+1, 0, customers)
	}
	run := api.call(200, "POST", "/pipelines/spending_daily/backfill?from=2026-01-02&to=2026-01-05&wait=60s", "")
	require.Equal(t, "held", run["state"], "%v", run)
	told := func(state string) map[string]any {
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			for _, alert := range api.call(200, "GET", "/alerts?group=spending", "")["alerts"].([]any) {
				if alert := alert.(map[string]any); alert["rule"] == "failed-run pipeline spending_daily" && alert["state"] == state {
					return alert
				}
			}
		}
		require.Fail(t, "no alert is "+state)
		return nil
	}
	alert := told("firing")
	require.Equal(t, "source", alert["class"])
	require.Equal(t, "shop", alert["owner"])
	require.Contains(t, alert["sentence"], "the tick 2026-01-05T00:00:00Z has 1 rows, where 4 are usual")
	load(4, 1, 4)
	require.Equal(t, "succeeded", api.call(200, "POST", "/pipelines/spending_daily/run?until=2026-01-05&wait=60s", "")["state"])
	told("resolved")
	metrics := func() string {
		_, _, metrics := get(t, "http://"+a.Addresses()[0]+"/metrics")
		return metrics
	}
	require.Contains(t, metrics(), `featurestore_pipeline_ticks_total{outcome="held",pipeline="spending_daily"} 1`)
	require.Contains(t, metrics(), `featurestore_pipeline_run_duration_seconds_count{outcome="held",pipeline="spending_daily"} 1`)
	// Up to now, of which there are no orders. The scheduler looks at it once a second.
	api.call(200, "POST", "/schedules/pipeline:spending_daily/run?wait=60s", "")
	require.Eventually(t, func() bool {
		return strings.Contains(metrics(), `featurestore_schedule_ticks_total{outcome="held",schedule="pipeline:spending_daily"} 1`)
	}, time.Minute, 50*time.Millisecond)
	require.Contains(t, metrics(), `featurestore_schedule_next_timestamp_seconds{schedule="pipeline:spending_daily"} `)
}

// Where events are in PostgreSQL its engine says the same as the local one: nothing changes. Elsewhere it says why it cannot.
func TestEnginesOfPipelinesAgree(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		c.Validation.Every = 0
		a := start(t, c)
		api := caller{t, "http://" + a.Addresses()[0]}
		definitions, err := os.ReadFile("demo/definitions.yaml")
		require.NoError(t, err)
		withinADay(time.Minute)
		before, _ := purchasesOf("1997-10", "1997-12", "1998-01")
		api.call(200, "POST", "/apply", string(definitions), "Content-Type: application/yaml")
		api.call(200, "POST", "/rows/purchases", before.csv(), "Content-Type: text/csv")
		from, to := time.Now().UTC().AddDate(0, -3, 0).Format(time.DateOnly), time.Now().UTC().Format(time.DateOnly)
		call := "/pipelines/purchases_monthly/backfill?from=" + from + "&to=" + to + "&wait=60s"
		first := api.call(200, "POST", call, "")
		require.Equal(t, "succeeded", first["state"], "%v", first)
		if c.Engines.Offline != config.Postgres {
			require.Contains(t, fmt.Sprint(api.call(422, "POST", call+"&engine=postgres", "")), "engine-refuses")
			return
		}
		again := api.call(200, "POST", call+"&engine=postgres", "")
		require.Equal(t, "succeeded", again["state"], "%v", again)
		result := again["result"].(map[string]any)
		require.Equal(t, "postgres", result["engine"])
		require.Positive(t, result["unchanged"])
		require.Zero(t, result["stored"])
		require.Zero(t, result["taken_back"])
	})
}

// What the demo's pipeline says of each customer at the end of each month is what plain SQL makes of the purchases.
func TestDemoComputesWhatPlainSQLDoes(t *testing.T) {
	a := start(t, settings(t))
	api := caller{t, "http://" + a.Addresses()[0]}
	definitions, err := os.ReadFile("demo/definitions.yaml")
	require.NoError(t, err)
	api.call(200, "POST", "/apply", string(definitions), "Content-Type: application/yaml")
	api.call(200, "POST", "/rows/purchases", string(realPurchases), "Content-Type: text/csv", "Content-Encoding: gzip")
	from, ticks, rows := "1998-05-01", 3, 70710
	if wholeDemo() {
		from, ticks, rows = "1997-02-01", 18, 401893
	}
	run := api.call(200, "POST", "/pipelines/purchases_monthly/backfill?from="+from+"&to=1998-07-01&wait=5m", "")
	require.Equal(t, "succeeded", run["state"], "%v", run)
	result := run["result"].(map[string]any)
	require.EqualValues(t, ticks, result["ticks"])
	require.EqualValues(t, rows, result["stored"])

	response, err := http.Get(api.base + "/rows/customer_purchases?format=csv")
	require.NoError(t, err)
	defer response.Body.Close()
	found := readDemo(t, response.Body)
	require.Len(t, found, rows)
	wanted := computeDemo(t)
	if !wholeDemo() {
		maps.DeleteFunc(found, func(key string, _ demoRow) bool { return key >= demoUpTo })
		maps.DeleteFunc(wanted, func(key string, _ demoRow) bool { _, tick, _ := strings.Cut(key, " "); return tick < from })
	}
	require.NotEmpty(t, wanted)
	require.Len(t, found, len(wanted))
	for key, row := range wanted {
		is := found[key]
		require.InDelta(t, row.average, is.average, 1e-9, key)
		is.average = row.average
		require.Equal(t, row, is, key)
	}
}

// wholeDemo tells whether all customers and months are looked at.
func wholeDemo() bool { return os.Getenv("FEATURESTORE_TEST_FULL") == "1" }

// demoUpTo is the first customer that is not looked at, usually.
const demoUpTo = "01000"

//go:embed demo/testdata/features.sql
var demoFeatures string

// demoRow is what is said of a customer at a tick; average is −1 for null.
type demoRow struct {
	count, last, lifetime string
	amount                string // with two digits
	average               float64
}

// readDemo reads the demo's features from a table, by customer and tick.
func readDemo(t *testing.T, from io.Reader) map[string]demoRow {
	rows, err := csv.NewReader(from).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "customer_id event_time customer_purchase_count_30d purchase_amount_30d avg_order_value_90d last_purchase_date lifetime_purchase_count", strings.Join(rows[0], " "))
	all := make(map[string]demoRow, len(rows))
	number := func(text string) float64 {
		if text == "" {
			return -1
		}
		f, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		return f
	}
	for _, row := range rows[1:] {
		all[row[0]+" "+row[1]] = demoRow{row[2], row[5], row[6], strconv.FormatFloat(number(row[3]), 'f', 2, 64), number(row[4])}
	}
	return all
}

// computeDemo computes the same on SQLite.
func computeDemo(t *testing.T) map[string]demoRow {
	db, err := sql.Open("sqlite3", ":memory:")
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1) // a database in memory belongs to its connection
	_, err = db.Exec(`CREATE TABLE purchases (customer_id TEXT, event_time INTEGER, quantity INTEGER, amount REAL)`)
	require.NoError(t, err)
	unpacked, err := gzip.NewReader(bytes.NewReader(realPurchases))
	require.NoError(t, err)
	rows, err := csv.NewReader(unpacked).ReadAll()
	require.NoError(t, err)
	tx, err := db.Begin()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		if row[0] >= demoUpTo && !wholeDemo() {
			continue
		}
		_, err := tx.Exec(`INSERT INTO purchases VALUES (?, unixepoch(?), ?, ?)`, row[0], row[1], row[2], row[3])
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
	answer, err := db.Query(demoFeatures)
	require.NoError(t, err)
	defer answer.Close()
	all := map[string]demoRow{}
	for answer.Next() {
		var customer, at, last string
		var count, lifetime int64
		var amount float64
		var average sql.NullFloat64
		require.NoError(t, answer.Scan(&customer, &at, &count, &amount, &average, &last, &lifetime))
		row := demoRow{fmt.Sprint(count), last, fmt.Sprint(lifetime), strconv.FormatFloat(amount, 'f', 2, 64), -1}
		if average.Valid {
			row.average = average.Float64
		}
		all[customer+" "+at] = row
	}
	require.NoError(t, answer.Err())
	return all
}
