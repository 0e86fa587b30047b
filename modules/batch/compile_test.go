package batch

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

const day = 24 * time.Hour

const plansFile = `
pipelines:
  - name: declared
    source: {group: purchases}
    target: customer_purchases
    tick: {cron: "0 4 * * *"}
    tick_zone: Europe/Berlin
    engine: postgres
    aggregate:
      - {feature: orders_30d, function: count, window: 30d, where: "paid and amount > 10 and event_time > sent_at"}
      - {feature: total_90d, function: sum, of: amount, window: 90d, decimals: 2, empty: zero}
      - {feature: last_orders, function: last_n, of: order_id, n: 3, window: 365d, empty: nothing}
      - {feature: last_purchase, function: max, of: event_time, window: lifetime}
      - {feature: share, function: ratio, window: 30d, numerator: {function: sum, of: quantity, window: 7d}, denominator: {function: count, where: "currency != nil"}}
      - {feature: silent_for, function: time_since_last, of: details, window: 90d}
    limits: {memory: 1GiB, timeout: 5m}
    min_rows_ratio: 0.9
  - name: asked
    source: {connection: warehouse, table: shop.sales, entity: {customer_id: cust}, event_time: at, time_zone: Europe/Berlin, columns: {price: {value_type: FLOAT, column: Price}, shop: STRING}}
    target: customer_score
    tick: daily
    sql: SELECT customer_id, tick_us AS event_us, CAST(max(price) AS DOUBLE) AS score FROM ticks JOIN events ON events.event_us <= tick_us GROUP BY customer_id, tick_us
`

func TestPlans(t *testing.T) {
	compiler := NewCompiler(configured())
	definitions := registryOn(t, databasetest.SQLite(t)(), compiler)
	apply(t, definitions, shopFile)
	apply(t, definitions, plansFile)
	plan, err := compiler.PlanOf(definitions.Catalog(), "declared")
	require.NoError(t, err)
	require.Equal(t, 1, plan.Version)
	require.Equal(t, "postgres", plan.Engine)
	require.Equal(t, "Europe/Berlin", plan.Ticks.Zone().String())
	require.Equal(t, []string{"paid", "amount", "sent_at", "order_id", "quantity", "currency", "details"}, namesOf(plan.Columns))
	require.Equal(t, int64(1<<30), plan.Memory)
	require.Equal(t, 5*time.Minute, plan.Timeout)
	require.Equal(t, 0.9, plan.MinRowsRatio)
	require.True(t, plan.Partial)
	require.True(t, plan.Lifetime)
	require.Equal(t, 365*day, plan.Longest)
	require.Len(t, plan.Outputs, 6)

	a := plan.Aggregations
	require.Len(t, a, 6)
	require.Equal(t, Aggregation{Feature: plan.Outputs[0], Function: Count, Of: Rows, Type: value.Integer, Window: 30 * day, Where: a[0].Where, Empty: Zero}, a[0])
	require.Equal(t, []int{0, 1, EventTime, 2}, a[0].Where.Reads)
	require.Equal(t, Aggregation{Feature: plan.Outputs[1], Function: Sum, Of: 1, OfType: value.Float, Type: value.Float, Window: 90 * day, Empty: Zero, Decimals: 2}, a[1])
	require.Equal(t, Aggregation{Feature: plan.Outputs[2], Function: LastN, Of: 3, OfType: value.String, Type: value.StringArray, Window: 365 * day, Empty: Nothing, N: 3}, a[2])
	require.Equal(t, Aggregation{Feature: plan.Outputs[3], Function: Max, Of: EventTime, OfType: value.Timestamp, Type: value.Timestamp, Empty: Null}, a[3])
	require.Equal(t, Aggregation{Function: Sum, Of: 4, OfType: value.Integer, Type: value.Float, Window: 7 * day, Empty: Null}, *a[4].Numerator)
	require.Equal(t, Aggregation{Function: Count, Of: Rows, Type: value.Float, Window: 30 * day, Where: a[4].Denominator.Where, Empty: Zero}, *a[4].Denominator)
	require.Equal(t, Aggregation{Feature: plan.Outputs[5], Function: TimeSinceLast, Of: 6, OfType: value.JSON, Type: value.Integer, Window: 90 * day, Empty: Null}, a[5])

	plan, err = compiler.PlanOf(definitions.Catalog(), "asked")
	require.NoError(t, err)
	require.Equal(t, &Table{Connection: "warehouse", Schema: "shop", Name: "sales"}, plan.Source.Table)
	require.Equal(t, []string{"cust"}, plan.Source.Entity)
	require.Equal(t, "at", plan.Source.EventTime)
	require.Equal(t, []Column{{Name: "price", Type: value.Float, From: "Price"}}, plan.Columns)
	require.Equal(t, "event_us", plan.Time)
	require.True(t, plan.SQL.Ticks)
	require.False(t, plan.SQL.PerTick)
	require.Equal(t, 0.5, plan.MinRowsRatio)

	apply(t, definitions, `pipelines: [{name: asked, source: {connection: warehouse, query: "SELECT cust, sold_at, price::double AS price FROM sales -- all", columns: {price: FLOAT}}, sql: null,
  aggregate: [{feature: score, function: sum, of: price, window: 1d}]}]`)
	plan, err = compiler.PlanOf(definitions.Catalog(), "asked")
	require.NoError(t, err)
	require.Equal(t, &Table{Connection: "warehouse", Query: "SELECT cust, sold_at, price::double precision AS price FROM sales       "}, plan.Source.Table)
	require.Equal(t, 2, plan.Version)

	_, err = compiler.PlanOf(definitions.Catalog(), "askd")
	require.True(t, fault.Is(err, "unknown-pipeline"))
	require.ErrorContains(t, err, `did you mean "asked"?`)
}

