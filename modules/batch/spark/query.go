package spark

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/batch/gate"
	"featurestore/modules/batch/stage"
	"featurestore/modules/registry/value"
)

// sqlTypes are what Spark calls types of features.
var sqlTypes = map[value.Type]string{
	value.Boolean: "BOOLEAN", value.Integer: "BIGINT", value.Float: "DOUBLE", value.String: "STRING", value.Timestamp: "TIMESTAMP_NTZ", value.JSON: "STRING",
	value.BooleanArray: "ARRAY<BOOLEAN>", value.IntegerArray: "ARRAY<BIGINT>", value.FloatArray: "ARRAY<DOUBLE>", value.StringArray: "ARRAY<STRING>",
	value.TimestampArray: "ARRAY<TIMESTAMP_NTZ>",
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

// ticksOf is the relation ticks.
func ticksOf(job *batch.Job, ticks []int64) string {
	rows := make([]string, len(ticks))
	for i, tick := range ticks {
		rows[i] = fmt.Sprintf("(%dL, %dL)", tick, before(job, i))
	}
	return "SELECT * FROM VALUES " + strings.Join(rows, ", ") + " AS t (tick_us, from_us)"
}

// eventsOf is the relation events over the source, of all events.
func eventsOf(job *batch.Job) string {
	var names []string
	selected := []string{momentOf(timeOf) + " AS event_time", timeOf, seqOf}
	for i, k := range job.Plan.Keys {
		names = append(names, quote(k.Name))
		selected = append(selected, "k"+strconv.Itoa(i)+" AS "+quote(k.Name))
	}
	for i, c := range job.Plan.Columns {
		expression := "c" + strconv.Itoa(i)
		switch c.Type {
		case value.Timestamp:
			expression = momentOf(expression)
		case value.TimestampArray:
			expression = "transform(" + expression + ", x -> " + momentOf("x") + ")"
		}
		selected = append(selected, expression+" AS "+quote(c.Name))
	}
	text := fmt.Sprintf("SELECT %s FROM source WHERE %s <= %d", strings.Join(selected, ", "), timeOf, last(job))
	if job.Sample > 0 {
		key := strings.Join(names, ", ")
		text = fmt.Sprintf("WITH e AS (%[1]s) SELECT * FROM e LEFT SEMI JOIN (SELECT DISTINCT %[2]s FROM e ORDER BY %[2]s LIMIT %[3]d) USING (%[2]s)", text, key, job.Sample)
	}
	return text
}

// transform is the rows that the query yields for some ticks: join keys, the tick, how many rows there are of both, and features.
func transform(job *batch.Job, from int64, ticks []int64) string {
	plan, to := job.Plan, ticks[len(ticks)-1]
	bound := map[string]int64{gate.Tick: to, gate.From: from, gate.To: to}
	query := dialect(plan.SQL.Bind(func(parameter string) string { return fmt.Sprintf("CAST(%d AS BIGINT)", bound[parameter]) }, typeName))
	var selected, outputs []string
	keys := keysOf(plan)
	for i, k := range plan.Keys {
		selected = append(selected, "CAST(q."+quote(k.Name)+" AS "+sqlTypes[k.ValueType]+") AS "+keys[i])
	}
	tick := strconv.FormatInt(to, 10) + "L"
	switch plan.Time {
	case "event_us":
		tick = "CAST(q.event_us AS BIGINT)"
	case "event_time":
		tick = microseconds("q.event_time")
	}
	selected = append(selected, tick+" AS t")
	for i, f := range plan.Outputs {
		outputs = append(outputs, "f"+strconv.Itoa(i))
		selected = append(selected, output("q."+quote(f.Name), f.Name, f.ValueType)+" AS "+outputs[i])
	}
	with := ""
	if plan.SQL.PerTick {
		with = fmt.Sprintf("WITH events AS (SELECT * FROM all_events WHERE %s <= %d) ", timeOf, to)
	}
	numbers := make([]string, len(ticks))
	for i, t := range ticks {
		numbers[i] = strconv.FormatInt(t, 10) + "L"
	}
	key := strings.Join(keys, ", ")
	return fmt.Sprintf("%sSELECT %s, t, count(*) OVER (PARTITION BY %s, t) AS n, %s FROM (SELECT %s FROM (%s\n) AS q) WHERE t IN (%s)",
		with, key, key, strings.Join(outputs, ", "), strings.Join(selected, ", "), query, strings.Join(numbers, ", "))
}

// microseconds is a time without zone, or a day, as µs since 1970.
func microseconds(moment string) string {
	return "unix_micros(CAST(CAST(" + moment + " AS TIMESTAMP_NTZ) AS TIMESTAMP_LTZ))"
}

// complaint begins what a value that is no good is made to fail with.
const complaint = "no good: "

// output is a column that SQL yields, as a feature of a type is read: times as µs.
func output(column, name string, t value.Type) string {
	switch t {
	case value.Float:
		of := "CAST(" + column + " AS DOUBLE)"
		return fmt.Sprintf("CASE WHEN isnan(%[1]s) OR abs(%[1]s) = CAST('Infinity' AS DOUBLE) THEN raise_error(%[2]s) ELSE %[1]s + 0.0D END", of,
			batch.SparkSQL.Text(complaint+"the SQL yields for "+name+" a number that is not finite"))
	case value.Timestamp:
		return microseconds(column)
	case value.TimestampArray:
		return "transform(" + column + ", x -> " + microseconds("x") + ")"
	}
	return "CAST(" + column + " AS " + sqlTypes[t] + ")"
}

// typeName is what Spark calls a type of the gate's.
func typeName(name string) string {
	if name == "timestamp" {
		return "TIMESTAMP_NTZ"
	}
	return strings.ToUpper(name)
}

// dialect writes constants and identifiers of a query that the gate has let through as Spark does, whose texts have escapes and whose identifiers stand in backquotes.
func dialect(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		mark := text[i]
		if mark != '\'' && mark != '"' {
			b.WriteByte(mark)
			continue
		}
		var held strings.Builder
		for i++; i < len(text); i++ {
			if text[i] == mark {
				if i+1 == len(text) || text[i+1] != mark {
					break
				}
				i++
			}
			held.WriteByte(text[i])
		}
		if mark == '"' {
			b.WriteString(quote(held.String()))
		} else {
			b.WriteString(batch.SparkSQL.Text(held.String()))
		}
	}
	return b.String()
}

