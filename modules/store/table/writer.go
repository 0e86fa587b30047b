package table

import (
	"fmt"
	"io"

	"featurestore/modules/registry/value"
)

// Column is a column of a table that is written; Type is Invalid where it is not known.
type Column struct {
	Name string
	Type value.Type
}

// Writer writes a table. Close completes it; the io.Writer below stays open. After an error nothing more may be written, and what
// was written is not a whole table.
type Writer interface {
	// Write takes rows × columns cells, row by row, and keeps none of them.
	Write(rows int, cells []Cell) error
	Close() error
}

// NewWriter begins a table in a format. Text cells of a column whose type is known are written as that type where they can be.
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
