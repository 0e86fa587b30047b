package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// Events calls use with a job's source, which is a group of this PostgreSQL's or a table, as a query for other readers of the same database: columns k0, k1 … of the
// join keys, event_us, seq, and c0, c1 … of the plan, of which times are numbers of µs. The transaction sees what the query is to see; it has been confined to
// reading. Errors of the source are faults.
func (e *Engine) Events(ctx context.Context, job *batch.Job, use func(ctx context.Context, tx pgx.Tx, query string) error) error {
	err := e.source(ctx, job, func(ctx context.Context, tx pgx.Tx, of *relation) error {
		selected := []string{"r." + timeOf, "r." + seqOf}
		for i, key := range of.keys {
			selected = append(selected, key+" AS k"+strconv.Itoa(i))
		}
		for i, v := range of.values {
			selected = append(selected, counted(job.Plan.Columns[i].Type, v)+" AS c"+strconv.Itoa(i))
		}
		return use(ctx, tx, fmt.Sprintf("SELECT %s FROM (%s) r", strings.Join(selected, ", "), of.query))
	})
	if err != nil {
		return explain(ctx, err, job)
	}
	return nil
}

// counted is a column of events with times as µs since 1970.
func counted(t value.Type, column string) string {
	switch t {
	case value.Timestamp:
		return microseconds(column)
	case value.TimestampArray:
		return fmt.Sprintf("CASE WHEN %[1]s IS NOT NULL THEN ARRAY(SELECT %[2]s FROM unnest(%[1]s) WITH ORDINALITY AS u(moment, place) ORDER BY place) END", column, microseconds("moment"))
	}
	return column
}
