package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry/value/jsonscan"
)

// Reader gives a table in batches; Next answers io.EOF after the last one. Of a table with columns and no rows there is one batch
// without rows. An error that is the sender's is a *fault.Error.
type Reader interface {
	Next() (*Batch, error)

	// Ignored are the columns that were left out because pandas writes them for its index. It is complete after io.EOF.
	Ignored() []string
}

// ReadOptions says what is known of a body.
type ReadOptions struct {
	ContentType     string // "" or one that says nothing (application/octet-stream, curl's form type): by the first bytes
	ContentEncoding string // gzip, zstd or ""; a body that begins like one of them is unpacked all the same
	Limits          Limits

	// Spool receives the rest of a body whole, where the format is not read from its beginning to its end. The caller closes it once the
	// table has been read. nil: it is held in memory, at most Limits.Held bytes. A body that is Spooled itself is read as it is.
	Spool func(body io.Reader) (Spooled, error)
}

// Limits bounds what a body may ask for. A zero member takes its default.
type Limits struct {
	Row      int   // bytes of one row: 16 MiB
	Columns  int   // 4,096
	Held     int   // bytes of a body of JSON by columns, which is held in memory whole: 64 MiB
	Pages    int64 // bytes of Parquet or Arrow that must be in memory at once, for all columns: 1 GiB
	Expanded int64 // bytes of a compressed body after unpacking: 64 GiB
	Ratio    int64 // unpacked bytes for each packed one, once 16 MiB are unpacked: 300
}

func (l Limits) orDefaults() Limits {
	def := func(n *int, d int) {
		if *n <= 0 {
			*n = d
		}
	}
	def(&l.Row, 16<<20)
	def(&l.Columns, 4096)
	def(&l.Held, 64<<20)
	if l.Pages <= 0 {
		l.Pages = 1 << 30
	}
	if l.Expanded <= 0 {
		l.Expanded = 64 << 30
	}
	if l.Ratio <= 0 {
		l.Ratio = 300
	}
	return l
}

// NewReader finds the format of a body, by its content type or else its first bytes, and reads it as a table. It reads no more
// than the head of the body. A body that is empty, or of a format that is not known, is a fault.
//
// A new format takes a case here, one in NewWriter, and its name in format.go.
func NewReader(body io.Reader, opts ReadOptions) (Reader, Format, error) {
	limits := opts.Limits.orDefaults()
	format, err := formatOf(opts.ContentType)
	if err != nil {
		return nil, Unspecified, err
	}
	in, err := unpack(body, opts.ContentEncoding, limits)
	if err != nil {
		return nil, Unspecified, err
	}
	src := &source{in: in, limit: limits.Row}
	magic, err := begin(src)
	if err != nil {
		return nil, Unspecified, err
	}
	if magic != Unspecified {
		format = magic
	}
	if format.Typed() {
		reader, err := newTypedReader(format, body, src, opts.Spool, limits)
		return reader, format, err
	}
	if format == Unspecified || format == JSON {
		if format, err = sniff(src, format); err != nil {
			return nil, Unspecified, err
		}
	}
	var reader Reader
	switch format {
	case CSV:
		reader, err = newCSVReader(src, limits)
	case NDJSON:
		reader = &ndjsonReader{src: src, rows: newRowReader(limits)}
	case JSONRows:
		reader = &jsonRowsReader{src: src, rows: newRowReader(limits)}
	case JSON:
		reader, err = readColumns(src, limits)
	}
	return reader, format, err
}

// newTypedReader receives a body whole, of which src has the head, unless it is there already, and reads it in a format whose columns have
// types.
func newTypedReader(format Format, body io.Reader, src *source, spool func(io.Reader) (Spooled, error), limits Limits) (Reader, error) {
	whole, there := body.(Spooled)
	if _, packed := src.in.(*guard); packed || !there {
		if spool == nil {
			spool = hold(limits.Held)
		}
		var err error
		if whole, err = spool(io.MultiReader(bytes.NewReader(src.pending()), src.in)); err != nil {
			return nil, err
		}
	}
	if format == Parquet {
		return newParquetReader(whole, limits)
	}
	return newArrowReader(whole, limits)
}

