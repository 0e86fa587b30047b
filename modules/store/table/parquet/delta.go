package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/format"
)

// deltas takes numbers that are written as differences, in blocks of packed bits (DELTA_BINARY_PACKED).
type deltas struct {
	b     []byte
	block int // numbers in a block
	minis int // parts that each block has, with a width of their own

	total int // numbers that are left
	last  int64
	begun bool

	least  int64
	widths []byte // of the parts of the block that are left
	left   int    // numbers of the part that are left
	width  uint
	bits   []byte
	bit    uint64
}

func newDeltas(b []byte) (*deltas, error) {
	d := &deltas{b: b}
	var head [3]uint64
	for i := range head {
		n, err := d.number()
		if err != nil {
			return nil, err
		}
		head[i] = n
	}
	first, err := d.number()
	if err != nil {
		return nil, err
	}
	block, minis, total := head[0], head[1], head[2]
	if block == 0 || block > 1<<20 || minis == 0 || minis > block || block%minis != 0 || block/minis%8 != 0 || total > mostValues {
		return nil, fmt.Errorf("%d differences in blocks of %d in %d parts", total, block, minis)
	}
	d.block, d.minis, d.total, d.last = int(block), int(minis), int(total), zigzag(first)
	return d, nil
}

func (d *deltas) number() (uint64, error) {
	n, size := binary.Uvarint(d.b)
	switch {
	case size == 0:
		return 0, io.ErrUnexpectedEOF
	case size < 0:
		return 0, errors.New("a number has more than 64 bits")
	}
	d.b = d.b[size:]
	return n, nil
}

func zigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }

func (d *deltas) next() (int64, error) {
	if d.total == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	d.total--
	if !d.begun {
		d.begun = true
		return d.last, nil
	}
	if d.left == 0 {
		if err := d.part(); err != nil {
			return 0, err
		}
	}
	d.left--
	d.last += d.least + int64(bitsAt(d.bits, d.bit, d.width))
	d.bit += uint64(d.width)
	return d.last, nil
}

// part begins the next part of a block, and the next block where there is none.
func (d *deltas) part() error {
	if len(d.widths) == 0 {
		least, err := d.number()
		if err != nil {
			return err
		}
		if len(d.b) < d.minis {
			return io.ErrUnexpectedEOF
		}
		d.least, d.widths, d.b = zigzag(least), d.b[:d.minis], d.b[d.minis:]
	}
	d.width, d.widths = uint(d.widths[0]), d.widths[1:]
	if d.width > 64 {
		return fmt.Errorf("differences of %d bits", d.width)
	}
	d.left = d.block / d.minis
	// The last part may be cut off behind its last number.
	needed := (uint64(min(d.left, d.total+1))*uint64(d.width) + 7) / 8
	size := uint64(d.left) * uint64(d.width) / 8
	if needed > uint64(len(d.b)) {
		return io.ErrUnexpectedEOF
	}
	size = min(size, uint64(len(d.b)))
	d.bits, d.bit, d.b = d.b[:size], 0, d.b[size:]
	return nil
}

// all takes all numbers, at most n, and answers what follows them.
func (d *deltas) all(n int) (numbers []int64, rest []byte, err error) {
	if d.total > n {
		return nil, nil, fmt.Errorf("there are %d lengths for %d values", d.total, n)
	}
	numbers = make([]int64, d.total)
	for i := range numbers {
		if numbers[i], err = d.next(); err != nil {
			return nil, nil, err
		}
		if numbers[i] < 0 {
			return nil, nil, fmt.Errorf("a text has a length of %d", numbers[i])
		}
	}
	return numbers, d.b, nil
}

type deltaNumbers struct {
	*deltas
	bits uint // of a number
}

func (d *deltaNumbers) next() (Raw, error) {
	n, err := d.deltas.next()
	return Raw{Bits: uint64(n) & mask(d.bits)}, err
}

// deltaLengths takes texts whose lengths come first (DELTA_LENGTH_BYTE_ARRAY).
type deltaLengths struct {
	lengths []int64
	b       []byte
}

func newDeltaLengths(data []byte, n int) (*deltaLengths, error) {
	d, err := newDeltas(data)
	if err != nil {
		return nil, err
	}
	out := &deltaLengths{}
	out.lengths, out.b, err = d.all(n)
	return out, err
}

func (d *deltaLengths) next() (Raw, error) {
	if len(d.lengths) == 0 || d.lengths[0] > int64(len(d.b)) {
		return Raw{}, io.ErrUnexpectedEOF
	}
	n := d.lengths[0]
	text := textOf(d.b[:n])
	d.lengths, d.b = d.lengths[1:], d.b[n:]
	return Raw{Text: text}, nil
}

// deltaTexts takes texts that begin as the one before did (DELTA_BYTE_ARRAY).
type deltaTexts struct {
	prefixes []int64
	suffixes *deltaLengths
	last     string
	length   int // that all must have; 0: any
}

// newDeltaTexts counts what the texts of the page have in all before any of them is made.
func (c *Chunk) newDeltaTexts(data []byte, n int) (*deltaTexts, error) {
	d, err := newDeltas(data)
	if err != nil {
		return nil, err
	}
	out := &deltaTexts{}
	if c.Leaf.Type == format.FixedLenByteArray {
		out.length = c.Leaf.Length
	}
	prefixes, rest, err := d.all(n)
	if err != nil {
		return nil, err
	}
	out.prefixes = prefixes
	if out.suffixes, err = newDeltaLengths(rest, n); err != nil {
		return nil, err
	}
	var whole int64
	for _, p := range prefixes {
		whole += min(p, 1<<32)
	}
	whole += int64(len(data))
	if err := c.file.use.hold(whole); err != nil {
		return nil, err
	}
	c.held += whole
	return out, nil
}

func (d *deltaTexts) next() (Raw, error) {
	if len(d.prefixes) == 0 || d.prefixes[0] > int64(len(d.last)) {
		return Raw{}, io.ErrUnexpectedEOF
	}
	suffix, err := d.suffixes.next()
	if err != nil {
		return Raw{}, err
	}
	d.last = d.last[:d.prefixes[0]] + suffix.Text
	d.prefixes = d.prefixes[1:]
	if d.length > 0 && len(d.last) != d.length {
		return Raw{}, fmt.Errorf("a value has %d bytes, not %d", len(d.last), d.length)
	}
	return Raw{Text: d.last}, nil
}
