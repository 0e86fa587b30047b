package rules

import (
	"fmt"
	"regexp"
)

// combination compiles allOf, anyOf and oneOf.
func (r *schemaReader) combination(name string, v any) (schemaCheck, error) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, fmt.Errorf("expected a list of schemas")
	}
	var inner []*schema
	for _, one := range list {
		s, err := r.schema(one)
		if err != nil {
			return nil, err
		}
		inner = append(inner, s)
	}
	return func(e *schemaRun, v any) bool {
		n := 0
		for _, s := range inner {
			if s.holds(e, v) {
				n++
			}
		}
		switch name {
		case "allOf":
			return n == len(inner)
		case "anyOf":
			return n > 0
		}
		return n == 1
	}, nil
}

// conditional compiles if with then and else.
func (r *schemaReader) conditional(beside map[string]any) (schemaCheck, error) {
	branch := func(name string) (*schema, error) {
		if v, given := beside[name]; given {
			return r.schema(v)
		}
		return &schema{}, nil
	}
	condition, err := branch("if")
	if err != nil {
		return nil, err
	}
	then, err := branch("then")
	if err != nil {
		return nil, err
	}
	otherwise, err := branch("else")
	return func(e *schemaRun, v any) bool {
		if condition.holds(e, v) {
			return then.holds(e, v)
		}
		return otherwise.holds(e, v)
	}, err
}

// itemsKeyword compiles what is said of the items of lists.
func (r *schemaReader) itemsKeyword(name string, v any, beside map[string]any) (schemaCheck, error) {
	tuple, isTuple := v.([]any)
	if name == "prefixItems" && !isTuple || isTuple && name != "items" && name != "prefixItems" {
		return nil, fmt.Errorf("expected %s", map[bool]string{true: "a schema", false: "a list of schemas"}[isTuple])
	}
	if isTuple {
		var inner []*schema
		for _, one := range tuple {
			s, err := r.schema(one)
			if err != nil {
				return nil, err
			}
			inner = append(inner, s)
		}
		return func(e *schemaRun, v any) bool {
			list, _ := v.([]any)
			for i := range min(len(list), len(inner)) {
				if !inner[i].holds(e, list[i]) {
					return false
				}
			}
			return true
		}, nil
	}
	inner, err := r.schema(v)
	from := 0
	if before, ok := beside["prefixItems"].([]any); ok && name == "items" {
		from = len(before)
	}
	if name == "additionalItems" {
		before, ok := beside["items"].([]any)
		if from = len(before); !ok {
			return nil, err // without a list of items it means nothing
		}
	}
	return func(e *schemaRun, v any) bool {
		list, ok := v.([]any)
		if !ok {
			return true
		}
		for _, one := range list[min(from, len(list)):] {
			if inner.holds(e, one) == (name == "contains") {
				return name == "contains"
			}
		}
		return name != "contains"
	}, err
}

// propertiesKeyword compiles what is said of the members of objects.
func (r *schemaReader) propertiesKeyword(name string, v any, beside map[string]any) (schemaCheck, error) {
	switch name {
	case "propertyNames":
		inner, err := r.schema(v)
		return func(e *schemaRun, v any) bool {
			object, _ := v.(map[string]any)
			for member := range object {
				if !inner.holds(e, member) {
					return false
				}
			}
			return true
		}, err
	case "additionalProperties":
		inner, err := r.schema(v)
		if err != nil {
			return nil, err
		}
		named, _ := beside["properties"].(map[string]any)
		patterns, err := patternsOf(beside["patternProperties"])
		return func(e *schemaRun, v any) bool {
			object, _ := v.(map[string]any)
		members:
			for member, value := range object {
				if _, known := named[member]; known {
					continue
				}
				for _, pattern := range patterns {
					if pattern.MatchString(member) {
						continue members
					}
				}
				if !inner.holds(e, value) {
					return false
				}
			}
			return true
		}, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("expected an object of schemas")
	}
	inner := map[string]*schema{}
	for _, member := range sortedNames(object) {
		s, err := r.schema(object[member])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", member, err)
		}
		inner[member] = s
	}
	if name == "properties" {
		return func(e *schemaRun, v any) bool {
			object, _ := v.(map[string]any)
			for member, s := range inner {
				if value, has := object[member]; has && !s.holds(e, value) {
					return false
				}
			}
			return true
		}, nil
	}
	patterns, err := patternsOf(v)
	return func(e *schemaRun, v any) bool {
		object, _ := v.(map[string]any)
		for member, value := range object {
			for source, pattern := range patterns {
				if pattern.MatchString(member) && !inner[source].holds(e, value) {
					return false
				}
			}
		}
		return true
	}, err
}

func patternsOf(v any) (map[string]*regexp.Regexp, error) {
	object, _ := v.(map[string]any)
	patterns := map[string]*regexp.Regexp{}
	for source := range object {
		pattern, err := regexp.Compile(source)
		if err != nil {
			return nil, fmt.Errorf("%q is no pattern of RE2", source)
		}
		patterns[source] = pattern
	}
	return patterns, nil
}
