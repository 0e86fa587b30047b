package local

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"featurestore/modules/batch"
)

// columns are the expressions that the relation events is made of, over what its files hold.
type columns struct {
	keys   []string
	checks []string // what makes an error of a join key that cannot be one, of the key's name: a format
	time   string   // BIGINT, µs
	seq    string
	values []string // of the plan's columns
	raw    []string // the same, without making an error of numbers that are not finite

	spooled bool // the files are one, which our own reader has made of what there is
}

// checked is a key, by an expression of it, with an error of what cannot be one.
func (of *columns) checked(key int, expression string) string {
	return fmt.Sprintf(of.checks[key], expression)
}

// query is the relation events over files; with raw, without making errors of keys, and of numbers in the columns that it is true of.
func (of *columns) query(plan *batch.Plan, files []string, raw func(column int) bool) string {
	quote := batch.DuckDB.Quote
	inner, outer := []string{of.time + " AS event_us", of.seq + " AS seq"}, []string{"make_timestamp(event_us) AS event_time", "event_us", "seq"}
	add := func(expression, name string) {
		inner, outer = append(inner, expression+" AS "+quote(name)), append(outer, quote(name))
	}
	for i, k := range plan.Keys {
		expression := of.keys[i]
		if raw == nil {
			expression = of.checked(i, expression)
		}
		add(expression, k.Name)
	}
	for i, c := range plan.Columns {
		if raw != nil && raw(i) {
			add(of.raw[i], c.Name)
		} else {
			add(of.values[i], c.Name)
		}
	}
	return "SELECT " + strings.Join(outer, ", ") + " FROM (SELECT " + strings.Join(inner, ", ") + " FROM " + parquetOf(files) + " AS f)"
}

// relation defines the view events over files of Parquet, locks the database, and so makes it ready for SQL that somebody wrote.
func (d *database) relation(ctx context.Context, job *batch.Job, files []string, of *columns) error {
	if err := d.lock(ctx, files, []string{job.Folder}); err != nil {
		return err
	}
	view := of.query(job.Plan, files, nil)
	if job.Sample > 0 {
		names := make([]string, len(job.Plan.Keys))
		for i, k := range job.Plan.Keys {
			names[i] = batch.DuckDB.Quote(k.Name)
		}
		keys := strings.Join(names, ", ")
		view = "WITH events AS (" + view + ") SELECT * FROM events SEMI JOIN (SELECT DISTINCT " + keys + " FROM events WHERE event_us <= " +
			strconv.FormatInt(job.Ticks[len(job.Ticks)-1], 10) + " ORDER BY " + keys + " LIMIT " + strconv.Itoa(job.Sample) + ") USING (" + keys + ")"
	}
	if err := d.exec(ctx, "CREATE VIEW "+source+" AS "+view); err != nil {
		return err
	}
	return d.until(ctx, job.Ticks[len(job.Ticks)-1])
}

// source is all events, by a name that no definition can have.
const source = "__source"

// until makes the relation events one of those that are not after a tick.
func (d *database) until(ctx context.Context, tick int64) error {
	return d.exec(ctx, "CREATE OR REPLACE VIEW events AS SELECT * FROM "+source+" WHERE event_us <= "+strconv.FormatInt(tick, 10))
}

// parquetOf is what files of Parquet are read by.
func parquetOf(files []string) string {
	return "read_parquet(" + list(files) + ", union_by_name = true, hive_partitioning = false)"
}