func quote(name string) string { return batch.SparkSQL.Quote(name) }

// yielded stages a row of what the SQL yields.
func yielded(job *batch.Job, ticks []int64, row cells, out *stage.Writer) error {
	plan := job.Plan
	key, values := make([]value.Value, len(plan.Keys)), make([]value.Value, len(plan.Outputs))
	for i, k := range plan.Keys {
		var err error
		if key[i], err = row.of(i, k.ValueType); err != nil {
			return err
		}
		if key[i].IsNull() {
			return fault.New(fault.Unprocessable, "no-entity", "the SQL yields a row whose %s is null: every row needs an entity", k.Name).
				At("sql", "", "yields a null join key")
		}
	}
	tick, err := row.int(len(key))
	if err != nil {
		return err
	}
	n, err := row.int(len(key) + 1)
	if err != nil {
		return err
	}
	if n > 1 {
		return fault.New(fault.Unprocessable, "entity-twice", "the SQL yields two rows of %s at one tick: group by its join keys", plan.EntityText(key)).
			At("sql", "", "yields an entity twice at one tick")
	}
	if !slices.Contains(ticks, tick) {
		return fmt.Errorf("read what Spark wrote: there is no tick %d", tick)
	}
	for i, f := range plan.Outputs {
		if values[i], err = yieldedValue(f.ValueType, row, len(key)+2+i); err != nil {
			return fault.New(fault.Unprocessable, "computation-failed", "the SQL yields for %s of %s what is no %s: %s", f.Name, plan.EntityText(key), f.ValueType, err).
				At("sql", "", "yields what is no %s", f.ValueType)
		}
	}
	return out.Add(key, tick, values)
}

// yieldedValue is a value that SQL made, which is not sure to be one of a feature.
func yieldedValue(t value.Type, row cells, i int) (value.Value, error) {
	v, err := row.of(i, kept(t))
	if err != nil || v.IsNull() {
		return v, err
	}
	switch t {
	case value.Timestamp:
		if v.Int() < firstTime || v.Int() > lastTime {
			return v, fmt.Errorf("a time outside the years 1 to 9999")
		}
		return value.OfTime(v.Int()), nil
	case value.TimestampArray:
		return value.OfInts(t, slices.Clone(v.Ints())), nil
	}
	return v, nil
}

// Ends of the years 1 to 9999, in µs.
const firstTime, lastTime = -62_135_596_800_000_000, 253_402_300_799_999_999
