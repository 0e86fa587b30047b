package table

import (
	"strings"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// csvWriter writes RFC 4180 with LF: null and missing cells are empty, the empty string is "".
type csvWriter struct {
	out     buffered
	columns int
}

func newCSVWriter(out buffered, columns []Column) (*csvWriter, error) {
	w := &csvWriter{out: out, columns: len(columns)}
	for i, column := range columns {
		if i > 0 {
			w.out.buf = append(w.out.buf, ',')
		}
		w.out.buf = appendCSVText(w.out.buf, column.Name)
	}
	w.out.buf = append(w.out.buf, '\n')
	return w, nil
}

func (w *csvWriter) Write(rows int, cells []Cell) error {
	for r := range rows {
		for i := range w.columns {
			if i > 0 {
				w.out.buf = append(w.out.buf, ',')
			}
			w.out.buf = appendCSV(w.out.buf, &cells[r*w.columns+i])
		}
		w.out.buf = append(w.out.buf, '\n')
		if err := w.out.flush(false); err != nil {
			return err
		}
	}
	return nil
}

func (w *csvWriter) Close() error { return w.out.flush(true) }

func appendCSV(dst []byte, c *Cell) []byte {
	switch c.form {
	case textForm:
		return appendCSVText(dst, c.held.Text())
	case jsonForm:
		raw := c.held.Text()
		if raw[0] == '"' {
			raw = jsonscan.Unquote(raw)
		}
		return appendCSVText(dst, raw)
	case valueForm:
		switch t := c.held.Type(); {
		case t == value.String || t == value.JSON:
			return appendCSVText(dst, c.held.Text())
		case t.Array():
			return appendCSVText(dst, string(value.AppendText(nil, c.held)))
		}
		return value.AppendText(dst, c.held)
	case localForm, dayForm:
		return append(dst, c.localText()...)
	}
	return dst
}

// appendCSVText writes a cell that is not null, in quotes where it must be.
func appendCSVText(dst []byte, text string) []byte {
	if plainCSV(text) {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	for {
		i := strings.IndexByte(text, '"')
		if i < 0 {
			return append(append(dst, text...), '"')
		}
		dst = append(append(dst, text[:i+1]...), '"')
		text = text[i+1:]
	}
}

// plainCSV tells whether a text can stand without quotes.
func plainCSV(text string) bool {
	if text == "" || text[0] == byteOrderMark[0] {
		return false
	}
	for i := range len(text) {
		if c := text[i]; c == ',' || c == '"' || c == '\n' || c == '\r' {
			return false
		}
	}
	return true
}
