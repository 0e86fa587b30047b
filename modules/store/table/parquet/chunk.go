package parquet

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/format"

	"featurestore/app/fault"
)

// Raw is a value as the file has it: the bits of a number or boolean (those of an INT96 stand in Text), or the bytes of a text, which
// share the page's memory and are never overwritten.
type Raw struct {
	Bits uint64
	Text string
}

// Chunk is the values of one leaf in one row group. Close it.
type Chunk struct {
	Leaf *Leaf

	file  *File
	codec format.CompressionCodec
	at    int64 // of the next page
	end   int64
	held  int64 // bytes of the page

	packed, unpacked []byte // used again

	hasDictionary  bool
	numbers        []uint64 // of the dictionary, or else
	dictionary     []string
	dictionaryHeld int64

	left    int // entries of the page that are left
	defs    runs
	reps    runs
	indexes *runs // into the dictionary, or else
	values  values
	peeked  bool
	rep     uint8
	def     uint8
}

// values takes values from a page, one after the other.
type values interface {
	next() (Raw, error)
}

// Chunk opens the values of a leaf in a row group.
func (f *File) Chunk(group int, leaf *Leaf) (*Chunk, error) {
	column := &f.Groups[group].chunks[leaf.Index]
	meta := &column.MetaData
	if column.FilePath != "" {
		return nil, fault.New(fault.Unsupported, "unsupported-parquet", "the Parquet file has columns in other files, which are not read").At("body", "", "refers to other files")
	}
	c := &Chunk{Leaf: leaf, file: f, codec: meta.Codec, at: meta.DataPageOffset}
	if d := meta.DictionaryPageOffset; d > 0 && d < c.at {
		c.at = d
	}
	c.end = c.at + meta.TotalCompressedSize
	if c.at < int64(len(magic)) || meta.TotalCompressedSize < 0 || c.end > f.size-tail {
		return nil, c.damaged(errors.New("its pages are said to be where the file has none"))
	}
	if meta.Type != leaf.Type {
		return nil, c.damaged(errors.New("its type is another than the schema's"))
	}
	return c, nil
}

// Close gives up what the chunk holds.
func (c *Chunk) Close() {
	c.file.use.held -= c.held + c.dictionaryHeld
	c.held, c.dictionaryHeld = 0, 0
}

// Levels are those of the next entry, which stays; io.EOF after the last one.
func (c *Chunk) Levels() (rep, def uint8, err error) {
	if c.peeked {
		return c.rep, c.def, nil
	}
	for c.left == 0 {
		if err := c.page(); err != nil {
			return 0, 0, err
		}
	}
	c.rep, c.def = 0, c.Leaf.Def
	if c.Leaf.Rep > 0 {
		if c.rep, err = c.level(&c.reps, c.Leaf.Rep); err != nil {
			return 0, 0, err
		}
	}
	if c.Leaf.Def > 0 {
		if c.def, err = c.level(&c.defs, c.Leaf.Def); err != nil {
			return 0, 0, err
		}
	}
	c.left--
	c.peeked = true
	return c.rep, c.def, nil
}

func (c *Chunk) level(levels *runs, most uint8) (uint8, error) {
	level, err := levels.next()
	if err != nil {
		return 0, c.damaged(err)
	}
	if level > uint32(most) {
		return 0, c.damaged(fmt.Errorf("a level is %d, more than %d", level, most))
	}
	return uint8(level), nil
}

// Next takes the next entry; null says that it has no value. A text that stands in the dictionary comes as its index there, any other
// value with an index of -1.
func (c *Chunk) Next() (raw Raw, index int, null bool, err error) {
	if !c.peeked {
		if _, _, err := c.Levels(); err != nil {
			return Raw{}, -1, false, err
		}
	}
	c.peeked = false
	if c.def < c.Leaf.Def {
		return Raw{}, -1, true, nil
	}
	if c.indexes != nil {
		i, err := c.indexes.next()
		switch {
		case err != nil:
		case uint64(i) < uint64(len(c.numbers)):
			return Raw{Bits: c.numbers[i]}, -1, false, nil
		case uint64(i) < uint64(len(c.dictionary)):
			return Raw{}, int(i), false, nil
		default:
			err = errors.New("a value is not in the dictionary")
		}
		return Raw{}, -1, false, c.damaged(err)
	}
	if raw, err = c.values.next(); err != nil {
		return Raw{}, -1, false, c.damaged(err)
	}
	return raw, -1, false, nil
}

// Dictionary is what indexes of Next point into.
func (c *Chunk) Dictionary() []string { return c.dictionary }

func (c *Chunk) damaged(err error) error {
	if _, ok := fault.As(err); ok {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("column %q: %w", c.Leaf.Element.Name, err)
}
