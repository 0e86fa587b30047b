package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry/value/jsonscan"
)

// rowReader makes rows of a batch from JSON objects. A member that no row had before adds a column.
type rowReader struct {
	batch   Batch
	limit   int // of columns
	at      map[string]int
	ignored []string
	scanner jsonscan.Scanner
	members []member // of the row that is being read
}

type member struct {
	column int // -1: new; -2: ignored
	name   string
	raw    string
}

func newRowReader(limits Limits) rowReader {
	return rowReader{batch: Batch{FirstRow: 1}, limit: limits.Columns, at: map[string]int{}}
}

// scan reads one object from the front of text into members; end is the position behind it.
func (r *rowReader) scan(text string) (end int, err error) {
	r.members = r.members[:0]
	r.scanner.Reset(text)
	err = r.scanner.Object(func(name string) error {
		raw, err := r.scanner.Value()
		if err != nil {
			return err
		}
		// Rows mostly have the same members in the same order.
		m := member{column: len(r.members), name: name, raw: raw}
		if m.column >= len(r.batch.Columns) || r.batch.Columns[m.column] != name {
			var known bool
			if m.column, known = r.at[name]; !known {
				m.column = -1
			}
		}
		r.members = append(r.members, m)
		return nil
	})
	return r.scanner.Offset(), err
}

// add makes a row of the members.
func (r *rowReader) add() error {
	b := &r.batch
	for i := range r.members {
		m := &r.members[i]
		if m.column != -1 {
			continue
		}
		if ignored(m.name, i) {
			r.ignored = append(r.ignored, m.name)
			r.at[m.name], m.column = -2, -2
			continue
		}
		if len(b.Columns) == r.limit {
			return tooManyColumns(r.limit)
		}
		m.column = len(b.Columns)
		name := strings.Clone(m.name)
		r.at[name] = m.column
		b.widen(name)
	}
	cells := b.grow(len(b.Columns))
	if len(r.members) != len(cells) {
		clear(cells)
	}
	for _, m := range r.members {
		if m.column >= 0 {
			cells[m.column] = JSONCell(m.raw)
		}
	}
	b.good()
	return nil
}

// done answers the batch, or io.EOF if it is empty and so was at least one before.
func (r *rowReader) done() (*Batch, error) {
	if r.batch.next() == r.batch.FirstRow {
		return nil, io.EOF
	}
	return &r.batch, nil
}

// ndjsonReader reads a JSON object per line. Empty lines are passed over; a line that is no object is a bad row.
type ndjsonReader struct {
	src  *source
	rows rowReader
}

func (r *ndjsonReader) Ignored() []string { return r.rows.ignored }

