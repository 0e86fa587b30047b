package batch

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
)

// eventColumns are those of the conditions below.
var eventColumns = []Column{{Name: "amount", Type: value.Float}, {Name: "quantity", Type: value.Integer}, {Name: "currency", Type: value.String}, {Name: "paid", Type: value.Boolean},
	{Name: "sent_at", Type: value.Timestamp}, {Name: "price", Type: value.Float}, {Name: "in", Type: value.Integer}, {Name: "details", Type: value.JSON}}

// compileWhere compiles a condition over eventColumns; row values are in the order of the plan's columns.
func compileWhere(t require.TestingT, source string) (*Plan, *Condition) {
	k := &compiling{plan: &Plan{}, events: eventColumns}
	c := k.where("where", source)
	require.Empty(t, k.found, source)
	return k.plan, c
}

func TestConditions(t *testing.T) {
	row := map[string]value.Value{"amount": value.OfFloat(2.5), "quantity": value.OfInt(3), "currency": value.OfString("EUR"), "paid": value.OfBool(true),
		"sent_at": value.OfTime(1_000_000), "price": value.Null(), "in": value.OfInt(1), "details": value.OfJSON("{}")}
	for source, wanted := range map[string]bool{
		`amount > 2 and quantity <= 3`:            true,
		`2 < amount`:                              true,
		`2 < amount < 2.5`:                        false,
		`quantity > 2.5`:                          true,
		`quantity >= 3.000001`:                    false,
		`quantity < 3.5 and quantity > 2.5`:       true,
		`quantity == 3.0`:                         true,
		`quantity == 3.5`:                         false,
		`quantity != 3.5`:                         true,
		`quantity < 1e30`:                         true,
		`quantity > -1e30`:                        true,
		`quantity == 1e30 or quantity > 1e30`:     false,
		`quantity > amount`:                       true,
		`currency == "EUR" and currency != 'USD'`: true,
		`currency < "a"`:                          true,
		`currency in ["USD", "EUR"]`:              true,
		`currency not in ["USD", "GBP"]`:          true,
		`quantity in [1.5, 3]`:                    true,
		`quantity in [1.5, 2.5]`:                  false,
		`not (quantity in [1.5, 2.5])`:            true,
		`paid`:                                    true,
		`paid == true && !(paid != true)`:         true,
		`price == nil and nil != amount and not (price != nil)`: true,
		`price > 1`:          false,
		`not (price > 1)`:    false,
		`price != 1`:         false,
		`price in [1]`:       false,
		`price not in [1]`:   false,
		`price > 1 or paid`:  true,
		`price > 1 and paid`: false,
		`sent_at == date("1970-01-01T00:00:01Z")`:                            true,
		`event_time > sent_at and event_time < date("1970-01-02T00:00:00Z")`: true,
		`$env["in"] == 1`: true,
		`details != nil`:  true,
		`quantity == +3`:  true,
		`quantity > -3`:   true,
	} {
		plan, c := compileWhere(t, source)
		values := make([]value.Value, len(plan.Columns))
		for i, column := range plan.Columns {
			values[i] = row[column.Name]
		}
		require.Equal(t, wanted, c.Holds(values, 5_000_000), source)
	}
}

// How each dialect writes it.
func TestConditionAsSQL(t *testing.T) {
	plan, c := compileWhere(t, `(currency in ["it's", "\\"] or not paid) and quantity > price and event_time < date("2026-01-02T03:04:05.000006Z") and quantity != 1.5 and amount == nil and currency > "b"`)
	write := func(d Dialect) string {
		return c.SQL(d, func(i int) string {
			if i == EventTime {
				return d.Quote("event_time")
			}
			return d.Quote(plan.Columns[i].Name)
		})
	}
	require.Equal(t, `(((((("currency" IN ('it''s', '\')) OR ((NOT ("paid")))) AND (CAST("quantity" AS DOUBLE) > "price")) AND ("event_time" < TIMESTAMP '2026-01-02 03:04:05.000006')) AND (CASE WHEN "quantity" IS NOT NULL THEN TRUE END)) AND ("amount" IS NULL)) AND ("currency" > 'b')`, write(DuckDB))
	require.Equal(t, `(((((("currency" IN ('it''s', '\')) OR ((NOT ("paid")))) AND (CAST("quantity" AS DOUBLE PRECISION) > "price")) AND ("event_time" < TIMESTAMP '2026-01-02 03:04:05.000006')) AND (CASE WHEN "quantity" IS NOT NULL THEN TRUE END)) AND ("amount" IS NULL)) AND ("currency" > 'b' COLLATE "C")`, write(PostgreSQL))
	require.Contains(t, write(SparkSQL), "`currency` IN ('it\\'s', '\\\\')")
	require.Contains(t, write(SparkSQL), "TIMESTAMP_NTZ '2026-01-02 03:04:05.000006'")
}

