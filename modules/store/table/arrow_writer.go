package table

import (
	"cmp"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"featurestore/modules/registry/value"
)

const (
	recordRows  = 16 << 10
	recordBytes = 4 << 20
)

// arrowWriter writes a stream of Arrow record batches: INTEGER as int64, FLOAT as double, STRING and JSON as utf8, TIMESTAMP as
// microseconds in UTC, arrays as lists. A batch is written once it has 16,384 rows or 4 MiB.
type arrowWriter struct {
	out     *ipc.Writer
	to      *sink
	builder *array.RecordBuilder
	columns []Column
	rows    int
	bytes   int
}

func newArrowWriter(w io.Writer, columns []Column) *arrowWriter {
	fields := make([]arrow.Field, len(columns))
	for i, column := range columns {
		fields[i] = arrow.Field{Name: column.Name, Type: arrowType(column), Nullable: true}
	}
	schema := arrow.NewSchema(fields, nil)
	to := &sink{w: w}
	return &arrowWriter{columns: columns, to: to, out: ipc.NewWriter(to, ipc.WithSchema(schema)), builder: array.NewRecordBuilder(memory.NewGoAllocator(), schema)}
}

func arrowType(column Column) arrow.DataType {
	if column.Type.Array() {
		return arrow.ListOf(arrowType(Column{Type: column.Type.Element()}))
	}
	switch column.Type {
	case value.Boolean:
		return arrow.FixedWidthTypes.Boolean
	case value.Integer:
		return arrow.PrimitiveTypes.Int64
	case value.Float:
		return arrow.PrimitiveTypes.Float64
	case value.Timestamp:
		switch column.form {
		case dayForm:
			return arrow.FixedWidthTypes.Date32
		case localForm:
			return &arrow.TimestampType{Unit: arrow.Microsecond}
		}
		return arrow.FixedWidthTypes.Timestamp_us
	}
	return arrow.BinaryTypes.String
}

func (w *arrowWriter) Write(rows int, cells []Cell) error {
	n := len(w.columns)
	for r := range rows {
		for c := range w.columns {
			if err := w.cell(w.builder.Field(c), &w.columns[c], &cells[r*n+c]); err != nil {
				return err
			}
		}
		if w.rows++; w.rows >= recordRows || w.bytes >= recordBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *arrowWriter) cell(b array.Builder, column *Column, c *Cell) error {
	if !column.Type.Array() {
		v, err := column.valueOf(c)
		w.append(b, v)
		return err
	}
	elements, null, err := column.elementsOf(c)
	list := b.(*array.ListBuilder)
	list.Append(!null)
	for _, v := range elements {
		w.append(list.ValueBuilder(), v)
	}
	return err
}

func (w *arrowWriter) append(b array.Builder, v value.Value) {
	w.bytes += 8 + len(v.Text())
	if v.IsNull() {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.Bool())
	case *array.Int64Builder:
		b.Append(v.Int())
	case *array.Float64Builder:
		b.Append(v.Float())
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.Time()))
	case *array.Date32Builder:
		b.Append(arrow.Date32(dayOf(v.Time())))
	case *array.StringBuilder:
		b.Append(v.Text())
	}
}

func (w *arrowWriter) flush() error {
	record := w.builder.NewRecordBatch()
	defer record.Release()
	w.rows, w.bytes = 0, 0
	return w.to.explain(w.out.Write(record))
}

// Close ends the stream; one without rows has its columns nevertheless.
func (w *arrowWriter) Close() error {
	if w.rows > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	return w.to.explain(w.out.Close())
}

// sink keeps the error that writing ended with.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if err != nil {
		s.err = err
	}
	return n, err
}

func (s *sink) explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write the table: %w", cmp.Or(s.err, err))
}
