package batch

import (
	"strconv"
	"strings"
	"time"

	"featurestore/app/database"
	"featurestore/modules/registry/value"
)

// Dialect is how an engine writes SQL.
type Dialect uint8

const (
	DuckDB Dialect = iota
	PostgreSQL
	SparkSQL
)

// Quote makes an identifier of any name, which holds no NUL.
func (d Dialect) Quote(name string) string {
	if d == SparkSQL {
		return "`" + strings.ReplaceAll(name, "`", "``") + "`"
	}
	return database.Quote(name)
}

// Text writes a text as a constant; it holds no NUL.
func (d Dialect) Text(text string) string {
	if d == SparkSQL { // its texts have escapes
		text = strings.ReplaceAll(text, `\`, `\\`)
		return "'" + strings.ReplaceAll(text, `'`, `\'`) + "'"
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// Constant writes a value of no array: an INTEGER as a BIGINT, a TIMESTAMP as one without time zone, in UTC.
func (d Dialect) Constant(v value.Value) string {
	switch v.Type() {
	case value.Boolean:
		return strings.ToUpper(strconv.FormatBool(v.Bool()))
	case value.Integer:
		return "CAST('" + strconv.FormatInt(v.Int(), 10) + "' AS BIGINT)"
	case value.Float:
		return "CAST('" + strconv.FormatFloat(v.Float(), 'g', -1, 64) + "' AS " + d.double() + ")"
	case value.Timestamp:
		word := "TIMESTAMP"
		if d == SparkSQL {
			word = "TIMESTAMP_NTZ"
		}
		return word + " '" + time.UnixMicro(v.Time()).UTC().Format("2006-01-02 15:04:05.000000") + "'"
	case value.String, value.JSON:
		return d.Text(v.Text())
	}
	return "NULL"
}

func (d Dialect) double() string {
	if d == PostgreSQL {
		return "DOUBLE PRECISION"
	}
	return "DOUBLE"
}

// sqlWriter writes a condition.
type sqlWriter struct {
	*strings.Builder
	dialect Dialect
	column  func(i int) string
}

func (w *sqlWriter) operand(o *operand) {
	if o.isConstant() {
		w.WriteString(w.dialect.Constant(o.constant))
		return
	}
	w.WriteString(w.column(o.column))
}

func (c *comparison) write(w *sqlWriter) {
	w.side(&c.left, &c.right)
	w.WriteString(" " + c.operator + " ")
	w.side(&c.right, &c.left)
	if c.left.kind == value.String && w.dialect == PostgreSQL {
		w.WriteString(` COLLATE "C"`)
	}
}

// side writes an operand as what it is compared as.
func (w *sqlWriter) side(o, other *operand) {
	if o.kind == value.Integer && other.kind == value.Float && !o.isConstant() {
		w.WriteString("CAST(")
		w.operand(o)
		w.WriteString(" AS " + w.dialect.double() + ")")
		return
	}
	w.operand(o)
}

func (m *membership) write(w *sqlWriter) {
	w.operand(&m.what)
	w.WriteString(" IN (")
	for i := range m.in {
		if i > 0 {
			w.WriteString(", ")
		}
		w.operand(&m.in[i])
	}
	w.WriteByte(')')
}

func (n *nullness) write(w *sqlWriter) {
	w.operand(&n.what)
	w.WriteString(" IS NULL")
}

func (f *flag) write(w *sqlWriter) { w.operand(&f.what) }

func (n *negation) write(w *sqlWriter) {
	w.WriteString("(NOT ")
	w.part(n.part)
	w.WriteByte(')')
}

func (j *junction) write(w *sqlWriter) {
	w.part(j.left)
	if j.or {
		w.WriteString(" OR ")
	} else {
		w.WriteString(" AND ")
	}
	w.part(j.right)
}

func (w *sqlWriter) part(n node) {
	w.WriteByte('(')
	n.write(w)
	w.WriteByte(')')
}

func (f *fixed) write(w *sqlWriter) {
	w.WriteString("CASE WHEN ")
	w.operand(&f.what)
	w.WriteString(" IS NOT NULL THEN " + strings.ToUpper(strconv.FormatBool(f.is == yes)) + " END")
}
