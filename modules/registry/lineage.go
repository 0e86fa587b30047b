package registry

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"featurestore/app/fault"
)

// Lineage is what a definition is made from, and what is made from it, each to any depth.
type Lineage struct {
	Node
	Upstream   Graph `json:"upstream" doc:"What it depends on"`
	Downstream Graph `json:"downstream" doc:"What depends on it"`
}

// Graph has no cycles. Nodes are in the order of their depth, then of kind and name; edges in that of the nodes at their ends.
type Graph struct {
	Nodes []Node `json:"nodes" doc:"The nearest first; the definition that was asked for is not among them"`
	Edges []Edge `json:"edges"`
}

// Node is a definition in a lineage.
type Node struct {
	Kind    string `json:"kind"`
	Name    string `json:"name" doc:"Of a feature: group:feature"`
	Version int    `json:"version" doc:"Of the definition as it is now"`
	Depth   int    `json:"depth" doc:"How many steps it is away; 0: the definition that was asked for"`
}

// Edge says that one definition needs another.
type Edge struct {
	From    Named  `json:"from" doc:"What is needed"`
	To      Named  `json:"to" doc:"What needs it, or is made by it"`
	Why     string `json:"why" doc:"What the one does with the other"`
	Version string `json:"version,omitempty" doc:"Of a feature: the version whose values are read; absent: the newest"`
}

// Lineage works out the lineage of a definition. Faults: unknown-kind, unknown-<kind>, invalid-reference.
func (r *Registry) Lineage(kind, name string) (*Lineage, error) {
	c := r.Catalog()
	of, err := c.named(kind, name, r.kinds)
	if err != nil {
		return nil, err
	}
	up, down := map[Named][]Edge{}, map[Named][]Edge{}
	for _, e := range c.edges(r.kinds) {
		up[e.To], down[e.From] = append(up[e.To], e), append(down[e.From], e)
	}
	return &Lineage{
		Node:       Node{Kind: of.Kind, Name: of.Name, Version: c.versionOf(of)},
		Upstream:   c.graph(of, up, func(e Edge) Named { return e.From }),
		Downstream: c.graph(of, down, func(e Edge) Named { return e.To }),
	}, nil
}

// named finds the definition of a kind and name; of a feature by any of its names.
func (c *Catalog) named(kind, name string, kinds []*Kind) (Named, error) {
	i := slices.IndexFunc(kinds, func(k *Kind) bool { return k.Name == kind })
	if i < 0 {
		var names []string
		for _, k := range kinds {
			names = append(names, k.Name)
		}
		return Named{}, fault.New(fault.NotFound, "unknown-kind", "there is no kind of definitions %q; there are %s%s", fault.Shorten(kind),
			strings.Join(names, ", "), DidYouMean(kind, slices.Values(names)))
	}
	if kinds[i] == featureKind {
		if err := noVersion(name); err != nil {
			return Named{}, err
		}
		f, err := c.ResolveReference(name)
		if err != nil {
			return Named{}, err
		}
		return Named{kindFeature, f.Reference()}, nil
	}
	if !c.at(place{kind, 0, name}).live() {
		return Named{}, c.unknown(kinds[i], name)
	}
	return Named{kind, name}, nil
}

// edges are all that there are: what belongs to what, and what refers to what. That a group refers to a feature of its own is no edge:
// the feature belongs to it.
func (c *Catalog) edges(kinds []*Kind) []Edge {
	var edges []Edge
	for _, g := range c.groupList {
		group := Named{kindGroup, g.Name}
		edges = append(edges, Edge{From: Named{kindEntityType, g.EntityType.Name}, To: group, Why: "is of it"})
		for _, f := range g.Features {
			edges = append(edges, Edge{From: group, To: Named{kindFeature, f.Reference()}, Why: "belongs to it"})
		}
	}
	for r := range c.references(kinds) {
		switch {
		case r.by.Kind == kindGroup || c.versionOf(r.of) == 0:
		case r.makes:
			edges = append(edges, Edge{From: r.by, To: r.of, Why: r.why, Version: r.version})
		default:
			edges = append(edges, Edge{From: r.of, To: r.by, Why: r.why, Version: r.version})
		}
	}
	return edges
}

// versionOf is the version of a definition, 0 if there is none.
func (c *Catalog) versionOf(n Named) int {
	where := place{n.Kind, 0, n.Name}
	if n.Kind == kindFeature {
		group, name, _ := strings.Cut(n.Name, ":")
		entry := c.groups[group]
		if entry == nil {
			return 0
		}
		where = place{kindFeature, entry.definition.id, name}
	}
	if d := c.at(where); d.live() {
		return d.version
	}
	return 0
}

// graph follows edges from a definition, depth first; an edge that would close a cycle is left out.
func (c *Catalog) graph(from Named, edges map[Named][]Edge, next func(Edge) Named) Graph {
	g := Graph{Nodes: []Node{}, Edges: []Edge{}}
	const entered, left = 1, 2
	state := map[Named]int{}
	kept := map[Named][]Edge{}
	var visit func(Named)
	visit = func(n Named) {
		state[n] = entered
		slices.SortFunc(edges[n], func(a, b Edge) int {
			return cmp.Or(next(a).compare(next(b)), cmp.Compare(a.Why, b.Why), cmp.Compare(a.Version, b.Version))
		})
		for _, e := range edges[n] {
			if state[next(e)] == entered {
				continue
			}
			kept[n] = append(kept[n], e)
			if state[next(e)] == 0 {
				visit(next(e))
			}
		}
		state[n] = left
	}
	visit(from)
	depth := map[Named]int{from: 0}
	for level := []Named{from}; len(level) > 0; {
		var deeper []Named
		for _, n := range level {
			g.Edges = append(g.Edges, kept[n]...)
			for _, e := range kept[n] {
				if _, seen := depth[next(e)]; !seen {
					depth[next(e)] = depth[n] + 1
					deeper = append(deeper, next(e))
				}
			}
		}
		slices.SortFunc(deeper, Named.compare)
		level = deeper
	}
	delete(depth, from)
	for n := range maps.Keys(depth) {
		g.Nodes = append(g.Nodes, Node{n.Kind, n.Name, c.versionOf(n), depth[n]})
	}
	slices.SortFunc(g.Nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(a.Depth, b.Depth), Named{a.Kind, a.Name}.compare(Named{b.Kind, b.Name}))
	})
	return g
}

func (n Named) compare(m Named) int {
	return cmp.Or(cmp.Compare(n.Kind, m.Kind), cmp.Compare(n.Name, m.Name))
}
