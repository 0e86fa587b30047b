package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// flat is a kind of table of a flatbuffer, as far as its vectors and strings must be looked at before a decoder trusts them. Fields are
// numbered as in Arrow's schemas (format/*.fbs).
type flat struct {
	texts   []int
	structs map[int]int64 // vectors of numbers or structures, and the bytes of each
	tables  map[int]*flat
	vectors map[int]*flat // vectors of tables
	unions  map[int]map[byte]*flat
}

// The fields of Arrow's tables that are read.
const (
	messageHeader = 2
	footerSchema  = 1
	footerDicts   = 2
	footerBatches = 3
	batchBuffers  = 2
	batchPacking  = 3
	batchVariadic = 4
	dictBatchData = 1

	schemaFields    = 1
	fieldType       = 2
	fieldDictionary = 4
	fieldChildren   = 5
	typeBinaryView  = 23
	typeTextView    = 24

	headerSchema = 1
	headerDict   = 2
	headerBatch  = 3
)

// arrowTables describes the tables of a message and of a file's table of contents.
func arrowTables() (message, footer *flat) {
	keyValue := &flat{texts: []int{0, 1}}
	kind := &flat{}
	union, timestamp := &flat{structs: map[int]int64{1: 4}}, &flat{texts: []int{1}}
	kinds := map[byte]*flat{10: timestamp, 14: union}
	for t := byte(1); t < 64; t++ {
		if kinds[t] == nil {
			kinds[t] = kind
		}
	}
	field := &flat{texts: []int{0}, unions: map[int]map[byte]*flat{3: kinds}, tables: map[int]*flat{4: {tables: map[int]*flat{1: kind}}}}
	field.vectors = map[int]*flat{5: field, 6: keyValue}
	schema := &flat{vectors: map[int]*flat{1: field, 2: keyValue}, structs: map[int]int64{3: 8}}
	batch := &flat{structs: map[int]int64{1: 16, batchBuffers: 16, batchVariadic: 8}, tables: map[int]*flat{batchPacking: kind}}
	headers := map[byte]*flat{headerSchema: schema, headerDict: {tables: map[int]*flat{dictBatchData: batch}}, headerBatch: batch}
	message = &flat{unions: map[int]map[byte]*flat{messageHeader: headers}, vectors: map[int]*flat{4: keyValue}}
	footer = &flat{tables: map[int]*flat{footerSchema: schema}, structs: map[int]int64{footerDicts: 24, footerBatches: 24}, vectors: map[int]*flat{4: keyValue}}
	return message, footer
}

var errFlat = errors.New("a description refers to where it has nothing")

const mostTables = 1 << 18

// flatbuffer looks at a flatbuffer.
type flatbuffer struct {
	b      []byte
	tables int
}

// at is the little-endian number of n bytes at a position.
func (f *flatbuffer) at(position, n int64) (uint64, error) {
	if position < 0 || position > int64(len(f.b))-n {
		return 0, errFlat
	}
	var eight [8]byte
	copy(eight[:], f.b[position:position+n])
	return binary.LittleEndian.Uint64(eight[:]), nil
}

// follow is the position that an offset at a position leads to.
func (f *flatbuffer) follow(position int64) (int64, error) {
	offset, err := f.at(position, 4)
	return position + int64(offset), err
}

// field is the position of a field of the table at a position; 0 if it is not there.
func (f *flatbuffer) field(table int64, number int) (int64, error) {
	back, err := f.at(table, 4)
	if err != nil {
		return 0, err
	}
	virtual := table - int64(int32(back))
	size, err := f.at(virtual, 2)
	if err != nil {
		return 0, err
	}
	entry := int64(4 + 2*number)
	if entry >= int64(size) { // as decoders see it: one of an odd size reaches into what comes after it
		return 0, nil
	}
	offset, err := f.at(virtual+entry, 2)
	if err != nil || offset == 0 {
		return 0, err
	}
	return table + int64(offset), nil
}

