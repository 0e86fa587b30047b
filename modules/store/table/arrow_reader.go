package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"featurestore/app/fault"
)

// arrowReader reads a stream of Arrow record batches, or a file of them (Feather). A stream is looked at where it lies, which is mostly a
// file that is mapped into memory, and what of it has been read is taken out of the memory again. Only batches that are compressed, and
// those of a file, are in memory whole.
type arrowReader struct {
	columnar
	body    Spooled
	limits  Limits
	records records
	columns []arrowColumn

	record  arrow.RecordBatch
	bound   []cellOf[int]
	at      int64 // rows of the record that have been read
	texts   arena
	rows    int64
	recent  int64 // cells since pages were forgotten
	begun   bool
	ended   error
	exceeds *bounded
}

// records are the record batches of a body; io.EOF comes after the last one.
type records interface {
	Read() (arrow.RecordBatch, error)
}

// arrowColumn says how a column's arrays become cells.
type arrowColumn struct {
	at   int // among the record's columns
	bind bindArray
}

// forgetAfter is how many cells are read before the pages that they came from leave the memory.
const forgetAfter = 1 << 20

func newArrowReader(body Spooled, limits Limits) (*arrowReader, error) {
	r := &arrowReader{body: body, limits: limits, columnar: columnar{batch: Batch{FirstRow: 1}}, exceeds: &bounded{left: limits.Pages}}
	var schema *arrow.Schema
	err := guarded(func() (err error) {
		schema, err = r.open()
		return err
	})
	if err != nil {
		return nil, r.explain(err)
	}
	if n := schema.NumFields(); n > limits.Columns {
		return nil, tooManyColumns(limits.Columns)
	}
	seen := map[string]bool{}
	for i, field := range schema.Fields() {
		if ignored(field.Name, i) {
			r.ignored = append(r.ignored, field.Name)
			continue
		}
		if err := columnName("Arrow table", field.Name, seen); err != nil {
			return nil, err
		}
		bind, column, err := r.texts.cellsOf(field.Name, field.Type, 0)
		if err != nil {
			return nil, err
		}
		r.columns = append(r.columns, arrowColumn{i, bind})
		r.batch.Columns, r.batch.typed = append(r.batch.Columns, field.Name), append(r.batch.typed, column)
	}
	if len(r.columns) == 0 {
		return nil, noColumns()
	}
	return r, nil
}

func (r *arrowReader) open() (*arrow.Schema, error) {
	head := make([]byte, len(arrowFile))
	if _, err := r.body.ReadAt(head, 0); err == nil && string(head) == arrowFile {
		if err := verifyFile(r.body, r.body.Size()); err != nil {
			return nil, err
		}
		file, err := ipc.NewFileReader(io.NewSectionReader(r.body, 0, r.body.Size()), ipc.WithAllocator(r.exceeds))
		if err != nil {
			return nil, err
		}
		r.records = file
		return file.Schema(), nil
	}
	b, err := r.body.Bytes()
	if err != nil {
		return nil, err
	}
	stream, err := ipc.NewReaderFromMessageReader(&messages{b: b}, ipc.WithAllocator(r.exceeds))
	if err != nil {
		return nil, err
	}
	r.records = stream
	return stream.Schema(), nil
}

func (r *arrowReader) Ignored() []string { return r.ignored }

func (r *arrowReader) Next() (*Batch, error) {
	if r.ended == nil {
		r.ended = guarded(r.next)
	}
	if r.ended != nil {
		r.release()
		return nil, r.explain(r.ended)
	}
	return &r.batch, nil
}

func (r *arrowReader) explain(err error) error {
	if _, ok := fault.As(err); ok || err == io.EOF {
		return err
	}
	if r.exceeds.exceeded {
		return fault.New(fault.TooLarge, "body-too-large", "a record batch unpacks to more than %d bytes: send smaller ones, or uncompressed", r.limits.Pages).At("body", "", "is too large")
	}
	return damaged("Arrow table", err)
}

func (r *arrowReader) release() {
	if r.record != nil {
		r.record.Release()
		r.record, r.bound = nil, nil
	}
}

