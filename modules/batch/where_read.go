package batch

import (
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/parser"

	"featurestore/modules/registry/value"
)

const (
	maxWhere = 4 << 10 // bytes
	maxNodes = 500
	maxIn    = 200 // constants of one in
)

// where compiles a condition on a row of events; nil: it cannot be, which is noted.
func (k *compiling) where(at, source string) (c *Condition) {
	defer func() {
		if broken := recover(); broken != nil { // the reader of expressions is not ours
			k.wrong(at, source, "cannot be read")
			c = nil
		}
	}()
	if len(source) > maxWhere {
		k.wrong(at, "", "has %d bytes, more than %d", len(source), maxWhere)
		return nil
	}
	limits := conf.CreateNew()
	limits.MaxNodes = maxNodes
	tree, err := parser.ParseWithConfig(source, limits)
	if err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		k.wrong(at, source, "%s", line)
		return nil
	}
	r := &whereReader{compiling: k, at: at, reads: &Condition{Source: source}}
	before := len(k.found)
	r.reads.holds = r.condition(tree.Node)
	if len(k.found) > before {
		return nil
	}
	if len(r.reads.Reads) == 0 {
		k.wrong(at, source, "reads no column: it would be the same for all rows")
		return nil
	}
	return r.reads
}

// whereReader makes nodes of what the reader of expressions has found. What cannot be is noted, and stands for a node that is never asked.
type whereReader struct {
	*compiling
	at    string
	reads *Condition
}

func (r *whereReader) refuse(format string, args ...any) node {
	r.wrong(r.at, r.reads.Source, format, args...)
	return &fixed{}
}

// condition reads what is true or not.
func (r *whereReader) condition(of ast.Node) node {
	switch n := of.(type) {
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			return &negation{r.condition(n.Node)}
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&":
			return &junction{left: r.condition(n.Left), right: r.condition(n.Right)}
		case "or", "||":
			return &junction{or: true, left: r.condition(n.Left), right: r.condition(n.Right)}
		case "in":
			return r.membership(n)
		case "==", "!=", "<", "<=", ">", ">=":
			return r.comparison(n)
		}
		return r.refuse("%s is not allowed: where has ==, !=, <, <=, >, >=, in, and, or, not, and == nil", n.Operator)
	case *ast.IdentifierNode, *ast.MemberNode:
		o, ok := r.operand(of)
		if ok && o.kind != value.Boolean {
			return r.refuse("%s is %s and no condition: compare it with something", r.text(of), o.kind)
		}
		return &flag{o}
	case *ast.BoolNode:
		return r.refuse("%t alone is the same for all rows", n.Value)
	}
	return r.refuse("%s is no condition: where has ==, !=, <, <=, >, >=, in, and, or, not, and == nil", r.text(of))
}

// text is a part of the condition as it could be written.
func (r *whereReader) text(of ast.Node) string { return of.String() }

// operand reads a column or a constant; nil is none.
func (r *whereReader) operand(of ast.Node) (operand, bool) {
	constant := func(v value.Value) (operand, bool) { return operand{constant: v, kind: v.Type()}, true }
	switch n := of.(type) {
	case *ast.IdentifierNode:
		return r.read(n.Value)
	case *ast.MemberNode: // $env["name"] is a column whose name is a word of the language
		of, ok := n.Node.(*ast.IdentifierNode)
		if property, named := n.Property.(*ast.StringNode); ok && named && of.Value == "$env" {
			return r.read(property.Value)
		}
		r.refuse("%s looks into a value, which where cannot", r.text(n))
		return operand{}, false
	case *ast.IntegerNode:
		return constant(value.OfInt(int64(n.Value)))
	case *ast.FloatNode:
		if math.IsInf(n.Value, 0) || math.IsNaN(n.Value) {
			break
		}
		return constant(value.OfFloat(n.Value))
	case *ast.UnaryNode:
		o, ok := operand{}, false
		if n.Operator == "-" || n.Operator == "+" {
			o, ok = r.operand(n.Node)
		}
		switch {
		case ok && !o.isConstant(), n.Operator != "-" && n.Operator != "+":
		case ok && n.Operator == "+", !ok:
			return o, ok
		case o.kind == value.Integer:
			return constant(value.OfInt(-o.constant.Int()))
		case o.kind == value.Float:
			return constant(value.OfFloat(-o.constant.Float()))
		}
	case *ast.BoolNode:
		return constant(value.OfBool(n.Value))
	case *ast.StringNode:
		if strings.IndexByte(n.Value, 0) >= 0 || !validText(n.Value) {
			r.refuse("a text is UTF-8 without NUL")
			return operand{}, false
		}
		return constant(value.OfString(n.Value))
	case *ast.BuiltinNode:
		if n.Name == "date" {
			return r.date(n.Arguments)
		}
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok && callee.Value == "date" {
			return r.date(n.Arguments)
		}
	}
	r.refuse("%s is neither a column nor a constant: where computes nothing, and calls nothing but date(\"2026-01-31T00:00:00Z\")", r.text(of))
	return operand{}, false
}

func (r *whereReader) read(name string) (operand, bool) {
	i, t, found := r.column(r.at, name)
	if !found {
		return operand{}, false
	}
	if !slices.Contains(r.reads.Reads, i) {
		r.reads.Reads = append(r.reads.Reads, i)
	}
	return operand{column: i, kind: t}, true
}