// formatOf is the format that a content type names; Unspecified if it says nothing.
func formatOf(contentType string) (Format, error) {
	if contentType == "" {
		return Unspecified, nil
	}
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return Unspecified, unsupported("header.Content-Type", contentType)
	}
	switch charset := strings.ToLower(parameters["charset"]); charset {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
	default:
		return Unspecified, fault.New(fault.Unsupported, "unsupported-content-type", "the charset %q is not taken: send UTF-8", fault.Shorten(charset)).
			At("header.Content-Type", contentType, "names another charset than UTF-8")
	}
	if format, ok := mediaTypes[mediaType]; ok {
		return format, nil
	}
	switch mediaType {
	case "application/octet-stream", "application/x-www-form-urlencoded", "text/plain", "application/gzip", "application/x-gzip", "application/zstd":
		return Unspecified, nil
	}
	return Unspecified, unsupported("header.Content-Type", contentType)
}

func unsupported(place, what string) *fault.Error {
	return fault.New(fault.Unsupported, "unsupported-content-type", "a table is read as CSV, NDJSON, JSON, Parquet or an Arrow stream, not as %s", fault.Shorten(what)).At(place, what, "is not read")
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// begin reads the head of a body, passes over a byte order mark, and refuses what cannot be text, unless it is Parquet or Arrow.
func begin(src *source) (Format, error) {
	for !src.eof && src.end < 512 {
		if err := src.more(); err != nil {
			return Unspecified, err
		}
	}
	if bytes.HasPrefix(src.pending(), byteOrderMark) {
		src.at += len(byteOrderMark)
	}
	head := src.pending()
	switch {
	case len(bytes.TrimSpace(head)) == 0 && src.eof:
		return Unspecified, fault.New(fault.Invalid, "empty-body", "the body is empty: send a table as CSV, NDJSON, JSON, Parquet or an Arrow stream").At("body", "", "is empty")
	case bytes.HasPrefix(head, []byte("PAR1")), bytes.HasPrefix(head, []byte("PARE")):
		return Parquet, nil
	case bytes.HasPrefix(head, []byte(arrowFile)), bytes.HasPrefix(head, []byte{0xff, 0xff, 0xff, 0xff}):
		return Arrow, nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return Unspecified, unsupported("body", "a ZIP or Excel file")
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return Unspecified, unsupported("body", "UTF-16 text: send UTF-8")
	}
	return Unspecified, nil
}

// sniffed is how much of a body is looked at to tell its format.
const sniffed = 64 << 10

// sniff tells a format from the first bytes: JSON begins with a bracket, anything else is CSV.
func sniff(src *source, named Format) (Format, error) {
	head := bytes.TrimLeft(src.pending(), " \t\r\n")
	switch {
	case len(head) > 0 && head[0] == '[':
		return JSONRows, nil
	case len(head) > 0 && head[0] == '{':
	default:
		return max(named, CSV), nil // what is named JSON and is none, is an error of the JSON
	}
	for {
		format, certain := sniffObject(src.text())
		if certain || src.eof || src.end-src.at >= min(sniffed, src.limit) {
			return format, nil
		}
		if err := src.more(); err != nil {
			return Unspecified, err
		}
	}
}

// sniffObject tells JSON by columns, one object whose members are all arrays, from a row, after which others may follow.
func sniffObject(text string) (format Format, certain bool) {
	arrays, members := true, 0
	s := jsonscan.New(text)
	err := s.Object(func(string) error {
		kind := s.Kind()
		arrays = arrays && (kind == jsonscan.Array || kind == jsonscan.Invalid)
		members++
		return nil
	})
	if arrays && members > 0 {
		format = JSON
	} else {
		format = NDJSON
	}
	var e *jsonscan.Error
	if errors.As(err, &e) {
		return format, !e.Incomplete
	}
	if s.End() != nil {
		return NDJSON, true
	}
	return format, false
}

// ignored tells whether a column is one that pandas writes for its index.
func ignored(name string, column int) bool {
	return name == "" && column == 0 || name == "Unnamed: 0" || strings.HasPrefix(name, "__index_level_") && strings.HasSuffix(name, "__")
}

func tooManyColumns(limit int) *fault.Error {
	return fault.New(fault.TooLarge, "too-many-columns", "the table has more than %d columns", limit).At("columns", "", "are too many")
}

// atRow puts the number of the row before the fault of a row that is too large.
func atRow(err error, number int64) error {
	e, ok := fault.As(err)
	if !ok || e.Slug != rowTooLarge {
		return err
	}
	located := fault.New(e.Kind, e.Slug, "row %d %s", number, e.Detail)
	return located.At(fmt.Sprintf("row %d", number), "", "%s", e.Detail)
}
