package local

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// spool writes events into a Parquet file of the job, from where DuckDB reads them as often as it needs to: columns k0, k1 … of the join keys, event_us,
// seq, and c0, c1 … of the plan. Times are numbers of µs.
type spool struct {
	path   string
	file   *os.File
	buffer *bufio.Writer
	out    table.Writer
	cells  []table.Cell
	width  int
}

// spoolRows is how many rows are handed to the writer at once.
const spoolRows = 1000

func newSpool(plan *batch.Plan, folder string) (*spool, error) {
	var columns []table.Column
	for i, k := range plan.Keys {
		columns = append(columns, table.Column{Name: "k" + strconv.Itoa(i), Type: k.ValueType})
	}
	columns = append(columns, table.Column{Name: "event_us", Type: value.Integer}, table.Column{Name: "seq", Type: value.Integer})
	for i, c := range plan.Columns {
		columns = append(columns, table.Column{Name: "c" + strconv.Itoa(i), Type: spooled(c.Type)})
	}
	s := &spool{path: filepath.Join(folder, "events.parquet"), width: len(columns)}
	file, err := os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool events: %w", err)
	}
	s.file, s.buffer = file, bufio.NewWriterSize(file, 1<<20)
	if s.out, err = table.NewWriter(table.Parquet, s.buffer, columns); err != nil {
		_ = file.Close() // err says what is wrong
		return nil, err
	}
	return s, nil
}

// spooled is the type that a column of a type is kept as.
func spooled(t value.Type) value.Type {
	switch t {
	case value.Timestamp:
		return value.Integer
	case value.TimestampArray:
		return value.IntegerArray
	case value.JSON:
		return value.String
	}
	return t
}

// add takes one event: the values of the plan's columns, in their order.
func (s *spool) add(key []value.Value, at, seq int64, values []value.Value) error {
	for _, v := range key {
		s.cells = append(s.cells, table.ValueCell(v))
	}
	s.cells = append(s.cells, table.ValueCell(value.OfInt(at)), table.ValueCell(value.OfInt(seq)))
	for _, v := range values {
		switch v.Type() {
		case value.Timestamp:
			v = value.OfInt(v.Time())
		case value.TimestampArray:
			v = value.OfInts(value.IntegerArray, v.Ints())
		case value.JSON:
			v = value.OfString(v.Text())
		}
		s.cells = append(s.cells, table.ValueCell(v))
	}
	if len(s.cells) >= spoolRows*s.width {
		return s.flush()
	}
	return nil
}

func (s *spool) flush() error {
	err := s.out.Write(len(s.cells)/s.width, s.cells)
	s.cells = s.cells[:0]
	if err != nil {
		return fmt.Errorf("spool events: %w", err)
	}
	return nil
}

// end completes the file, unless err says that there is nothing to complete.
func (s *spool) end(err error) error {
	for _, step := range []func() error{s.flush, s.out.Close, s.buffer.Flush} {
		if err == nil {
			err = step()
		}
	}
	if closeErr := s.file.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("spool events: %w", closeErr)
	}
	return err
}

// columns are how SQL reads a spooled file as the relation events.
func (s *spool) columns(plan *batch.Plan) *columns {
	of := &columns{time: "f.event_us", seq: "f.seq", spooled: true}
	for i := range plan.Keys {
		of.keys, of.checks = append(of.keys, "f.k"+strconv.Itoa(i)), append(of.checks, "%s")
	}
	for i, c := range plan.Columns {
		expression := "f.c" + strconv.Itoa(i)
		switch c.Type {
		case value.Timestamp:
			expression = "make_timestamp(" + expression + ")"
		case value.TimestampArray:
			expression = "list_transform(" + expression + ", lambda t: make_timestamp(t))"
		}
		of.values = append(of.values, expression)
	}
	of.raw = of.values
	return of
}