// date reads date("2026-01-31T00:00:00Z").
func (r *whereReader) date(arguments []ast.Node) (operand, bool) {
	var text string
	if len(arguments) == 1 {
		if n, ok := arguments[0].(*ast.StringNode); ok {
			text = n.Value
		}
	}
	us, err := value.ParseTime(text, nil)
	if err != nil {
		r.refuse("date takes one constant time: %v", err)
		return operand{}, false
	}
	return operand{constant: value.OfTime(us), kind: value.Timestamp}, true
}

// mirrored are the operators with their sides exchanged.
var mirrored = map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

func (r *whereReader) comparison(n *ast.BinaryNode) node {
	left, right, operator := n.Left, n.Right, n.Operator
	if isNil(left) || isConstant(left) && !isNil(right) {
		left, right, operator = right, left, mirrored[operator]
	}
	if isNil(right) {
		return r.nullness(left, operator)
	}
	l, ok := r.operand(left)
	if !ok {
		return &fixed{}
	}
	o, ok := r.operand(right)
	if !ok {
		return &fixed{}
	}
	if l.isConstant() {
		return r.refuse("%s compares two constants", r.text(n))
	}
	if reason := incomparable(l.kind, o.kind); reason != "" {
		return r.refuse("%s is %s and %s is %s: %s", r.text(left), l.kind, r.text(right), o.kind, reason)
	}
	if l.kind == value.Boolean && operator != "==" && operator != "!=" {
		return r.refuse("%s is BOOLEAN, which has no order: use == or !=", r.text(left))
	}
	if o.isConstant() {
		return constantly(l, sqlOperator(operator), o)
	}
	return &comparison{operator: sqlOperator(operator), left: l, right: o}
}

func sqlOperator(operator string) string {
	switch operator {
	case "==":
		return "="
	case "!=":
		return "<>"
	}
	return operator
}

// incomparable says why two kinds cannot be compared; "": they can.
func incomparable(a, b value.Type) string {
	number := func(t value.Type) bool { return t == value.Integer || t == value.Float }
	switch {
	case a.Array() || b.Array() || a == value.JSON || b == value.JSON:
		return "only == nil and != nil are for JSON and arrays"
	case a == b, number(a) && number(b):
		return ""
	case a == value.Timestamp && b == value.String:
		return "write a time as date(\"2026-01-31T00:00:00Z\")"
	}
	return "they cannot be compared"
}

// constantly compares a column with a constant of a kind that it can be compared with. That of an INTEGER is one of whole numbers, so that no engine has to
// choose how to compare it with a fraction.
func constantly(column operand, operator string, o operand) node {
	switch {
	case column.kind == value.Float && o.kind == value.Integer:
		o = operand{constant: value.OfFloat(float64(o.constant.Int())), kind: value.Float}
	case column.kind == value.Integer && o.kind == value.Float:
		f := o.constant.Float()
		below := math.Floor(f)
		switch {
		case below >= 1<<63: // all are less
			return &fixed{column, truthOf(strings.HasPrefix(operator, "<"))}
		case below < -1<<63:
			return &fixed{column, truthOf(strings.HasPrefix(operator, ">") || operator == "<>")}
		case below != f && (operator == "=" || operator == "<>"):
			return &fixed{column, truthOf(operator == "<>")}
		case below != f && operator == "<":
			operator = "<="
		case below != f && operator == ">=":
			operator = ">"
		}
		o = operand{constant: value.OfInt(int64(below)), kind: value.Integer}
	}
	return &comparison{operator: operator, left: column, right: o}
}

func (r *whereReader) nullness(of ast.Node, operator string) node {
	if isConstant(of) {
		return r.refuse("%s is a constant: compare a column with nil", r.text(of))
	}
	o, ok := r.operand(of)
	switch {
	case !ok:
		return &fixed{}
	case operator == "==":
		return &nullness{o}
	case operator == "!=":
		return &negation{&nullness{o}}
	}
	return r.refuse("%s nil is never true: use == nil or != nil", operator)
}

// membership reads a column in a list of constants.
func (r *whereReader) membership(n *ast.BinaryNode) node {
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return r.refuse("in takes a list of constants, such as [1, 2]")
	}
	if len(list.Nodes) == 0 || len(list.Nodes) > maxIn {
		return r.refuse("in takes a list of 1 to %d constants", maxIn)
	}
	what, ok := r.operand(n.Left)
	if !ok {
		return &fixed{}
	}
	if what.isConstant() {
		return r.refuse("%s is a constant: what is looked for is a column", r.text(n.Left))
	}
	m := &membership{what: what}
	for _, element := range list.Nodes {
		if !isConstant(element) || isNil(element) {
			return r.refuse("%s is no constant: in takes a list of constants, such as [1, 2]", r.text(element))
		}
		o, ok := r.operand(element)
		if !ok {
			return &fixed{}
		}
		if reason := incomparable(what.kind, o.kind); reason != "" {
			return r.refuse("%s is %s and %s is %s: %s", r.text(n.Left), what.kind, r.text(element), o.kind, reason)
		}
		if c, ok := constantly(what, "=", o).(*comparison); ok { // else no value could be equal
			m.in = append(m.in, c.right)
		}
	}
	if len(m.in) == 0 {
		return &fixed{what, no}
	}
	return m
}

func isNil(n ast.Node) bool {
	_, is := n.(*ast.NilNode)
	return is
}

// isConstant tells whether a part of a condition names no column, as far as its form shows it.
func isConstant(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IdentifierNode, *ast.MemberNode:
		return false
	case *ast.UnaryNode:
		return isConstant(n.Node)
	}
	return true
}

func validText(text string) bool { return strings.ToValidUTF8(text, "") == text }
