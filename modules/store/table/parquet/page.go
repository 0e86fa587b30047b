package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"featurestore/app/fault"
)

// plainDictionary is what older writers call both the encoding of a dictionary and that of the indexes into it.
const plainDictionary format.Encoding = 2

const (
	each        = 96 // bytes that a value of a dictionary takes, with what is made of it
	firstHeader = 256
	mostHeader  = 8 << 20  // a header may hold the least and greatest value
	mostValues  = 64 << 20 // of a dictionary or of lengths that must be read first
)

// page reads the next data page, and a dictionary before it; io.EOF if there is none.
func (c *Chunk) page() error {
	for {
		if c.at >= c.end {
			return io.EOF
		}
		header, size, err := c.header()
		if err != nil {
			return c.damaged(err)
		}
		begin := c.at + int64(size)
		packed, unpacked := int64(header.CompressedPageSize), int64(header.UncompressedPageSize)
		if packed < 0 || unpacked < 0 || packed > c.end-begin {
			return c.damaged(errors.New("a page claims more bytes than there are"))
		}
		c.at = begin + packed
		switch {
		case header.Type == format.DataPage && header.DataPageHeader.Valid:
			err = c.dataPage(begin, packed, unpacked, &header.DataPageHeader.V)
		case header.Type == format.DataPageV2 && header.DataPageHeaderV2.Valid:
			err = c.dataPage2(begin, packed, unpacked, &header.DataPageHeaderV2.V)
		case header.Type == format.DictionaryPage && header.DictionaryPageHeader.Valid:
			if err := c.readDictionary(begin, packed, unpacked, &header.DictionaryPageHeader.V); err != nil {
				return c.damaged(err)
			}
			continue
		default:
			continue // an index, or what a later version of the format has
		}
		if err != nil {
			return c.damaged(err)
		}
		return nil
	}
}

// header reads the next page's header and says how many bytes it has.
func (c *Chunk) header() (*format.PageHeader, int, error) {
	for window := int64(firstHeader); ; window *= 8 {
		b := make([]byte, min(window, c.end-c.at))
		if err := readAt(c.file.in, b, c.at); err != nil {
			return nil, 0, err
		}
		size, err := structureSize(b)
		if errors.Is(err, io.ErrUnexpectedEOF) && window < min(mostHeader, c.end-c.at) {
			continue
		}
		header := &format.PageHeader{}
		if err == nil {
			err = thrift.Unmarshal(&thrift.CompactProtocol{}, b[:size], header)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("the header of a page cannot be read: %w", err)
		}
		return header, size, nil
	}
}

// read reads a page's bytes from the file and unpacks all of them but the first ones, which are never packed. Texts point into what it
// answers; where there are none, the memory is used again.
func (c *Chunk) read(begin, packed, unpacked, first int64, codec format.CompressionCodec) ([]byte, error) {
	if first > packed || first > unpacked {
		return nil, errors.New("the levels of a page are longer than the page")
	}
	if err := c.file.use.unpack(packed, unpacked); err != nil {
		return nil, err
	}
	kept := c.texts() // values point into the page
	in := room(&c.packed, packed, kept && codec == format.Uncompressed)
	if err := readAt(c.file.in, in, begin); err != nil {
		return nil, err
	}
	if codec == format.Uncompressed {
		return in, nil
	}
	out := room(&c.unpacked, unpacked, kept)
	copy(out, in[:first])
	return out, decompress(codec, out[first:], in[first:])
}

// room is memory for so many bytes: what was used before, unless that is kept.
func room(used *[]byte, size int64, kept bool) []byte {
	if kept || int64(cap(*used)) < size {
		b := make([]byte, size)
		if !kept {
			*used = b
		}
		return b
	}
	return (*used)[:size]
}

// texts tells whether values point into their page.
func (c *Chunk) texts() bool {
	return c.Leaf.Type == format.ByteArray || c.Leaf.Type == format.FixedLenByteArray || c.Leaf.Type == format.Int96
}

// holdPage counts a page that takes the place of the one before.
func (c *Chunk) holdPage(packed, unpacked int64) error {
	size := max(packed, unpacked)
	err := c.file.use.hold(size - c.held)
	c.held = size
	return err
}