func (r *ndjsonReader) Next() (*Batch, error) {
	b := &r.rows.batch
	b.restart()
	for !b.full() {
		line := r.src.pending()
		size := bytes.IndexByte(line, '\n') + 1
		switch {
		case size > 0:
			line = line[:size-1]
		case r.src.eof && len(line) == 0:
			return r.rows.done()
		case r.src.eof:
			size = len(line)
		default:
			if err := r.src.more(); err != nil {
				return nil, atRow(err, b.next())
			}
			continue
		}
		r.src.at += size
		if err := r.line(strings.Trim(textOf(line), " \t\r")); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (r *ndjsonReader) line(text string) error {
	if text == "" {
		return nil
	}
	_, err := r.rows.scan(text)
	if err == nil {
		err = r.rows.scanner.End()
	}
	if err == nil {
		return r.rows.add()
	}
	r.rows.bad(err, text)
	return nil
}

// bad notes a row that could not be read; the column is the member in which the error lies.
func (r *rowReader) bad(err error, text string) {
	column := ""
	var e *jsonscan.Error
	if errors.As(err, &e) {
		column, _, _ = strings.Cut(e.Path, ".")
		column, _, _ = strings.Cut(column, "[")
	}
	r.batch.bad(column, fault.Shorten(strings.ToValidUTF8(text, "\uFFFD")), err.Error())
}

// jsonRowsReader reads an array of objects. An element that is no object is a bad row; an error of the syntax ends the table, as
// nothing says where the next row would begin.
type jsonRowsReader struct {
	src   *source
	rows  rowReader
	begun bool // the opening bracket has been read
	ended bool
}

func (r *jsonRowsReader) Ignored() []string { return r.rows.ignored }

func (r *jsonRowsReader) Next() (*Batch, error) {
	b := &r.rows.batch
	b.restart()
	for !b.full() && !r.ended {
		if err := r.next(); err != nil {
			return nil, err
		}
	}
	return r.rows.done()
}

// next reads the next element and what follows it, before the first one the opening bracket.
func (r *jsonRowsReader) next() error {
	if !r.begun {
		r.begun = true
		if _, err := r.peek(); err != nil {
			return err
		}
		r.src.at++ // the bracket, which told the format
		switch c, err := r.peek(); {
		case err != nil:
			return err
		case c == ']':
			return r.end()
		}
	}
	if err := r.element(); err != nil {
		return err
	}
	c, err := r.peek()
	if err != nil {
		return err
	}
	switch c {
	case ',':
		r.src.at++
		return nil
	case ']':
		return r.end()
	}
	return r.invalid(r.rows.batch.next()-1, 0, fmt.Sprintf("is followed by %q: expected a comma or ]", c))
}

// peek is the next character that is no space.
func (r *jsonRowsReader) peek() (byte, error) {
	for {
		pending := r.src.pending()
		for i, c := range pending {
			if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
				r.src.at += i
				return c, nil
			}
		}
		r.src.at = r.src.end
		if r.src.eof {
			return 0, r.invalid(r.rows.batch.next(), 0, "is missing: the text ends in the middle of the array")
		}
		if err := r.src.more(); err != nil {
			return 0, err
		}
	}
}

// element reads one element of the array.
func (r *jsonRowsReader) element() error {
	if _, err := r.peek(); err != nil {
		return err
	}
	for {
		text := r.src.text()
		number := r.rows.batch.next()
		object := text[0] == '{'
		var size int
		var err error
		if object {
			size, err = r.rows.scan(text)
		} else {
			r.rows.scanner.Reset(text)
			_, err = r.rows.scanner.Value()
			size = r.rows.scanner.Offset()
		}
		e, _ := err.(*jsonscan.Error)
		if incomplete := e != nil && e.Incomplete || e == nil && size == len(text); incomplete && !r.src.eof {
			if err := r.src.more(); err != nil {
				return atRow(err, number)
			}
			continue
		}
		if e != nil {
			return r.invalid(number, e.Offset, "cannot be read: "+strings.TrimPrefix(e.Path+": ", ": ")+e.Message)
		}
		r.src.at += size
		if object {
			return r.rows.add()
		}
		r.rows.batch.bad("", fault.Shorten(text[:size]), "is no object: every row is one, with a member for each column")
		return nil
	}
}

// end takes the closing bracket and makes sure that nothing follows it.
func (r *jsonRowsReader) end() error {
	r.src.at++
	r.ended = true
	for {
		if rest := bytes.TrimLeft(r.src.pending(), " \n\t\r"); len(rest) > 0 {
			return r.invalid(r.rows.batch.next(), 0, "cannot be: something follows after the end of the array")
		}
		r.src.at = r.src.end
		if r.src.eof {
			return nil
		}
		if err := r.src.more(); err != nil {
			return err
		}
	}
}

// invalid is an error of the syntax, in a row, some bytes behind what has been taken.
func (r *jsonRowsReader) invalid(number int64, offset int, message string) error {
	e := fault.New(fault.Invalid, "invalid-json", "row %d %s (at byte %d)", number, message, r.src.offset()+int64(offset))
	return e.At(fmt.Sprintf("row %d", number), "", "%s", message)
}
