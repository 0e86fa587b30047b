package parquet

import (
	"encoding/binary"
	"io"
	"unsafe"

	"github.com/parquet-go/parquet-go/format"
)

// valuesOf takes at most n values from a page by its encoding.
func (c *Chunk) valuesOf(data []byte, n int, encoding format.Encoding) (values, error) {
	size := c.width()
	switch t := c.Leaf.Type; encoding {
	case format.Plain:
		switch {
		case t == format.Boolean:
			return &plainBits{b: data}, nil
		case t == format.ByteArray:
			return &plainTexts{b: data}, nil
		case c.texts():
			return &fixedTexts{b: data, size: size}, nil
		}
		return &plainNumbers{b: data, size: size}, nil
	case format.RLE:
		if t != format.Boolean {
			break
		}
		if len(data) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		return &runBits{runs{b: data[4:], width: 1}}, nil
	case format.DeltaBinaryPacked:
		if t != format.Int32 && t != format.Int64 {
			break
		}
		numbers, err := newDeltas(data)
		return &deltaNumbers{numbers, uint(8 * size)}, err
	case format.DeltaLengthByteArray:
		if t != format.ByteArray {
			break
		}
		return newDeltaLengths(data, n)
	case format.DeltaByteArray:
		if t != format.ByteArray && t != format.FixedLenByteArray {
			break
		}
		return c.newDeltaTexts(data, n)
	case format.ByteStreamSplit:
		if t == format.Boolean || t == format.ByteArray || t == format.Int96 {
			break
		}
		return &split{b: data, size: size, n: len(data) / size, texts: c.texts()}, nil
	}
	return nil, unsupportedEncoding(encoding)
}

// width is how many bytes each value has; 0 where they differ.
func (c *Chunk) width() int {
	switch c.Leaf.Type {
	case format.Int32, format.Float:
		return 4
	case format.Int64, format.Double:
		return 8
	case format.Int96:
		return 12
	case format.FixedLenByteArray:
		return c.Leaf.Length
	}
	return 0
}

func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

type plainNumbers struct {
	b    []byte
	size int
}

func (p *plainNumbers) next() (Raw, error) {
	if len(p.b) < p.size {
		return Raw{}, io.ErrUnexpectedEOF
	}
	var bits uint64
	if p.size == 8 {
		bits = binary.LittleEndian.Uint64(p.b)
	} else {
		bits = uint64(binary.LittleEndian.Uint32(p.b))
	}
	p.b = p.b[p.size:]
	return Raw{Bits: bits}, nil
}

type plainBits struct {
	b   []byte
	bit uint64
}

func (p *plainBits) next() (Raw, error) {
	if p.bit>>3 >= uint64(len(p.b)) {
		return Raw{}, io.ErrUnexpectedEOF
	}
	bits := bitsAt(p.b, p.bit, 1)
	p.bit++
	return Raw{Bits: bits}, nil
}

type runBits struct{ runs }

func (r *runBits) next() (Raw, error) {
	bit, err := r.runs.next()
	return Raw{Bits: uint64(bit)}, err
}

type plainTexts struct{ b []byte }

func (p *plainTexts) next() (Raw, error) {
	if len(p.b) < 4 {
		return Raw{}, io.ErrUnexpectedEOF
	}
	n := binary.LittleEndian.Uint32(p.b)
	if uint64(n) > uint64(len(p.b)-4) {
		return Raw{}, io.ErrUnexpectedEOF
	}
	text := textOf(p.b[4 : 4+n])
	p.b = p.b[4+n:]
	return Raw{Text: text}, nil
}

type fixedTexts struct {
	b    []byte
	size int
}

func (f *fixedTexts) next() (Raw, error) {
	if len(f.b) < f.size {
		return Raw{}, io.ErrUnexpectedEOF
	}
	text := textOf(f.b[:f.size])
	f.b = f.b[f.size:]
	return Raw{Text: text}, nil
}

// split takes values whose first bytes all come first, then all second ones, and so on.
type split struct {
	b     []byte
	size  int
	n     int
	at    int
	texts bool
}

func (s *split) next() (Raw, error) {
	if s.at >= s.n {
		return Raw{}, io.ErrUnexpectedEOF
	}
	var raw Raw
	if s.texts {
		text := make([]byte, s.size)
		for i := range text {
			text[i] = s.b[i*s.n+s.at]
		}
		raw.Text = textOf(text)
	} else {
		for i := range s.size {
			raw.Bits |= uint64(s.b[i*s.n+s.at]) << (8 * i)
		}
	}
	s.at++
	return raw, nil
}
