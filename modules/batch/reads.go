package batch

import (
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"featurestore/modules/batch/gate"
	"featurestore/modules/registry"
)

// reads lists what a pipeline depends on. Of SQL it is all words that are names of features.
func reads(members registry.Members) []registry.Named {
	d, err := documentOf(members)
	if err != nil {
		return nil
	}
	var named []registry.Named
	for _, name := range d.After {
		named = append(named, registry.Named{Kind: kindPipeline, Name: name})
	}
	if d.Source.Group == "" {
		return named
	}
	named = append(named, registry.Named{Kind: "group", Name: d.Source.Group})
	for _, name := range d.columns() {
		named = append(named, registry.Named{Kind: "feature", Name: d.Source.Group + ":" + name})
	}
	return named
}

// computes lists the features that a pipeline makes. Of SQL it is all words that are names of features.
func computes(members registry.Members) []registry.Named {
	d, err := documentOf(members)
	if err != nil {
		return nil
	}
	var named []registry.Named
	for _, name := range d.features() {
		named = append(named, registry.Named{Kind: "feature", Name: d.Target + ":" + name})
	}
	return named
}

// columns are the names of columns that a definition reads, or could.
func (d *document) columns() []string {
	names := gate.Names(d.SQL)
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var visit func(a *aggregate)
	visit = func(a *aggregate) {
		if a == nil {
			return
		}
		add(a.Of)
		for _, name := range whereReads(a.Where) {
			add(name)
		}
		visit(a.Numerator)
		visit(a.Denominator)
	}
	for i := range d.Aggregate {
		visit(&d.Aggregate[i])
	}
	return names
}

// features are the names of features that a definition computes, or could.
func (d *document) features() []string {
	names := gate.Names(d.SQL)
	for i := range d.Aggregate {
		names = append(names, d.Aggregate[i].Feature)
	}
	return names
}

// whereReads are the columns that a condition names.
func whereReads(source string) (names []string) {
	defer func() {
		if recover() != nil { // the reader of expressions is not ours
			names = nil
		}
	}()
	if source == "" || len(source) > maxWhere {
		return nil
	}
	tree, err := parser.Parse(source)
	if err != nil {
		return nil
	}
	found := nameFinder{}
	ast.Walk(&tree.Node, &found)
	return found.names
}

type nameFinder struct{ names []string }

// Visit is called for each node of a condition.
func (f *nameFinder) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		f.names = append(f.names, n.Value)
	case *ast.MemberNode:
		if property, named := n.Property.(*ast.StringNode); named {
			f.names = append(f.names, property.Value)
		}
	}
}
