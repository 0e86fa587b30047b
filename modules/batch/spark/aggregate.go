package spark

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"featurestore/modules/batch"
	"featurestore/modules/batch/exact"
	"featurestore/modules/registry/value"
)

// statement adds up what belongs to each entity and tick. Its rows are the join keys, the tick, and states, which functions make values of.
type statement struct {
	text      string
	functions []function
	plan      *batch.Plan
	spooled   *batch.Spooled // what is known of the events; nil: nothing
	states    []string       // aggregates of the events of an entity and tick
	finished  []string       // what is selected of each, with %s in its place
	units     []string       // columns of events besides
}

// longest is the longest window; 0, a lifetime, is longer than any.
func longest(plan *batch.Plan) time.Duration {
	if plan.Lifetime {
		return 0
	}
	return plan.Longest
}

func newStatement(job *batch.Job, spooled *batch.Spooled) *statement {
	s := &statement{plan: job.Plan, spooled: spooled}
	for i := range job.Plan.Aggregations {
		s.functions = append(s.functions, s.function(&job.Plan.Aggregations[i]))
	}
	s.text = s.write(job)
	return s
}

// everywhere tells whether rows exist where no window has an event.
func everywhere(plan *batch.Plan) bool {
	return slices.ContainsFunc(plan.Aggregations, func(a batch.Aggregation) bool { return a.Empty != batch.Nothing })
}

// again tells whether the statement reads the source more than once.
func again(job *batch.Job) bool {
	return job.Sample > 0 || job.Plan.SQL != nil || len(job.Ticks) > 1 && longest(job.Plan) != 0 && everywhere(job.Plan)
}

// write writes the statement. Its relation e has the events; x has each with each tick whose longest window it is in, or, of a single tick, with that, and, where rows
// exist everywhere, one row of nulls for each entity and tick since its first event.
func (s *statement) write(job *batch.Job) string {
	keys, columns := keysOf(s.plan), []string{timeOf, seqOf}
	for i := range s.plan.Columns {
		columns = append(columns, "c"+strconv.Itoa(i))
	}
	selected := append(slices.Clone(keys), columns...)
	for i, unit := range s.units {
		selected = append(selected, unit+" AS "+unitOf(i))
		columns = append(columns, unitOf(i))
	}
	key, window := strings.Join(keys, ", "), longest(s.plan)
	one := len(job.Ticks) == 1
	var b strings.Builder
	fmt.Fprintf(&b, "WITH source_e AS (SELECT %s FROM source WHERE %s <= %d)", strings.Join(selected, ", "), timeOf, last(job))
	if job.Sample > 0 {
		fmt.Fprintf(&b, ", e AS (SELECT * FROM source_e LEFT SEMI JOIN (SELECT DISTINCT %[1]s FROM source_e ORDER BY %[1]s LIMIT %[2]d) USING (%[1]s))", key, job.Sample)
	} else {
		b.WriteString(", e AS (SELECT * FROM source_e)")
	}
	tick, joined := "tick_us", fmt.Sprintf(" JOIN ticks ON e.%s <= ticks.tick_us", timeOf)
	if one {
		tick, joined = fmt.Sprintf("%dL AS tick_us", job.Ticks[0]), ""
	}
	switch {
	case window == 0 || one && everywhere(s.plan):
	case one:
		joined = fmt.Sprintf(" WHERE %s > %d", timeOf, job.Ticks[0]-window.Microseconds())
	default: // what is before all windows is left out before it meets the ticks
		joined += fmt.Sprintf(" AND e.%s > ticks.tick_us - %d WHERE e.%[1]s > %[3]d", timeOf, window.Microseconds(), job.Ticks[0]-window.Microseconds())
	}
	fmt.Fprintf(&b, ", x AS (SELECT %s, %s, %s FROM e%s", key, tick, strings.Join(columns, ", "), joined)
	if everywhere(s.plan) && window != 0 && !one {
		nulls := make([]string, len(columns))
		for i := range nulls {
			nulls[i] = "NULL"
		}
		fmt.Fprintf(&b, " UNION ALL SELECT %s, tick_us, %s FROM (SELECT %s, min(%s) AS first_us FROM e GROUP BY %s) JOIN ticks ON first_us <= tick_us",
			key, strings.Join(nulls, ", "), key, timeOf, key)
	}
	var states, finished []string
	for i, state := range s.states {
		name := "s" + strconv.Itoa(i)
		states, finished = append(states, ", "+state+" AS "+name), append(finished, ", "+strings.ReplaceAll(s.finished[i], "%s", name)+" AS r"+strconv.Itoa(i))
	}
	fmt.Fprintf(&b, ") SELECT %s, tick_us%s FROM (SELECT %s, tick_us%s FROM x GROUP BY %s, tick_us)", key, strings.Join(finished, ""), key, strings.Join(states, ""), key)
	return b.String()
}

// Columns of the source besides k0 … and c0 ….
const (
	timeOf = "event_us" // BIGINT, µs
	seqOf  = "seq"
)

func keysOf(plan *batch.Plan) (keys []string) {
	for i := range plan.Keys {
		keys = append(keys, "k"+strconv.Itoa(i))
	}
	return keys
}

func unitOf(i int) string { return "u" + strconv.Itoa(i) }