func (c *Chunk) dataPage(begin, packed, unpacked int64, header *format.DataPageHeader) error {
	if err := c.holdPage(packed, unpacked); err != nil {
		return err
	}
	data, err := c.read(begin, packed, unpacked, 0, c.codec)
	if err != nil {
		return err
	}
	levels := func(most uint8, encoding format.Encoding) (runs, error) {
		switch {
		case most == 0:
			return runs{}, nil
		case encoding != format.RLE:
			return runs{}, unsupportedEncoding(encoding)
		case len(data) < 4:
			return runs{}, io.ErrUnexpectedEOF
		}
		n := binary.LittleEndian.Uint32(data)
		if uint64(n) > uint64(len(data)-4) {
			return runs{}, io.ErrUnexpectedEOF
		}
		out := runs{b: data[4 : 4+n], width: bitsFor(most)}
		data = data[4+n:]
		return out, nil
	}
	if c.reps, err = levels(c.Leaf.Rep, header.RepetitionLevelEncoding); err != nil {
		return err
	}
	if c.defs, err = levels(c.Leaf.Def, header.DefinitionLevelEncoding); err != nil {
		return err
	}
	return c.begin(data, header.NumValues, header.Encoding)
}

func (c *Chunk) dataPage2(begin, packed, unpacked int64, header *format.DataPageHeaderV2) error {
	if err := c.holdPage(packed, unpacked); err != nil {
		return err
	}
	reps, defs := int64(header.RepetitionLevelsByteLength), int64(header.DefinitionLevelsByteLength)
	if reps < 0 || defs < 0 {
		return errors.New("the levels of a page have less than no bytes")
	}
	codec := c.codec
	if header.IsCompressed.Valid && !header.IsCompressed.V {
		codec = format.Uncompressed
	}
	data, err := c.read(begin, packed, unpacked, reps+defs, codec)
	if err != nil {
		return err
	}
	if reps+defs > int64(len(data)) {
		return io.ErrUnexpectedEOF
	}
	c.reps = runs{b: data[:reps], width: bitsFor(c.Leaf.Rep)}
	c.defs = runs{b: data[reps : reps+defs], width: bitsFor(c.Leaf.Def)}
	return c.begin(data[reps+defs:], header.NumValues, header.Encoding)
}

// begin makes ready to take so many entries, nulls counted, from a page's values.
func (c *Chunk) begin(data []byte, entries int32, encoding format.Encoding) (err error) {
	if entries < 0 {
		return errors.New("a page claims less than no values")
	}
	c.left, c.indexes = int(entries), nil
	switch encoding {
	case plainDictionary, format.RLEDictionary:
		if !c.hasDictionary {
			return errors.New("a page needs a dictionary, and there is none")
		}
		c.indexes = &runs{}
		if len(data) > 0 {
			if data[0] > 32 {
				return fmt.Errorf("indexes of %d bits", data[0])
			}
			*c.indexes = runs{b: data[1:], width: uint(data[0])}
		}
		return nil
	}
	c.values, err = c.valuesOf(data, int(entries), encoding)
	return err
}

func (c *Chunk) readDictionary(begin, packed, unpacked int64, header *format.DictionaryPageHeader) error {
	if c.hasDictionary {
		return errors.New("there is a second dictionary")
	}
	n := int64(header.NumValues)
	if n < 0 || n > mostValues || n > 8*max(packed, unpacked) {
		return fmt.Errorf("a dictionary claims %d values", n)
	}
	c.dictionaryHeld = max(packed, unpacked) + n*each
	if err := c.file.use.hold(c.dictionaryHeld); err != nil {
		return err
	}
	data, err := c.read(begin, packed, unpacked, 0, c.codec)
	if err != nil {
		return err
	}
	encoding := header.Encoding
	if encoding == plainDictionary {
		encoding = format.Plain
	}
	from, err := c.valuesOf(data, int(n), encoding)
	if err != nil {
		return err
	}
	c.hasDictionary = true
	if c.texts() {
		c.dictionary = make([]string, n)
	} else {
		c.numbers = make([]uint64, n)
	}
	for i := range int(n) {
		raw, err := from.next()
		if err != nil {
			return err
		}
		if c.texts() {
			c.dictionary[i] = raw.Text
		} else {
			c.numbers[i] = raw.Bits
		}
	}
	return nil
}

func unsupportedEncoding(encoding format.Encoding) error {
	return fault.New(fault.Unsupported, "unsupported-parquet", "the Parquet file uses the encoding %s, which is not read", encoding).At("body", "", "uses %s", encoding)
}

// bitsFor is how many bits a level up to most has.
func bitsFor(most uint8) (n uint) {
	for ; most > 0; most >>= 1 {
		n++
	}
	return n
}