// vector is where the elements of a vector field begin, and how many there are.
func (f *flatbuffer) vector(table int64, number int, each int64) (begin int64, n int64, err error) {
	position, err := f.field(table, number)
	if err != nil || position == 0 {
		return 0, 0, err
	}
	if position, err = f.follow(position); err != nil {
		return 0, 0, err
	}
	count, err := f.at(position, 4)
	if err == nil && (int64(count) > int64(len(f.b)) || position+4+int64(count)*each > int64(len(f.b))) {
		err = errFlat
	}
	return position + 4, int64(count), err
}

// table is the table that a field leads to; 0 if there is none.
func (f *flatbuffer) table(table int64, number int) (int64, error) {
	position, err := f.field(table, number)
	if err != nil || position == 0 {
		return 0, err
	}
	return f.follow(position)
}

// verify makes sure that a table, and all that it leads to, lies within the buffer.
func (f *flatbuffer) verify(table int64, as *flat, depth int) error {
	if f.tables++; f.tables > mostTables || depth > 2*deepestArrow {
		return errors.New("a description is too large, or nested too deep")
	}
	if _, err := f.field(table, 0); err != nil {
		return err
	}
	for _, number := range as.texts {
		if _, _, err := f.vector(table, number, 1); err != nil {
			return err
		}
	}
	for number, each := range as.structs {
		if _, _, err := f.vector(table, number, each); err != nil {
			return err
		}
	}
	for number, of := range as.tables {
		if err := f.verifyAt(table, number, of, depth); err != nil {
			return err
		}
	}
	for number, kinds := range as.unions {
		kind, err := f.number(table, number-1, 1)
		if err != nil {
			return err
		}
		if of := kinds[byte(kind)]; of != nil {
			if err := f.verifyAt(table, number, of, depth); err != nil {
				return err
			}
		}
	}
	for number, of := range as.vectors {
		begin, n, err := f.vector(table, number, 4)
		if err != nil {
			return err
		}
		for i := range n {
			element, err := f.follow(begin + 4*i)
			if err == nil {
				err = f.verify(element, of, depth+1)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *flatbuffer) verifyAt(table int64, number int, as *flat, depth int) error {
	position, err := f.table(table, number)
	if err != nil || position == 0 {
		return err
	}
	return f.verify(position, as, depth+1)
}

// number is a field of n bytes; 0 if it is not there.
func (f *flatbuffer) number(table int64, number int, n int64) (uint64, error) {
	position, err := f.field(table, number)
	if err != nil || position == 0 {
		return 0, err
	}
	return f.at(position, n)
}

// views is how many columns have buffers of a number that each batch says for itself: those of a batch, and the most of one dictionary. A
// decoder asks for as many numbers, whether they are there or not.
type views struct{ batch, dictionary int64 }

// viewsOf counts them in a schema that has been verified.
func (f *flatbuffer) viewsOf(schema int64) (views, error) {
	var all views
	begin, n, err := f.vector(schema, schemaFields, 4)
	for i := int64(0); i < n && err == nil; i++ {
		var field int64
		if field, err = f.follow(begin + 4*i); err == nil {
			err = f.addViews(field, &all)
		}
	}
	return all, err
}

// addViews adds a field's columns, its children's too; those of a field with a dictionary are the dictionary's.
func (f *flatbuffer) addViews(field int64, to *views) error {
	kind, err := f.number(field, fieldType, 1)
	if err != nil {
		return err
	}
	dictionary, err := f.table(field, fieldDictionary)
	if err != nil {
		return err
	}
	var own views
	if kind == typeBinaryView || kind == typeTextView {
		own.batch = 1
	}
	begin, n, err := f.vector(field, fieldChildren, 4)
	for i := int64(0); i < n && err == nil; i++ {
		var child int64
		if child, err = f.follow(begin + 4*i); err == nil {
			err = f.addViews(child, &own)
		}
	}
	if dictionary != 0 {
		own = views{0, max(own.batch, own.dictionary)}
	}
	to.batch, to.dictionary = to.batch+own.batch, max(to.dictionary, own.dictionary)
	return err
}

// verifyMessage looks at a message's description and, of what is compressed with zstd, at how much memory unpacking asks for. A schema says what
// is asked of the batches after it.
func verifyMessage(description []byte, body io.ReaderAt, asked *views) error {
	message, _ := arrowTables()
	f := &flatbuffer{b: description}
	root, err := f.follow(0)
	if err == nil {
		err = f.verify(root, message, 0)
	}
	if err != nil {
		return err
	}
	kind, err := f.number(root, messageHeader-1, 1)
	if err != nil || kind < headerSchema || kind > headerBatch {
		return err
	}
	header, err := f.table(root, messageHeader)
	if err != nil || header == 0 {
		return errors.Join(err, errFlat)
	}
	switch kind {
	case headerSchema:
		*asked, err = f.viewsOf(header)
		return err
	case headerDict:
		if header, err = f.table(header, dictBatchData); err != nil || header == 0 {
			return errors.Join(err, errFlat)
		}
		return f.verifyBatch(header, asked.dictionary, body)
	}
	return f.verifyBatch(header, asked.batch, body)
}

func (f *flatbuffer) verifyBatch(batch, views int64, body io.ReaderAt) error {
	begin, buffers, err := f.vector(batch, batchBuffers, 16)
	if err != nil {
		return err
	}
	counts, n, err := f.vector(batch, batchVariadic, 8)
	if err != nil {
		return err
	}
	if n < views {
		return errFlat
	}
	for i := range n {
		if count, err := f.at(counts+8*i, 8); err != nil || count > uint64(buffers) {
			return errors.Join(err, errFlat)
		}
	}
	packing, err := f.table(batch, batchPacking)
	if err != nil || packing == 0 {
		return err
	}
	for i := range buffers {
		offset, err := f.at(begin+16*i, 8)
		if err != nil {
			return err
		}
		var head [8 + zstd.HeaderMaxSize]byte
		size, err := body.ReadAt(head[:], int64(offset))
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var frame zstd.Header
		if size > 8 && frame.Decode(head[8:size]) == nil && frame.WindowSize > zstdWindow {
			return fmt.Errorf("a buffer needs a window of %d bytes to be unpacked", frame.WindowSize)
		}
	}
	return nil
}

// verifyFile looks at the table of contents of a file, and at the messages that it names.
func verifyFile(file io.ReaderAt, size int64) error {
	tail := make([]byte, 4+len(arrowFile))
	end := size - int64(len(tail))
	if end < 8 {
		return io.ErrUnexpectedEOF
	}
	if _, err := file.ReadAt(tail, end); err != nil {
		return err
	}
	length := int64(binary.LittleEndian.Uint32(tail))
	if string(tail[4:]) != arrowFile || length > end-8 || length > mostMessage {
		return io.ErrUnexpectedEOF
	}
	contents := make([]byte, length)
	if _, err := file.ReadAt(contents, end-length); err != nil {
		return err
	}
	_, footer := arrowTables()
	f := &flatbuffer{b: contents}
	root, err := f.follow(0)
	if err == nil {
		err = f.verify(root, footer, 0)
	}
	var asked views
	if err == nil {
		var schema int64
		if schema, err = f.table(root, footerSchema); err == nil && schema != 0 {
			asked, err = f.viewsOf(schema)
		}
	}
	for _, list := range []int{footerDicts, footerBatches} {
		var begin, n int64
		if err == nil {
			begin, n, err = f.vector(root, list, 24)
		}
		for i := int64(0); i < n && err == nil; i++ {
			err = f.verifyBlock(begin+24*i, file, end-length, asked)
		}
	}
	return err
}

// verifyBlock looks at the message that a block at a position names: its offset, and the bytes of description and body.
func (f *flatbuffer) verifyBlock(position int64, file io.ReaderAt, end int64, asked views) error {
	offset, err := f.at(position, 8)
	if err != nil {
		return err
	}
	size, err := f.at(position+8, 4)
	if err != nil {
		return err
	}
	if size < 8 || size > mostMessage || int64(offset) < 0 || int64(offset) > end-int64(size) {
		return errFlat
	}
	description := make([]byte, size)
	if _, err := file.ReadAt(description, int64(offset)); err != nil {
		return err
	}
	prefix := 4
	if binary.LittleEndian.Uint32(description) == continuation {
		prefix = 8
	}
	return verifyMessage(description[prefix:], io.NewSectionReader(file, int64(offset+size), end-int64(offset+size)), &asked)
}
