package gate

import (
	"fmt"
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// Relations that a transformation reads.
const (
	relationEvents = "events"
	relationTicks  = "ticks"
)

// maxDeep is how deep a query may be nested.
const maxDeep = 60

// tree is an object of what DuckDB's parser answers.
type tree = map[string]any

// walker lets nodes through that it knows, with members that it knows; the first other one is an error.
type walker struct {
	tables bool            // of a connection: relations are its tables
	ticks  bool            // the relation ticks is read
	texts  map[string]bool // columns of events that are texts
	deep   int
}

// notHere is an error at the place of a node.
func notHere(n tree, format string, args ...any) error {
	at := ""
	if location, ok := n["query_location"].(float64); ok {
		at = fmt.Sprintf(", at byte %d", int(location))
	}
	return fmt.Errorf(format+"%s", append(args, at)...)
}

// only refuses members that are not among those named.
func only(n tree, what string, members ...string) error {
	for name := range n {
		if name != "query_location" && !slices.Contains(members, name) {
			return notHere(n, "%s with %s is not allowed", what, strings.ReplaceAll(name, "_", " "))
		}
	}
	return nil
}

func textIn(n tree, member string) string {
	text, _ := n[member].(string)
	return text
}

// nodesIn are the objects of a list.
func nodesIn(n tree, member string) []tree {
	list, _ := n[member].([]any)
	nodes := make([]tree, 0, len(list))
	for _, element := range list {
		node, _ := element.(tree)
		nodes = append(nodes, node) // nil is refused by whoever looks at it
	}
	return nodes
}

// scope are the relations that a part of a query can read besides the given ones: the common table expressions before it.
type scope map[string]bool

func (s scope) with(name string) scope {
	next := scope{name: true}
	for name := range s {
		next[name] = true
	}
	return next
}

// deeper goes one level down; the function that it answers goes up again.
func (w *walker) deeper() (func(), error) {
	if w.deep++; w.deep > maxDeep {
		return nil, fmt.Errorf("is nested deeper than %d levels", maxDeep)
	}
	return func() { w.deep-- }, nil
}

// query walks a SELECT, a set operation, and what stands before them.
func (w *walker) query(n tree, in scope) error {
	up, err := w.deeper()
	if err != nil {
		return err
	}
	defer up()
	if in, err = w.common(n, in); err != nil {
		return err
	}
	for _, m := range nodesIn(n, "modifiers") {
		if err := w.modifier(m, in); err != nil {
			return err
		}
	}
	switch textIn(n, "type") {
	case "SELECT_NODE":
		return w.selecting(n, in)
	case "SET_OPERATION_NODE":
		return w.setOperation(n, in)
	case "RECURSIVE_CTE_NODE":
		return fmt.Errorf("a common table expression does not call itself here")
	}
	return notHere(n, "%q is not allowed: write one SELECT", textIn(n, "type"))
}

// common walks the expressions of WITH; each sees those before it.
func (w *walker) common(n tree, in scope) (scope, error) {
	all, given := n["cte_map"].(tree)
	if !given {
		return in, nil
	}
	for _, entry := range nodesIn(all, "map") {
		name := strings.ToLower(textIn(entry, "key"))
		is, _ := entry["value"].(tree)
		if err := only(is, "a common table expression", "query", "materialized"); err != nil {
			return nil, err
		}
		switch {
		case name == relationEvents || name == relationTicks || in[name]:
			return nil, fmt.Errorf("a common table expression cannot be called %s: there is a relation of that name", name)
		case strings.HasPrefix(name, "pg_") || registry.CheckName(name) != nil:
			return nil, fmt.Errorf("a common table expression cannot be called %q: use small letters, digits and _, and not pg_ at its beginning", fault.Shorten(name))
		}
		query, _ := is["query"].(tree)
		node, _ := query["node"].(tree)
		if err := w.query(node, in); err != nil {
			return nil, err
		}
		in = in.with(name)
	}
	return in, nil
}

func (w *walker) modifier(m tree, in scope) error {
	switch textIn(m, "type") {
	case "ORDER_MODIFIER":
		return w.orders(m, in)
	case "DISTINCT_MODIFIER":
		return only(m, "DISTINCT", "type")
	case "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER":
		return fmt.Errorf("%s", refusedWords["limit"])
	}
	return notHere(m, "%q is not allowed", textIn(m, "type"))
}

// orders walks ORDER BY: what can be null says where its nulls are.
func (w *walker) orders(n tree, in scope) error {
	for _, o := range nodesIn(n, "orders") {
		if err := only(o, "ORDER BY", "type", "null_order", "expression"); err != nil {
			return err
		}
		by, _ := o["expression"].(tree)
		if textIn(o, "null_order") == "ORDER_DEFAULT" && !neverNull(by) {
			return notHere(by, "write NULLS FIRST or NULLS LAST behind each column of ORDER BY but event_us, event_time and seq: engines differ in where nulls are")
		}
		if textIn(by, "class") == "CONSTANT" {
			return notHere(by, "ORDER BY names columns, not their numbers")
		}
		if err := w.expression(by, in); err != nil {
			return err
		}
	}
	return nil
}

func neverNull(by tree) bool {
	return textIn(by, "class") == "COLUMN_REF" && slices.Contains([]string{"event_us", "event_time", "seq", "tick_us"}, lastName(by))
}

func (w *walker) selecting(n tree, in scope) error {
	if err := only(n, "SELECT", "type", "modifiers", "cte_map", "select_list", "from_table", "where_clause", "group_expressions", "group_sets", "aggregate_handling", "having"); err != nil {
		return err
	}
	if textIn(n, "aggregate_handling") != "STANDARD_HANDLING" {
		return fmt.Errorf("GROUP BY ALL is not allowed: name the columns")
	}
	if sets, _ := n["group_sets"].([]any); len(sets) > 1 {
		return fmt.Errorf("a SELECT groups by one set of columns")
	}
	for _, e := range nodesIn(n, "group_expressions") {
		if textIn(e, "class") == "CONSTANT" {
			return notHere(e, "GROUP BY names columns, not their numbers")
		}
	}
	from, _ := n["from_table"].(tree)
	if err := w.from(from, in); err != nil {
		return err
	}
	for _, list := range []string{"select_list", "group_expressions"} {
		if err := w.expressions(nodesIn(n, list), in); err != nil {
			return err
		}
	}
	for _, clause := range []string{"where_clause", "having"} {
		if e, given := n[clause].(tree); given {
			if err := w.expression(e, in); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walker) setOperation(n tree, in scope) error {
	if err := only(n, "UNION", "type", "modifiers", "cte_map", "setop_type", "setop_all", "left", "right", "children"); err != nil {
		return err
	}
	if kind := textIn(n, "setop_type"); !slices.Contains([]string{"UNION", "EXCEPT", "INTERSECT"}, kind) {
		return notHere(n, "%s is not allowed: use UNION, EXCEPT or INTERSECT", strings.ReplaceAll(kind, "_", " "))
	}
	parts := nodesIn(n, "children")
	for _, side := range []string{"left", "right"} {
		if part, given := n[side].(tree); given {
			parts = append(parts, part)
		}
	}
	for _, part := range parts {
		if err := w.query(part, in); err != nil {
			return err
		}
	}
	return nil
}

// from walks what a SELECT reads.
func (w *walker) from(n tree, in scope) error {
	up, err := w.deeper()
	if err != nil {
		return err
	}
	defer up()
	switch kind := textIn(n, "type"); kind {
	case "EMPTY":
		return nil
	case "BASE_TABLE":
		return w.table(n, in)
	case "SUBQUERY":
		if err := only(n, "a query in FROM", "type", "alias", "subquery"); err != nil {
			return err
		}
		sub, _ := n["subquery"].(tree)
		node, _ := sub["node"].(tree)
		return w.query(node, in)
	case "JOIN":
		return w.join(n, in)
	case "TABLE_FUNCTION":
		function, _ := n["function"].(tree)
		name := strings.ToLower(textIn(function, "function_name"))
		if reason := refusedFunctions[name]; reason != "" {
			return notHere(n, "%s is not allowed: %s", name, reason)
		}
		return notHere(n, "%s is no relation: there are events, ticks and common table expressions", fault.Shorten(name))
	case "EXPRESSION_LIST":
		return fmt.Errorf("%s", refusedWords["values"])
	default:
		return notHere(n, "%s is not allowed in FROM", strings.ReplaceAll(kind, "_", " "))
	}
}

func (w *walker) table(n tree, in scope) error {
	members := []string{"type", "alias", "table_name"}
	if w.tables {
		members = append(members, "schema_name")
	}
	name, schema := strings.ToLower(textIn(n, "table_name")), strings.ToLower(textIn(n, "schema_name"))
	if strings.ContainsAny(name, "./:\\*") {
		return notHere(n, "%q is no relation: files are not read", fault.Shorten(name))
	}
	if given := textIn(n, "schema_name"); given != "" && !w.tables || textIn(n, "catalog_name") != "" {
		return notHere(n, "%s.%s is not allowed: a query reads events, ticks and common table expressions", fault.Shorten(given), fault.Shorten(name))
	}
	if err := only(n, "a relation", members...); err != nil {
		return err
	}
	if w.tables {
		if OfServer(schema, name) {
			return notHere(n, "%s is not allowed: a query reads tables of data, not of the server", fault.Shorten(strings.TrimPrefix(schema+"."+name, ".")))
		}
		return nil
	}
	switch {
	case name == relationEvents || in[name]:
	case name == relationTicks:
		w.ticks = true
	default:
		return notHere(n, "there is no relation %q: a query reads events, ticks and common table expressions before it", fault.Shorten(name))
	}
	return nil
}

// OfServer tells whether a table of PostgreSQL says something of the server, and not of data.
func OfServer(schema, name string) bool {
	return strings.HasPrefix(name, "pg_") || strings.HasPrefix(schema, "pg_") || schema == "information_schema"
}

func (w *walker) join(n tree, in scope) error {
	if err := only(n, "JOIN", "type", "alias", "left", "right", "condition", "join_type", "ref_type", "using_columns"); err != nil {
		return err
	}
	if kind := textIn(n, "join_type"); !slices.Contains([]string{"INNER", "LEFT", "RIGHT", "OUTER", "FULL"}, kind) {
		return notHere(n, "a %s join is not allowed", kind)
	}
	if kind := textIn(n, "ref_type"); kind != "REGULAR" && kind != "CROSS" {
		return notHere(n, "a %s join is not allowed", kind)
	}
	for _, side := range []string{"left", "right"} {
		part, _ := n[side].(tree)
		if err := w.from(part, in); err != nil {
			return err
		}
	}
	if condition, given := n["condition"].(tree); given {
		return w.expression(condition, in)
	}
	return nil
}
