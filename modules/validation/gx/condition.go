package gx

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// readCondition makes a where of a row_condition: the text of pandas' query, of Great Expectations' own col("x") > 1, or the object of
// its newest versions.
func readCondition(raw, parser string) (string, error) {
	switch jsonscan.KindOf(raw) {
	case jsonscan.Object:
		return conditionObject(raw, 0)
	case jsonscan.String:
	default:
		return "", errors.New("it is neither a text nor an object")
	}
	switch parser {
	case "pandas", "great_expectations", "great_expectations__experimental__":
	default:
		return "", fmt.Errorf("condition_parser is %q: pandas and great_expectations are known", parser)
	}
	c := &conditionReader{}
	if err := c.split(jsonscan.Unquote(raw)); err != nil {
		return "", err
	}
	text, err := c.or()
	if err == nil && c.at < len(c.tokens) {
		err = fmt.Errorf("%q is not expected", c.tokens[c.at])
	}
	return text, err
}

// conditionReader reads a condition token by token and writes it as an expression of rules.
type conditionReader struct {
	tokens []string
	at     int
	depth  int
}

var conditionToken = regexp.MustCompile("^(?:[A-Za-z_][A-Za-z0-9_]*|`[^`]+`|[0-9]+(?:\\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\\.[0-9]+(?:[eE][+-]?[0-9]+)?|" +
	`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|==|!=|<=|>=|//|\*\*|[-<>&|~()\[\],+*/%.])`)

func (c *conditionReader) split(text string) error {
	if len(text) > 2000 {
		return errors.New("it is too long")
	}
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		token := conditionToken.FindString(text)
		if token == "" {
			return fmt.Errorf("%q cannot be read", text[:min(len(text), 20)])
		}
		c.tokens = append(c.tokens, token)
		text = text[len(token):]
	}
	return nil
}

func (c *conditionReader) peek() string {
	if c.at < len(c.tokens) {
		return c.tokens[c.at]
	}
	return ""
}

func (c *conditionReader) take(tokens ...string) bool {
	if c.at < len(c.tokens) && slices.Contains(tokens, c.tokens[c.at]) {
		c.at++
		return true
	}
	return false
}

// chain reads operands with an operator between them; of pandas' query, & and | bind like and and or.
func (c *conditionReader) chain(next func() (string, error), word string, operators ...string) (string, error) {
	left, err := next()
	for err == nil && c.take(operators...) {
		var right string
		right, err = next()
		left = "(" + left + " " + word + " " + right + ")"
	}
	return left, err
}

func (c *conditionReader) or() (string, error) {
	if c.depth++; c.depth > 50 {
		return "", errors.New("it is nested too deep")
	}
	defer func() { c.depth-- }()
	return c.chain(func() (string, error) { return c.chain(c.not, "and", "and", "&") }, "or", "or", "|")
}

func (c *conditionReader) not() (string, error) {
	if c.take("not", "~") {
		if c.depth++; c.depth > 50 {
			return "", errors.New("it is nested too deep")
		}
		defer func() { c.depth-- }()
		inner, err := c.not()
		return "(not (" + inner + "))", err
	}
	return c.comparison()
}

// comparison reads a op b, chains such as a < b < c, and membership in a list.
func (c *conditionReader) comparison() (string, error) {
	left, err := c.sum()
	if err != nil {
		return "", err
	}
	var parts []string
	for {
		op := c.peek()
		switch op {
		case "==", "!=", "<", "<=", ">", ">=":
			c.at++
			if c.peek() == "[" && (op == "==" || op == "!=") {
				part, err := c.member(left, op == "!=")
				if err != nil {
					return "", err
				}
				parts = append(parts, part)
				continue
			}
			right, err := c.sum()
			if err != nil {
				return "", err
			}
			parts = append(parts, "("+left+" "+op+" "+right+")")
			left = right
			continue
		case "in", "not":
			negated := c.take("not")
			if !c.take("in") {
				return "", errors.New("not stands before in or a condition")
			}
			part, err := c.member(left, negated)
			if err != nil {
				return "", err
			}
			parts = append(parts, part)
			continue
		}
		break
	}
	if len(parts) == 0 {
		return left, nil
	}
	return strings.Join(parts, " and "), nil
}

