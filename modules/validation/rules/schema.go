package rules

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// schema is a compiled JSON Schema: true (anything), false (nothing) or keywords that must all hold.
type schema struct {
	never    bool
	keywords []func(e *schemaRun, v any) bool
}

// schemaRun is one check of a value; steps bounds what schemas that refer to themselves can cost.
type schemaRun struct{ steps int }

const maxSchemaSteps = 100_000

func (s *schema) holds(e *schemaRun, v any) bool {
	if e.steps++; e.steps > maxSchemaSteps {
		return false
	}
	if s.never {
		return false
	}
	for _, holds := range s.keywords {
		if !holds(e, v) {
			return false
		}
	}
	return true
}

// schemaReader compiles a schema; $ref leads to places of the same document.
type schemaReader struct {
	root  any
	known map[string]*schema // by $ref
}

func readJSON(text string) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v any
	err := decoder.Decode(&v)
	return v, err
}

func compileSchemaRule(c *compiler) {
	raw := c.given["schema"]
	if raw == "" {
		return
	}
	root, err := readJSON(raw)
	if err != nil {
		c.wrong("schema", "%v", err)
		return
	}
	reader := &schemaReader{root: root, known: map[string]*schema{}}
	s, err := reader.schema(root)
	if err != nil {
		c.wrong("schema", "%v", err)
		return
	}
	c.expect("JSON that matches the schema")
	c.out.one = func(v *value.Value) verdict {
		if t := v.Type(); t != value.String && t != value.JSON {
			return unknown
		}
		if !isJSON(v.Text()) {
			return bad
		}
		document, err := readJSON(v.Text())
		return badIf(err != nil || !s.holds(&schemaRun{}, document))
	}
}

var annotations = []string{"$schema", "$id", "id", "$comment", "title", "description", "default", "examples", "definitions", "$defs", "format",
	"readOnly", "writeOnly", "deprecated", "contentEncoding", "contentMediaType", "$anchor"}

func (r *schemaReader) schema(v any) (*schema, error) {
	s := &schema{}
	return s, r.read(v, s)
}

func (r *schemaReader) read(v any, s *schema) error {
	switch v := v.(type) {
	case bool:
		s.never = !v
		return nil
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			return r.reference(ref, s)
		}
		for _, name := range sortedNames(v) {
			if slices.Contains(annotations, name) {
				continue
			}
			holds, err := r.keyword(name, v[name], v)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if holds != nil {
				s.keywords = append(s.keywords, holds)
			}
		}
		return nil
	}
	return fmt.Errorf("a schema is an object, true or false")
}