// condition draws one over eventColumns.
func condition(t *rapid.T, depth int) string {
	numbers := []string{"0", "1", "-1", "2.5", "-0.5", "9007199254740993", "9223372036854775807", "1e19", "-1e19", "3.0"}
	texts := []string{`""`, `"a"`, `"B"`, `"é"`, `"a'b"`}
	compare := rapid.SampledFrom([]string{"==", "!=", "<", "<=", ">", ">="}).Draw(t, "operator")
	if depth > 0 {
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			return "(" + condition(t, depth-1) + ") and (" + condition(t, depth-1) + ")"
		case 1:
			return "(" + condition(t, depth-1) + ") or (" + condition(t, depth-1) + ")"
		case 2:
			return "not (" + condition(t, depth-1) + ")"
		}
	}
	number := rapid.SampledFrom([]string{"amount", "quantity", "price", `$env["in"]`}).Draw(t, "number")
	switch rapid.IntRange(0, 8).Draw(t, "leaf") {
	case 0:
		return number + " " + compare + " " + rapid.SampledFrom(numbers).Draw(t, "constant")
	case 1:
		return rapid.SampledFrom(numbers).Draw(t, "constant") + " " + compare + " " + number
	case 2:
		return number + " " + compare + " " + rapid.SampledFrom([]string{"amount", "quantity", "price"}).Draw(t, "other")
	case 3:
		return "currency " + compare + " " + rapid.SampledFrom(texts).Draw(t, "text")
	case 4:
		return "currency in [" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(texts), 1, 3).Draw(t, "texts"), ", ") + "]"
	case 5:
		return number + " in [" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(numbers), 1, 3).Draw(t, "numbers"), ", ") + "]"
	case 6:
		return rapid.SampledFrom([]string{"amount", "currency", "paid", "details", "sent_at"}).Draw(t, "column") + rapid.SampledFrom([]string{" == nil", " != nil"}).Draw(t, "nil")
	case 7:
		return rapid.SampledFrom([]string{"paid", "paid == true", "paid != true", "paid == false"}).Draw(t, "flag")
	}
	return rapid.SampledFrom([]string{"sent_at", "event_time"}).Draw(t, "time") + " " + compare + " " + rapid.SampledFrom([]string{`date("1970-01-01T00:00:01Z")`, `date("2026-01-01T00:00:00.000001+01:00")`, "event_time"}).Draw(t, "than")
}

// A condition chooses the same rows in Go and as SQL.
func TestConditionsMeanTheSameAsSQL(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`SET threads = 1; CREATE TABLE events (n INTEGER, amount DOUBLE, quantity BIGINT, currency VARCHAR, paid BOOLEAN, sent_at TIMESTAMP, price DOUBLE, "in" BIGINT, details VARCHAR, event_time TIMESTAMP)`)
	require.NoError(t, err)
	rows := make([][]value.Value, 60) // each value of a column beside each of the next ones, some null
	floats := []value.Value{value.Null(), value.OfFloat(0), value.OfFloat(-0.5), value.OfFloat(2.5), value.OfFloat(9007199254740992), value.OfFloat(1e19)}
	whole := []value.Value{value.Null(), value.OfInt(0), value.OfInt(1), value.OfInt(-1), value.OfInt(9007199254740993), value.OfInt(9223372036854775807), value.OfInt(3)}
	texts := []value.Value{value.Null(), value.OfString(""), value.OfString("a"), value.OfString("B"), value.OfString("é"), value.OfString("a'b")}
	flags := []value.Value{value.Null(), value.OfBool(true), value.OfBool(false)}
	times := []value.Value{value.Null(), value.OfTime(1_000_000), value.OfTime(1_767_222_000_000_001), value.OfTime(0)}
	documents := []value.Value{value.Null(), value.OfJSON("{}")}
	eventTimes := []int64{1_000_000, 1_767_222_000_000_001, 5}
	for i := range rows {
		of := func(values []value.Value, stride int) value.Value { return values[i*stride%len(values)] }
		rows[i] = []value.Value{of(floats, 1), of(whole, 1), of(texts, 5), of(flags, 1), of(times, 3), of(floats, 5), of(whole, 3), of(documents, 1)}
		texts := []string{fmt.Sprint(i)}
		for _, v := range rows[i] {
			texts = append(texts, DuckDB.Constant(v))
		}
		texts = append(texts, DuckDB.Constant(value.OfTime(eventTimes[i%3])))
		_, err := db.Exec("INSERT INTO events VALUES (" + strings.Join(texts, ", ") + ")")
		require.NoError(t, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		source := condition(t, 3)
		k := &compiling{plan: &Plan{}, events: eventColumns}
		c := k.where("where", source)
		if len(k.found) > 0 && strings.Contains(k.found[0].Message, "constant") {
			t.Skip("compares nothing")
		}
		require.Empty(t, k.found, source)
		var wanted []int
		for i, row := range rows {
			values := make([]value.Value, len(k.plan.Columns))
			for n, column := range k.plan.Columns {
				values[n] = row[slices.IndexFunc(eventColumns, func(c Column) bool { return c.Name == column.Name })]
			}
			if c.Holds(values, eventTimes[i%3]) {
				wanted = append(wanted, i)
			}
		}
		text := c.SQL(DuckDB, func(i int) string {
			if i == EventTime {
				return "event_time"
			}
			return DuckDB.Quote(k.plan.Columns[i].Name)
		})
		chosen, err := db.Query("SELECT n FROM events WHERE " + text + " ORDER BY n")
		require.NoError(t, err, "%s: %s", source, text)
		var found []int
		for chosen.Next() {
			var n int
			require.NoError(t, chosen.Scan(&n))
			found = append(found, n)
		}
		require.NoError(t, chosen.Err())
		require.Equal(t, wanted, found, "%s: %s", source, text)
	})
}
