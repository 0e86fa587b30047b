package table

import (
	"errors"
	"fmt"
	"io"

	"featurestore/app/fault"
	"featurestore/modules/store/table/parquet"
)

// parquetReader reads a Parquet file, one row group after the other, of each column one page at a time.
type parquetReader struct {
	columnar
	file     *parquet.File
	in       *readerAt
	fields   []parquetField
	expanded int64 // bytes of texts
	limits   Limits

	group int   // that is read next, or is being read
	left  int64 // rows of it that are left
	begun bool
	ended error
}

// parquetField makes the cells of one column.
type parquetField interface {
	open(file *parquet.File, group int) error
	close()

	// fill makes the next rows' cells, each stride behind the one before, and answers how many bytes of text they have.
	fill(cells []Cell, stride, rows int, flawed func(row int, shown, reason string)) (bytes int64, err error)
}

func newParquetReader(body Spooled, limits Limits) (*parquetReader, error) {
	in := &readerAt{in: body}
	var file *parquet.File
	err := guarded(func() (err error) {
		file, err = parquet.Open(in, body.Size(), parquet.Limits{Columns: limits.Columns, Held: limits.Pages, Expanded: limits.Expanded, Ratio: limits.Ratio})
		return err
	})
	if err != nil {
		return nil, in.explain("Parquet file", err)
	}
	r := &parquetReader{file: file, in: in, limits: limits, columnar: columnar{batch: Batch{FirstRow: 1}}}
	seen := map[string]bool{}
	for i, node := range file.Root.Children {
		name := node.Name()
		if ignored(name, i) {
			r.ignored = append(r.ignored, name)
			continue
		}
		if err := columnName("Parquet file", name, seen); err != nil {
			return nil, err
		}
		field, column, err := newParquetField(node, limits)
		if err != nil {
			return nil, in.explain("Parquet file", err)
		}
		r.fields = append(r.fields, field)
		r.batch.Columns, r.batch.typed = append(r.batch.Columns, column.Name), append(r.batch.typed, column)
	}
	if len(r.fields) == 0 {
		return nil, noColumns()
	}
	return r, nil
}

func noColumns() error {
	return fault.New(fault.Invalid, "empty-body", "the table has no columns").At("body", "", "has no columns")
}

// columnName checks the name of a column of a file that is named in messages as what.
func columnName(what, name string, seen map[string]bool) error {
	problem := badText(name)
	switch {
	case name == "":
		problem = "is empty"
	case problem == "" && seen[name]:
		problem = "is that of a second column"
	}
	if problem != "" {
		return fault.New(fault.Invalid, "invalid-columns", "the %s has a column whose name %s", what, problem).At("columns", name, "the name %s", problem)
	}
	seen[name] = true
	return nil
}

func (r *parquetReader) Ignored() []string { return r.ignored }

func (r *parquetReader) Next() (*Batch, error) {
	if r.ended == nil {
		r.ended = guarded(r.next)
	}
	if r.ended != nil {
		r.close()
		return nil, r.in.explain("Parquet file", r.ended)
	}
	return &r.batch, nil
}

func (r *parquetReader) close() {
	for _, f := range r.fields {
		f.close()
	}
}

func (r *parquetReader) next() error {
	b := &r.batch
	b.restart()
	for r.left == 0 {
		if r.group == len(r.file.Groups) {
			if r.begun {
				return io.EOF
			}
			r.begun = true // a table without rows
			return nil
		}
		if err := r.openGroup(); err != nil {
			return err
		}
	}
	r.begun = true
	n := len(r.fields)
	rows := int(min(r.left, rowsOf(n)))
	cells := b.grow(rows * n)
	for i, f := range r.fields {
		bytes, err := f.fill(cells[i:], n, rows, func(row int, shown, reason string) {
			r.flaws = append(r.flaws, flaw{row, i, shown, reason})
		})
		if err != nil {
			return err
		}
		r.expanded += bytes
	}
	if r.expanded > r.limits.Expanded {
		return fault.New(fault.TooLarge, "body-too-large", "the body unpacks to more than %d bytes", r.limits.Expanded).At("body", "", "is too large")
	}
	r.filled(rows)
	r.left -= int64(rows)
	return nil
}

func (r *parquetReader) openGroup() error {
	r.close()
	for _, f := range r.fields {
		if err := f.open(r.file, r.group); err != nil {
			return err
		}
	}
	r.left = r.file.Groups[r.group].Rows
	r.group++
	return nil
}

func newParquetField(node *parquet.Node, limits Limits) (parquetField, Column, error) {
	if node.Leaf != nil && !node.Repeated() {
		cells, column, err := leafCells(node.Leaf)
		return &flatField{leaf: node.Leaf, cells: cells}, column, err
	}
	return newNestedField(node, limits)
}

// flatField is a column with one value, or null, in each row.
type flatField struct {
	leaf  *parquet.Leaf
	cells cellOf[parquet.Raw]
	chunk *parquet.Chunk
	known []known // the dictionary's cells
}

// known is the cell of a value of a dictionary, once it has been made.
type known struct {
	cell   Cell
	reason string
	made   bool
}

func (f *flatField) open(file *parquet.File, group int) (err error) {
	f.chunk, err = file.Chunk(group, f.leaf)
	f.known = nil
	return err
}

func (f *flatField) close() {
	if f.chunk != nil {
		f.chunk.Close()
		f.chunk, f.known = nil, nil
	}
}

func (f *flatField) fill(cells []Cell, stride, rows int, flawed func(int, string, string)) (bytes int64, err error) {
	for row := range rows {
		cell, reason, err := nextCell(f.chunk, f.cells, &f.known)
		if err != nil {
			return bytes, endedEarly(f.leaf, err)
		}
		if reason != "" {
			flawed(row, "", reason)
		}
		cells[row*stride] = cell
		bytes += int64(len(cell.held.Text()))
	}
	return bytes, nil
}

// nextCell takes a chunk's next entry; texts of a dictionary are made into cells once.
func nextCell(chunk *parquet.Chunk, cells cellOf[parquet.Raw], dictionary *[]known) (Cell, string, error) {
	raw, index, null, err := chunk.Next()
	switch {
	case err != nil:
		return Cell{}, "", err
	case null:
		return NullCell(), "", nil
	case index < 0:
		cell, reason := cells(raw)
		return cell, reason, nil
	}
	if *dictionary == nil {
		*dictionary = make([]known, len(chunk.Dictionary()))
	}
	k := &(*dictionary)[index]
	if !k.made {
		k.cell, k.reason = cells(parquet.Raw{Text: chunk.Dictionary()[index]})
		k.made = true
	}
	return k.cell, k.reason, nil
}

func endedEarly(leaf *parquet.Leaf, err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("column %q has fewer values than there are rows", leaf.Element.Name)
	}
	return err
}
