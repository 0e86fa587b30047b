package gate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"featurestore/app/fault"
)

func (w *walker) expressions(list []tree, in scope) error {
	for _, e := range list {
		if err := w.expression(e, in); err != nil {
			return err
		}
	}
	return nil
}

// expression walks one, by its class.
func (w *walker) expression(e tree, in scope) error {
	up, err := w.deeper()
	if err != nil {
		return err
	}
	defer up()
	inner := func(what string, members ...string) error {
		if err := only(e, what, append([]string{"class", "type", "alias"}, members...)...); err != nil {
			return err
		}
		for _, member := range members {
			switch part := e[member].(type) {
			case tree:
				if err := w.expression(part, in); err != nil {
					return err
				}
			case []any:
				if err := w.expressions(nodesIn(e, member), in); err != nil {
					return err
				}
			}
		}
		return nil
	}
	switch class := textIn(e, "class"); class {
	case "COLUMN_REF":
		return column(e)
	case "CONSTANT":
		return only(e, "a constant", "class", "type", "alias", "value")
	case "PARAMETER":
		return only(e, "a parameter", "class", "type", "alias", "identifier")
	case "COMPARISON":
		return inner("a comparison", "left", "right")
	case "CONJUNCTION":
		return inner("a condition", "children")
	case "BETWEEN":
		return inner("BETWEEN", "input", "lower", "upper")
	case "OPERATOR":
		if t := textIn(e, "type"); !slices.Contains(plainOperators, t) {
			return notHere(e, "%s is not allowed", strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(t, "OPERATOR_"), "_", " ")))
		}
		return inner("an operator", "children")
	case "CASE":
		return w.cases(e, in)
	case "CAST":
		return w.cast(e, in)
	case "FUNCTION":
		return w.function(e, in)
	case "WINDOW":
		return w.window(e, in)
	case "SUBQUERY":
		return w.subquery(e, in)
	case "STAR":
		return notHere(e, "* is not allowed: name the columns, since those of a group change")
	default:
		return notHere(e, "%s is not allowed", strings.ToLower(strings.ReplaceAll(class, "_", " ")))
	}
}

