package table

import (
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// appendJSON writes a cell as a JSON value. Text is a string, unless the column's type is known and the text can be read as it.
func appendJSON(dst []byte, c *Cell, t value.Type) []byte {
	switch c.form {
	case valueForm:
		return value.AppendJSON(dst, c.held)
	case jsonForm:
		return append(dst, jsonscan.Minify(c.held.Text())...) // a line feed between its tokens would end a line of NDJSON
	case textForm:
		if t != value.Invalid {
			if v, err := c.Value(t, time.UTC); err == nil {
				return value.AppendJSON(dst, v)
			}
		}
		return value.AppendJSONString(dst, c.held.Text())
	case localForm, dayForm:
		return value.AppendJSONString(dst, c.localText())
	}
	return append(dst, "null"...)
}

// rowsWriter writes an object for each row, one per line or as an array. Missing cells are left out.
type rowsWriter struct {
	out   buffered
	names [][]byte // of the columns, as JSON, with a colon
	types []value.Type
	array bool
	rows  int64
}

func newRowsWriter(out buffered, columns []Column, array bool) *rowsWriter {
	w := &rowsWriter{out: out, array: array}
	for _, column := range columns {
		w.names = append(w.names, append(value.AppendJSONString(nil, column.Name), ':'))
		w.types = append(w.types, column.Type)
	}
	if array {
		w.out.buf = append(w.out.buf, '[')
	}
	return w
}

func (w *rowsWriter) Write(rows int, cells []Cell) error {
	buf := w.out.buf
	for r := range rows {
		if w.array && w.rows > 0 {
			buf = append(buf, ',', '\n')
		}
		w.rows++
		buf = append(buf, '{')
		start := len(buf)
		for i := range w.names {
			c := &cells[r*len(w.names)+i]
			if c.form == missingForm {
				continue
			}
			if len(buf) > start {
				buf = append(buf, ',')
			}
			buf = appendJSON(append(buf, w.names[i]...), c, w.types[i])
		}
		buf = append(buf, '}')
		if !w.array {
			buf = append(buf, '\n')
		}
		w.out.buf = buf
		if err := w.out.flush(false); err != nil {
			return err
		}
		buf = w.out.buf
	}
	return nil
}

func (w *rowsWriter) Close() error {
	if w.array {
		w.out.buf = append(w.out.buf, ']', '\n')
	}
	return w.out.flush(true)
}

// heldAtMost is how many bytes of a table by columns are gathered.
const heldAtMost = 64 << 20

// columnsWriter writes {"a": [1, 2], "b": [3, 4]}. It holds the table until it is closed, and writes nothing before.
type columnsWriter struct {
	out     buffered
	columns [][]byte
	types   []value.Type
	rows    int64
}

func newColumnsWriter(out buffered, columns []Column) *columnsWriter {
	w := &columnsWriter{out: out}
	for _, column := range columns {
		w.columns = append(w.columns, append(value.AppendJSONString(nil, column.Name), ':', '['))
		w.types = append(w.types, column.Type)
	}
	return w
}

func (w *columnsWriter) Write(rows int, cells []Cell) error {
	n, held := len(w.columns), 0
	for c := range w.columns {
		column := w.columns[c]
		for r := range rows {
			if w.rows > 0 || r > 0 {
				column = append(column, ',')
			}
			column = appendJSON(column, &cells[r*n+c], w.types[c])
		}
		w.columns[c] = column
		held += len(column)
	}
	w.rows += int64(rows)
	if held > heldAtMost {
		return fault.New(fault.TooLarge, "answer-too-large", "the answer is more than %d bytes as JSON by columns: ask for CSV or an object per line (Accept: application/x-ndjson)", heldAtMost)
	}
	return nil
}

func (w *columnsWriter) Close() error {
	w.out.buf = append(w.out.buf, '{')
	for i, column := range w.columns {
		if i > 0 {
			w.out.buf = append(w.out.buf, ',', '\n')
		}
		w.out.buf = append(append(w.out.buf, column...), ']')
		w.columns[i] = nil
		if err := w.out.flush(false); err != nil {
			return err
		}
	}
	w.out.buf = append(w.out.buf, '}', '\n')
	return w.out.flush(true)
}
