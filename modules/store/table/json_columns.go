package table

import (
	"io"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry/value/jsonscan"
)

// columnsReader reads JSON by columns, {"a": [1, 2], "b": [3, 4]}: an array of the same length for each column. The body is held
// in memory, its cells are not.
type columnsReader struct {
	batch   Batch
	columns []jsonscan.Elements
	rows    int64
	ignored []string
	begun   bool
}

func readColumns(src *source, limits Limits) (*columnsReader, error) {
	src.limit = limits.Held
	for !src.eof {
		if err := src.more(); err != nil {
			if fault.Is(err, rowTooLarge) {
				return nil, fault.New(fault.TooLarge, "body-too-large",
					"a table in JSON by columns can have %d bytes: send CSV, or a JSON object per line (application/x-ndjson)", limits.Held)
			}
			return nil, err
		}
	}
	return newColumnsReader(src.text(), limits)
}

func newColumnsReader(text string, limits Limits) (*columnsReader, error) {
	r := &columnsReader{batch: Batch{FirstRow: 1}}
	s := jsonscan.New(text)
	err := s.Object(func(name string) error {
		if s.Kind() != jsonscan.Array {
			return s.Errorf(`a column is an array, {"a": [1, 2], "b": [3, 4]}; rows are an array of objects, or an object per line (application/x-ndjson)`)
		}
		start := s.Offset()
		n := int64(0)
		if err := s.Array(func(int) error { n++; return nil }); err != nil {
			return err
		}
		if ignored(name, len(r.columns)+len(r.ignored)) {
			r.ignored = append(r.ignored, name)
			return nil
		}
		switch {
		case name == "":
			return s.Errorf("a column has no name")
		case len(r.columns) == limits.Columns:
			return tooManyColumns(limits.Columns)
		case len(r.columns) > 0 && n != r.rows:
			return s.Errorf("the column has %d values, %q has %d", n, r.batch.Columns[0], r.rows)
		}
		r.rows = n
		r.columns = append(r.columns, jsonscan.ElementsOf(text[start:s.Offset()]))
		r.batch.Columns = append(r.batch.Columns, strings.Clone(name))
		return nil
	})
	if err == nil {
		err = s.End()
	}
	if err == nil && len(r.columns) == 0 {
		err = fault.New(fault.Invalid, "empty-body", "the table has no columns").At("body", "", "has no columns")
	}
	if err != nil {
		return nil, jsonscan.Fault(err)
	}
	return r, nil
}

func (r *columnsReader) Ignored() []string { return r.ignored }

func (r *columnsReader) Next() (*Batch, error) {
	b := &r.batch
	b.restart()
	left := r.rows + 1 - b.FirstRow
	if left == 0 && r.begun {
		return nil, io.EOF
	}
	r.begun = true
	n := len(r.columns)
	rows := int(min(left, batchRows, max(int64(batchCells/n), 1)))
	cells := b.grow(rows * n)
	for c := range r.columns {
		for i := c; i < len(cells); i += n {
			raw, _ := r.columns[c].Next()
			cells[i] = JSONCell(raw)
		}
	}
	b.Rows = rows
	return b, nil
}
