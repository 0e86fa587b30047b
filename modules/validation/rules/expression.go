package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// MaxSource is how many bytes an expression or a pattern may have; maxNodes how large an expression may be.
const (
	MaxSource = 4 << 10
	maxNodes  = 500
)

// builtins are the functions that an expression can call: none that loops, reads a clock or makes a text longer.
var builtins = []string{"len", "abs", "ceil", "floor", "round", "int", "float", "trim", "trimPrefix", "trimSuffix", "upper", "lower",
	"hasPrefix", "hasSuffix", "indexOf", "lastIndexOf", "max", "min", "date", "duration"}

// condition is an expression that is true or not of a row.
type condition struct {
	source   string
	program  *vm.Program // for rows without nulls
	nullSafe *vm.Program // the same, where a comparison with a null is false and no error
	reads    []int       // the fields that it reads, of those it was compiled against
	names    []string
	withNull bool // it compares with nil, so that it is evaluated where they are null
}

// compileCondition compiles an expression over fields. loose leaves out what needs all features and their types.
func compileCondition(source string, fields []Field, loose bool, at string, found *problems) (c *condition) {
	defer func() {
		if broken := recover(); broken != nil { // the compiler of expressions is not ours
			found.at(at, source, "cannot be compiled")
			c = nil
		}
	}()
	if len(source) > MaxSource {
		found.at(at, "", "has %d bytes, more than %d", len(source), MaxSource)
		return nil
	}
	tree, err := parser.Parse(source)
	if err != nil {
		found.at(at, source, "%s", firstLine(err))
		return nil
	}
	c = &condition{source: source}
	look := &looker{condition: c, fields: fields}
	ast.Walk(&tree.Node, look)
	if len(look.refused) > 0 {
		found.at(at, source, "%s", strings.Join(look.refused, "; "))
		return nil
	}
	if loose {
		for _, name := range look.unknown {
			fields = append(fields[:len(fields):len(fields)], Field{Name: name})
		}
	} else if len(look.unknown) > 0 {
		name := look.unknown[0]
		found.at(at, source, "there is no feature %q%s", name, registry.DidYouMean(name, namesOf(fields)))
		return nil
	}
	typed, untyped := types.Map{}, types.Map{}
	for _, f := range fields {
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			typed[name], untyped[name] = environmentType(f.Type), types.Any
		}
	}
	options := []expr.Option{expr.MaxNodes(maxNodes), expr.DisableAllBuiltins(), expr.AsBool()}
	for _, name := range builtins {
		options = append(options, expr.EnableBuiltin(name))
	}
	if _, err := expr.Compile(source, append(options, expr.Env(typed))...); err != nil {
		found.at(at, source, "%s", firstLine(err))
		return nil
	}
	options = append(options, expr.Env(untyped))
	if c.program, err = expr.Compile(source, options...); err != nil {
		found.at(at, source, "%s", firstLine(err))
		return nil
	}
	options = append(options, expr.Patch(nullSafe{}))
	for name, holds := range orders {
		options = append(options, expr.Function(name, func(params ...any) (any, error) {
			order, ok, err := compareAny(params[0], params[1])
			return ok && holds(order), err
		}, new(func(any, any) bool)))
	}
	if c.nullSafe, err = expr.Compile(source, options...); err != nil {
		found.at(at, source, "%s", firstLine(err))
		return nil
	}
	return c
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func environmentType(t value.Type) types.Type {
	switch t {
	case value.Boolean:
		return types.Bool
	case value.Integer:
		return types.Int64
	case value.Float:
		return types.Float64
	case value.String, value.JSON:
		return types.String
	case value.Timestamp:
		return types.TypeOf(time.Time{})
	}
	if t.Array() {
		return types.Array(environmentType(t.Element()))
	}
	return types.Any
}

// looker finds what an expression reads and what it may not do.
type looker struct {
	*condition
	fields  []Field
	unknown []string
	refused []string
}

func (l *looker) refuse(format string, args ...any) {
	l.refused = append(l.refused, fmt.Sprintf(format, args...))
}

// Visit is called for each node of the expression, the inner ones first.
func (l *looker) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.NilNode:
		l.withNull = true
	case *ast.IdentifierNode:
		if n.Value != "$env" {
			l.read(n.Value)
		}
	case *ast.MemberNode: // $env["name"] is a feature whose name is no word of the language
		property, named := n.Property.(*ast.StringNode)
		if of, ok := n.Node.(*ast.IdentifierNode); ok && of.Value == "$env" && named {
			l.read(property.Value)
		} else {
			l.refuse("there are no members to look into")
		}
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			l.refuse("there is no function %q; there are %s", callee.Value, strings.Join(builtins, ", "))
		}
	case *ast.BuiltinNode:
		for _, name := range builtins {
			if name == n.Name {
				return
			}
		}
		l.refuse("%s is not allowed: the functions are %s", n.Name, strings.Join(builtins, ", "))
	case *ast.BinaryNode:
		if n.Operator == ".." {
			l.refuse("ranges (..) are not allowed: compare with their ends")
		}
		if n.Operator == "matches" {
			if _, constant := n.Right.(*ast.StringNode); !constant {
				l.refuse("matches needs a pattern that is a constant text")
			}
		}
		if n.Operator == "+" && (l.joins(n.Left) || l.joins(n.Right)) {
			l.refuse("texts cannot be joined with +")
		}
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		l.refuse("an expression is one condition, without let and ;")
	}
}

