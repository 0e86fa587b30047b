package local

import (
	"context"
	"fmt"
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
	eventTime := timeColumn(plan, func(name string) bool { return types[name] != "" })
	of := &columns{seq: "CAST(0 AS BIGINT)"}
	for i, k := range plan.Keys {
		name := plan.Source.Entity[i]
		expression, check := keyOf(k.ValueType, types[name], name)
		if expression == "" {
			return nil, nil
		}
		of.keys, of.checks = append(of.keys, expression), append(of.checks, check)
	}
	if of.time = timeOf(types[eventTime], eventTime, plan.Source.Zone, "ELSE"); of.time == "" {
		return nil, nil
	}
	for _, c := range plan.Columns {
		expression, raw := valueOf(c.Type, types[c.From], c.From, plan.Source.Zone)
		if expression == "" {
			return nil, nil
		}
		of.values, of.raw = append(of.values, expression), append(of.raw, raw)
	}
	return of, nil
}

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

// keyOf is the expression of a join key, and the format of what checks it; "": it is not read directly.
func keyOf(t value.Type, in, name string) (expression, check string) {
	wrong := func(text string) string {
		return "error(" + strings.ReplaceAll(batch.DuckDB.Text(badRow+text), "%", "%%") + ")"
	}
	switch {
	case t == value.Integer && whole[in]:
		return "CAST(" + refer(name) + " AS BIGINT)", "coalesce(%s, " + wrong("no "+name) + ")"
	case t == value.String && in == "VARCHAR":
		longest := strconv.Itoa(store.MaxKeyBytes)
		return refer(name), "CASE WHEN strlen(%[1]s) BETWEEN 1 AND " + longest + " THEN %[1]s ELSE " + wrong("no "+name+", or one of more than "+longest+" bytes") + " END"
	}
	return "", ""
}

// whole are the types that fit INTEGER.
var whole = map[string]bool{"TINYINT": true, "SMALLINT": true, "INTEGER": true, "BIGINT": true, "UTINYINT": true, "USMALLINT": true, "UINTEGER": true}

// The years 1 to 9999, in µs.
const (
	firstTime = -62_135_596_800_000_000
	lastTime  = 253_402_300_799_999_999
)

// timeOf is the expression of a time in µs; "": it is not read directly. otherwise is when a row is wrong that has no time between the years 1 and 9999: ELSE,
// or WHEN with a condition and THEN.
func timeOf(in, name string, zone *time.Location, otherwise string) string {
	if in != "TIMESTAMP WITH TIME ZONE" && (in != "TIMESTAMP" || zone == nil || zone.String() != "UTC") {
		return ""
	}
	us := "epoch_us(" + refer(name) + ")"
	return fmt.Sprintf("CASE WHEN %s BETWEEN %d AND %d THEN %[1]s %[4]s error(%[5]s) END", us, int64(firstTime), int64(lastTime), otherwise,
		batch.DuckDB.Text(badRow+"no time between the years 1 and 9999 in "+name))
}

// valueOf is the expression of a column, and the same without making an error of what is not finite; "": it is not read directly.
func valueOf(t value.Type, in, name string, zone *time.Location) (expression, raw string) {
	column := refer(name)
	switch {
	case t == value.Integer && whole[in]:
		column = "CAST(" + column + " AS BIGINT)"
	case t == value.Float && (in == "DOUBLE" || in == "FLOAT" || whole[in]):
		column = "CAST(" + column + " AS DOUBLE)"
		return "CASE WHEN isfinite(" + column + ") THEN " + column + " + CAST(0 AS DOUBLE)" + // so that there is no −0
			" WHEN " + column + " IS NOT NULL THEN error(" + batch.DuckDB.Text(badRow+"a number that is not finite in "+name) + ") END", column
	case t == value.String && in == "VARCHAR", t == value.Boolean && in == "BOOLEAN":
	case t == value.Timestamp:
		us := timeOf(in, name, zone, "WHEN "+column+" IS NOT NULL THEN")
		if us == "" {
			return "", ""
		}
		column = "make_timestamp(" + us + ")"
	default:
		return "", ""
	}
	return column, column
}
