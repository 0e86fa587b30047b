package table

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table/parquet"
)

// nestedField is a column of arrays, or of structures, which become JSON.
type nestedField struct {
	node   *parquet.Node
	leaves []*nestedLeaf
	of     map[*parquet.Leaf]*nestedLeaf
	limit  int // bytes of a row

	repeated *parquet.Node // of an array of plain values, else nil
	element  *nestedLeaf
	elements []Cell
	json     []byte
	flaw     string // of the row
}

type nestedLeaf struct {
	leaf  *parquet.Leaf
	cells cellOf[parquet.Raw]
	kind  value.Type
	chunk *parquet.Chunk
	known []known
}

func newNestedField(node *parquet.Node, limits Limits) (*nestedField, Column, error) {
	f := &nestedField{node: node, of: map[*parquet.Leaf]*nestedLeaf{}, limit: limits.Row}
	column := Column{Name: node.Name(), Type: value.JSON}
	if err := f.collect(node); err != nil {
		return nil, column, err
	}
	repeated, element := node, node
	if list, e := listOf(node); list != nil {
		repeated, element = list, e
	}
	if repeated.Repeated() && element.Leaf != nil && (element == repeated || !element.Repeated()) {
		leaf := f.of[element.Leaf]
		if kind := arrayOf(leaf.kind); kind != value.JSON {
			f.repeated, f.element, column.Type = repeated, leaf, kind
		}
	}
	return f, column, nil
}

func (f *nestedField) collect(node *parquet.Node) error {
	if node.Leaf == nil {
		for _, child := range node.Children {
			if err := f.collect(child); err != nil {
				return err
			}
		}
		return nil
	}
	cells, column, err := leafCells(node.Leaf)
	if err != nil {
		return err
	}
	leaf := &nestedLeaf{leaf: node.Leaf, cells: cells, kind: column.Type}
	f.leaves = append(f.leaves, leaf)
	f.of[node.Leaf] = leaf
	return nil
}

// listOf is the repeated member of a LIST, and what its elements are: that member itself or, as the format wants it, its only one.
func listOf(n *parquet.Node) (repeated, element *parquet.Node) {
	if !annotated(n, deprecated.List) || len(n.Children) != 1 || !n.Children[0].Repeated() {
		return nil, nil
	}
	repeated = n.Children[0]
	if repeated.Leaf != nil || len(repeated.Children) > 1 || repeated.Name() == "array" || repeated.Name() == n.Name()+"_tuple" {
		return repeated, repeated
	}
	return repeated, repeated.Children[0]
}

// mapOf is the repeated member of a MAP, whose members are the key and the value.
func mapOf(n *parquet.Node) *parquet.Node {
	if !annotated(n, deprecated.Map) && !annotated(n, deprecated.MapKeyValue) || len(n.Children) != 1 {
		return nil
	}
	entries := n.Children[0]
	if !entries.Repeated() || len(entries.Children) != 2 || entries.Children[0].Leaf == nil || entries.Children[0].Repeated() {
		return nil
	}
	return entries
}

func annotated(n *parquet.Node, as deprecated.ConvertedType) bool {
	switch n.Element.LogicalType.Value.(type) {
	case *format.ListType:
		return as == deprecated.List
	case *format.MapType:
		return as == deprecated.Map
	}
	return n.Leaf == nil && n.Element.ConvertedType.Valid && n.Element.ConvertedType.V == as
}

func (f *nestedField) open(file *parquet.File, group int) (err error) {
	for _, l := range f.leaves {
		l.known = nil
		if l.chunk, err = file.Chunk(group, l.leaf); err != nil {
			return err
		}
	}
	return nil
}

func (f *nestedField) close() {
	for _, l := range f.leaves {
		if l.chunk != nil {
			l.chunk.Close()
			l.chunk, l.known = nil, nil
		}
	}
}

func (f *nestedField) fill(cells []Cell, stride, rows int, flawed func(int, string, string)) (bytes int64, err error) {
	for row := range rows {
		f.flaw = ""
		cell, err := f.row()
		if err != nil {
			return bytes, endedEarly(f.node.FirstLeaf(), err)
		}
		if err := f.atRowEnd(); err != nil {
			return bytes, err
		}
		if f.flaw != "" {
			flawed(row, cell.Display(), f.flaw)
		}
		cells[row*stride] = cell
		bytes += int64(len(cell.held.Text()))
	}
	return bytes, nil
}

