package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
	"github.com/go-json-experiment/json/jsontext"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value/jsonscan"
)

// Members are what a definition that is kept can say beside its name, in the order in which it is written out.
func Members() []string { return slices.Clone(members[1:]) }

// maxParams is how many bytes the params of a definition that is kept can have.
const maxParams = 256 << 10

// ReadMember reads one of Members by itself, and answers its canonical form, by which two values are compared: nil if it says what is so
// without it. raw is well-formed JSON and not null. What the members say together is for Read to judge.
func ReadMember(name, raw string) (json.RawMessage, []Problem) {
	d := defaults()
	var found problems
	r := reader{s: jsonscan.New(raw), at: name, found: &found}
	if d.member(name, &r); r.err != nil {
		found.at(name, "", "%v", r.err)
	}
	if len(found) > 0 {
		return nil, found
	}
	canonical, err := d.canonical(name)
	if err != nil {
		found.at(name, "", "%v", err)
	}
	return canonical, found
}

// Written are the members of a definition in canonical form, null where it says nothing.
func (d *Definition) Written() (map[string]json.RawMessage, error) {
	written := map[string]json.RawMessage{}
	for _, name := range members[1:] {
		canonical, err := d.canonical(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		written[name] = orNull(canonical)
	}
	return written, nil
}

// canonical writes one member out; nil if it says what is so without it.
func (d *Definition) canonical(name string) (json.RawMessage, error) {
	usual := defaults()
	text := func(is, usually string) (json.RawMessage, error) {
		if is == usually {
			return nil, nil
		}
		return registry.QuoteText(is), nil
	}
	switch name {
	case "group":
		return text(d.Group, "")
	case "kind":
		return text(d.Kind, "")
	case "where":
		return text(strings.TrimSpace(d.Where), "")
	case "null_policy":
		return text(string(d.NullPolicy), string(usual.NullPolicy))
	case "severity":
		return text(string(d.Severity), string(usual.Severity))
	case "action":
		return text(string(d.Action), string(usual.Action))
	case "owner":
		return text(d.Owner, "")
	case "description":
		return text(d.Description, "")
	case "params":
		return canonicalParams(d.Params)
	case "features":
		if len(d.Features) == 0 {
			return nil, nil
		}
		return json.Marshal(d.Features)
	case "tolerance":
		if d.Tolerance == nil || d.Tolerance.empty() {
			return nil, nil
		}
		return json.Marshal(d.Tolerance)
	case "enabled":
		if d.Enabled {
			return nil, nil
		}
		return json.RawMessage("false"), nil
	case "window":
		return text(d.Window, "")
	case "for", "resolve_after":
		n := d.For
		if name == "resolve_after" {
			n = d.ResolveAfter
		}
		if n == 0 {
			return nil, nil
		}
		return json.Marshal(n)
	}
	return nil, fmt.Errorf("%s is no member of a rule", name)
}

// canonicalParams leaves out what is null and orders the rest.
func canonicalParams(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	if len(raw) > maxParams {
		return nil, fmt.Errorf("has %d bytes, more than %d", len(raw), maxParams)
	}
	canonical := jsontext.Value{'{'}
	s := jsonscan.New(string(raw))
	err := s.Object(func(name string) error {
		value, err := s.Value()
		if err == nil && value != "null" {
			if len(canonical) > 1 {
				canonical = append(canonical, ',')
			}
			canonical = append(append(append(canonical, registry.QuoteText(name)...), ':'), value...)
		}
		return err
	})
	if err == nil {
		canonical = append(canonical, '}')
		err = canonical.Format(jsontext.ReorderRawObjects(true), jsontext.PreserveRawStrings(false))
	}
	if err != nil || len(canonical) == len("{}") {
		return nil, err
	}
	return json.RawMessage(canonical), nil
}

// Kept makes a definition of the members that ReadMember has made, without judging them again.
func Kept(name string, version int, members map[string]json.RawMessage) (Definition, error) {
	d := defaults()
	var found problems
	for member, raw := range members {
		if string(raw) == "null" {
			continue
		}
		r := reader{s: jsonscan.New(string(raw)), at: member, found: &found}
		if d.member(member, &r); r.err != nil {
			return d, fmt.Errorf("read the kept rule %s: %s: %w", name, member, r.err)
		}
	}
	if len(found) > 0 {
		return d, fmt.Errorf("read the kept rule %s: %s", name, found[0])
	}
	d.Name, d.Version = name, version
	return d, nil
}

// Judge lists what is wrong with a definition that Kept has made: what its members say together, and what no feature's type is needed for.
func (d *Definition) Judge() []Problem {
	var found problems
	d.judge(&found)
	return found
}

// Reads are the names of the features that the rule looks at, by which it may call them: its features, and what where and an expression
// read.
func (d *Definition) Reads() []string {
	names := slices.Clone(d.Features)
	add := func(source string) {
		for _, name := range namesIn(source) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	add(d.Where)
	if d.Kind == "expression" {
		add(d.param("expr"))
	}
	return names
}

// namesIn are the features that an expression reads; none if it is none.
func namesIn(source string) []string {
	if source == "" || len(source) > MaxSource {
		return nil
	}
	tree, err := parser.Parse(source)
	if err != nil {
		return nil
	}
	look := &looker{condition: &condition{}}
	ast.Walk(&tree.Node, look)
	return look.unknown
}

// Reference is where the values of a rule of kind reference must exist.
func (d *Definition) Reference() (target Reference, ok bool) {
	if d.Kind != "reference" {
		return target, false
	}
	return Reference{EntityType: d.param("entity_type"), Group: d.param("group"), Feature: d.param("feature")}, true
}

// Baseline is what a rule of kind distribution compares with; "" for other kinds.
func (d *Definition) Baseline() string {
	if d.Kind != "distribution" {
		return ""
	}
	return d.param("baseline")
}

// param is one of the rule's params that is a text, "" if it is none.
func (d *Definition) param(name string) string {
	params := map[string]json.RawMessage{}
	var text string
	if len(d.Params) == 0 || json.Unmarshal(d.Params, &params) != nil || json.Unmarshal(orNull(params[name]), &text) != nil {
		return ""
	}
	return text
}

func orNull(raw json.RawMessage) json.RawMessage {
	if len(bytes.TrimSpace(raw)) == 0 {
		return json.RawMessage("null")
	}
	return raw
}

// IsRow tells whether rules of a kind are decided for each row by itself.
func IsRow(kind string) bool {
	k, ok := kindNamed(kind)
	return ok && k.Row
}
