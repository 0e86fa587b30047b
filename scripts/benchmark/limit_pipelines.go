package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

const (
	dayMicros = 24 * 3600 * 1_000_000
	readFile  = "SELECT customer_id, epoch_us(event_time) AS t, amount FROM '%s'"
)

// duckByHand opens a DuckDB with as much memory and as many threads as the engine has.
func duckByHand() (*sql.DB, func(), error) {
	db, err := sql.Open("duckdb", fmt.Sprintf("?threads=2&memory_limit=%dB", pipelineMemory))
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	return db, func() { _ = db.Close() }, nil
}

// byHand writes what a query yields into a file.
func (p *pipelining) byHand(query string) error {
	db, done, err := duckByHand()
	if err != nil {
		return err
	}
	defer done()
	return p.written(db, query)
}

func (p *pipelining) written(db *sql.DB, query string) error {
	path := filepath.Join(p.folder, "by_hand.parquet")
	defer os.Remove(path)
	_, err := db.Exec("COPY (" + query + ") TO '" + path + "'")
	return err
}

// storeByHand reads the events out of the file of the offline store into DuckDB, and computes one tick there.
func (p *pipelining) storeByHand() error {
	ctx := context.Background()
	db, done, err := duckByHand()
	if err != nil {
		return err
	}
	defer done()
	if _, err := db.Exec("CREATE TABLE purchases (customer_id BIGINT, t BIGINT, amount DOUBLE)"); err != nil {
		return err
	}
	stored, err := sql.Open("sqlite3", "file:"+filepath.Join(p.folder, "offline.db")+"?mode=ro")
	if err != nil {
		return err
	}
	defer stored.Close()
	rows, err := stored.QueryContext(ctx, "SELECT customer_id, event_time, amount FROM purchases")
	if err != nil {
		return err
	}
	defer rows.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	err = conn.Raw(func(of any) error {
		into, err := duckdb.NewAppenderFromConn(of.(driver.Conn), "", "purchases")
		if err != nil {
			return err
		}
		var customer, at int64
		var amount float64
		for rows.Next() {
			if err := rows.Scan(&customer, &at, &amount); err != nil {
				return err
			}
			if err := into.AppendRow(customer, at, amount); err != nil {
				return err
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return into.Close()
	})
	if closeErr := conn.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return p.written(db, oneTickOf("SELECT customer_id, t, amount FROM purchases"))
}

func oneTick(path string) string { return oneTickOf(fmt.Sprintf(readFile, path)) }

// oneTickOf computes the twelve windows at the last tick by one look at the events.
func oneTickOf(events string) string {
	tick := lastTick.UnixMicro()
	var selected []string
	add := func(aggregate string, days ...int64) {
		for _, d := range days {
			selected = append(selected, fmt.Sprintf("%s FILTER (WHERE t > %d) AS f%d", aggregate, tick-d*dayMicros, len(selected)))
		}
	}
	add("count(*)", 1, 7, 30, 90)
	add("sum(amount)", 7, 30, 90)
	add("avg(amount)", 30)
	add("min(amount)", 90)
	add("max(amount)", 90)
	add("stddev_samp(amount)", 90)
	add("max(t)", 90)
	return fmt.Sprintf("SELECT customer_id, %s FROM (%s) WHERE t <= %d GROUP BY customer_id", strings.Join(selected, ", "), events, tick)
}

// manyTicks computes them at all ticks. The events are put together by customer and day, which is exact since all windows are whole days and all ticks
// midnights, in a grid of all days, where windows are frames of rows. Frames of ranges without the grid, and joining ticks with events, take
// several times as long.
func manyTicks(path string) string {
	first := lastTick.Add(-24 * time.Hour * (backfilled - 1)).UnixMicro()
	frame := func(days int) string {
		return fmt.Sprintf("w%d AS (PARTITION BY c ORDER BY d ROWS BETWEEN %d PRECEDING AND CURRENT ROW)", days, days-1)
	}
	days := fmt.Sprintf("b AS MATERIALIZED (SELECT customer_id AS c, greatest((t - %d + %d) // %d, 0) AS d, count(*) AS n, sum(amount) AS s, sum(amount * amount) AS q,"+
		" min(amount) AS lo, max(amount) AS hi, max(t) AS t FROM (%s) WHERE t <= %d GROUP BY ALL)",
		first-90*dayMicros, dayMicros-1, int64(dayMicros), fmt.Sprintf(readFile, path), lastTick.UnixMicro())
	grid := fmt.Sprintf("g AS (SELECT c, CAST(r.d AS BIGINT) AS d FROM (SELECT c, min(d) AS f FROM b GROUP BY c), range(0, %d) AS r (d) WHERE r.d >= f)", 90+backfilled)
	return "WITH " + days + ", " + grid + " SELECT * FROM (SELECT c, d, sum(n) OVER w1, sum(n) OVER w7, sum(n) OVER w30, sum(n) OVER w90," +
		" sum(s) OVER w7, sum(s) OVER w30, sum(s) OVER w90, sum(s) OVER w30 / sum(n) OVER w30, min(lo) OVER w90, max(hi) OVER w90," +
		" sqrt((sum(q) OVER w90 - sum(s) OVER w90 * sum(s) OVER w90 / sum(n) OVER w90) / (sum(n) OVER w90 - 1)), max(t) OVER w90" +
		" FROM (SELECT g.c, g.d, n, s, q, lo, hi, t FROM g LEFT JOIN b ON b.c = g.c AND b.d = g.d)" +
		" WINDOW " + frame(1) + ", " + frame(7) + ", " + frame(30) + ", " + frame(90) + ") WHERE d >= 90"
}