func sortedNames(object map[string]any) []string {
	var names []string
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (r *schemaReader) reference(ref string, s *schema) error {
	target := r.known[ref]
	if target == nil {
		if ref != "#" && !strings.HasPrefix(ref, "#/") {
			return fmt.Errorf("$ref %q leads out of the schema", ref)
		}
		at := r.root
		for _, step := range strings.Split(strings.TrimPrefix(strings.TrimPrefix(ref, "#"), "/"), "/") {
			if ref == "#" {
				break
			}
			object, _ := at.(map[string]any)
			if at = object[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]; at == nil {
				return fmt.Errorf("$ref %q leads to nothing", ref)
			}
		}
		target = &schema{}
		r.known[ref] = target
		if err := r.read(at, target); err != nil {
			return err
		}
	}
	s.keywords = append(s.keywords, target.holds)
	return nil
}

type schemaCheck = func(e *schemaRun, v any) bool

func (r *schemaReader) keyword(name string, v any, beside map[string]any) (schemaCheck, error) {
	switch name {
	case "type":
		return typeKeyword(v)
	case "enum":
		list, ok := v.([]any)
		if !ok {
			return nil, fmt.Errorf("expected a list")
		}
		return func(_ *schemaRun, v any) bool {
			return slices.ContainsFunc(list, func(one any) bool { return sameJSON(one, v) })
		}, nil
	case "const":
		return func(_ *schemaRun, other any) bool { return sameJSON(v, other) }, nil
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
		return numberKeyword(name, v, beside)
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
		return sizeKeyword(name, v)
	case "pattern":
		source, _ := v.(string)
		pattern, err := regexp.Compile(source)
		if err != nil {
			return nil, fmt.Errorf("%q is no pattern of RE2", source)
		}
		return func(_ *schemaRun, v any) bool { text, ok := v.(string); return !ok || pattern.MatchString(text) }, nil
	case "uniqueItems":
		if v != true {
			return nil, nil
		}
		return func(e *schemaRun, v any) bool { return uniqueItems(e, v) }, nil
	case "required":
		names, ok := textsOf(v)
		if !ok {
			return nil, fmt.Errorf("expected a list of names")
		}
		return func(_ *schemaRun, v any) bool {
			object, ok := v.(map[string]any)
			return !ok || !slices.ContainsFunc(names, func(name string) bool { _, has := object[name]; return !has })
		}, nil
	case "allOf", "anyOf", "oneOf":
		return r.combination(name, v)
	case "not":
		inner, err := r.schema(v)
		return func(e *schemaRun, v any) bool { return !inner.holds(e, v) }, err
	case "if":
		return r.conditional(beside)
	case "then", "else":
		return nil, nil // with if
	case "items", "additionalItems", "prefixItems", "contains":
		return r.itemsKeyword(name, v, beside)
	case "properties", "patternProperties", "additionalProperties", "propertyNames":
		return r.propertiesKeyword(name, v, beside)
	}
	known := []string{"type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems",
		"maxItems", "minProperties", "maxProperties", "pattern", "uniqueItems", "required", "allOf", "anyOf", "oneOf", "not", "if", "items", "prefixItems",
		"contains", "properties", "patternProperties", "additionalProperties", "propertyNames"}
	return nil, fmt.Errorf("the keyword is not known here%s", registry.DidYouMean(name, slices.Values(known)))
}

func textsOf(v any) ([]string, bool) {
	list, ok := v.([]any)
	var texts []string
	for _, one := range list {
		text, isText := one.(string)
		ok = ok && isText
		texts = append(texts, text)
	}
	return texts, ok
}

func rational(v any) (*big.Rat, bool) {
	number, ok := v.(json.Number)
	if !ok || len(number) > 400 {
		return nil, false
	}
	if i := strings.IndexAny(string(number), "eE"); i >= 0 && len(number)-i > 5 { // no number of a thousand digits is made of a few
		return nil, false
	}
	return new(big.Rat).SetString(string(number))
}

func typeKeyword(v any) (schemaCheck, error) {
	names, ok := textsOf(v)
	if one, isText := v.(string); isText {
		names, ok = []string{one}, true
	}
	if !ok {
		return nil, fmt.Errorf("expected a type or a list of them")
	}
	for _, name := range names {
		if !slices.Contains([]string{"null", "boolean", "integer", "number", "string", "array", "object"}, name) {
			return nil, fmt.Errorf("there is no type %q", name)
		}
	}
	return func(_ *schemaRun, v any) bool {
		is := ""
		switch v := v.(type) {
		case nil:
			is = "null"
		case bool:
			is = "boolean"
		case string:
			is = "string"
		case []any:
			is = "array"
		case map[string]any:
			is = "object"
		case json.Number:
			is = "number"
			if n, ok := rational(v); ok && n.IsInt() && slices.Contains(names, "integer") {
				return true
			}
		}
		return slices.Contains(names, is)
	}, nil
}

func numberKeyword(name string, v any, beside map[string]any) (schemaCheck, error) {
	if strict, ok := v.(bool); ok && strings.HasPrefix(name, "exclusive") { // draft 4: beside minimum or maximum
		other := strings.ToLower(strings.TrimPrefix(name, "exclusive"))
		limit, given := rational(beside[other])
		if !strict || !given {
			return nil, nil
		}
		return func(_ *schemaRun, v any) bool { n, ok := rational(v); return !ok || n.Cmp(limit) != 0 }, nil
	}
	limit, ok := rational(v)
	if !ok || name == "multipleOf" && limit.Sign() <= 0 {
		return nil, fmt.Errorf("expected a number")
	}
	return func(_ *schemaRun, v any) bool {
		n, ok := rational(v)
		if !ok {
			return true
		}
		switch name {
		case "minimum":
			return n.Cmp(limit) >= 0
		case "maximum":
			return n.Cmp(limit) <= 0
		case "exclusiveMinimum":
			return n.Cmp(limit) > 0
		case "exclusiveMaximum":
			return n.Cmp(limit) < 0
		}
		return new(big.Rat).Quo(n, limit).IsInt()
	}, nil
}

func sizeKeyword(name string, v any) (schemaCheck, error) {
	limit, ok := rational(v)
	if !ok || !limit.IsInt() || limit.Sign() < 0 || !limit.Num().IsInt64() {
		return nil, fmt.Errorf("expected a whole number")
	}
	most := limit.Num().Int64()
	return func(_ *schemaRun, v any) bool {
		size, is := 0, false
		switch v := v.(type) {
		case string:
			size, is = utf8.RuneCountInString(v), strings.HasSuffix(name, "Length")
		case []any:
			size, is = len(v), strings.HasSuffix(name, "Items")
		case map[string]any:
			size, is = len(v), strings.HasSuffix(name, "Properties")
		}
		if !is {
			return true
		}
		if strings.HasPrefix(name, "min") {
			return int64(size) >= most
		}
		return int64(size) <= most
	}, nil
}
