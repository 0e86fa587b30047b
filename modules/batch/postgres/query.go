package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/batch/gate"
	"featurestore/modules/batch/stage"
	"featurestore/modules/registry/value"
)

// transform runs the SQL of a plan over the relation events: once for each tick, over the events that are not after it, or once for all of them.
func transform(ctx context.Context, tx pgx.Tx, job *batch.Job, of *relation, out *stage.Writer) error {
	if !job.Plan.SQL.PerTick {
		return run(ctx, tx, job, of, job.From, job.Ticks, out)
	}
	from := job.From
	for i, tick := range job.Ticks {
		if err := run(ctx, tx, job, of, from, job.Ticks[i:i+1], out); err != nil {
			return err
		}
		from = tick
		if job.Progress != nil {
			job.Progress(i+1, len(job.Ticks))
		}
	}
	return nil
}

// run stages what the query yields for some ticks.
func run(ctx context.Context, tx pgx.Tx, job *batch.Job, of *relation, from int64, ticks []int64, out *stage.Writer) error {
	plan := job.Plan
	key, row := make([]value.Value, len(plan.Keys)), make([]value.Value, len(plan.Outputs))
	return read(ctx, tx, yielded(job, of, from, ticks), [][]byte{encodeIntegers(ticks)}, func(columns [][]byte) error {
		for i, k := range plan.Keys {
			if columns[i] == nil {
				return fault.New(fault.Unprocessable, "no-entity", "the SQL yields a row whose %s is null: every row needs an entity", k.Name).
					At("sql", "", "yields a null join key")
			}
			key[i] = decode(k.ValueType, columns[i])
		}
		columns = columns[len(key):]
		if decodeInteger(columns[1]) > 1 {
			return fault.New(fault.Unprocessable, "entity-twice", "the SQL yields two rows of %s at one tick: group by its join keys", plan.EntityText(key)).
				At("sql", "", "yields an entity twice at one tick")
		}
		tick := decodeInteger(columns[0])
		for i, f := range plan.Outputs {
			var err error
			if row[i], err = yieldedValue(f.ValueType, columns[2+i]); err != nil {
				return fault.New(fault.Unprocessable, "computation-failed", "the SQL yields for %s of %s what is no %s: %s", f.Name, plan.EntityText(key), f.ValueType, err).
					At("sql", "", "yields what is no %s", f.ValueType)
			}
		}
		return out.Add(key, tick, row)
	})
}

// yieldedValue is a value that SQL made, which is not sure to be one of a feature.
func yieldedValue(t value.Type, column []byte) (value.Value, error) {
	if t.Array() && column != nil && slices.ContainsFunc(elementsOf(t.Element(), column), value.Value.IsNull) {
		return value.Value{}, fmt.Errorf("a list with a null in it")
	}
	v := decode(t, column)
	if t == value.JSON && !v.IsNull() {
		return value.ParseText(t, v.Text(), nil)
	}
	return v, nil
}

// yielded is the statement: the rows that the query yields for the ticks of $1, as join keys, tick, how many rows there are of both, and features.
func yielded(job *batch.Job, of *relation, from int64, ticks []int64) string {
	plan, to := job.Plan, ticks[len(ticks)-1]
	bound := map[string]int64{gate.Tick: to, gate.From: from, gate.To: to}
	query := plan.SQL.Bind(func(parameter string) string { return fmt.Sprintf("CAST(%d AS BIGINT)", bound[parameter]) }, typeName)

	var with, selected, keys, outputs []string
	with = append(with, "events AS ("+eventsOf(job, of, to)+")")
	if plan.SQL.Ticks {
		with = append(with, fmt.Sprintf("ticks AS (SELECT t AS tick_us, lag(t, 1, %d) OVER (ORDER BY t) AS from_us FROM unnest($1::bigint[]) AS t)", from))
	}
	for i, k := range plan.Keys {
		keys = append(keys, "k"+strconv.Itoa(i))
		selected = append(selected, "q."+quote(k.Name)+"::"+sqlTypes[k.ValueType]+" AS "+keys[i])
	}
	tick := strconv.FormatInt(to, 10) + "::bigint"
	if !plan.SQL.PerTick {
		tick = "q.event_us::bigint"
		if slices.ContainsFunc(plan.SQL.Columns, func(c gate.Column) bool { return c.Name == "event_time" }) {
			tick = microseconds("q.event_time::timestamp")
		}
	}
	selected = append(selected, tick+" AS t")
	for i, f := range plan.Outputs {
		outputs = append(outputs, "f"+strconv.Itoa(i))
		selected = append(selected, output("q."+quote(f.Name), f.Name, f.ValueType)+" AS "+outputs[i])
	}
	key := strings.Join(keys, ", ")
	return fmt.Sprintf("WITH %s SELECT %s, t, count(*) OVER (PARTITION BY %s, t), %s FROM (SELECT %s FROM (%s\n) q) y WHERE t = ANY ($1::bigint[])",
		strings.Join(with, ", "), key, key, strings.Join(outputs, ", "), strings.Join(selected, ", "), query)
}

// output is a column that SQL yields, as a feature of a type.
func output(column, name string, t value.Type) string {
	cast := column + "::" + sqlTypes[t]
	switch t {
	case value.Float:
		return finite(cast, column, fmt.Sprintf("the SQL yields for %s a number that is not finite", name))
	case value.Timestamp:
		return within(cast, column, fmt.Sprintf("the SQL yields for %s a time outside the years 1 to 9999", name))
	}
	return cast
}

// typeName is what PostgreSQL calls a type of the gate's.
func typeName(name string) string {
	switch name {
	case "double":
		return "double precision"
	case "decimal":
		return "numeric"
	}
	return name
}

// eventsOf is the relation events, up to a time.
func eventsOf(job *batch.Job, of *relation, to int64) string {
	var names, selected []string
	for i, k := range job.Plan.Keys {
		names = append(names, quote(k.Name))
		selected = append(selected, of.keys[i]+" AS "+names[i])
	}
	selected = append(selected, timestampOf("r."+timeOf)+" AS event_time", "r."+timeOf+" AS event_us", "r."+seqOf+" AS seq")
	for i, c := range job.Plan.Columns {
		selected = append(selected, of.values[i]+" AS "+quote(c.Name))
	}
	text := fmt.Sprintf("SELECT %s FROM (%s) r WHERE r.%s <= %d", strings.Join(selected, ", "), of.query, timeOf, to)
	if job.Sample > 0 {
		key := strings.Join(names, ", ")
		text = fmt.Sprintf("WITH e AS (%s) SELECT * FROM e WHERE (%s) IN (SELECT %s FROM e GROUP BY %s ORDER BY %s LIMIT %d)", text, key, key, key, key, job.Sample)
	}
	return text
}
