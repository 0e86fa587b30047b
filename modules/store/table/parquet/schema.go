package parquet

import (
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/format"

	"featurestore/app/fault"
)

// Node is an element of the schema: a leaf, which has values, or a group of others.
type Node struct {
	Element  *format.SchemaElement
	Children []*Node
	Leaf     *Leaf // nil of a group
	Def, Rep uint8 // the levels from which on the node is there, and has come once more
}

// Leaf is an element that has values; Leaves are in the order of the file.
type Leaf struct {
	Element *format.SchemaElement
	Index   int
	Type    format.Type
	Length  int   // bytes of each value of a FIXED_LEN_BYTE_ARRAY
	Def     uint8 // the level at which there is a value, lower ones are nulls
	Rep     uint8
}

// Name is the node's name.
func (n *Node) Name() string { return n.Element.Name }

// Optional tells whether the node itself may be null.
func (n *Node) Optional() bool {
	return n.Element.RepetitionType.Valid && n.Element.RepetitionType.V == format.Optional
}

// Repeated tells whether the node itself may come any number of times.
func (n *Node) Repeated() bool {
	return n.Element.RepetitionType.Valid && n.Element.RepetitionType.V == format.Repeated
}

// FirstLeaf is the first of the leaves that the node has or is.
func (n *Node) FirstLeaf() *Leaf {
	for n.Leaf == nil {
		n = n.Children[0]
	}
	return n.Leaf
}

const (
	deepestSchema = 32
	longestFixed  = 1 << 20
)

// tree makes the schema's tree of its elements, which stand in depth-first order.
func tree(elements []format.SchemaElement, columns int) (*Node, []*Leaf, error) {
	b := treeBuilder{elements: elements, columns: columns}
	root, err := b.node(0, 0, 0)
	if err != nil {
		return nil, nil, err
	}
	if len(b.elements) > 0 {
		return nil, nil, errors.New("the schema has elements that belong nowhere")
	}
	if root.Leaf != nil {
		return nil, nil, errors.New("the schema has no columns")
	}
	return root, b.leaves, nil
}

type treeBuilder struct {
	elements []format.SchemaElement // that are left
	leaves   []*Leaf
	columns  int
}

func (b *treeBuilder) node(def, rep uint8, depth int) (*Node, error) {
	if len(b.elements) == 0 {
		return nil, errors.New("the schema ends too early")
	}
	if depth > deepestSchema {
		return nil, errors.New("the schema is nested too deep")
	}
	n := &Node{Element: &b.elements[0], Def: def, Rep: rep}
	b.elements = b.elements[1:]
	if depth > 0 {
		if n.Optional() {
			n.Def++
		}
		if n.Repeated() {
			n.Def++
			n.Rep++
		}
	}
	if n.Element.Type.Valid {
		return n, b.leaf(n)
	}
	count := int(n.Element.NumChildren.V)
	if count < 0 || count > len(b.elements) || count == 0 && depth > 0 {
		return nil, fmt.Errorf("%q claims to have %d members", n.Name(), count)
	}
	for range count {
		child, err := b.node(n.Def, n.Rep, depth+1)
		if err != nil {
			return nil, err
		}
		n.Children = append(n.Children, child)
	}
	return n, nil
}

func (b *treeBuilder) leaf(n *Node) error {
	if len(b.leaves) == b.columns {
		return fault.New(fault.TooLarge, "too-many-columns", "the table has more than %d columns", b.columns).At("columns", "", "are too many")
	}
	e := n.Element
	if e.Type.V < format.Boolean || e.Type.V > format.FixedLenByteArray {
		return fmt.Errorf("%q has the type %d, which is not known", n.Name(), e.Type.V)
	}
	length := int(e.TypeLength.V)
	if e.Type.V == format.FixedLenByteArray && (length < 1 || length > longestFixed) {
		return fmt.Errorf("%q claims values of %d bytes", n.Name(), length)
	}
	n.Leaf = &Leaf{Element: e, Index: len(b.leaves), Type: e.Type.V, Length: length, Def: n.Def, Rep: n.Rep}
	b.leaves = append(b.leaves, n.Leaf)
	return nil
}
