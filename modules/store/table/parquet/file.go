package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"featurestore/app/fault"
)

// Limits bounds what a file may ask for. All are needed.
type Limits struct {
	Columns  int   // leaves of the schema
	Held     int64 // bytes of the pages and dictionaries that are held at once, for all columns
	Expanded int64 // bytes of the values, as they are in memory
	Ratio    int64 // unpacked bytes for each packed one, once 16 MiB are unpacked
}

// File is a file whose metadata have been read.
type File struct {
	Root   *Node // its children are the columns
	Leaves []*Leaf
	Groups []Group
	Rows   int64

	in     io.ReaderAt
	size   int64
	limits Limits
	use    use
}

// Group is some consecutive rows, at least one.
type Group struct {
	Rows   int64
	chunks []format.ColumnChunk
}

const (
	magic     = "PAR1"
	encrypted = "PARE"
	tail      = 8        // the length of the metadata, and the magic bytes
	mostMeta  = 64 << 20 // bytes of metadata

	// From so many bytes of values on they may not be Limits.Ratio times the file: a column that is constant needs next to none.
	ratioCountsFrom = 4 << 30
)

// Open reads a file's metadata. An error that is a *fault.Error is about what the file asks for, any other means that it is damaged or
// cannot be read.
func Open(in io.ReaderAt, size int64, limits Limits) (f *File, err error) {
	meta, err := metadata(in, size)
	if err != nil {
		return nil, err
	}
	f = &File{in: in, size: size, limits: limits}
	f.use.limits = limits
	if f.Root, f.Leaves, err = tree(meta.Schema, limits.Columns); err != nil {
		return nil, err
	}
	for i, g := range meta.RowGroups {
		if len(g.Columns) != len(f.Leaves) {
			return nil, fmt.Errorf("row group %d has %d columns, the schema %d", i+1, len(g.Columns), len(f.Leaves))
		}
		if g.NumRows < 0 || g.NumRows > 1<<40 {
			return nil, fmt.Errorf("row group %d claims %d rows", i+1, g.NumRows)
		}
		if g.NumRows == 0 { // what pyarrow and pandas write of an empty table: its pages are nowhere
			if slices.ContainsFunc(g.Columns, func(c format.ColumnChunk) bool { return c.MetaData.NumValues != 0 }) {
				return nil, fmt.Errorf("row group %d has values, but no rows", i+1)
			}
			continue
		}
		f.Groups = append(f.Groups, Group{Rows: g.NumRows, chunks: g.Columns})
		f.Rows += g.NumRows
	}
	expanded := 8 * f.Rows
	if n := int64(len(f.Leaves)); n > 0 && expanded > limits.Expanded/n || expanded*n > ratioCountsFrom && expanded*n/limits.Ratio > size {
		return nil, fault.New(fault.TooLarge, "body-too-large", "the file says that it holds %d rows in %d bytes: more than is believed", f.Rows, size).
			At("body", "", "is too large")
	}
	return f, nil
}

func metadata(in io.ReaderAt, size int64) (*format.FileMetaData, error) {
	if size < int64(len(magic)+tail) {
		return nil, errors.New("it is cut off")
	}
	var ends [len(magic) + tail]byte
	if err := readAt(in, ends[:4], 0); err != nil {
		return nil, err
	}
	if err := readAt(in, ends[4:], size-tail); err != nil {
		return nil, err
	}
	switch begin, end := string(ends[:4]), string(ends[8:]); {
	case begin == encrypted || end == encrypted:
		return nil, fault.New(fault.Unsupported, "unsupported-parquet", "the Parquet file is encrypted, which is not read").At("body", "", "is encrypted")
	case begin != magic:
		return nil, errors.New("it does not begin with PAR1")
	case end != magic:
		return nil, errors.New("it does not end with PAR1: it is cut off")
	}
	length := int64(binary.LittleEndian.Uint32(ends[4:]))
	switch {
	case length > size-int64(len(magic)+tail):
		return nil, fmt.Errorf("it claims metadata of %d bytes, more than it has", length)
	case length > mostMeta:
		return nil, fault.New(fault.TooLarge, "body-too-large", "the Parquet file has %d bytes of metadata, more than %d: write larger row groups", length, mostMeta).
			At("body", "", "has too many metadata")
	}
	footer := make([]byte, length)
	if err := readAt(in, footer, size-tail-length); err != nil {
		return nil, err
	}
	n, err := structureSize(footer)
	if err != nil {
		return nil, fmt.Errorf("its metadata cannot be read: %w", err)
	}
	meta := &format.FileMetaData{}
	if err := thrift.Unmarshal(&thrift.CompactProtocol{}, footer[:n], meta); err != nil {
		return nil, fmt.Errorf("its metadata cannot be read: %w", err)
	}
	return meta, nil
}

// readAt fills b from an offset on.
func readAt(in io.ReaderAt, b []byte, offset int64) error {
	n, err := in.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// use is what has been asked for so far.
type use struct {
	limits           Limits
	held             int64
	packed, unpacked int64
}

// hold counts bytes that are held from now on, or that are held no longer.
func (u *use) hold(bytes int64) error {
	if u.held += bytes; bytes > 0 && u.held > u.limits.Held {
		return fault.New(fault.TooLarge, "body-too-large",
			"the pages of the Parquet file's columns have more than %d bytes side by side: write smaller pages (data_page_size) or fewer columns", u.limits.Held).
			At("body", "", "has too large pages")
	}
	return nil
}

const ratioFrom = 16 << 20 // bytes unpacked before the ratio counts

// unpack counts a page that is about to be unpacked.
func (u *use) unpack(packed, unpacked int64) error {
	u.packed += packed
	u.unpacked += unpacked
	if u.unpacked > ratioFrom && u.unpacked/max(u.packed, 1) > u.limits.Ratio {
		return fault.New(fault.TooLarge, "body-too-large", "the Parquet file unpacks to more than %d times its size", u.limits.Ratio).At("body", "", "is too large")
	}
	return nil
}
