package table

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"featurestore/app/fault"
)

// csvReader reads RFC 4180: cells are separated by commas, rows end in LF or CRLF, a cell in quotes may hold all of these and
// doubled quotes. The first row names the columns. An empty cell is null, "" the empty string. An empty line is no row, except
// of a table with a single column.
type csvReader struct {
	src     *source
	width   int   // columns in the file
	kept    []int // which of them, where some are ignored, else nil
	ignored []string
	batch   Batch
	begun   bool
}

func newCSVReader(src *source, limits Limits) (*csvReader, error) {
	r := &csvReader{src: src, batch: Batch{FirstRow: 1}}
	var header row
	for {
		header = scanRow(src.pending(), nil, src.eof)
		if header.size > 0 || src.eof {
			break
		}
		if err := src.more(); err != nil {
			return nil, atHeader(err)
		}
	}
	if header.open {
		return nil, invalidHeader("the header cannot be read: a quote is never closed")
	}
	if header.cells > limits.Columns {
		return nil, tooManyColumns(limits.Columns)
	}
	line := src.pending()[:header.size]
	names := make([]Cell, header.cells)
	if header = scanRow(line, names, true); header.problem != "" {
		return nil, invalidHeader("the header cannot be read: %s", header.problem)
	}
	src.at += header.size
	return r, r.name(names)
}

// name takes in the header.
func (r *csvReader) name(names []Cell) error {
	r.width = len(names)
	seen := make(map[string]int, len(names))
	for i, cell := range names {
		name := cell.held.Text()
		if problem := badText(name); problem != "" {
			return invalidHeader("the name of column %d %s", i+1, problem)
		}
		if strings.IndexByte(name, '\r') >= 0 {
			return invalidHeader("the header holds a carriage return: rows end in LF or CRLF")
		}
		if ignored(name, i) {
			r.ignored = append(r.ignored, name)
			continue
		}
		if name == "" {
			return invalidHeader("column %d has no name", i+1)
		}
		if before, twice := seen[name]; twice {
			return invalidHeader("the columns %d and %d are both named %q", before+1, i+1, name)
		}
		seen[name] = i
		r.kept = append(r.kept, i)
		r.batch.Columns = append(r.batch.Columns, strings.Clone(name))
	}
	if len(r.kept) == 0 {
		return invalidHeader("the header names no column")
	}
	if len(names) == 1 && strings.ContainsAny(names[0].held.Text(), ";\t") {
		return invalidHeader("the header has no comma: cells are separated by commas, not by semicolons or tabs")
	}
	if len(r.kept) == r.width {
		r.kept = nil
	}
	return nil
}

func invalidHeader(format string, args ...any) error {
	e := fault.New(fault.Invalid, "invalid-csv", format, args...)
	return e.At("header", "", "%s", e.Detail)
}

func atHeader(err error) error {
	if e, ok := fault.As(err); ok && e.Slug == rowTooLarge {
		return fault.New(e.Kind, e.Slug, "the header %s", e.Detail).At("header", "", "%s", e.Detail)
	}
	return err
}

func (r *csvReader) Ignored() []string { return r.ignored }

func (r *csvReader) Next() (*Batch, error) {
	b := &r.batch
	b.restart()
	for !b.full() {
		data := r.src.pending()
		cells := b.grow(r.width)
		row := scanRow(data, cells, r.src.eof)
		switch {
		case row.size == 0 && r.src.eof:
			b.Cells = b.Cells[:len(b.Cells)-r.width]
			if row.open {
				return nil, r.open(b, row)
			}
			if b.next() == b.FirstRow && r.begun {
				return nil, io.EOF
			}
			r.begun = true
			return b, nil
		case row.size == 0:
			b.Cells = b.Cells[:len(b.Cells)-r.width]
			if err := r.src.more(); err != nil {
				return nil, atRow(err, b.next())
			}
			continue
		}
		r.src.at += row.size
		if row.blank && r.width > 1 {
			b.Cells = b.Cells[:len(b.Cells)-r.width]
			continue
		}
		r.take(data[:row.size], row, cells)
	}
	r.begun = true
	return b, nil
}

// take makes a row of the batch of one that has been scanned.
func (r *csvReader) take(line []byte, row row, cells []Cell) {
	b := &r.batch
	switch {
	case row.problem != "":
		column := ""
		if row.cells < r.width {
			column = r.column(row.cells)
		}
		b.bad(column, fault.Shorten(strings.ToValidUTF8(string(bytes.TrimRight(line, "\r\n")), "\uFFFD")), row.problem)
		return
	case row.cells != r.width:
		b.bad("", fault.Shorten(strings.ToValidUTF8(string(bytes.TrimRight(line, "\r\n")), "\uFFFD")),
			fmt.Sprintf("has %d cells, the header has %d", row.cells, r.width))
		return
	case !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0:
		for i, cell := range cells {
			if problem := badText(cell.held.Text()); problem != "" {
				b.bad(r.column(i), fault.Shorten(strings.ToValidUTF8(cell.held.Text(), "\uFFFD")), problem)
				return
			}
		}
	}
	if r.kept != nil {
		for to, from := range r.kept {
			cells[to] = cells[from]
		}
		b.Cells = b.Cells[:len(b.Cells)-r.width+len(r.kept)]
	}
	b.good()
}

// column is the name of a column of the file.
func (r *csvReader) column(i int) string {
	if r.kept == nil {
		return r.batch.Columns[i]
	}
	for at, kept := range r.kept {
		if kept == i {
			return r.batch.Columns[at]
		}
	}
	return ""
}

func (r *csvReader) open(b *Batch, row row) error {
	e := fault.New(fault.Invalid, "invalid-csv", "the quote that opens in row %d, cell %d is never closed", b.next(), row.cells+1)
	return e.At(fmt.Sprintf("row %d", b.next()), "", "%s", e.Detail)
}

func badText(text string) string {
	switch {
	case !utf8.ValidString(text):
		return "is not valid UTF-8: is the file in another encoding?"
	case strings.IndexByte(text, 0) >= 0:
		return "holds NUL, which is refused"
	}
	return ""
}
