package batch

import (
	"cmp"
	"strings"

	"featurestore/modules/registry/value"
)

// Condition is a condition on one row of events. It is true, false or, where what it compares is null, neither, as in SQL: not turns neither into
// neither, and a row for which it is neither is not chosen. SQL and Holds say the same of every row.
type Condition struct {
	Source string
	Reads  []int // the columns that it reads: indexes of Plan.Columns, and EventTime

	holds node
}

// Holds tells whether the condition is true of a row: its values in the order of Plan.Columns, null or absent where there is none, and its event time in µs.
func (c *Condition) Holds(row []value.Value, eventTime int64) bool {
	return c.holds.of(row, eventTime) == yes
}

// SQL writes the condition; column says what stands for a column: an index of Plan.Columns or EventTime.
func (c *Condition) SQL(d Dialect, column func(i int) string) string {
	var b strings.Builder
	c.holds.write(&sqlWriter{Builder: &b, dialect: d, column: column})
	return b.String()
}

// truth is what a condition is of a row.
type truth int8

const (
	no      truth = -1
	neither truth = 0
	yes     truth = 1
)

func truthOf(is bool) truth {
	if is {
		return yes
	}
	return no
}

// node is a part of a condition.
type node interface {
	of(row []value.Value, eventTime int64) truth
	write(w *sqlWriter)
}

// operand is a column or a constant.
type operand struct {
	column   int // of no constant
	constant value.Value
	kind     value.Type // of what it is: Boolean, Integer, Float, String, Timestamp, or what can only be null or not
}

func (o *operand) isConstant() bool { return !o.constant.IsAbsent() }

// valueIn is null where there is none.
func (o *operand) valueIn(row []value.Value, eventTime int64) value.Value {
	switch {
	case o.isConstant():
		return o.constant
	case o.column == EventTime:
		return value.OfTime(eventTime)
	case row[o.column].IsAbsent():
		return value.Null()
	}
	return row[o.column]
}

// comparison is one of two operands of one kind, or of INTEGER and FLOAT, which are compared as FLOAT.
type comparison struct {
	operator    string // =, <>, <, <=, >, >=
	left, right operand
}

func (c *comparison) of(row []value.Value, eventTime int64) truth {
	left, right := c.left.valueIn(row, eventTime), c.right.valueIn(row, eventTime)
	if left.IsNull() || right.IsNull() {
		return neither
	}
	order := compare(left, right)
	switch c.operator {
	case "=":
		return truthOf(order == 0)
	case "<>":
		return truthOf(order != 0)
	case "<":
		return truthOf(order < 0)
	case "<=":
		return truthOf(order <= 0)
	case ">":
		return truthOf(order > 0)
	}
	return truthOf(order >= 0)
}

// compare orders two values of one kind, or of INTEGER and FLOAT; texts by their bytes.
func compare(a, b value.Value) int {
	switch a.Type() {
	case value.Boolean:
		return cmp.Compare(truthOf(a.Bool()), truthOf(b.Bool()))
	case value.Integer, value.Float:
		if a.Type() == value.Integer && b.Type() == value.Integer {
			return cmp.Compare(a.Int(), b.Int())
		}
		return cmp.Compare(a.AsFloat().Float(), b.AsFloat().Float())
	case value.Timestamp:
		return cmp.Compare(a.Time(), b.Time())
	}
	return strings.Compare(a.Text(), b.Text())
}

// membership is whether an operand is one of some constants.
type membership struct {
	what operand
	in   []operand
}

func (m *membership) of(row []value.Value, eventTime int64) truth {
	what := m.what.valueIn(row, eventTime)
	if what.IsNull() {
		return neither
	}
	for i := range m.in {
		if compare(what, m.in[i].constant) == 0 {
			return yes
		}
	}
	return no
}

// nullness is whether a column is null.
type nullness struct{ what operand }

func (n *nullness) of(row []value.Value, eventTime int64) truth {
	return truthOf(n.what.valueIn(row, eventTime).IsNull())
}

// flag is a BOOLEAN column as a condition.
type flag struct{ what operand }

func (f *flag) of(row []value.Value, eventTime int64) truth {
	v := f.what.valueIn(row, eventTime)
	if v.IsNull() {
		return neither
	}
	return truthOf(v.Bool())
}

// negation is true where its part is false.
type negation struct{ part node }

func (n *negation) of(row []value.Value, eventTime int64) truth { return -n.part.of(row, eventTime) }

// junction is an and, or an or, of two parts.
type junction struct {
	or          bool
	left, right node
}

func (j *junction) of(row []value.Value, eventTime int64) truth {
	left := j.left.of(row, eventTime)
	if j.or && left == yes || !j.or && left == no {
		return left
	}
	right := j.right.of(row, eventTime)
	if j.or {
		return max(left, right)
	}
	return min(left, right)
}

// fixed is a part whose constants decide it for every row that has a value: q > 2^63 of an INTEGER.
type fixed struct {
	what operand
	is   truth
}

func (f *fixed) of(row []value.Value, eventTime int64) truth {
	if f.what.valueIn(row, eventTime).IsNull() {
		return neither
	}
	return f.is
}
