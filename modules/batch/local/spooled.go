package local

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// Spool writes the events of a job into its folder, for other readers. Faults are those of the source.
func Spool(ctx context.Context, places Places, job *batch.Job) (*batch.Spooled, error) {
	d, err := open(job)
	if err != nil {
		return nil, err
	}
	defer d.close()
	spooled, err := d.spool(ctx, New(places), job)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return spooled, explain(err, job)
}

func (d *database) spool(ctx context.Context, e *Engine, job *batch.Job) (*batch.Spooled, error) {
	files, of, err := e.source(ctx, d, job)
	if err != nil {
		return nil, err
	}
	spooled := &batch.Spooled{Path: files[0]}
	if !of.spooled {
		spooled.Path = filepath.Join(job.Folder, "events.parquet")
		if _, err := d.stage(ctx, of.spool(job, files), spooled.Path); err != nil {
			return nil, err
		}
	}
	return spooled, d.ranges(ctx, job.Plan, spooled)
}

// ranges looks up what is known of the columns of a spooled file.
func (d *database) ranges(ctx context.Context, plan *batch.Plan, of *batch.Spooled) error {
	numbers := func(c batch.Column) bool { return c.Type == value.Integer || c.Type == value.Float }
	selected := []string{"count(*)"}
	for i, c := range plan.Columns {
		name := "c" + strconv.Itoa(i)
		selected = append(selected, "count("+name+")")
		if numbers(c) {
			selected = append(selected, "CAST(min("+name+") AS DOUBLE)", "CAST(max("+name+") AS DOUBLE)")
		}
	}
	return d.query(ctx, "SELECT "+strings.Join(selected, ", ")+" FROM read_parquet("+batch.DuckDB.Text(of.Path)+")", func(c *chunk) error {
		at := 0
		next := func(t value.Type) value.Value {
			at++
			return c.vector(at-1).value(t, 0)
		}
		of.Rows = next(value.Integer).Int()
		for _, c := range plan.Columns {
			r := batch.Range{Nulls: of.Rows - next(value.Integer).Int()}
			if numbers(c) {
				r.Least, r.Greatest = next(value.Float).Float(), next(value.Float).Float()
			}
			of.Columns = append(of.Columns, r)
		}
		return nil
	})
}

// spool is what files that are read directly hold until the last tick, as a spooled file does.
func (of *columns) spool(job *batch.Job, files []string) string {
	selected := []string{of.time + " AS event_us", of.seq + " AS seq"}
	for i, key := range of.keys {
		selected = append(selected, of.checked(i, key)+" AS k"+strconv.Itoa(i))
	}
	for i, v := range of.values {
		if job.Plan.Columns[i].Type == value.Timestamp {
			v = "epoch_us(" + v + ")"
		}
		selected = append(selected, v+" AS c"+strconv.Itoa(i))
	}
	return "SELECT * FROM (SELECT " + strings.Join(selected, ", ") + " FROM " + parquetOf(files) + " AS f) WHERE event_us <= " + strconv.FormatInt(job.Ticks[len(job.Ticks)-1], 10)
}
