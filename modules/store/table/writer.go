package table

import (
	"fmt"
	"io"
	"slices"
)

// Writer writes a table. Close completes it; the io.Writer below stays open. After an error nothing more may be written, and what
// was written is not a whole table.
type Writer interface {
	// Write takes rows × columns cells, row by row, and keeps none of them.
	Write(rows int, cells []Cell) error
	Close() error
}

// NewWriter begins a table in a format. Text cells of a column whose type is known are written as that type where they can
// be; in a typed format a cell that cannot is an error.
func NewWriter(format Format, w io.Writer, columns []Column) (Writer, error) {
	out := buffered{w: w}
	switch format {
	case CSV:
		return newCSVWriter(out, columns)
	case NDJSON:
		return newRowsWriter(out, columns, false), nil
	case JSONRows:
		return newRowsWriter(out, columns, true), nil
	case JSON:
		return newColumnsWriter(out, columns), nil
	case Parquet:
		return &typedWriter{columns: slices.Clone(columns), begin: func(c []Column) (Writer, error) { return newParquetWriter(w, c), nil }}, nil
	case Arrow:
		return &typedWriter{columns: slices.Clone(columns), begin: func(c []Column) (Writer, error) { return newArrowWriter(w, c), nil }}, nil
	}
	return nil, fmt.Errorf("write a table: unknown format %d", format)
}

const flushAt = 64 << 10

// buffered gathers what is written into large pieces.
type buffered struct {
	w   io.Writer
	buf []byte
}

// flush hands on what there is, unless it is still little and not the last.
func (b *buffered) flush(last bool) error {
	if len(b.buf) < flushAt && !last || len(b.buf) == 0 {
		return nil
	}
	_, err := b.w.Write(b.buf)
	b.buf = b.buf[:0]
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}
