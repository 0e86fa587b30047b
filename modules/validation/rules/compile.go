package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// verdict is what a check says of a row.
type verdict uint8

const (
	good    verdict = iota
	bad             //
	null            // it holds a null that keeps it from being judged
	unknown         // it cannot be judged: the rule ends with status error
)

// judge is what a rule has become: one of one, row and begin.
type judge struct {
	one       func(v *value.Value) verdict                        // of a value of one feature; null only if takesNull
	row       func(row []value.Value, at []int) verdict           // of the features at these places of a row
	begin     func(*Run) accumulator                              // of all rows
	fresh     func() func([]value.Value, []int) (verdict, string) // row, made anew for each run since it has memory of its own; with the reason of unknown
	reads     []int                                               // of the set's fields, where that is not the rule's features
	asks      func(*Run, *unit) *asked                            // by measures in place of rows; nil: it cannot, and so if it gives nil
	takesNull bool
	ofValues  bool   // of kind history: what it measures is a value of the feature, or lies between two
	expected  string // what was expected, in words: "0 <= amount <= 10"
}

// unit is a rule, compiled for one feature or for several together.
type unit struct {
	judge
	rule   int // of the set's rules
	kind   *Kind
	fields []int // of the set
	names  []string
	masked bool
	where  int // of the set's conditions; -1: all rows
}

// Set is rules, compiled against features. It does not change and can be used by several runs at once.
type Set struct {
	fields     []Field
	rules      []Definition
	units      []unit
	conditions []*condition
}

// Fields are what the set was compiled against, in the order in which a Batch names its columns.
func (s *Set) Fields() []Field { return s.fields }

// Rules are the enabled definitions of the set; an Outcome and a Bad name one by its index.
func (s *Set) Rules() []Definition { return s.rules }

// Reads tells for each field whether some rule or where looks at it.
func (s *Set) Reads() []bool {
	reads := make([]bool, len(s.fields))
	for i := range s.units {
		for _, field := range s.units[i].fields {
			reads[field] = true
		}
	}
	for _, c := range s.conditions {
		for _, field := range c.reads {
			reads[field] = true
		}
	}
	return reads
}

// Empty tells whether there is nothing to evaluate.
func (s *Set) Empty() bool { return len(s.units) == 0 }

// Violation is a problem of one of several definitions.
type Violation struct {
	Rule int // its index
	Problem
}

// Compile makes a set of the enabled ones of some definitions, which Read has made. What is wrong with any of them is listed.
func Compile(definitions []Definition, fields []Field) (*Set, []Violation) {
	set := &Set{fields: fields}
	var wrong []Violation
	for i := range definitions {
		if !definitions[i].Enabled {
			continue
		}
		rule := definitions[i]
		if slices.ContainsFunc(set.rules, func(d Definition) bool { return d.Name == rule.Name }) {
			wrong = append(wrong, Violation{i, Problem{"name", rule.Name, "another rule has this name"}})
		}
		var found problems
		own, at := rule.resolve(fields, &found)
		set.rules = append(set.rules, rule)
		where := -1
		if rule.Where != "" {
			condition := compileCondition(rule.Where, fields, false, "where", &found)
			if condition != nil {
				where = len(set.conditions)
				for n, other := range set.conditions {
					if other.source == condition.source {
						where = n
					}
				}
				if where == len(set.conditions) {
					set.conditions = append(set.conditions, condition)
				}
			}
		}
		if len(found) == 0 {
			kind, ok := kindNamed(rule.Kind)
			if !ok {
				found.at("kind", rule.Kind, "there is no such kind")
			} else {
				set.add(len(set.rules)-1, kind, own, at, where, &found)
			}
		}
		for _, p := range found {
			wrong = append(wrong, Violation{i, p})
		}
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return set, nil
}

// resolve finds the rule's features among the fields, and calls them as these do from now on.
func (d *Definition) resolve(fields []Field, found *problems) (own []Field, at []int) {
	d.Features = slices.Clone(d.Features)
	for n, name := range d.Features {
		f := slices.IndexFunc(fields, func(f Field) bool { return f.called(name) })
		place := "features[" + strconv.Itoa(n) + "]"
		switch {
		case f < 0:
			found.at(place, name, "there is no feature %q%s", name, registry.DidYouMean(name, namesOf(fields)))
			continue
		case slices.Contains(at, f) && name != fields[f].Name:
			found.at(place, name, "is a former name of %s: given twice", fields[f].Name)
		}
		own, at, d.Features[n] = append(own, fields[f]), append(at, f), fields[f].Name
	}
	return own, at
}

// add compiles one rule into its units.
func (s *Set) add(index int, kind *Kind, own []Field, at []int, where int, found *problems) {
	rule := s.rules[index]
	if kind.each {
		for i := range own {
			j := compileJudge(&rule, kind, own[i:i+1], s.fields, false, found)
			s.units = append(s.units, unit{judge: j, rule: index, kind: kind, fields: at[i : i+1], names: rule.Features[i : i+1], masked: own[i].PII, where: where})
		}
		return
	}
	j := compileJudge(&rule, kind, own, s.fields, false, found)
	names := rule.Features
	if j.reads != nil {
		at, names = j.reads, nil
		for _, f := range at {
			names = append(names, s.fields[f].Name)
		}
	}
	masked := slices.ContainsFunc(at, func(f int) bool { return s.fields[f].PII })
	s.units = append(s.units, unit{judge: j, rule: index, kind: kind, fields: at, names: names, masked: masked, where: where})
}

// compileRule checks a rule against fields without keeping what it becomes; loose if their types are not known yet, and other
// features may exist.
func compileRule(rule *Definition, own []Field, loose bool, found *problems) {
	if rule.Where != "" {
		compileCondition(rule.Where, own, loose, "where", found)
	}
	kind, ok := kindNamed(rule.Kind)
	if !ok {
		return
	}
	if kind.each && len(own) > 1 {
		own = own[:1]
	}
	compileJudge(rule, kind, own, own, loose, found)
}

// compiler is what a kind compiles a rule with.
type compiler struct {
	*params
	rule   *Definition
	kind   *Kind
	fields []Field // the rule's own
	all    []Field // of the set
	loose  bool
	out    judge
}

// feature is the first one, for kinds that have but one.
func (c *compiler) feature() Field {
	if len(c.fields) == 0 {
		return Field{}
	}
	return c.fields[0]
}

func (c *compiler) expect(format string, args ...any) { c.out.expected = fmt.Sprintf(format, args...) }

func compileJudge(rule *Definition, kind *Kind, own, all []Field, loose bool, found *problems) judge {
	p, whole := paramsOf(rule.Params, kind, found)
	p.read = loose
	before := len(*found)
	c := &compiler{params: p, rule: rule, kind: kind, fields: own, all: all, loose: loose}
	for _, f := range own {
		if kind.takes != nil && !kind.takes(f.Type) {
			found.at("features", f.Name, "%s of %s cannot be judged by %s, which takes %s", f.Name, f.Type, kind.Name, kind.Types)
		}
	}
	if whole && len(*found) == before && len(own) >= kind.Least {
		kind.compile(c)
	}
	return c.out
}

func namesOf(fields []Field) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, f := range fields {
			if !yield(f.Name) {
				return
			}
		}
	}
}

func listed(values []value.Value) string {
	var texts []string
	for i, v := range values {
		if i == 10 {
			return "[" + strings.Join(texts, ", ") + fmt.Sprintf(", … %d more]", len(values)-i)
		}
		texts = append(texts, show(v))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
