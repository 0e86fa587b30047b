package postgres

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"featurestore/modules/registry/value"
)

// sqlTypes are the types that columns of events have, and what is yielded.
var sqlTypes = map[value.Type]string{
	value.Boolean: "boolean", value.Integer: "bigint", value.Float: "double precision", value.String: `text COLLATE "C"`,
	value.Timestamp: "timestamp", value.JSON: `text COLLATE "C"`,
	value.BooleanArray: "boolean[]", value.IntegerArray: "bigint[]", value.FloatArray: "double precision[]",
	value.StringArray: `text[] COLLATE "C"`, value.TimestampArray: "timestamp[]",
}

// complaint begins what a cast is made to fail on, where a value is no good: PostgreSQL shows it in its error, and explain takes it from there.
const complaint = "no good: "

// failing is SQL of a type that fails, and says why, once it is evaluated for a row of which column is not computed before. The reason is no constant,
// which would fail while the statement is planned.
func failing(column, sqlType, reason string) string {
	return fmt.Sprintf("((%s || left(coalesce(%s::text, ''), 0))::bigint::text)::%s", literal(complaint+reason), column, sqlType)
}

// required is a value that fails where it is null.
func required(sql, column, sqlType, name string) string {
	return fmt.Sprintf("coalesce(%s, %s)", sql, failing(column, sqlType, fmt.Sprintf("a row of the source has no %s", name)))
}

// converted is the SQL of a column of a source as a type; ok is false where it cannot be read as that.
func converted(column, name string, oid uint32, t value.Type, zone *time.Location) (sql string, ok bool) {
	switch t {
	case value.Boolean:
		return column, oid == pgtype.BoolOID
	case value.Integer:
		return integer(column, name, oid)
	case value.Float:
		return float(column, name, oid)
	case value.String:
		switch oid {
		case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID, pgtype.UUIDOID, pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
			return column + `::text COLLATE "C"`, true
		}
		return column + `::text COLLATE "C"`, oid >= firstOwn // an enumeration, or a domain
	case value.JSON:
		return column + `::text COLLATE "C"`, oid == pgtype.JSONOID || oid == pgtype.JSONBOID || oid == pgtype.TextOID
	case value.Timestamp:
		return moment(column, name, oid, zone)
	}
	return "", false
}

// firstOwn is the first object id of what is not PostgreSQL's own.
const firstOwn = 16384

func integer(column, name string, oid uint32) (string, bool) {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
		return column + "::bigint", true
	case pgtype.NumericOID, pgtype.Float4OID, pgtype.Float8OID:
		return fmt.Sprintf("CASE WHEN %[1]s = trunc(%[1]s) THEN %[1]s::bigint WHEN %[1]s IS NOT NULL THEN %[2]s END",
			column, failing(column, "bigint", fmt.Sprintf("%s holds a number that is not whole", name))), true
	}
	return "", false
}

func float(column, name string, oid uint32) (string, bool) {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID:
		return column + "::double precision", true
	case pgtype.Int8OID:
		return fmt.Sprintf("CASE WHEN %[1]s::double precision::bigint = %[1]s THEN %[1]s::double precision WHEN %[1]s IS NOT NULL THEN %[2]s END",
			column, failing(column, "double precision", fmt.Sprintf("%s holds an integer that no FLOAT is", name))), true
	case pgtype.NumericOID, pgtype.Float4OID, pgtype.Float8OID:
		return finite(column+"::double precision", column, fmt.Sprintf("%s holds a number that is not finite", name)), true
	}
	return "", false
}

// finite is a double precision that fails where it is NaN or infinite; −0.0 becomes 0.0.
func finite(sql, column, reason string) string {
	return fmt.Sprintf("CASE WHEN %[1]s IN ('NaN', 'Infinity', '-Infinity') THEN %[2]s ELSE %[1]s + 0.0::double precision END", sql, failing(column, "double precision", reason))
}

// Ends of the years 1 to 9999.
const firstYear, lastYear = "timestamp '0001-01-01 00:00:00'", "timestamp '9999-12-31 23:59:59.999999'"

// moment is a time in UTC, without zone. One that has none is what a clock in zone showed, which must have shown it exactly once.
func moment(column, name string, oid uint32, zone *time.Location) (string, bool) {
	var utc string
	switch oid {
	case pgtype.TimestamptzOID:
		utc = column + " AT TIME ZONE 'UTC'"
	case pgtype.TimestampOID, pgtype.DateOID:
		if zone == nil {
			return failing(column, "timestamp", fmt.Sprintf("%s holds times without an offset: say by time_zone of which zone they are", name)), true
		}
		local, in := column+"::timestamp", literal(zone.String())
		instant := fmt.Sprintf("(%s AT TIME ZONE %s)", local, in)
		shown := fmt.Sprintf("%s AT TIME ZONE %s", instant, in)
		other := ""
		for _, span := range []string{"30 minutes", "1 hour", "2 hours", "1 day"} {
			for _, sign := range "+-" {
				other += fmt.Sprintf(" OR (%s %c interval '%s') AT TIME ZONE %s = %s", instant, sign, span, in, local)
			}
		}
		utc = fmt.Sprintf("CASE WHEN %s <> %s%s THEN %s ELSE %s AT TIME ZONE 'UTC' END", shown, local, other,
			failing(column, "timestamp", fmt.Sprintf("%s holds a time that the clocks of %s never showed, or showed twice", name, zone)), instant)
	default:
		return "", false
	}
	return within("("+utc+")", column, fmt.Sprintf("%s holds a time outside the years 1 to 9999", name)), true
}

// within is a timestamp that fails outside of the years 1 to 9999.
func within(sql, column, reason string) string {
	return fmt.Sprintf("CASE WHEN %[1]s NOT BETWEEN %[2]s AND %[3]s THEN %[4]s ELSE %[1]s END", sql, firstYear, lastYear, failing(column, "timestamp", reason))
}

// microseconds is a timestamp in UTC as µs since 1970, exact for every year on every version.
func microseconds(timestamp string) string {
	return fmt.Sprintf("(extract(epoch FROM date_trunc('second', %[1]s))::bigint * 1000000 + extract(microseconds FROM %[1]s)::bigint %% 1000000)", timestamp)
}

// timestampOf is µs since 1970 as a timestamp in UTC: days and what is left, since an interval is multiplied as a double precision.
func timestampOf(us string) string {
	days := fmt.Sprintf("((%[1]s - (%[1]s %% %[2]d + %[2]d) %% %[2]d) / %[2]d)", us, day)
	return fmt.Sprintf("(date '1970-01-01' + %[1]s::integer + (%[2]s - %[1]s * %[3]d) * interval '1 microsecond')", days, us, int64(day))
}

const day = 86_400_000_000 // µs
