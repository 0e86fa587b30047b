package local

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

// presenceColumn is what tables with ?presence=true call it.
const presenceColumn = "presence"

// stage writes rows into one file: a stream of Arrow record batches, whose columns lie in it as they do in memory.
type stage struct {
	path   string
	file   *os.File
	buffer *bufio.Writer
	out    *ipc.Writer
	schema *arrow.Schema
	count  int64
}

func newStage(plan *batch.Plan, folder string) (*stage, error) {
	var fields []arrow.Field
	add := func(name string, t value.Type) {
		fields = append(fields, arrow.Field{Name: name, Type: arrowType(t), Nullable: true})
	}
	for _, k := range plan.Keys {
		add(k.Name, k.ValueType)
	}
	add("event_time", value.Timestamp)
	for i, f := range plan.Outputs {
		add(f.Name, plan.Aggregations[i].Type)
	}
	if plan.Partial {
		add(presenceColumn, value.String)
	}
	s := &stage{path: filepath.Join(folder, "rows.arrow"), schema: arrow.NewSchema(fields, nil)}
	file, err := os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("stage rows: %w", err)
	}
	s.file, s.buffer = file, bufio.NewWriterSize(file, 1<<20)
	s.out = ipc.NewWriter(s.buffer, ipc.WithSchema(s.schema))
	return s, nil
}

func arrowType(t value.Type) arrow.DataType {
	if t.Array() {
		return arrow.ListOf(arrowType(t.Element()))
	}
	switch t {
	case value.Boolean:
		return arrow.FixedWidthTypes.Boolean
	case value.Integer:
		return arrow.PrimitiveTypes.Int64
	case value.Float:
		return arrow.PrimitiveTypes.Float64
	case value.Timestamp:
		return arrow.FixedWidthTypes.Timestamp_us
	}
	return arrow.BinaryTypes.String
}

// write adds rows, and keeps none of their memory.
func (s *stage) write(r *rows) error {
	if len(r.ticks) == 0 {
		return nil
	}
	var columns []arrow.Array
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for i := range r.keys {
		columns = append(columns, r.keys[i].array())
	}
	times := array.NewData(arrow.FixedWidthTypes.Timestamp_us, len(r.ticks), []*memory.Buffer{nil, memory.NewBufferBytes(bytesOf(r.ticks))}, nil, 0, 0)
	defer times.Release()
	columns = append(columns, array.MakeFromData(times))
	for i := range r.features {
		columns = append(columns, r.features[i].array())
	}
	if r.plan.Partial {
		columns = append(columns, r.presence.array())
	}
	record := array.NewRecordBatch(s.schema, columns, int64(len(r.ticks)))
	defer record.Release()
	if err := s.out.Write(record); err != nil {
		return fmt.Errorf("stage rows: %w", err)
	}
	s.count += int64(len(r.ticks))
	return nil
}

// close completes the file.
func (s *stage) close() error {
	err := s.out.Close()
	if err == nil {
		err = s.buffer.Flush()
	}
	if closeErr := s.file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("stage rows: %w", err)
	}
	return nil
}

// array is the column as Arrow has it; of numbers it shares their memory.
func (c *column) array() arrow.Array {
	switch {
	case c.kind.Array():
		return c.listArray()
	case c.kind == value.String, c.kind == value.Boolean:
		return c.builtArray()
	}
	var valid *memory.Buffer
	if c.nulls > 0 {
		valid = memory.NewBufferBytes(c.validity())
	}
	data := array.NewData(arrowType(c.kind), len(c.ok), []*memory.Buffer{valid, memory.NewBufferBytes(bytesOf(c.bits))}, nil, c.nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

func (c *column) validity() []byte {
	bits := make([]byte, bitutil.BytesForBits(int64(len(c.ok))))
	for i, ok := range c.ok {
		if ok {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return bits
}

func (c *column) builtArray() arrow.Array {
	b := array.NewBuilder(memory.NewGoAllocator(), arrowType(c.kind))
	defer b.Release()
	b.Reserve(len(c.ok))
	for i, ok := range c.ok {
		switch b := b.(type) {
		case *array.StringBuilder:
			if ok {
				b.Append(c.texts[i])
				continue
			}
		case *array.BooleanBuilder:
			if ok {
				b.Append(c.bits[i] != 0)
				continue
			}
		}
		b.AppendNull()
	}
	return b.NewArray()
}

func (c *column) listArray() arrow.Array {
	list := array.NewListBuilder(memory.NewGoAllocator(), arrowType(c.kind.Element()))
	defer list.Release()
	for i, ok := range c.ok {
		if !ok {
			list.AppendNull()
			continue
		}
		list.Append(true)
		v := &c.lists[i]
		switch b := list.ValueBuilder().(type) {
		case *array.BooleanBuilder:
			b.AppendValues(v.Bools(), nil)
		case *array.Int64Builder:
			b.AppendValues(v.Ints(), nil)
		case *array.Float64Builder:
			b.AppendValues(v.Floats(), nil)
		case *array.StringBuilder:
			b.AppendValues(v.Strings(), nil)
		case *array.TimestampBuilder:
			for _, t := range v.Ints() {
				b.Append(arrow.Timestamp(t))
			}
		}
	}
	return list.NewArray()
}

// bytesOf is numbers of 64 bits as the bytes that they are in memory, which Arrow keeps them as.
func bytesOf[T int64 | uint64](numbers []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(numbers))), 8*len(numbers))
}
