package postgres

import (
	"slices"
	"strconv"
	"strings"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// taken are the names of columns that no feature can have: the store's own and those that PostgreSQL gives every table.
var taken = []string{"event_time", "ingest_time", "ingest_id", "ingest_xid", "run_id", "schema_version", "presence",
	"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}

// keyColumn is the name of a join key's column. Neither it nor featureColumn gives a name that another join key or feature
// has: those hold "__" only before digits.
func keyColumn(key registry.JoinKey) string {
	if slices.Contains(taken, key.Name) {
		return key.Name + "__key"
	}
	return key.Name
}

// featureColumn is the name of the column for a Feature.Column or Feature.Widened.
func featureColumn(group *registry.Group, column string) string {
	if slices.Contains(taken, column) {
		return column + "__"
	}
	for _, key := range group.EntityType.JoinKeys {
		if key.Name == column {
			return column + "__"
		}
	}
	return column
}

// sqlTypes are the types of columns, and of their elements where they are arrays.
var sqlTypes = map[value.Type]string{
	value.Boolean: "boolean", value.Integer: "bigint", value.Float: "double precision", value.String: "text",
	value.Timestamp: "timestamptz", value.JSON: "json", // never jsonb: it changes numbers, order and spaces
	value.BooleanArray: "boolean[]", value.IntegerArray: "bigint[]", value.FloatArray: "double precision[]",
	value.StringArray: "text[]", value.TimestampArray: "timestamptz[]",
}

// The types' object ids, which are the same in every PostgreSQL: array values name their elements' type by them.
var typeIDs = map[value.Type]uint32{
	value.Boolean: 16, value.Integer: 20, value.Float: 701, value.String: 25, value.Timestamp: 1184, value.JSON: 114,
}

const (
	byteaID    = 17
	smallintID = 21
	integerID  = 23
)

// keyColumns are the join keys' columns, quoted, each after a prefix such as "o.".
func keyColumns(group *registry.Group, prefix string) []string {
	columns := make([]string, len(group.EntityType.JoinKeys))
	for i, key := range group.EntityType.JoinKeys {
		columns[i] = prefix + database.Quote(keyColumn(key))
	}
	return columns
}

// sameKey is the condition that row o is of the entity whose join keys stand in the row s as k0, k1, and so on.
func sameKey(group *registry.Group) string {
	var b strings.Builder
	for i, column := range keyColumns(group, "o.") {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString(column + " = s.k" + strconv.Itoa(i))
		if group.EntityType.JoinKeys[i].ValueType == value.String {
			b.WriteString(` COLLATE "C"`)
		}
	}
	return b.String()
}

// table is the quoted name of a table in the store's schema.
func (o *Offline) table(name string) string {
	return database.Quote(o.schema) + "." + database.Quote(name)
}

// literal quotes a text for SQL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
