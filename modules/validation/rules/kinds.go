package rules

import (
	"fmt"
	"slices"

	"featurestore/modules/registry/value"
)

// Kind is one sort of rule: what it takes, and what it means.
type Kind struct {
	Name   string  `json:"name"`
	Row    bool    `json:"row" doc:"Decided for each row by itself: it can quarantine. Otherwise it needs the batch or the stored data"`
	Rows   bool    `json:"rows" doc:"It counts bad rows, so that it can have a tolerance. Otherwise it judges one number or list of the whole"`
	Least  int     `json:"least_features"`
	Most   int     `json:"most_features" doc:"A row kind of up to 500 features that is not about rows as a whole is judged for each feature apart"`
	Types  string  `json:"types" doc:"The value types that its features can have"`
	Doc    string  `json:"doc" doc:"What it means"`
	Params []Param `json:"params"`

	each    bool // features are judged apart
	takes   func(value.Type) bool
	compile func(*compiler)
}

// Param is one member of a rule's params.
type Param struct {
	Name     string `json:"name"`
	Form     string `json:"form" doc:"number, count (a whole number of at least 0), rate (0 to 1), boolean, text, duration (24h, 90d), value (one that the feature can have), lists of these, or the words it can be"`
	Required bool   `json:"required"`
	Doc      string `json:"doc"`
}

// Kinds are all there are, row kinds first.
func Kinds() []Kind {
	return slices.Concat(rowKinds(), wholeRowKinds(), orderKinds(), setKinds(), tableKinds())
}

func kindNamed(name string) (*Kind, bool) {
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return nil, false
	}
	return &kinds[i], true
}

func kindNames() []string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return names
}

func (k *Kind) count() string {
	switch {
	case k.Most == 0:
		return "no features"
	case k.Least == k.Most && k.Most == 1:
		return "one feature"
	case k.Least == k.Most:
		return fmt.Sprintf("%d features", k.Least)
	case k.Most >= maxFeatures:
		return fmt.Sprintf("at least %d features", k.Least)
	}
	return fmt.Sprintf("%d to %d features", k.Least, k.Most)
}

// each completes a kind that judges each of its features apart.
func each(row bool, name, types string, takes func(value.Type) bool, doc string, compile func(*compiler), list ...Param) Kind {
	return Kind{Name: name, Row: row, Rows: row, Least: 1, Most: maxFeatures, Types: types, Doc: doc, Params: list, each: true, takes: takes,
		compile: compile}
}

// together completes a kind that looks at its features together.
func together(row bool, name string, least, most int, types string, takes func(value.Type) bool, doc string, compile func(*compiler), list ...Param) Kind {
	return Kind{Name: name, Row: row, Rows: row, Least: least, Most: most, Types: types, Doc: doc, Params: list, takes: takes, compile: compile}
}

func anyType(value.Type) bool { return true }

// between are the params of an interval.
func between(what string) []Param {
	return []Param{
		{"min", "value", false, "The least " + what}, {"max", "value", false, "The greatest " + what},
		{"strict_min", "boolean", false, "min itself is bad"}, {"strict_max", "boolean", false, "max itself is bad"},
	}
}

// measured are the params of a kind that measures one number: what is accepted, and what warns already.
func measured(what string) []Param {
	return append(between(what),
		Param{"warn_min", "value", false, "Below it the rule warns"}, Param{"warn_max", "value", false, "Above it the rule warns"})
}
