package table

const (
	batchRows  = 1000
	batchCells = 32 << 10
)

// Batch is some rows of a table, at most about a thousand. The batch and its slices are used again by the next call of Next; the
// text that cells point at is never overwritten, but keeps the block it was read with in memory.
type Batch struct {
	Columns  []string // from one batch to the next only added to, at the end
	Rows     int
	Cells    []Cell   // Rows × len(Columns), row by row
	FirstRow int64    // the number of the first row, bad ones counted; rows count from 1, a header is none
	Bad      []BadRow // rows that could not be read; they are not among Cells
	Numbers  []int64  // the number of each row where bad ones lie between them, else nil: FirstRow + i

	typed []Column // what is known of the columns, where the format says anything
}

// BadRow says why a row could not be read.
type BadRow struct {
	Number int64  `json:"row"`
	Column string `json:"column"` // "" where it is not one column's fault
	Value  string `json:"value"`  // shortened
	Reason string `json:"reason"`
}

// Number is the number of row i of the batch.
func (b *Batch) Number(i int) int64 {
	if b.Numbers != nil {
		return b.Numbers[i]
	}
	return b.FirstRow + int64(i)
}

// Row is the cells of row i.
func (b *Batch) Row(i int) []Cell {
	n := len(b.Columns)
	return b.Cells[i*n : (i+1)*n : (i+1)*n]
}

// next is the number of the row that comes next.
func (b *Batch) next() int64 { return b.FirstRow + int64(b.Rows+len(b.Bad)) }

// restart empties the batch, to go on behind its last row.
func (b *Batch) restart() {
	b.FirstRow, b.Rows, b.Cells, b.Bad, b.Numbers = b.next(), 0, b.Cells[:0], b.Bad[:0], nil
}

// full tells that the batch should be handed out before it grows further.
func (b *Batch) full() bool {
	return b.Rows+len(b.Bad) >= batchRows || b.Rows > 0 && len(b.Cells) >= batchCells
}

// grow makes room for n cells behind the last one and answers them, with whatever they held before.
func (b *Batch) grow(n int) []Cell {
	before := len(b.Cells)
	if cap(b.Cells) < before+n {
		cells := make([]Cell, before, max(2*cap(b.Cells), before+n, 16*n))
		copy(cells, b.Cells)
		b.Cells = cells
	}
	b.Cells = b.Cells[:before+n]
	return b.Cells[before:]
}

// good counts the row whose cells were added last.
func (b *Batch) good() {
	if b.Numbers != nil {
		b.Numbers = append(b.Numbers, b.next())
	}
	b.Rows++
}

// bad takes the cells of the row that did not become one away again, and says why.
func (b *Batch) bad(column, value, reason string) {
	b.Cells = b.Cells[:b.Rows*len(b.Columns)]
	number := b.next()
	if b.Numbers == nil {
		b.Numbers = make([]int64, 0, batchRows)
		for i := range b.Rows {
			b.Numbers = append(b.Numbers, b.FirstRow+int64(i))
		}
	}
	b.Bad = append(b.Bad, BadRow{Number: number, Column: column, Value: value, Reason: reason})
}

// widen adds a column, missing in the rows that are there already.
func (b *Batch) widen(name string) {
	before := len(b.Columns)
	b.Columns = append(b.Columns, name)
	b.grow(b.Rows)
	for row := b.Rows - 1; row >= 0; row-- {
		to := row * (before + 1)
		copy(b.Cells[to:to+before], b.Cells[row*before:(row+1)*before])
		b.Cells[to+before] = Cell{}
	}
}
