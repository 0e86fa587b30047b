package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Types of Thrift's compact protocol.
const (
	compactTrue   = 1
	compactFalse  = 2
	compactByte   = 3
	compactI16    = 4
	compactI32    = 5
	compactI64    = 6
	compactDouble = 7
	compactBytes  = 8
	compactList   = 9
	compactSet    = 10
	compactMap    = 11
	compactStruct = 12
)

const (
	deepest      = 32      // structures within structures
	mostElements = 1 << 20 // structures in lists, in all
)

// compact passes over Thrift's compact protocol, to make sure that a decoder that trusts it allocates no more than the bytes bear out.
type compact struct {
	b        []byte
	at       int
	elements int
}

// structureSize is how many bytes the structure at the beginning of b has; io.ErrUnexpectedEOF if b ends before it does.
func structureSize(b []byte) (int, error) {
	c := compact{b: b}
	err := c.structure(0)
	return c.at, err
}

func (c *compact) structure(depth int) error {
	if depth > deepest {
		return errors.New("structures are nested too deep")
	}
	for {
		head, err := c.byte()
		if err != nil || head == 0 {
			return err
		}
		if head>>4 == 0 { // the field's number follows
			if _, err := c.number(); err != nil {
				return err
			}
		}
		if t := head & 15; t == compactTrue || t == compactFalse {
			continue
		}
		if err := c.value(head&15, depth); err != nil {
			return err
		}
	}
}

func (c *compact) value(t byte, depth int) error {
	switch t {
	case compactTrue, compactFalse, compactByte:
		return c.skip(1)
	case compactI16, compactI32, compactI64:
		_, err := c.number()
		return err
	case compactDouble:
		return c.skip(8)
	case compactBytes:
		n, err := c.number()
		if err != nil {
			return err
		}
		return c.skip(n)
	case compactList, compactSet:
		return c.list(depth)
	case compactMap:
		return c.entries(depth)
	case compactStruct:
		return c.structure(depth + 1)
	}
	return fmt.Errorf("the type %d is not known", t)
}

func (c *compact) list(depth int) error {
	head, err := c.byte()
	if err != nil {
		return err
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = c.number(); err != nil {
			return err
		}
	}
	return c.repeat(n, depth, head&15)
}

func (c *compact) entries(depth int) error {
	n, err := c.number()
	if err != nil || n == 0 {
		return err
	}
	types, err := c.byte()
	if err != nil {
		return err
	}
	return c.repeat(n, depth, types>>4, types&15)
}

// repeat passes over n times a value of each of the types, each of which has at least one byte.
func (c *compact) repeat(n uint64, depth int, types ...byte) error {
	if n > uint64(len(c.b)-c.at) {
		return io.ErrUnexpectedEOF
	}
	if c.elements += int(n); types[0] == compactStruct && c.elements > mostElements {
		return fmt.Errorf("there are more than %d structures", mostElements)
	}
	for range n {
		for _, t := range types {
			if err := c.value(t, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *compact) byte() (byte, error) {
	if c.at == len(c.b) {
		return 0, io.ErrUnexpectedEOF
	}
	c.at++
	return c.b[c.at-1], nil
}

func (c *compact) skip(n uint64) error {
	if n > uint64(len(c.b)-c.at) {
		return io.ErrUnexpectedEOF
	}
	c.at += int(n)
	return nil
}

// number reads a variable-length number, zigzag or not.
func (c *compact) number() (uint64, error) {
	n, size := binary.Uvarint(c.b[c.at:])
	switch {
	case size == 0:
		return 0, io.ErrUnexpectedEOF
	case size < 0:
		return 0, errors.New("a number has more than 64 bits")
	}
	c.at += size
	return n, nil
}