// atRowEnd makes sure that all leaves have come to the end of the same row.
func (f *nestedField) atRowEnd() error {
	for _, l := range f.leaves {
		if rep, _, err := l.chunk.Levels(); err == nil && rep > 0 {
			return fmt.Errorf("column %q: its members do not have the same rows", f.node.Name())
		} else if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

func (f *nestedField) row() (Cell, error) {
	if f.repeated != nil {
		return f.array()
	}
	f.json = f.json[:0]
	err := f.member(f.node)
	if err != nil {
		return Cell{}, err
	}
	cell, reason := nestedCell(string(f.json))
	if reason != "" {
		f.flaw = reason
	}
	return cell, nil
}

// array takes the elements of one row.
func (f *nestedField) array() (Cell, error) {
	chunk := f.element.chunk
	_, def, err := chunk.Levels()
	if err != nil {
		return Cell{}, err
	}
	f.elements = f.elements[:0]
	if def < f.repeated.Def {
		_, _, _, err := chunk.Next()
		if f.node.Optional() && def < f.node.Def {
			return NullCell(), err
		}
		return arrayCell(nil, f.element.kind), err
	}
	err = f.repeat(f.repeated, func() error {
		cell, err := f.cell(f.element)
		f.elements = append(f.elements, cell)
		return err
	})
	return arrayCell(f.elements, f.element.kind), err
}

func (f *nestedField) cell(l *nestedLeaf) (Cell, error) {
	cell, reason, err := nextCell(l.chunk, l.cells, &l.known)
	if reason != "" {
		f.flaw = reason
	}
	return cell, err
}

// repeat calls each for every element of a repeated node that has at least one.
func (f *nestedField) repeat(n *parquet.Node, each func() error) error {
	first := f.of[n.FirstLeaf()].chunk
	for {
		if err := each(); err != nil {
			return err
		}
		if len(f.json) > f.limit || len(f.elements) > f.limit {
			return fault.New(fault.TooLarge, rowTooLarge, "a row of the column %q is longer than %d bytes", f.node.Name(), f.limit).At("column "+f.node.Name(), "", "is too large")
		}
		rep, _, err := first.Levels()
		if errors.Is(err, io.EOF) || err == nil && rep < n.Rep {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// member writes a node that may be repeated.
func (f *nestedField) member(n *parquet.Node) error {
	if !n.Repeated() {
		return f.value(n)
	}
	return f.list(n, func() error { return f.present(n) })
}

// list writes the elements of a repeated node as an array.
func (f *nestedField) list(n *parquet.Node, each func() error) error {
	_, def, err := f.of[n.FirstLeaf()].chunk.Levels()
	if err != nil {
		return err
	}
	f.json = append(f.json, '[')
	if def < n.Def {
		err = f.skip(n)
	} else {
		err = f.repeat(n, func() error {
			if f.json[len(f.json)-1] != '[' {
				f.json = append(f.json, ',')
			}
			return each()
		})
	}
	f.json = append(f.json, ']')
	return err
}

// skip passes over the entries that say of a node that it is not there.
func (f *nestedField) skip(n *parquet.Node) error {
	if n.Leaf != nil {
		_, _, _, err := f.of[n.Leaf].chunk.Next()
		return err
	}
	for _, child := range n.Children {
		if err := f.skip(child); err != nil {
			return err
		}
	}
	return nil
}

// value writes a node that may be null.
func (f *nestedField) value(n *parquet.Node) error {
	if n.Optional() && n.Leaf == nil {
		_, def, err := f.of[n.FirstLeaf()].chunk.Levels()
		if err != nil {
			return err
		}
		if def < n.Def {
			f.json = append(f.json, "null"...)
			return f.skip(n)
		}
	}
	return f.present(n)
}

// present writes a node that is there; of a leaf this may be a null.
func (f *nestedField) present(n *parquet.Node) error {
	if n.Leaf != nil {
		cell, err := f.cell(f.of[n.Leaf])
		f.json = appendJSON(f.json, &cell, value.Invalid)
		return err
	}
	if repeated, element := listOf(n); repeated != nil {
		return f.list(repeated, func() error {
			if element == repeated {
				return f.present(element)
			}
			return f.member(element)
		})
	}
	if entries := mapOf(n); entries != nil {
		return f.entries(entries)
	}
	f.json = append(f.json, '{')
	for i, child := range n.Children {
		if i > 0 {
			f.json = append(f.json, ',')
		}
		f.json = append(value.AppendJSONString(f.json, child.Name()), ':')
		if err := f.member(child); err != nil {
			return err
		}
	}
	f.json = append(f.json, '}')
	return nil
}

// entries writes a map as an object, whose names are the text of its keys.
func (f *nestedField) entries(n *parquet.Node) error {
	_, def, err := f.of[n.FirstLeaf()].chunk.Levels()
	if err != nil {
		return err
	}
	f.json = append(f.json, '{')
	if def < n.Def {
		err = f.skip(n)
	} else {
		err = f.repeat(n, func() error {
			if f.json[len(f.json)-1] != '{' {
				f.json = append(f.json, ',')
			}
			key, err := f.cell(f.of[n.Children[0].Leaf])
			if err != nil {
				return err
			}
			f.json = append(value.AppendJSONString(f.json, keyText(key)), ':')
			return f.member(n.Children[1])
		})
	}
	f.json = append(f.json, '}')
	return err
}

// keyText is the key of a map as the name of a member.
func keyText(c Cell) string {
	switch c.form {
	case textForm, jsonForm:
		return c.held.Text()
	case valueForm:
		return string(value.AppendText(nil, c.held))
	case localForm, dayForm:
		return c.localText()
	}
	return "null"
}
