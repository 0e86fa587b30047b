package table

import (
	"fmt"
	"io"
	"reflect"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/encoding"

	"featurestore/modules/registry/value"
)

const (
	groupRows  = 128 << 10
	groupBytes = 16 << 20 // of values, before they are encoded
	pageBytes  = 256 << 10
)

// parquetWriter writes a Parquet file: INTEGER as INT64, FLOAT as DOUBLE, STRING as UTF8, TIMESTAMP as microseconds in UTC, JSON as JSON, arrays
// as lists; compressed with snappy. A row group is written once it has 131,072 rows or 16 MiB, and that much is held.
type parquetWriter struct {
	out     *parquet.GenericWriter[any]
	columns []Column
	buffer  []parquet.Value
	rows    int // of the row group
	bytes   int
}

func newParquetWriter(w io.Writer, columns []Column) *parquetWriter {
	root := make(orderedGroup, len(columns))
	for i, column := range columns {
		root[i] = &namedNode{parquetNode(column), column.Name}
	}
	return &parquetWriter{columns: columns, out: parquet.NewGenericWriter[any](w, parquet.NewSchema("table", root), parquet.CreatedBy("featurestore", "", ""),
		parquet.PageBufferSize(pageBytes), parquet.DataPageVersion(1), parquet.Compression(&snappy.Codec{}), parquet.DictionaryMaxBytes(1<<20))}
}

// orderedGroup is the schema's root, whose columns keep their order.
type orderedGroup []parquet.Field

func (orderedGroup) ID() int                     { return 0 }
func (g orderedGroup) String() string            { return fmt.Sprint(len(g), " columns") }
func (orderedGroup) Type() parquet.Type          { return parquet.Group{}.Type() }
func (orderedGroup) Optional() bool              { return false }
func (orderedGroup) Repeated() bool              { return false }
func (orderedGroup) Required() bool              { return true }
func (orderedGroup) Leaf() bool                  { return false }
func (g orderedGroup) Fields() []parquet.Field   { return g }
func (orderedGroup) Encoding() encoding.Encoding { return nil }
func (orderedGroup) Compression() compress.Codec { return nil }
func (orderedGroup) GoType() reflect.Type        { return reflect.TypeFor[struct{}]() }

type namedNode struct {
	parquet.Node
	name string
}

func (n *namedNode) Name() string                           { return n.name }
func (n *namedNode) Value(base reflect.Value) reflect.Value { return base }

func parquetNode(column Column) parquet.Node {
	if column.Type.Array() {
		return parquet.Optional(parquet.List(parquet.Optional(parquetLeaf(column.Type.Element(), missingForm))))
	}
	return parquet.Optional(parquetLeaf(column.Type, column.form))
}

func parquetLeaf(t value.Type, form form) parquet.Node {
	switch t {
	case value.Boolean:
		return parquet.Encoded(parquet.Leaf(parquet.BooleanType), &parquet.Plain)
	case value.Integer:
		return parquet.Encoded(parquet.Int(64), &parquet.Plain)
	case value.Float:
		return parquet.Encoded(parquet.Leaf(parquet.DoubleType), &parquet.Plain)
	case value.JSON:
		return parquet.Encoded(parquet.JSON(), &parquet.Plain)
	case value.Timestamp:
		switch form {
		case dayForm:
			return parquet.Encoded(parquet.Date(), &parquet.Plain)
		case localForm:
			return parquet.Encoded(parquet.TimestampAdjusted(parquet.Microsecond, false), &parquet.Plain)
		}
		return parquet.Encoded(parquet.Timestamp(parquet.Microsecond), &parquet.Plain)
	}
	return parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
}

func (w *parquetWriter) Write(rows int, cells []Cell) error {
	n := len(w.columns)
	for done := 0; done < rows; {
		part := min(rows-done, batchRows)
		for c := range w.columns {
			if err := w.column(c, cells[done*n+c:(done+part)*n]); err != nil {
				return err
			}
		}
		done += part
		if w.rows += part; w.rows >= groupRows || w.bytes >= groupBytes {
			w.rows, w.bytes = 0, 0
			if err := w.out.Flush(); err != nil {
				return fmt.Errorf("write the table: %w", err)
			}
		}
	}
	return nil
}

// column writes cells of one column, each as far behind the one before as there are columns.
func (w *parquetWriter) column(c int, cells []Cell) error {
	column := &w.columns[c]
	w.buffer = w.buffer[:0]
	for i := 0; i < len(cells); i += len(w.columns) {
		if column.Type.Array() {
			elements, null, err := column.elementsOf(&cells[i])
			if err != nil {
				return err
			}
			w.array(c, elements, null)
			continue
		}
		v, err := column.valueOf(&cells[i])
		if err != nil {
			return err
		}
		if v.IsNull() {
			w.buffer = append(w.buffer, parquet.NullValue().Level(0, 0, c))
			continue
		}
		w.buffer = append(w.buffer, parquetValue(v, column.form).Level(0, 1, c))
		w.bytes += 8 + len(v.Text())
	}
	if _, err := w.out.ColumnWriters()[c].WriteRowValues(w.buffer); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// array adds a row of a list: level 0 is null, 1 is empty, 2 a null in it, 3 a value.
func (w *parquetWriter) array(c int, elements []value.Value, null bool) {
	switch {
	case null:
		w.buffer = append(w.buffer, parquet.NullValue().Level(0, 0, c))
	case len(elements) == 0:
		w.buffer = append(w.buffer, parquet.NullValue().Level(0, 1, c))
	}
	for i, v := range elements {
		if v.IsNull() {
			w.buffer = append(w.buffer, parquet.NullValue().Level(min(i, 1), 2, c))
			continue
		}
		w.buffer = append(w.buffer, parquetValue(v, missingForm).Level(min(i, 1), 3, c))
		w.bytes += 8 + len(v.Text())
	}
}

func parquetValue(v value.Value, form form) parquet.Value {
	switch v.Type() {
	case value.Boolean:
		return parquet.BooleanValue(v.Bool())
	case value.Float:
		return parquet.DoubleValue(v.Float())
	case value.Integer:
		return parquet.Int64Value(v.Int())
	case value.Timestamp:
		if form == dayForm {
			return parquet.Int32Value(int32(dayOf(v.Time())))
		}
		return parquet.Int64Value(v.Time())
	}
	return parquet.ByteArrayValue(bytesOf(v.Text()))
}

// dayOf is the day since 1970 that a time is on.
func dayOf(us int64) int64 {
	day := us / microsecondsOfDay
	if us%microsecondsOfDay < 0 {
		day--
	}
	return day
}

func (w *parquetWriter) Close() error {
	if err := w.out.Close(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}