func (r *arrowReader) next() error {
	b := &r.batch
	b.restart()
	for r.record == nil || r.at == r.record.NumRows() {
		err := r.nextRecord()
		if err == io.EOF && !r.begun {
			r.begun = true // a table without rows
			return nil
		}
		if err != nil {
			return err
		}
	}
	r.begun = true
	n := len(r.columns)
	rows := int(min(r.record.NumRows()-r.at, rowsOf(n)))
	cells := b.grow(rows * n)
	for c, cellAt := range r.bound {
		for i := range rows {
			cell, reason := cellAt(int(r.at) + i)
			if reason != "" {
				r.flaws = append(r.flaws, flaw{i, c, cell.Display(), reason})
			}
			cells[i*n+c] = cell
		}
	}
	r.filled(rows)
	r.at += int64(rows)
	if r.recent += int64(rows * n); r.recent > forgetAfter {
		r.recent = 0
		r.body.Forget()
	}
	return nil
}

func (r *arrowReader) nextRecord() error {
	r.release()
	r.exceeds.left = r.limits.Pages // the one before has been given up
	record, err := r.records.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return err
	}
	record.Retain()
	r.record, r.at = record, 0
	r.rows += record.NumRows()
	if cells := r.rows * int64(len(r.columns)); record.NumRows() < 0 || r.rows > 1<<50 || 8*cells > max(r.limits.Expanded, r.body.Size()) ||
		8*cells > ratioFrom*256 && 8*cells/r.limits.Ratio > r.body.Size() {
		return fault.New(fault.TooLarge, "body-too-large", "the table says that it holds %d rows in %d bytes: more than is believed", r.rows, r.body.Size()).
			At("body", "", "is too large")
	}
	for _, column := range r.columns {
		r.bound = append(r.bound, column.bind(record.Column(column.at)))
	}
	return nil
}

// messages are the messages of a stream that lies in memory. It must end as a stream does, so that one that is cut off is noticed.
type messages struct {
	b     []byte
	at    int
	asked views // by the schema, of the batches
}

func (m *messages) Retain()  {}
func (m *messages) Release() {}

const (
	arrowFile    = "ARROW1"
	continuation = 0xffffffff
	mostMessage  = 64 << 20 // bytes of a message's description
)

func (m *messages) Message() (*ipc.Message, error) {
	size, err := m.word()
	if err == nil && size == continuation {
		size, err = m.word()
	}
	switch {
	case err != nil:
		return nil, err
	case size == 0:
		return nil, io.EOF
	case size > mostMessage:
		return nil, fmt.Errorf("a message claims %d bytes", size)
	}
	description, err := m.take(int64(size))
	if err != nil {
		return nil, err
	}
	if err := verifyMessage(description, bytes.NewReader(m.b[m.at:]), &m.asked); err != nil {
		return nil, err
	}
	meta := memory.NewBufferBytes(description)
	body, err := m.take(ipc.NewMessage(meta, memory.NewBufferBytes(nil)).BodyLen())
	if err != nil {
		return nil, err
	}
	return ipc.NewMessage(meta, memory.NewBufferBytes(body)), nil
}

func (m *messages) word() (uint32, error) {
	b, err := m.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (m *messages) take(n int64) ([]byte, error) {
	if n < 0 || n > int64(len(m.b)-m.at) {
		return nil, io.ErrUnexpectedEOF
	}
	m.at += int(n)
	return m.b[m.at-int(n) : m.at : m.at], nil
}

// bounded allocates what a compressed batch unpacks to, up to a limit.
type bounded struct {
	memory.GoAllocator
	left     int64
	exceeded bool
}

func (b *bounded) Allocate(size int) []byte {
	if b.left -= int64(size); size < 0 || b.left < 0 {
		b.exceeded = true
		panic("more memory is asked for than is given")
	}
	return b.GoAllocator.Allocate(size)
}

func (b *bounded) Reallocate(size int, old []byte) []byte {
	if cap(old) >= size && size >= 0 {
		return old[:size]
	}
	grown := b.Allocate(size)
	copy(grown, old)
	return grown
}
