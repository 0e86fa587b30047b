package local

import (
	"context"
	"strings"
	"sync"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// sorted feeds the rows of the relation events, which DuckDB puts in order, on disk where they are many.
func (d *database) sorted(job *batch.Job) feed {
	return func(ctx context.Context, blocks *sync.Pool, yield func(*block) error) error {
		g := &gathering{job: job, blocks: blocks, yield: yield}
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
				to, err := g.event(times.int(row), 0)
				if err != nil {
					return err
				}
				for i := range to {
					switch v := columns[i]; {
					case v.null(row):
						to[i].addNull()
					case to[i].kind == value.String:
						to[i].addText(strings.Clone(v.text(row)))
					default:
						to[i].addBits(v.word(to[i].kind, row))
					}
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

// sortedQuery asks for the events in the order of their join keys and times. That among equals is the pass's affair: rows of files have none.
func sortedQuery(job *batch.Job) string {
	columns := selected(job)
	return "SELECT " + strings.Join(columns, ", ") + " FROM events ORDER BY " + strings.Join(columns[:len(job.Plan.Keys)+1], ", ")
}

// selected are the join keys, the time and the plan's columns of the events.
func selected(job *batch.Job) (columns []string) {
	for _, k := range job.Plan.Keys {
		columns = append(columns, batch.DuckDB.Quote(k.Name))
	}
	columns = append(columns, "event_us")
	for _, c := range job.Plan.Columns {
		columns = append(columns, read(c))
	}
	return columns
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