// member reads [a, b] and writes the comparisons with each.
func (c *conditionReader) member(left string, negated bool) (string, error) {
	closing := map[string]string{"[": "]", "(": ")"}[c.peek()]
	if closing == "" {
		return "", errors.New("in needs a list")
	}
	c.at++
	var parts []string
	for !c.take(closing) {
		one, err := c.sum()
		if err != nil {
			return "", err
		}
		parts = append(parts, "("+left+" == "+one+")")
		if !c.take(",") && c.peek() != closing {
			return "", errors.New("a list is not closed")
		}
	}
	text := "false"
	if len(parts) > 0 {
		text = strings.Join(parts, " or ")
	}
	if negated {
		return "(not (" + text + "))", nil
	}
	return "(" + text + ")", nil
}

func (c *conditionReader) sum() (string, error) {
	return c.arithmetic(func() (string, error) { return c.arithmetic(c.atom, "*", "/", "%") }, "+", "-")
}

func (c *conditionReader) arithmetic(next func() (string, error), operators ...string) (string, error) {
	left, err := next()
	for err == nil && slices.Contains(operators, c.peek()) {
		op := c.peek()
		c.at++
		var right string
		right, err = next()
		left = "(" + left + " " + op + " " + right + ")"
	}
	return left, err
}

// identifier is a name that stands in an expression as it is.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

var keywordsOfExpressions = []string{"and", "or", "not", "in", "matches", "contains", "startsWith", "endsWith", "let", "if", "else", "nil", "true", "false", "map", "filter",
	"all", "any", "none", "one", "len", "abs", "max", "min", "round", "floor", "ceil", "int", "float", "string", "date", "duration", "sum", "count", "mean", "median"}

func columnName(name string) string {
	if identifier.MatchString(name) && !slices.Contains(keywordsOfExpressions, name) {
		return name
	}
	return "$env[" + string(value.AppendJSONString(nil, name)) + "]"
}