// joins tells whether + beside this node could make a text.
func (l *looker) joins(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.StringNode:
		return true
	case *ast.IdentifierNode:
		for _, f := range l.fields {
			if f.called(n.Value) {
				return f.Type == value.String || f.Type == value.JSON
			}
		}
	case *ast.BuiltinNode:
		return n.Name == "upper" || n.Name == "lower" || strings.HasPrefix(n.Name, "trim")
	}
	return false
}

func (l *looker) read(name string) {
	for _, known := range l.names {
		if known == name {
			return
		}
	}
	for i, f := range l.fields {
		if f.called(name) {
			l.reads, l.names = append(l.reads, i), append(l.names, name)
			return
		}
	}
	for _, b := range builtins {
		if b == name {
			return
		}
	}
	l.unknown = append(l.unknown, name)
	l.names = append(l.names, name)
}

// orders are the functions that stand for the operators once a null may be among their operands.
var orders = map[string]func(order int) bool{
	"__less": func(o int) bool { return o < 0 }, "__lessOrEqual": func(o int) bool { return o <= 0 },
	"__greater": func(o int) bool { return o > 0 }, "__greaterOrEqual": func(o int) bool { return o >= 0 },
}

// nullSafe makes comparisons with a null false instead of an error.
type nullSafe struct{}

// Visit is called for each node of the expression, the inner ones first.
func (nullSafe) Visit(node *ast.Node) {
	if n, ok := (*node).(*ast.BinaryNode); ok {
		name := map[string]string{"<": "__less", "<=": "__lessOrEqual", ">": "__greater", ">=": "__greaterOrEqual"}[n.Operator]
		if name != "" {
			ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: []ast.Node{n.Left, n.Right}})
		}
	}
}

func compareAny(a, b any) (order int, ok bool, err error) {
	if a == nil || b == nil {
		return 0, false, nil
	}
	va, okA := valueOf(a)
	vb, okB := valueOf(b)
	if okA && okB {
		if order, ok = compare(&va, &vb); ok {
			return order, true, nil
		}
	}
	if da, isDuration := a.(time.Duration); isDuration {
		if db, isDuration := b.(time.Duration); isDuration {
			return int(min(max(da-db, -1), 1)), true, nil
		}
	}
	return 0, false, fmt.Errorf("%T and %T cannot be compared", a, b)
}

func valueOf(a any) (value.Value, bool) {
	switch a := a.(type) {
	case bool:
		return value.OfBool(a), true
	case int:
		return value.OfInt(int64(a)), true
	case int64:
		return value.OfInt(a), true
	case float64:
		return value.OfFloat(a), true
	case string:
		return value.OfString(a), true
	case time.Time:
		return value.OfTime(a.UnixMicro()), true
	}
	return value.Value{}, false
}

// environmentValue is a value as expressions see it.
func environmentValue(v *value.Value) any {
	switch v.Type() {
	case value.Boolean:
		return v.Bool()
	case value.Integer:
		return v.Int()
	case value.Float:
		return v.Float()
	case value.String, value.JSON:
		return v.Text()
	case value.Timestamp:
		return time.UnixMicro(v.Time()).UTC()
	case value.BooleanArray:
		return v.Bools()
	case value.IntegerArray:
		return v.Ints()
	case value.FloatArray:
		return v.Floats()
	case value.StringArray:
		return v.Strings()
	case value.TimestampArray:
		times := make([]time.Time, v.Len())
		for i, us := range v.Ints() {
			times[i] = time.UnixMicro(us).UTC()
		}
		return times
	}
	return nil
}

// evaluation is a condition with the memory for evaluating it: of one run.
type evaluation struct {
	*condition
	machine vm.VM
	values  map[string]any
}

func (c *condition) evaluation() *evaluation {
	return &evaluation{condition: c, values: make(map[string]any, len(c.reads))}
}

// of evaluates the condition for a row; at says where the features that it reads stand in it, −1: not at all, which is as null. A row
// is null if one of them is, unless the condition compares with nil itself. unknown comes with the reason.
func (e *evaluation) of(row []value.Value, at []int) (verdict, string) {
	v, nulls, reason := e.run(row, at)
	if nulls && !e.withNull {
		return null, ""
	}
	return v, reason
}

// chosen tells whether where holds of a row. A comparison with a null is false, but for !=.
func (e *evaluation) chosen(row []value.Value, at []int) (is bool, reason string) {
	v, nulls, reason := e.run(row, at)
	if v == unknown && nulls {
		return false, ""
	}
	return v == good, reason
}

func (e *evaluation) run(row []value.Value, at []int) (v verdict, nulls bool, reason string) {
	for n, i := range at {
		var own any
		if i >= 0 {
			own = environmentValue(&row[i])
		}
		nulls = nulls || own == nil
		e.values[e.names[n]] = own
	}
	program := e.program
	if nulls {
		program = e.nullSafe
	}
	out, err := e.machine.Run(program, e.values)
	switch {
	case err != nil && nulls && e.withNull:
		return bad, true, ""
	case err != nil:
		return unknown, nulls, firstLine(err)
	case out == true:
		return good, nulls, ""
	}
	return bad, nulls, ""
}

func compileExpression(c *compiler) {
	source := c.text("expr")
	before := len(*c.found)
	condition := compileCondition(source, c.all, c.loose, "params.expr", c.found)
	if condition == nil || len(*c.found) > before {
		return
	}
	if len(condition.reads) == 0 && !c.loose {
		c.wrong("expr", "reads no feature")
		return
	}
	c.expect("%s", source)
	c.out.reads = condition.reads
	c.out.fresh = func() func([]value.Value, []int) (verdict, string) { return condition.evaluation().of }
}
