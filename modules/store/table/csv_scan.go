package table

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// row is what a line of CSV turned out to be.
type row struct {
	size    int    // bytes with the line's end; 0: the end is not there yet
	cells   int    // how many, or before which one the problem lies
	problem string // "" if it is well formed
	blank   bool   // nothing but a line's end
	open    bool   // a quote is not closed in what is there
}

// scanRow reads one row from the front of data; last says that nothing comes behind data. It sets as many cells as there is room
// for. Once the row is known to be whole, doubled quotes are undone within data.
func scanRow(data []byte, cells []Cell, last bool) row {
	if len(data) == 0 {
		return row{}
	}
	doubled := false
	var beyond Cell // where cells go that there is no room for
	for i, n := 0, 0; ; n++ {
		cell := &beyond
		if n < len(cells) {
			cell = &cells[n]
		}
		if start := i; i < len(data) && data[i] == '"' {
			end, doubles := closingQuote(data, i+1)
			if end < 0 || end == len(data)-1 && !last {
				return row{cells: n, open: end < 0}
			}
			doubled = doubled || doubles
			*cell = TextCell(textOf(data[start+1 : end]))
			i = end + 1
			if i < len(data) && data[i] == '\r' {
				if i+1 == len(data) && !last {
					return row{}
				}
				if i+1 == len(data) || data[i+1] == '\n' {
					i++
				}
			}
			if i < len(data) && data[i] != ',' && data[i] != '\n' {
				return skipLine(data, i, last, row{cells: n, problem: "has text behind a closing quote: a quote inside quotes is doubled"})
			}
		} else {
			i = separator(data, i)
			if i == len(data) && !last {
				return row{}
			}
			if i < len(data) && data[i] == '"' {
				return skipLine(data, i, last, row{cells: n, problem: "has a quote inside a cell: put the cell in quotes and double the quote"})
			}
			end := i
			if end > start && data[end-1] == '\r' && (i == len(data) || data[i] == '\n') {
				end--
			}
			if end > start {
				*cell = TextCell(textOf(data[start:end]))
			} else {
				*cell = NullCell()
			}
		}
		if i == len(data) || data[i] == '\n' {
			if doubled {
				undouble(cells[:min(n+1, len(cells))])
			}
			return row{size: min(i+1, len(data)), cells: n + 1, blank: n == 0 && cell.IsNull()}
		}
		i++
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// separator is the position of the first comma, line feed or quote from i on, or the length.
func separator(data []byte, i int) int {
	for i+8 <= len(data) {
		w := binary.LittleEndian.Uint64(data[i:])
		comma, line, quote := w^','*ones, w^'\n'*ones, w^'"'*ones
		// A byte that is to be found gets its high bit; one above it may get it too, so only the lowest counts.
		if found := ((comma-ones)&^comma | (line-ones)&^line | (quote-ones)&^quote) & highs; found != 0 {
			return i + bits.TrailingZeros64(found)>>3
		}
		i += 8
	}
	for i < len(data) && data[i] != ',' && data[i] != '\n' && data[i] != '"' {
		i++
	}
	return i
}

// closingQuote is the position of the quote that ends a cell whose content begins at i, or -1; doubled tells that there are
// doubled ones before it.
func closingQuote(data []byte, i int) (end int, doubled bool) {
	for {
		next := bytes.IndexByte(data[i:], '"')
		if next < 0 {
			return -1, doubled
		}
		i += next
		if i+1 == len(data) || data[i+1] != '"' {
			return i, doubled
		}
		i, doubled = i+2, true
	}
}

// skipLine passes over a row that has a problem at i.
func skipLine(data []byte, i int, last bool, bad row) row {
	end := bytes.IndexByte(data[i:], '\n')
	switch {
	case end >= 0:
		bad.size = i + end + 1
	case last:
		bad.size = len(data)
	default:
		return row{}
	}
	return bad
}

// undouble makes one quote of two, in place: nobody has seen the cells yet. Only cells in quotes hold any.
func undouble(cells []Cell) {
	for c := range cells {
		text := bytesOf(cells[c].held.Text())
		if bytes.IndexByte(text, '"') < 0 {
			continue
		}
		n := 0
		for i := 0; i < len(text); i++ {
			text[n] = text[i]
			n++
			if text[i] == '"' {
				i++
			}
		}
		cells[c] = TextCell(textOf(text[:n]))
	}
}
