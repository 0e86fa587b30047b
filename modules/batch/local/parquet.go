package local

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// direct says how DuckDB reads files of a plan's source as events; nil: what they hold must go through our own reader of tables, which knows
// more types, zones and names.
func (d *database) direct(ctx context.Context, plan *batch.Plan, files []string) (*columns, error) {
	for _, f := range files {
		if !strings.EqualFold(filepath.Ext(f), ".parquet") {
			return nil, nil
		}
	}
	types, err := d.types(ctx, files)
	if err != nil {
		return nil, err
	}
	eventTime := plan.Source.EventTime
	if _, ok := types["event_time"]; eventTime == "" && ok {
		eventTime = "event_time"
	} else if eventTime == "" {
		eventTime = "event_timestamp"
	}
	of := &columns{seq: "CAST(0 AS BIGINT)"}
	for i, k := range plan.Keys {
		name := plan.Source.Entity[i]
		expression := keyOf(k.ValueType, types[name], name)
		if expression == "" {
			return nil, nil
		}
		of.keys = append(of.keys, expression)
	}
	at := timeOf(types[eventTime], eventTime, plan.Source.Zone)
	if at == "" {
		return nil, nil
	}
	of.time = "coalesce(epoch_us(" + at + "), error(" + batch.DuckDB.Text(noEventTime) + "))"
	for _, c := range plan.Columns {
		expression := valueOf(c.Type, types[c.From], c.From, plan.Source.Zone)
		if expression == "" {
			return nil, nil
		}
		of.values = append(of.values, expression)
	}
	return of, nil
}

const noEventTime = "a row has no event time"

// types are those of the columns of files, as DuckDB calls them.
func (d *database) types(ctx context.Context, files []string) (map[string]string, error) {
	types := map[string]string{}
	err := d.query(ctx, "DESCRIBE SELECT * FROM "+parquetOf(files), func(c *chunk) error {
		names, of := c.vector(0), c.vector(1)
		for i := range c.rows {
			types[strings.Clone(names.text(i))] = strings.Clone(of.text(i))
		}
		return nil
	})
	return types, err
}

func refer(name string) string { return "f." + batch.DuckDB.Quote(name) }

// keyOf is the expression of a join key; "": it is not read directly.
func keyOf(t value.Type, in, name string) string {
	switch {
	case t == value.Integer && whole[in]:
		return "coalesce(CAST(" + refer(name) + " AS BIGINT), error(" + batch.DuckDB.Text("a row has no "+name) + "))"
	case t == value.String && in == "VARCHAR":
		wrong := "a row has no " + name + ", or one of more than " + strconv.Itoa(store.MaxKeyBytes) + " bytes"
		return "CASE WHEN strlen(" + refer(name) + ") BETWEEN 1 AND " + strconv.Itoa(store.MaxKeyBytes) + " THEN " + refer(name) + " ELSE error(" + batch.DuckDB.Text(wrong) + ") END"
	}
	return ""
}

// whole are the types that fit INTEGER.
var whole = map[string]bool{"TINYINT": true, "SMALLINT": true, "INTEGER": true, "BIGINT": true, "UTINYINT": true, "USMALLINT": true, "UINTEGER": true}

// timeOf is the expression of a time as TIMESTAMP in UTC; "": it is not read directly.
func timeOf(in, name string, zone *time.Location) string {
	column := refer(name)
	switch {
	case in == "TIMESTAMP WITH TIME ZONE":
		column = "make_timestamp(epoch_us(" + column + "))"
	case in == "TIMESTAMP" && zone != nil && zone.String() == "UTC":
	default:
		return ""
	}
	return "CASE WHEN " + column + " BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999' THEN " + column +
		" WHEN " + column + " IS NOT NULL THEN error(" + batch.DuckDB.Text("a time in "+name+" is outside the years 1 to 9999") + ") END"
}

// valueOf is the expression of a column; "": it is not read directly.
func valueOf(t value.Type, in, name string, zone *time.Location) string {
	column := refer(name)
	switch {
	case t == value.Integer && whole[in]:
		return "CAST(" + column + " AS BIGINT)"
	case t == value.Float && (in == "DOUBLE" || in == "FLOAT" || whole[in]):
		column = "CAST(" + column + " AS DOUBLE)"
		return "CASE WHEN " + column + " = 0 THEN CAST(0 AS DOUBLE) WHEN isfinite(" + column + ") THEN " + column +
			" WHEN " + column + " IS NOT NULL THEN error(" + batch.DuckDB.Text("a number in "+name+" is not finite") + ") END"
	case t == value.String && in == "VARCHAR", t == value.Boolean && in == "BOOLEAN":
		return column
	case t == value.Timestamp:
		return timeOf(in, name, zone)
	}
	return ""
}
