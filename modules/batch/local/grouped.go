package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// errBeyond is of numbers that DuckDB does not compute with, or that the statement has no aggregates for: the pass does.
var errBeyond = errors.New("numbers beyond those of the statement")

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

// grouped computes the aggregations of one tick by one statement over files, which adds up what the pass does; what is made of it is made as there.
func (d *database) grouped(ctx context.Context, job *batch.Job, p *program, files []string, of *columns) (*batch.Staged, error) {
	events := "(" + of.query(p.plan, files, p.adds) + ")"   // adding up fails on what is not finite, and keys are checked once they are few
	for _, squares := range []string{"BIGINT", "HUGEINT"} { // the former are faster, and enough for most
		staged, err := d.groupedBy(ctx, newGrouping(p, job.Ticks[0], squares, events, of), job.Folder)
		if !outOfRange(err) {
			return staged, err
		}
	}
	return nil, errBeyond
}

func (d *database) groupedBy(ctx context.Context, g *grouping, folder string) (*batch.Staged, error) {
	out, err := newStage(g.plan, folder)
	if err != nil {
		return nil, err
	}
	rows := newRows(g.plan, 1)
	err = d.query(ctx, g.text, func(c *chunk) error {
		if err := g.add(c, rows); err != nil {
			return err
		}
		err := out.write(rows)
		rows.reset()
		return err
	})
	if closeErr := out.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(out.path) // err says what is wrong
		return nil, err
	}
	return &batch.Staged{Files: []string{out.path}, Rows: out.count, PerTick: map[int64]int64{g.tick: out.count}}, nil
}

// grouping is the statement: of each entity its join keys, and then the aggregates that terms are made of.
type grouping struct {
	*program
	tick    int64
	squares string // the type that numbers are multiplied in
	text    string
	inner   []string       // of each event
	sums    []string       // of each entity: aggregates
	known   map[string]int // places in both, by what they are
	pass    *pass          // whose results are those of a chunk's rows, instead of ticks
}

func newGrouping(p *program, tick int64, squares, events string, of *columns) *grouping {
	g := &grouping{program: p, tick: tick, squares: squares, known: map[string]int{}, pass: newPass(p, []int64{tick})}
	var keys, outer []string
	for i, k := range p.plan.Keys {
		keys = append(keys, batch.DuckDB.Quote(k.Name))
		outer = append(outer, of.checked(i, keys[i])+" AS "+keys[i])
	}
	for i := range p.terms {
		g.ask(&p.terms[i])
	}
	for i := range g.sums {
		outer = append(outer, sumName(i))
	}
	by := strings.Join(keys, ", ")
	g.text = "SELECT " + strings.Join(outer, ", ") + " FROM (SELECT " + strings.Join(append([]string{by}, g.sums...), ", ") +
		" FROM (SELECT " + strings.Join(append([]string{by, "event_us"}, g.inner...), ", ") + " FROM " + events + " WHERE event_us <= " + strconv.FormatInt(tick, 10) + ") GROUP BY " + by + ") ORDER BY " + by
	return g
}

func sumName(i int) string   { return "__s" + strconv.Itoa(i) }
func eventName(i int) string { return "__e" + strconv.Itoa(i) }

// adds tells whether the numbers of a column are added up, whatever rows are considered.
func (p *program) adds(column int) bool {
	for i := range p.inputs {
		if p.inputs[i].of == column && p.inputs[i].added {
			return true
		}
	}
	return false
}

// place finds an expression among others, or adds it.
func (g *grouping) place(expression string, among *[]string, name func(int) string) int {
	at := name(0) + expression
	i, ok := g.known[at]
	if !ok {
		i = len(*among)
		*among = append(*among, expression+" AS "+name(i))
		g.known[at] = i
	}
	return i
}

// of names an expression over each event.
func (g *grouping) of(expression string) string {
	return eventName(g.place(expression, &g.inner, eventName))
}

// aggregate is the place of an aggregate over the events in a term's window that its condition is true of.
func (g *grouping) aggregate(t *term, call string) int {
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
	return g.place(call, &g.sums, sumName)
}

func (g *grouping) column(i int) string {
	if i == batch.EventTime {
		return "event_time"
	}
	return batch.DuckDB.Quote(g.plan.Columns[i].Name)
}

// ask adds a term's aggregates.
func (g *grouping) ask(t *term) {
	switch t.Function {
	case batch.Ratio:
		g.ask(t.numerator)
		g.ask(t.denominator)
	case batch.Count:
		g.count(t)
	case batch.Sum:
		g.sum(t)
	case batch.Avg:
		g.sum(t)
		g.count(t)
	case batch.Stddev:
		g.sum(t)
		g.count(t)
		g.squared(t)
	default:
		g.most(t)
	}
}

// count counts the rows that are considered.
func (g *grouping) count(t *term) int {
	if t.Of == batch.Rows {
		return g.aggregate(t, "count(*)")
	}
	return g.aggregate(t, "count("+g.of(g.column(t.Of))+")")
}

// units are the numbers of a term in fixed point.
func (g *grouping) units(t *term) string {
	if t.OfType == value.Integer {
		return g.of(g.column(t.Of))
	}
	return g.of("CAST(floor(" + g.column(t.Of) + " * CAST(" + strconv.FormatInt(t.scale, 10) + " AS DOUBLE) + CAST(0.5 AS DOUBLE)) AS BIGINT)")
}

func (g *grouping) sum(t *term) int { return g.aggregate(t, "sum("+g.units(t)+")") }

func (g *grouping) squared(t *term) int {
	return g.aggregate(t, "sum("+g.of(fmt.Sprintf("CAST(%[1]s AS %[2]s) * CAST(%[1]s AS %[2]s)", g.units(t), g.squares))+")")
}

// most is the least, the greatest or, of time since last, the newest.
func (g *grouping) most(t *term) int {
	switch {
	case t.Function == batch.TimeSinceLast && t.Of < 0:
		return g.aggregate(t, "max(event_us)")
	case t.Function == batch.TimeSinceLast:
		return g.aggregate(t, "max(CASE WHEN "+g.of(g.column(t.Of))+" IS NOT NULL THEN event_us END)")
	}
	call := string(t.Function) + "(" + g.of(g.column(t.Of)) + ")"
	if t.OfType == value.Timestamp {
		call = string(t.Function) + "(" + g.of("epoch_us("+g.column(t.Of)+")") + ")"
	}
	return g.aggregate(t, call)
}
