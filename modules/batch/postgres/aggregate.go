package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"featurestore/modules/batch"
	"featurestore/modules/batch/stage"
	"featurestore/modules/registry/value"
)

// aggregate computes the aggregations of a job in one statement.
func aggregate(ctx context.Context, tx pgx.Tx, job *batch.Job, of *relation, out *stage.Writer) error {
	s := newStatement(job, of)
	row := make([]value.Value, len(job.Plan.Outputs))
	key := make([]value.Value, len(job.Plan.Keys))
	return read(ctx, tx, s.text, [][]byte{encodeIntegers(job.Ticks)}, func(columns [][]byte) error {
		for i, k := range job.Plan.Keys {
			key[i] = decode(k.ValueType, columns[i])
		}
		states := columns[len(key)+1:]
		tick := job.Ticks[decodeInteger(columns[len(key)])-1]
		for i := range job.Plan.Aggregations {
			a := &job.Plan.Aggregations[i]
			v, err := s.functions[i].finish(a, tick, states)
			if err != nil {
				return job.Plan.OutOfRange(a, key, err)
			}
			row[i] = v
		}
		return out.Add(key, tick, row)
	})
}

// statement adds up what belongs to each entity and tick. Its rows are the join keys, which of $1, the ticks, counted from 1, and states, which functions
// make values of.
type statement struct {
	text      string
	functions []function
	states    []string
	windows   []time.Duration // as far as there are, the longest last; 0, a lifetime, is the longest
	plan      *batch.Plan
}

func newStatement(job *batch.Job, of *relation) *statement {
	s := &statement{plan: job.Plan}
	everywhere := false // a row exists where no window has an event
	for i := range job.Plan.Aggregations {
		a := &job.Plan.Aggregations[i]
		everywhere = everywhere || a.Empty != batch.Nothing
		s.window(a)
	}
	slices.SortFunc(s.windows, func(a, b time.Duration) int { return cmp.Compare(uint64(a-1), uint64(b-1)) }) // 0 is the longest
	for i := range job.Plan.Aggregations {
		s.functions = append(s.functions, s.function(&job.Plan.Aggregations[i]))
	}
	s.text = s.write(job, of, everywhere)
	return s
}

// window notes the windows of an aggregation.
func (s *statement) window(a *batch.Aggregation) {
	if a.Function == batch.Ratio {
		s.window(a.Numerator)
		s.window(a.Denominator)
		return
	}
	if !slices.Contains(s.windows, a.Window) {
		s.windows = append(s.windows, a.Window)
	}
}

// write writes the statement. Its relation e has each event with the first tick that it counts for, and for each window the last one; x has each event for each
// of those ticks of the longest window, and, where rows exist everywhere, one row of nulls for each entity and tick since its first event.
func (s *statement) write(job *batch.Job, of *relation, everywhere bool) string {
	keys, columns, none := make([]string, len(of.keys)), []string{timeOf, seqOf}, []string{"NULL::bigint", "NULL::bigint"}
	selected := []string{"r." + timeOf, "r." + seqOf}
	for i, k := range of.keys {
		keys[i] = "k" + strconv.Itoa(i)
		selected = append(selected, k+" AS "+keys[i])
	}
	for i, v := range of.values {
		c := "c" + strconv.Itoa(i)
		columns, none = append(columns, c), append(none, "NULL::"+sqlTypes[s.plan.Columns[i].Type])
		selected = append(selected, v+" AS "+c)
	}
	ends := "cardinality($1::bigint[])"
	for i, w := range s.windows {
		if w == 0 {
			continue
		}
		h := "h" + strconv.Itoa(i)
		columns, none = append(columns, h), append(none, "NULL::integer")
		selected = append(selected, fmt.Sprintf("width_bucket(r.%s + %d, $1::bigint[]) AS %s", timeOf, w.Microseconds()-1, h))
		ends = "e." + h
	}
	if s.windows[len(s.windows)-1] == 0 {
		ends = "cardinality($1::bigint[])"
	}
	selected = append(selected, fmt.Sprintf("1 + width_bucket(r.%s - 1, $1::bigint[]) AS low", timeOf))
	key, column := strings.Join(keys, ", "), strings.Join(columns, ", ")
	var b strings.Builder
	fmt.Fprintf(&b, "WITH e AS MATERIALIZED (SELECT %s FROM (%s) r)", strings.Join(selected, ", "), of.query)
	events := "e"
	if job.Sample > 0 {
		events = "f"
		fmt.Fprintf(&b, ", f AS (SELECT * FROM e WHERE (%s) IN (SELECT %s FROM e GROUP BY %s ORDER BY %s LIMIT %d))", key, key, key, key, job.Sample)
	}
	fmt.Fprintf(&b, ", x AS (SELECT %s, n, %s FROM %s e CROSS JOIN LATERAL generate_series(e.low, %s) n", key, column, events, ends)
	if everywhere {
		fmt.Fprintf(&b, " UNION ALL SELECT %s, n, %s FROM (SELECT %s, min(low) AS low FROM %s GROUP BY %s) g CROSS JOIN LATERAL generate_series(g.low, cardinality($1::bigint[])) n",
			key, strings.Join(none, ", "), key, events, key)
	}
	fmt.Fprintf(&b, ") SELECT %s, n::bigint%s FROM x GROUP BY %s, n", key, strings.Join(append([]string{""}, s.states...), ", "), key)
	return b.String()
}

// filter is the condition that an event is considered.
func (s *statement) filter(a *batch.Aggregation) string {
	condition := timeOf + " IS NOT NULL" // it is an event
	if a.Window != 0 {
		condition = fmt.Sprintf("n <= h%d", slices.Index(s.windows, a.Window))
	}
	if a.Where != nil {
		condition += " AND (" + a.Where.SQL(batch.PostgreSQL, func(i int) string {
			if i == batch.EventTime {
				return timestampOf(timeOf)
			}
			return "c" + strconv.Itoa(i)
		}) + ")"
	}
	if a.Of >= 0 {
		condition += fmt.Sprintf(" AND c%d IS NOT NULL", a.Of)
	}
	return " FILTER (WHERE " + condition + ")"
}

// state adds a state and answers its place; equal ones are computed once.
func (s *statement) state(sql string) int {
	i := slices.Index(s.states, sql)
	if i < 0 {
		i = len(s.states)
		s.states = append(s.states, sql)
	}
	return i
}
