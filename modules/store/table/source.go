package table

import (
	"errors"
	"fmt"
	"io"
	"unsafe"

	"featurestore/app/fault"
)

const (
	firstBlock = 4 << 10
	blockSize  = 256 << 10

	rowTooLarge = "row-too-large"
)

// source reads a body in blocks. What has been taken from a block is never written again, so cells may point into it.
type source struct {
	in    io.Reader
	block []byte
	at    int   // what is before has been taken
	end   int   // what is before has been read
	base  int64 // bytes of the body before the block
	eof   bool
	limit int // bytes that may be pending: the longest row
}

// pending is what has been read and not taken.
func (s *source) pending() []byte { return s.block[s.at:s.end:s.end] }

// text is the pending bytes as a string that shares their memory.
func (s *source) text() string { return textOf(s.pending()) }

func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// offset is how many bytes of the body have been taken.
func (s *source) offset() int64 { return s.base + int64(s.at) }

// more reads on until at least twice as much is pending as before, or the body has ended. A row that is longer than the limit is
// an error.
func (s *source) more() error {
	pending := s.end - s.at
	if pending >= s.limit {
		return fault.New(fault.TooLarge, rowTooLarge, "is longer than %d bytes: is a quote or a bracket left open?", s.limit)
	}
	if len(s.block)-s.at < 2*pending || s.end == len(s.block) {
		block := make([]byte, max(firstBlock, min(4*len(s.block), blockSize), 2*pending+firstBlock))
		copy(block, s.pending())
		s.block, s.base, s.at, s.end = block, s.offset(), 0, pending
	}
	for want := max(2*pending, 1); !s.eof && s.end-s.at < want; {
		n, err := s.in.Read(s.block[s.end:])
		s.end += n
		switch {
		case errors.Is(err, io.EOF):
			s.eof = true
		case err != nil:
			if _, ok := fault.As(err); ok {
				return err
			}
			return fmt.Errorf("read the table: %w", err)
		}
	}
	return nil
}