// plainOperators are those that are no functions.
var plainOperators = []string{"OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "OPERATOR_NOT", "COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_COALESCE", "OPERATOR_NULLIF"}

// column lets relation.column and column through.
func column(e tree) error {
	if err := only(e, "a column", "class", "type", "alias", "column_names"); err != nil {
		return err
	}
	names, _ := e["column_names"].([]any)
	if len(names) == 0 || len(names) > 2 {
		return notHere(e, "write a column as column or as relation.column")
	}
	if lastName(e) == "rowid" { // DuckDB's tables have it, and no other relation
		return notHere(e, "%s", refusedWords["rowid"])
	}
	return nil
}

func (w *walker) cases(e tree, in scope) error {
	if err := only(e, "CASE", "class", "type", "alias", "case_checks", "else_expr"); err != nil {
		return err
	}
	for _, check := range nodesIn(e, "case_checks") {
		for _, part := range []string{"when_expr", "then_expr"} {
			of, _ := check[part].(tree)
			if err := w.expression(of, in); err != nil {
				return err
			}
		}
	}
	if otherwise, given := e["else_expr"].(tree); given {
		return w.expression(otherwise, in)
	}
	return nil
}

var intervalForm = regexp.MustCompile(`^[0-9]{1,5} (second|minute|hour|day|week|month|year)s?$`)

// cast lets those through that every engine makes alike.
func (w *walker) cast(e tree, in scope) error {
	if err := only(e, "CAST", "class", "type", "alias", "child", "cast_type"); err != nil {
		return err
	}
	child, _ := e["child"].(tree)
	to, _ := e["cast_type"].(tree)
	value, _ := child["value"].(tree)
	constant, isText := value["value"].(string)
	isText = isText && textIn(child, "class") == "CONSTANT"
	switch kind := textIn(to, "id"); kind {
	case "DOUBLE", "DATE", "TIMESTAMP":
		switch {
		case textIn(child, "class") == "COLUMN_REF" && w.texts[lastName(child)]:
			return notHere(e, "a column of texts is not read as %s: engines read texts differently", kind)
		case isText && kind == "DOUBLE", isText && !timeForm.MatchString(constant):
			return notHere(e, "write times as '2026-01-31' or '2026-01-31 12:00:00', and numbers without quotes")
		}
	case "DECIMAL":
		if !whole(child) {
			return notHere(e, "CAST(… AS DECIMAL) is for whole numbers: write floor(… * 100 + 0.5) inside for hundredths, since engines round differently")
		}
	case "BIGINT":
		if !whole(child) {
			return notHere(e, "CAST(… AS BIGINT) is for whole numbers: write floor(…) or ceil(…) inside, since engines round differently")
		}
	case "BOOLEAN":
		if !isText {
			return notHere(e, "CAST(… AS BOOLEAN) is not allowed: write a comparison")
		}
	case "INTERVAL":
		if !isText || !intervalForm.MatchString(constant) {
			return notHere(e, "write an interval as INTERVAL '1 day', with second, minute, hour, day, week, month or year")
		}
	default:
		return notHere(e, "CAST to %s is not allowed: use BIGINT, DOUBLE, DECIMAL(p, s), TIMESTAMP or DATE", kind)
	}
	return w.expression(child, in)
}

// timeForm is how constants of times are written.
var timeForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?)?$`)

// lastName is that of a column, without its relation.
func lastName(e tree) string {
	names, _ := e["column_names"].([]any)
	if len(names) == 0 {
		return ""
	}
	name, _ := names[len(names)-1].(string)
	return strings.ToLower(name)
}

// whole tells whether an expression is a whole number by its form.
func whole(e tree) bool {
	switch textIn(e, "class") {
	case "CONSTANT", "PARAMETER":
		return true
	case "FUNCTION":
		switch name := textIn(e, "function_name"); name {
		case "floor", "ceil", "ceiling", "count", "count_star", "length", "date_part":
			return true
		case "sum", "min", "max", "abs", "+", "-", "*", "%", "greatest", "least", "coalesce":
			for _, child := range nodesIn(e, "children") {
				if !whole(child) {
					return false
				}
			}
			return true
		}
	case "CAST":
		to, _ := e["cast_type"].(tree)
		return textIn(to, "id") == "BIGINT"
	}
	return false
}

// function walks a call, or an operator that is one.
func (w *walker) function(e tree, in scope) error {
	if err := only(e, "a function", "class", "type", "alias", "function_name", "schema", "children", "filter", "order_bys", "distinct", "is_operator"); err != nil {
		return err
	}
	name, children := strings.ToLower(textIn(e, "function_name")), nodesIn(e, "children")
	ordered, _ := e["order_bys"].(tree)
	if err := w.expressions(children, in); err != nil {
		return err
	}
	if e["is_operator"] == true {
		return operator(e, name, children)
	}
	if name == "date_part" { // EXTRACT
		return part(e, children, "minute", "hour", "day", "month", "quarter", "year") // engines differ in what a second has behind its point
	}
	written, f, known := inTree(name)
	switch {
	case !known:
		at, _ := e["query_location"].(float64)
		return unknownFunction(name, int(at))
	case textIn(e, "schema") != "":
		return notHere(e, "%s is not allowed in this form", written)
	case f.window:
		return notHere(e, "%s needs OVER (…)", written)
	case e["distinct"] == true && !f.distinct:
		return notHere(e, "%s with DISTINCT is not allowed", written)
	case len(nodesIn(ordered, "orders")) > 0 != f.within:
		if f.within {
			return notHere(e, "%s needs WITHIN GROUP (ORDER BY …)", written)
		}
		return notHere(e, "%s with ORDER BY is not allowed", written)
	case e["filter"] != nil && !f.aggregate:
		return notHere(e, "%s is no aggregate and has no FILTER", written)
	}
	if err := arguments(e, written, f, len(children)); err != nil {
		return err
	}
	if written == "date_trunc" {
		return part(e, children, "second", "minute", "hour", "day", "week", "month", "quarter", "year")
	}
	if f.within {
		if err := w.within(ordered, in); err != nil {
			return err
		}
	}
	if filter, given := e["filter"].(tree); given {
		return w.expression(filter, in)
	}
	return nil
}

// within walks what a percentile is of: nulls are left out of it.
func (w *walker) within(ordered tree, in scope) error {
	for _, o := range nodesIn(ordered, "orders") {
		if textIn(o, "type") == "DESCENDING" {
			return fmt.Errorf("a percentile is of an ascending order")
		}
		by, _ := o["expression"].(tree)
		if err := w.expression(by, in); err != nil {
			return err
		}
	}
	return nil
}

func arguments(e tree, name string, f function, n int) error {
	if n < f.least || n > f.most {
		return notHere(e, "%s takes %d to %d arguments, not %d", name, f.least, f.most, n)
	}
	return nil
}

// part checks that the first argument is one of some constant words.
func part(e tree, children []tree, units ...string) error {
	if len(children) != 2 {
		return notHere(e, "a unit and a time are needed")
	}
	value, _ := children[0]["value"].(tree)
	unit, _ := value["value"].(string)
	if textIn(children[0], "class") != "CONSTANT" || !slices.Contains(units, strings.ToLower(unit)) {
		return notHere(e, "%q is no unit here: use %s", fault.Shorten(unit), strings.Join(units, ", "))
	}
	return nil
}

// operator checks one that is a function to DuckDB's parser.
func operator(e tree, name string, children []tree) error {
	if !slices.Contains(operators, name) {
		return notHere(e, "the operator %s is not allowed: there are +, -, *, /, %%, || and LIKE", fault.Shorten(name))
	}
	switch {
	case name == "/" && len(children) == 2:
		if !isDouble(children[0]) && !isDouble(children[1]) {
			return notHere(e, "write one side of / as CAST(… AS DOUBLE): engines divide whole numbers and decimals differently")
		}
		return divisor(e, name, children[1])
	case name == "%" && len(children) == 2:
		return divisor(e, name, children[1])
	case (name == "~~" || name == "!~~") && len(children) == 2 && textIn(children[1], "class") != "CONSTANT":
		return notHere(e, "LIKE takes a constant pattern")
	}
	return nil
}

func isDouble(e tree) bool {
	to, _ := e["cast_type"].(tree)
	return textIn(e, "class") == "CAST" && textIn(to, "id") == "DOUBLE"
}

// divisor refuses one that could be zero: an error on one engine, null or infinite on another.
func divisor(e tree, name string, by tree) error {
	if isDouble(by) {
		by, _ = by["child"].(tree)
	}
	value, _ := by["value"].(tree)
	n, isNumber := value["value"].(float64)
	children := nodesIn(by, "children")
	switch {
	case textIn(by, "class") == "CONSTANT" && isNumber && n != 0:
	case (textIn(by, "function_name") == "nullif" || textIn(by, "type") == "OPERATOR_NULLIF") && len(children) == 2 && isZero(children[1]):
	default:
		return notHere(e, "write what is divided by with %s as nullif(…, 0): engines differ in what a division by zero is", name)
	}
	return nil
}

func isZero(e tree) bool {
	value, _ := e["value"].(tree)
	n, isNumber := value["value"].(float64)
	return textIn(e, "class") == "CONSTANT" && isNumber && n == 0
}

// bounds are ends of a window's frame.
var bounds = []string{"UNBOUNDED_PRECEDING", "UNBOUNDED_FOLLOWING", "CURRENT_ROW_RANGE", "CURRENT_ROW_ROWS", "EXPR_PRECEDING_ROWS", "EXPR_FOLLOWING_ROWS", "EXPR_PRECEDING_RANGE", "EXPR_FOLLOWING_RANGE"}

// window walks a function with OVER.
func (w *walker) window(e tree, in scope) error {
	if err := only(e, "a function with OVER", "class", "type", "alias", "function_name", "children", "partitions", "orders", "start", "end", "start_expr", "end_expr", "offset_expr", "default_expr", "filter_expr"); err != nil {
		return err
	}
	written, f, known := inTree(strings.ToLower(textIn(e, "function_name")))
	n := len(nodesIn(e, "children"))
	for _, member := range []string{"offset_expr", "default_expr"} {
		if e[member] != nil {
			n++
		}
	}
	switch {
	case !known:
		at, _ := e["query_location"].(float64)
		return unknownFunction(written, int(at))
	case !f.window && !f.framed:
		return notHere(e, "%s with OVER is not allowed", written)
	}
	if err := arguments(e, written, f, n); err != nil {
		return err
	}
	if f.window && len(nodesIn(e, "orders")) == 0 {
		return notHere(e, "%s needs ORDER BY in OVER (…)", written)
	}
	for _, end := range []string{"start", "end"} {
		if bound := textIn(e, end); !slices.Contains(bounds, bound) {
			return notHere(e, "a window with %s is not allowed", strings.ReplaceAll(bound, "_", " "))
		}
	}
	for _, list := range []string{"children", "partitions"} {
		if err := w.expressions(nodesIn(e, list), in); err != nil {
			return err
		}
	}
	for _, member := range []string{"start_expr", "end_expr", "offset_expr", "default_expr", "filter_expr"} {
		if part, given := e[member].(tree); given {
			if err := w.expression(part, in); err != nil {
				return err
			}
		}
	}
	return w.orders(e, in)
}

func (w *walker) subquery(e tree, in scope) error {
	if err := only(e, "a query within", "class", "type", "alias", "subquery_type", "subquery", "child", "comparison_type"); err != nil {
		return err
	}
	if kind := textIn(e, "subquery_type"); !slices.Contains([]string{"SCALAR", "EXISTS", "NOT_EXISTS", "ANY"}, kind) {
		return notHere(e, "a query within of %s is not allowed", kind)
	}
	if child, given := e["child"].(tree); given {
		if err := w.expression(child, in); err != nil {
			return err
		}
	}
	sub, _ := e["subquery"].(tree)
	node, _ := sub["node"].(tree)
	return w.query(node, in)
}
