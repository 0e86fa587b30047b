package local

import (
	"context"
	"strings"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// sorted feeds the rows of the relation events, which DuckDB puts in order, on disk where they are many.
func (d *database) sorted(job *batch.Job) feed {
	return func(ctx context.Context, yield func(*block) error) error {
		g := &gathering{job: job, yield: yield}
		plan, keys := job.Plan, len(job.Plan.Keys)
		key, columns := make([]vector, keys), make([]vector, len(plan.Columns))
		return g.end(d.query(ctx, sortedQuery(job), func(c *chunk) error {
			for i := range key {
				key[i] = c.vector(i)
			}
			times := c.vector(keys)
			for i := range columns {
				columns[i] = c.vector(keys + 1 + i)
			}
			for row := range c.rows {
				if !g.same(key, row) {
					entity := make([]value.Value, keys)
					for i := range entity {
						entity[i] = key[i].value(plan.Keys[i].ValueType, row)
					}
					if err := g.entity(entity); err != nil {
						return err
					}
				}
				values, err := g.event(times.int(row), 0)
				if err != nil {
					return err
				}
				for i := range values {
					values[i] = columns[i].value(plan.Columns[i].Type, row)
				}
			}
			return nil
		}))
	}
}

// same tells whether a row is of the entity that was begun last.
func (g *gathering) same(key []vector, row int) bool {
	if g.at == nil || len(g.at.keys) == 0 {
		return false
	}
	for i, v := range g.at.keys[len(g.at.keys)-1] {
		if v.Type() == value.String && v.Text() != key[i].text(row) || v.Type() == value.Integer && v.Int() != key[i].int(row) {
			return false
		}
	}
	return true
}

// sortedQuery asks for the join keys, the time and the plan's columns of the events. Their order among equals is the pass's
// affair: rows of files have none.
func sortedQuery(job *batch.Job) string {
	quote := batch.DuckDB.Quote
	var selected, order []string
	for _, k := range job.Plan.Keys {
		selected, order = append(selected, quote(k.Name)), append(order, quote(k.Name))
	}
	selected, order = append(selected, "event_us"), append(order, "event_us")
	for _, c := range job.Plan.Columns {
		selected = append(selected, read(c))
	}
	return "SELECT " + strings.Join(selected, ", ") + " FROM events ORDER BY " + strings.Join(order, ", ")
}

// read is a column as vector.value takes it: of what can only be null or not, that.
func read(c batch.Column) string {
	name := batch.DuckDB.Quote(c.Name)
	switch {
	case c.Type == value.Timestamp:
		return "epoch_us(" + name + ")"
	case c.Type.Array() || c.Type == value.JSON:
		return "CASE WHEN " + name + " IS NOT NULL THEN '' END"
	}
	return name
}