// filter is the condition that an event is considered, of which no value can be asked for. The rows of nulls have no time, and so are in no window.
func (s *statement) filter(a *batch.Aggregation) string {
	var conditions []string
	if a.Window != 0 {
		conditions = append(conditions, fmt.Sprintf("%s > tick_us - %d", timeOf, a.Window.Microseconds()))
	}
	if a.Where != nil {
		conditions = append(conditions, "("+a.Where.SQL(batch.SparkSQL, s.compared)+")")
	}
	if a.Of >= 0 && (s.spooled == nil || s.spooled.Columns[a.Of].Nulls > 0) {
		conditions = append(conditions, fmt.Sprintf("c%d IS NOT NULL", a.Of))
	}
	if len(conditions) == 0 {
		return timeOf + " IS NOT NULL"
	}
	return strings.Join(conditions, " AND ")
}

// narrow tells whether the numbers that an aggregation adds up are known to be so small that no sum of them, nor of their squares for stddev, leaves 64 bits.
func (s *statement) narrow(a *batch.Aggregation) bool {
	if s.spooled == nil {
		return false
	}
	of := &s.spooled.Columns[a.Of]
	most := max(math.Abs(of.Least), math.Abs(of.Greatest))
	if a.OfType == value.Float {
		most = most*float64(exact.Scale(a.Decimals)) + 1
	}
	if a.Function == batch.Stddev {
		most *= most
	}
	return most*float64(s.spooled.Rows) < 1<<62
}

// compared is a column as conditions compare it.
func (s *statement) compared(i int) string {
	switch {
	case i == batch.EventTime:
		return momentOf(timeOf)
	case s.plan.Columns[i].Type == value.Timestamp:
		return momentOf("c" + strconv.Itoa(i))
	}
	return "c" + strconv.Itoa(i)
}

// momentOf is µs since 1970 as a time without zone, in UTC.
func momentOf(us string) string { return "CAST(timestamp_micros(" + us + ") AS TIMESTAMP_NTZ)" }

// state adds an aggregate and what is selected of it, and answers its place; equal ones are computed once.
func (s *statement) state(aggregate, finished string) int {
	for i := range s.states {
		if s.states[i] == aggregate && s.finished[i] == finished {
			return i
		}
	}
	s.states, s.finished = append(s.states, aggregate), append(s.finished, finished)
	return len(s.states) - 1
}

// unit adds a column of events and answers its name.
func (s *statement) unit(sql string) string {
	i := slices.Index(s.units, sql)
	if i < 0 {
		i = len(s.units)
		s.units = append(s.units, sql)
	}
	return unitOf(i)
}

// function adds the states that an aggregation needs.
func (s *statement) function(a *batch.Aggregation) (f function) {
	if a.Function == batch.Ratio {
		return function{parts: []function{s.function(a.Numerator), s.function(a.Denominator)}}
	}
	condition := s.filter(a)
	add := func(finished, format string, arguments ...any) {
		f.states = append(f.states, s.state(fmt.Sprintf(format, arguments...)+" FILTER (WHERE "+condition+")", finished))
	}
	c := "c" + strconv.Itoa(max(a.Of, 0))
	if a.Of == batch.EventTime {
		c = timeOf
	}
	ordered := fmt.Sprintf("struct(%s AS at, %s AS place, %s AS v)", timeOf, seqOf, c)
	switch a.Function {
	case batch.TimeSinceLast:
		add("%s", "max(%s)", timeOf)
	case batch.Count:
		add("%s", "count(*)")
	case batch.CountDistinct:
		add("CAST(size(%s) AS BIGINT)", "collect_set(%s)", c)
	case batch.Min, batch.Max:
		add("%s", "%s(%s)", a.Function, c)
	case batch.First:
		add("%s.v", "min(%s)", ordered)
	case batch.Last:
		add("%s.v", "max(%s)", ordered)
	case batch.LastN:
		add(fmt.Sprintf("CASE WHEN size(%%s) > 0 THEN transform(slice(sort_array(%%s), greatest(size(%%s) - %d, 1), %d), x -> x.v) END", a.N-1, a.N), "collect_list(%s)", ordered)
	case batch.Sum, batch.Avg, batch.Stddev:
		add("%s", "count(*)")
		if f.narrow = s.narrow(a); f.narrow {
			if a.OfType == value.Float {
				c = s.unit(fmt.Sprintf("floor(%s * %dD + 0.5D)", c, exact.Scale(a.Decimals)))
			}
			add("%s", "sum(%s)", c)
			if a.Function == batch.Stddev {
				of := cmp.Or(s.unitSQL(c), c)
				add("%s", "sum(%s)", s.unit(of+" * "+of))
			}
			break
		}
		if a.OfType == value.Float {
			fixed := fmt.Sprintf("%s * %dD + 0.5D", c, exact.Scale(a.Decimals))
			c = s.unit(fmt.Sprintf("CASE WHEN %[1]s >= -9.223372036854775808E18D AND %[1]s < 9.223372036854775808E18D THEN floor(%[1]s) END", fixed))
			add("%s", "count(%s)", c) // fewer than there are rows: some are out of range
		} else {
			f.states = append(f.states, f.states[0])
		}
		halves := func(whole string) {
			add("%s", "sum(shiftright(%s, 32))", whole)
			add("%s", "sum(%s & 4294967295)", whole)
		}
		halves(c)
		if a.Function == batch.Stddev {
			of := cmp.Or(s.unitSQL(c), c)
			high, low := fmt.Sprintf("(shiftright(%[1]s, 32) + (shiftright(%[1]s, 31) & 1))", of), fmt.Sprintf("shiftright(shiftleft(%s, 32), 32)", of)
			halves(s.unit(high + " * " + high))
			halves(s.unit(high + " * " + low))
			halves(s.unit(low + " * " + low))
		}
	}
	return f
}

// unitSQL is what a column that was added is made of; "": it is one of the source.
func (s *statement) unitSQL(name string) string {
	for i, sql := range s.units {
		if unitOf(i) == name {
			return sql
		}
	}
	return ""
}