func namesOf(columns []Column) (names []string) {
	for name := range columnNames(columns) {
		names = append(names, name)
	}
	return names
}

// A column that a feature is read by stays the name that the definition has for it, and names what it is called by now.
func TestFormerNames(t *testing.T) {
	compiler := NewCompiler(configured())
	definitions := registryOn(t, databasetest.SQLite(t)(), compiler)
	apply(t, definitions, shopFile)
	apply(t, definitions, plansFile)
	apply(t, definitions, `pipelines: [{name: scores, source: {group: customer_purchases}, target: seats_score, tick: daily, sql: "SELECT customer_id, max(total_90d) AS level FROM events WHERE event_us <= :tick GROUP BY customer_id"}]
groups: [{name: seats_score, entity_type: customer, features: [{name: level, value_type: FLOAT}]}]`)
	apply(t, definitions, `groups: [{name: purchases, features: [{name: price, renamed_from: amount}]}, {name: customer_purchases, features: [{name: total, renamed_from: total_90d}]}]`)
	plan, err := compiler.PlanOf(definitions.Catalog(), "declared")
	require.NoError(t, err)
	require.Equal(t, "amount", plan.Columns[1].Name)
	require.Equal(t, "price", plan.Columns[1].Feature.Name)
	require.Equal(t, "total", plan.Outputs[1].Name)
	plan, err = compiler.PlanOf(definitions.Catalog(), "scores")
	require.NoError(t, err)
	require.Equal(t, "total_90d", plan.Columns[0].Name)
	require.Equal(t, "total", plan.Columns[0].Feature.Name)
}

// What a registry exports makes the same pipelines in another one.
func TestExport(t *testing.T) {
	compiler := NewCompiler(configured())
	first := registryOn(t, databasetest.SQLite(t)(), compiler)
	apply(t, first, shopFile)
	apply(t, first, plansFile)
	second := registryOn(t, databasetest.SQLite(t)(), compiler)
	apply(t, second, exported(t, first))
	require.Equal(t, exported(t, first), exported(t, second))
	plan := apply(t, second, exported(t, first))
	require.Empty(t, plan.Changed)
	require.Empty(t, plan.Created)
}

func exported(t testing.TB, definitions *registry.Registry) string {
	answer := httptest.NewRecorder()
	httpapitest.Serve(quiet, definitions.Routes).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://localhost/apply", nil))
	require.Equal(t, http.StatusOK, answer.Code)
	return answer.Body.String()
}

// Two that wait for each other, and a circle of three through groups: the one that would close it is refused, in one file too.
func TestCircles(t *testing.T) {
	definitions := registryOn(t, databasetest.SQLite(t)(), NewCompiler(configured()))
	apply(t, definitions, `
groups:
  - {name: a, entity_type: thing, features: [{name: x, value_type: INTEGER}]}
  - {name: b, entity_type: thing, features: [{name: x, value_type: INTEGER}]}
  - {name: c, entity_type: thing, features: [{name: x, value_type: INTEGER}]}`)
	step := func(name, from, to string) string {
		return `{name: ` + name + `, source: {group: ` + from + `}, target: ` + to + `, tick: daily, aggregate: [{feature: x, function: max, of: x, window: 1d}]`
	}
	circle := func(file string) []string {
		_, err := definitions.Apply(context.Background(), []byte("pipelines: ["+file+"]"), "", registry.Options{})
		return wordsOf(t, err)
	}
	words := circle(step("ab", "a", "b") + "}, " + step("bc", "b", "c") + "}, " + step("ca", "c", "a") + "}")
	require.Equal(t, "pipelines[0].source.group: is fed by this pipeline's own target: bc makes c of b, ca makes a of c", words[0])
	require.Len(t, words, 3)
	apply(t, definitions, "pipelines: ["+step("ab", "a", "b")+"}, "+step("bc", "b", "c")+", after: [ab]}]")
	require.Equal(t, []string{"pipelines[0].source.group: is fed by this pipeline's own target: ab makes b of a, bc makes c of b"}, circle(step("ca", "c", "a")+"}"))
	require.Equal(t, []string{"pipelines[0].after[0]: waits for this pipeline itself, so that neither would ever begin"}, circle(step("ab", "a", "b")+", after: [bc]}"))
}
