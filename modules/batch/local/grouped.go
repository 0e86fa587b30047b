package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// groupable tells whether one tick of a plan is better computed by DuckDB, without putting the events in order: where no aggregation asks for their
// order, or which values are different.
func groupable(p *program) bool {
	var plain func(t *term) bool
	plain = func(t *term) bool {
		switch t.Function {
		case batch.Ratio:
			return plain(t.numerator) && plain(t.denominator)
		case batch.First, batch.Last, batch.LastN, batch.CountDistinct:
			return false
		}
		return true
	}
	for i := range p.terms {
		if !plain(&p.terms[i]) {
			return false
		}
	}
	return true
}

// grouped computes the aggregations of one tick by one statement, which says what the pass does. What is beyond the range of DuckDB's whole numbers is an
// error here, and none for the pass.
func (d *database) grouped(ctx context.Context, job *batch.Job, p *program, files []string, of *columns) (*batch.Staged, error) {
	path := filepath.Join(job.Folder, "rows.parquet")
	events := "(" + of.query(p.plan, files, p.adds) + ")" // adding up fails on what is not finite, and keys are checked once they are few
	if job.Sample > 0 || p.drops {
		events = "events"
	}
	var err error
	for _, squares := range []string{"BIGINT", "HUGEINT"} { // the former are faster, and enough for most
		rows, failed := d.stage(ctx, groupedQuery(p, job.Ticks[0], squares, events, of.checks), path)
		if err = failed; err == nil {
			return &batch.Staged{Files: []string{path}, Rows: rows, PerTick: map[int64]int64{job.Ticks[0]: rows}}, nil
		}
		_ = os.Remove(path) // err says what is wrong
		if !outOfRange(err) {
			break
		}
	}
	return nil, err
}

// grouping writes the statement.
type grouping struct {
	*program
	tick    int64
	squares string
	inner   []string          // of each event
	sums    []string          // of each entity: aggregates
	known   map[string]string // names of both, by what they are
}

// groupedQuery is the rows of one tick; squares is the type that numbers are multiplied in.
func groupedQuery(p *program, tick int64, squares, events string, checks []string) string {
	g := &grouping{program: p, tick: tick, squares: squares, known: map[string]string{}}
	quote := batch.DuckDB.Quote
	var keys, outer, present, names []string
	for i, k := range p.plan.Keys {
		keys = append(keys, quote(k.Name))
		outer = append(outer, fmt.Sprintf(checks[i], keys[i])+" AS "+keys[i])
	}
	outer = append(outer, fmt.Sprintf("timezone('UTC', make_timestamp(%d)) AS event_time", tick))
	all := "true"
	for i := range p.terms {
		t := &p.terms[i]
		v, considered := g.value(t)
		if t.Empty == batch.Zero {
			v = "coalesce(" + v + ", 0)"
		}
		outer = append(outer, staged(t.Type, v)+" AS "+quote(t.Feature.Name))
		present = append(present, considered)
		if t.Empty == batch.Nothing {
			names = append(names, "CASE WHEN "+considered+" THEN "+batch.DuckDB.Text(t.Feature.Name)+" END")
			all += " AND " + considered
		} else {
			names = append(names, batch.DuckDB.Text(t.Feature.Name))
		}
	}
	if p.plan.Partial {
		outer = append(outer, "CASE WHEN NOT ("+all+") THEN concat_ws(' ', "+strings.Join(names, ", ")+") END AS "+presenceColumn)
	}
	by := strings.Join(keys, ", ")
	text := "SELECT " + strings.Join(outer, ", ") + " FROM (SELECT " + strings.Join(append([]string{by}, g.sums...), ", ") +
		" FROM (SELECT " + strings.Join(append([]string{by, "event_us"}, g.inner...), ", ") + " FROM " + events + " WHERE event_us <= " + strconv.FormatInt(tick, 10) + ") GROUP BY " + by + ")"
	if p.drops {
		text += " WHERE " + strings.Join(present, " OR ")
	}
	return text + " ORDER BY " + by
}

// adds tells whether the numbers of a column are added up, whatever rows are considered.
func (p *program) adds(column int) bool {
	for i := range p.inputs {
		if p.inputs[i].of == column && p.inputs[i].added {
			return true
		}
	}
	return false
}

// of names an expression over each event.
func (g *grouping) of(expression string) string { return g.named("__e", expression, &g.inner) }

// aggregate names an aggregate over the events in a term's window that its condition is true of.
func (g *grouping) aggregate(t *term, call string) string {
	var conditions []string
	if t.Window > 0 {
		conditions = append(conditions, "event_us > "+strconv.FormatInt(g.tick-t.Window.Microseconds(), 10))
	}
	if t.Where != nil {
		conditions = append(conditions, g.of(t.Where.SQL(batch.DuckDB, g.column)))
	}
	if len(conditions) > 0 {
		call += " FILTER (WHERE " + strings.Join(conditions, " AND ") + ")"
	}
	return g.named("__s", call, &g.sums)
}

