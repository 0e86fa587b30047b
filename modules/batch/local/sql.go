package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/batch/gate"
	"featurestore/modules/registry/value"
)

// transform runs the SQL of a plan over the relation events: once for each tick, or once for all of them.
func (d *database) transform(ctx context.Context, job *batch.Job) (*batch.Staged, error) {
	staged := &batch.Staged{PerTick: map[int64]int64{}}
	if !job.Plan.SQL.PerTick {
		if err := d.ticks(ctx, job); err != nil {
			return nil, err
		}
		return staged, d.run(ctx, job, job.From, job.Ticks, staged)
	}
	for i, tick := range job.Ticks {
		if err := d.run(ctx, job, before(job, i), job.Ticks[i:i+1], staged); err != nil {
			return nil, fmt.Errorf("tick %s: %w", value.AppendTime(nil, tick), err)
		}
		if job.Progress != nil {
			job.Progress(i+1, len(job.Ticks))
		}
	}
	return staged, nil
}

// before is the tick before the i-th of a job, which need not be one of the job's.
func before(job *batch.Job, i int) int64 {
	if i > 0 {
		if from, found := job.Plan.Ticks.Before(job.Ticks[i]); found {
			return from
		}
	}
	return job.From
}

// ticks makes the relation ticks, for a query that reads it.
func (d *database) ticks(ctx context.Context, job *batch.Job) error {
	if !job.Plan.SQL.Ticks {
		return nil
	}
	rows := make([]string, len(job.Ticks))
	for i, tick := range job.Ticks {
		rows[i] = fmt.Sprintf("(CAST(%d AS BIGINT), CAST(%d AS BIGINT))", tick, before(job, i))
	}
	return d.exec(ctx, "CREATE TABLE ticks AS SELECT * FROM (VALUES "+strings.Join(rows, ", ")+") AS t (tick_us, from_us)")
}

// run stages what the query yields for some ticks as one file.
func (d *database) run(ctx context.Context, job *batch.Job, from int64, ticks []int64, staged *batch.Staged) error {
	last := ticks[len(ticks)-1]
	if err := d.until(ctx, last); err != nil {
		return err
	}
	bound := map[string]int64{gate.Tick: last, gate.From: from, gate.To: last}
	query := job.Plan.SQL.Bind(func(name string) string { return "CAST(" + strconv.FormatInt(bound[name], 10) + " AS BIGINT)" }, strings.ToUpper)
	path := filepath.Join(job.Folder, "rows-"+strconv.Itoa(len(staged.Files))+".parquet")
	if _, err := d.stage(ctx, yielded(job.Plan, query, ticks), path); err != nil {
		return err
	}
	staged.Files = append(staged.Files, path)
	return d.count(ctx, job.Plan, path, staged)
}

// stage writes what a query yields into a file, and answers how many rows it is.
func (d *database) stage(ctx context.Context, query, path string) (rows int64, err error) {
	err = d.query(ctx, "COPY ("+query+") TO "+batch.DuckDB.Text(path)+" (FORMAT parquet)", func(c *chunk) error {
		rows = c.vector(0).int(0)
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return 0, fmt.Errorf("stage rows: %w", err)
	}
	return rows, nil
}

// yielded is the rows of a query as they are staged: those of the ticks, in the order of their keys.
func yielded(plan *batch.Plan, query string, ticks []int64) string {
	quote := batch.DuckDB.Quote
	var selected, order []string
	for _, k := range plan.Keys {
		selected, order = append(selected, "CAST(r."+quote(k.Name)+" AS "+gate.DuckType(k.ValueType)+") AS "+quote(k.Name)), append(order, quote(k.Name))
	}
	tick := strconv.FormatInt(ticks[0], 10)
	if !plan.SQL.PerTick {
		if tick = "r." + quote(plan.Time); plan.Time == "event_time" {
			tick = "epoch_us(" + tick + ")"
		}
	}
	selected = append(selected, "timezone('UTC', make_timestamp(CAST("+tick+" AS BIGINT))) AS event_time")
	for _, f := range plan.Outputs {
		selected = append(selected, staging(f.ValueType, "r."+quote(f.Name))+" AS "+quote(f.Name))
	}
	text := "SELECT " + strings.Join(selected, ", ") + " FROM (" + query + "\n) AS r"
	if !plan.SQL.PerTick {
		numbers := make([]string, len(ticks))
		for i, t := range ticks {
			numbers[i] = strconv.FormatInt(t, 10)
		}
		text += " WHERE " + tick + " IN (" + strings.Join(numbers, ", ") + ")"
	}
	return text + " ORDER BY " + strings.Join(order, ", ") + ", event_time"
}

// staging is a value that SQL yields as a feature of a type is staged.
func staging(t value.Type, of string) string {
	if t == value.Float {
		of = "CAST(" + of + " AS DOUBLE)"
		return "CASE WHEN isfinite(" + of + ") THEN " + of + " WHEN " + of + " IS NOT NULL THEN error(" +
			batch.DuckDB.Text("the SQL yields a number that is not finite: guard divisions with nullif") + ") END"
	}
	return staged(t, of)
}

// staged is a value as one of a type.
func staged(t value.Type, of string) string {
	switch t {
	case value.Timestamp:
		return "timezone('UTC', CAST(" + of + " AS TIMESTAMP))"
	case value.TimestampArray:
		return "list_transform(" + of + ", lambda t: timezone('UTC', CAST(t AS TIMESTAMP)))"
	}
	return "CAST(" + of + " AS " + gate.DuckType(t) + ")"
}

// count counts the rows of a staged file, and refuses rows without an entity and two of one entity and tick.
func (d *database) count(ctx context.Context, plan *batch.Plan, path string, staged *batch.Staged) error {
	quote := batch.DuckDB.Quote
	var keys, absent []string
	for _, k := range plan.Keys {
		keys, absent = append(keys, quote(k.Name)), append(absent, quote(k.Name)+" IS NULL")
	}
	from := " FROM read_parquet(" + batch.DuckDB.Text(path) + ")"
	err := d.query(ctx, "SELECT epoch_us(event_time), count(*), count(*) FILTER (WHERE "+strings.Join(absent, " OR ")+")"+from+" GROUP BY event_time", func(c *chunk) error {
		for i := range c.rows {
			if c.vector(2).int(i) > 0 {
				return fault.New(fault.Unprocessable, "no-entity", "the SQL yields a row whose %s is null: every row needs an entity", strings.Join(keys, " or ")).
					At("sql", "", "yields a null join key")
			}
			staged.Rows += c.vector(1).int(i)
			staged.PerTick[c.vector(0).int(i)] += c.vector(1).int(i)
		}
		return nil
	})
	if err != nil {
		return err
	}
	names := strings.Join(keys, ", ")
	// The file is in the order of the keys and ticks, so that equal ones follow each other.
	return d.query(ctx, "SELECT concat_ws(',', "+names+") FROM (SELECT "+names+", event_time"+from+" GROUP BY ALL HAVING count(*) > 1) LIMIT 1", func(c *chunk) error {
		if c.rows == 0 {
			return nil
		}
		return fault.New(fault.Unprocessable, "entity-twice", "the SQL yields two rows of the entity %s at one tick: group by %s", fault.Shorten(strings.Clone(c.vector(0).text(0))), strings.ReplaceAll(names, `"`, "")).
			At("sql", "", "yields an entity twice at one tick")
	})
}