// atom reads a number, a text, a column, col("x") or a condition in parentheses, and the tests for nulls behind a column.
func (c *conditionReader) atom() (string, error) {
	token := c.peek()
	if token == "" {
		return "", errors.New("it ends too early")
	}
	c.at++
	switch first := token[0]; {
	case token == "(":
		inner, err := c.or()
		if err == nil && !c.take(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return "(" + inner + ")", err
	case token == "-" || token == "+":
		if c.depth++; c.depth > 50 {
			return "", errors.New("it is nested too deep")
		}
		defer func() { c.depth-- }()
		inner, err := c.atom()
		return "(" + token + inner + ")", err
	case first-'0' <= 9 || first == '.':
		if _, err := strconv.ParseInt(token, 10, 64); err == nil {
			return strings.TrimLeft(token[:len(token)-1], "0") + token[len(token)-1:], nil
		}
		f, err := strconv.ParseFloat(token, 64)
		return string(value.AppendJSON(nil, value.OfFloat(f))), err
	case first == '"' || first == '\'':
		return quoted(token), nil
	case token == "True" || token == "true":
		return "true", nil
	case token == "False" || token == "false":
		return "false", nil
	case token == "None" || token == "nan" || token == "NaN":
		return "nil", nil
	case first == '`':
		return c.tests(columnName(token[1 : len(token)-1]))
	case token == "col" && c.peek() == "(":
		c.at++
		name := c.peek()
		if c.at++; name == "" || name[0] != '"' && name[0] != '\'' || !c.take(")") {
			return "", errors.New(`col takes one name: col("x")`)
		}
		return c.tests(columnName(unquotedText(name)))
	case identifier.MatchString(token) && c.peek() != "(":
		return c.tests(columnName(token))
	}
	return "", fmt.Errorf("%q is not known", token)
}

// tests reads .isnull() and its like behind a column.
func (c *conditionReader) tests(column string) (string, error) {
	if !c.take(".") {
		return column, nil
	}
	method := c.peek()
	c.at++
	if !c.take("(") || !c.take(")") {
		return "", fmt.Errorf("the method %q is not known", method)
	}
	switch method {
	case "isnull", "isna", "is_null":
		return "(" + column + " == nil)", nil
	case "notnull", "notna", "notNull", "not_null", "is_not_null":
		return "(" + column + " != nil)", nil
	}
	return "", fmt.Errorf("the method %q is not known", method)
}

func unquotedText(token string) string {
	var b strings.Builder
	for i := 1; i < len(token)-1; i++ {
		if token[i] == '\\' && i+1 < len(token)-1 {
			if i++; token[i] == 'n' {
				b.WriteByte('\n')
				continue
			} else if token[i] == 't' {
				b.WriteByte('\t')
				continue
			}
		}
		b.WriteByte(token[i])
	}
	return b.String()
}

func quoted(token string) string { return string(value.AppendJSONString(nil, unquotedText(token))) }

// conditionObject reads {"type": "comparison", "column": {"name": …}, "operator": …, "parameter": …} and what combines such.
func conditionObject(raw string, depth int) (string, error) {
	if depth > 20 || jsonscan.KindOf(raw) != jsonscan.Object {
		return "", errors.New("a condition is an object, not nested too deep")
	}
	m, err := membersOf(raw)
	if err != nil {
		return "", err
	}
	kind := m["type"]
	switch kind {
	case `"and"`, `"or"`:
		if jsonscan.KindOf(m["conditions"]) != jsonscan.Array {
			return "", errors.New("it has no conditions")
		}
		var parts []string
		elements := jsonscan.ElementsOf(m["conditions"])
		for one, ok := elements.Next(); ok; one, ok = elements.Next() {
			part, err := conditionObject(one, depth+1)
			if err != nil {
				return "", err
			}
			parts = append(parts, "("+part+")")
		}
		if len(parts) == 0 {
			return "", errors.New("it has no conditions")
		}
		return strings.Join(parts, " "+strings.Trim(kind, `"`)+" "), nil
	}
	name := m["column"]
	if jsonscan.KindOf(name) == jsonscan.Object {
		inner, err := membersOf(name)
		if err != nil {
			return "", err
		}
		name = inner["name"]
	}
	if jsonscan.KindOf(name) != jsonscan.String {
		return "", errors.New("it names no column")
	}
	column := columnName(jsonscan.Unquote(name))
	if kind == `"nullity"` {
		if m["is_null"] == "true" {
			return "(" + column + " == nil)", nil
		}
		return "(" + column + " != nil)", nil
	}
	operator := ""
	if jsonscan.KindOf(m["operator"]) == jsonscan.String {
		operator = strings.ToLower(jsonscan.Unquote(m["operator"]))
	}
	parameter := m["parameter"]
	switch operator {
	case "==", "!=", "<", "<=", ">", ">=":
		if kind := jsonscan.KindOf(parameter); kind == jsonscan.Number || kind == jsonscan.String || kind == jsonscan.Bool {
			return "(" + column + " " + operator + " " + parameter + ")", nil
		}
	case "in", "not in":
		if jsonscan.KindOf(parameter) == jsonscan.Array {
			var parts []string
			elements := jsonscan.ElementsOf(parameter)
			for one, ok := elements.Next(); ok; one, ok = elements.Next() {
				parts = append(parts, "("+column+" == "+one+")")
			}
			text := "(" + strings.Join(append(parts, "false"), " or ") + ")"
			if operator == "not in" {
				text = "(not " + text + ")"
			}
			return text, nil
		}
	}
	return "", fmt.Errorf("the operator %q with %s is not known", operator, parameter)
}