func (g *grouping) named(prefix, expression string, into *[]string) string {
	if name, ok := g.known[prefix+expression]; ok {
		return name
	}
	name := prefix + strconv.Itoa(len(*into))
	*into = append(*into, expression+" AS "+name)
	g.known[prefix+expression] = name
	return name
}

func (g *grouping) column(i int) string {
	if i == batch.EventTime {
		return "event_time"
	}
	return batch.DuckDB.Quote(g.plan.Columns[i].Name)
}

// value is the expression of a term over the aggregates, null where it is empty, and whether it is not.
func (g *grouping) value(t *term) (of, considered string) {
	switch t.Function {
	case batch.Ratio:
		of = g.ratio(t)
	case batch.Count:
		of = "nullif(" + g.count(t) + ", 0)"
	case batch.Sum:
		if of = g.scaled(t); t.OfType == value.Integer {
			of = "CAST(" + g.sum(t) + " AS BIGINT)"
		}
	case batch.Avg:
		of = g.scaled(t) + " / CAST(" + g.count(t) + " AS DOUBLE)"
	case batch.Stddev:
		of = g.deviation(t, g.count(t))
	case batch.TimeSinceLast:
		newest := "max(event_us)"
		if t.Of >= 0 {
			newest = "max(CASE WHEN " + g.of(g.column(t.Of)) + " IS NOT NULL THEN event_us END)"
		}
		age := "(" + strconv.FormatInt(g.tick, 10) + " - " + g.aggregate(t, newest) + ")"
		if of = "CAST(" + age + " AS DOUBLE) / CAST(1000000 AS DOUBLE)"; t.Type == value.Integer {
			of = age + " // 1000000"
		}
	default:
		if of = g.aggregate(t, string(t.Function)+"("+g.of(g.column(t.Of))+")"); t.OfType == value.Float {
			of += " + CAST(0 AS DOUBLE)" // never −0
		}
	}
	return of, "(" + of + ") IS NOT NULL"
}

// count counts the rows that are considered.
func (g *grouping) count(t *term) string {
	if t.Of == batch.Rows {
		return g.aggregate(t, "count(*)")
	}
	return g.aggregate(t, "count("+g.of(g.column(t.Of))+")")
}

func (g *grouping) sum(t *term) string { return g.aggregate(t, "sum("+g.units(t)+")") }

// units are the numbers of a term in fixed point.
func (g *grouping) units(t *term) string {
	if t.OfType == value.Integer {
		return g.of(g.column(t.Of))
	}
	return g.of("CAST(floor(" + g.column(t.Of) + " * " + double(t.scale) + " + CAST(0.5 AS DOUBLE)) AS BIGINT)")
}

func double(n int64) string { return "CAST(" + strconv.FormatInt(n, 10) + " AS DOUBLE)" }

// scaled is wide.float.
func (g *grouping) scaled(t *term) string {
	s, scale := g.sum(t), strconv.FormatInt(t.scale, 10)
	return fmt.Sprintf("CASE WHEN abs(%[1]s) < %[2]d THEN CAST(CAST(%[1]s AS BIGINT) AS DOUBLE) / %[3]s"+
		" ELSE CAST(CAST(%[1]s // %[4]s AS BIGINT) AS DOUBLE) + CAST(CAST(%[1]s %% %[4]s AS BIGINT) AS DOUBLE) / %[3]s END", s, int64(exactFloats), double(t.scale), scale)
}

// deviation is the function deviation. A numerator whose upper part would be rounded by itself is an error.
func (g *grouping) deviation(t *term, n string) string {
	units, s := g.units(t), g.sum(t)
	squares := g.aggregate(t, "sum("+g.of(fmt.Sprintf("CAST(%[1]s AS %[2]s) * CAST(%[1]s AS %[2]s)", units, g.squares))+")")
	numerator := "(CAST(" + n + " AS HUGEINT) * " + squares + " - " + s + " * " + s + ")"
	parts := strconv.FormatInt(exactFloats, 10)
	return "CASE WHEN " + n + " > 1 THEN sqrt((CAST(CAST(CAST(" + numerator + " // " + parts + " AS DECIMAL(15, 0)) AS BIGINT) AS DOUBLE) * " + double(exactFloats) +
		" + CAST(CAST(" + numerator + " % " + parts + " AS BIGINT) AS DOUBLE)) / (CAST(" + n + " AS DOUBLE) * CAST(" + n + " - 1 AS DOUBLE))) / " + double(t.scale) + " END"
}

// ratio is result.ratio. One that is not finite is an error.
func (g *grouping) ratio(t *term) string {
	var parts [2]string
	for i, part := range []*term{t.numerator, t.denominator} {
		v, _ := g.value(part)
		if part.Empty == batch.Zero {
			v = "coalesce(" + v + ", 0)"
		}
		parts[i] = "CAST(" + v + " AS DOUBLE)"
	}
	of := parts[0] + " / nullif(" + parts[1] + ", 0)"
	return "CASE WHEN " + of + " = 0 THEN CAST(0 AS DOUBLE) WHEN isinf(" + of + ") THEN CAST('beyond' AS DOUBLE) ELSE " + of + " END"
}
