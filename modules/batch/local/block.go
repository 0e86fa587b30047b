package local

import (
	"math"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
)

const (
	blockEvents   = 32 << 10 // a block is handed on once it has so many
	bytesOfEvent  = 16
	bytesOfValue  = 40 // with what is made of it
	blockEntities = 4 << 10
)

// block is the events of some entities, all of each, entity by entity, each's in their order.
type block struct {
	keys    [][]value.Value // of the entities: their join keys
	ends    []int           // where each entity's events end
	times   []int64
	seqs    []int64
	columns []cells // of the plan
	bytes   int     // about what it holds
}

// cells are a column of events: as many as there are events.
type cells struct {
	kind  value.Type
	bits  []uint64 // of BOOLEAN, INTEGER, FLOAT and TIMESTAMP; of what can only be null or not, anything
	texts []string // of STRING, instead
	null  []bool
	nulls int
}

func newBlock(plan *batch.Plan) *block {
	b := &block{times: make([]int64, 0, blockEvents), seqs: make([]int64, 0, blockEvents)}
	for _, c := range plan.Columns {
		b.columns = append(b.columns, cells{kind: c.Type})
	}
	return b
}

// reset empties a block, to be filled again.
func (b *block) reset() {
	clear(b.keys)
	b.keys, b.ends, b.times, b.seqs, b.bytes = b.keys[:0], b.ends[:0], b.times[:0], b.seqs[:0], 0
	for i := range b.columns {
		c := &b.columns[i]
		clear(c.texts)
		c.bits, c.texts, c.null, c.nulls = c.bits[:0], c.texts[:0], c.null[:0], 0
	}
}

// add begins an event, whose cells are to be added to all columns.
func (b *block) add(time, seq int64) {
	b.times, b.seqs = append(b.times, time), append(b.seqs, seq)
	b.ends[len(b.ends)-1]++
	b.bytes += bytesOfEvent + len(b.columns)*bytesOfValue
}

// entity begins one.
func (b *block) entity(key []value.Value) {
	b.keys = append(b.keys, key)
	b.ends = append(b.ends, len(b.times))
}

// full tells that it should be handed on before another entity begins.
func (b *block) full() bool { return len(b.times) >= blockEvents || len(b.keys) >= blockEntities }

func (c *cells) addNull() {
	c.nulls++
	c.null = append(c.null, true)
	if c.kind == value.String {
		c.texts = append(c.texts, "")
	} else {
		c.bits = append(c.bits, 0)
	}
}

func (c *cells) addText(text string) {
	c.null, c.texts = append(c.null, false), append(c.texts, text)
}

func (c *cells) addBits(bits uint64) {
	c.null, c.bits = append(c.null, false), append(c.bits, bits)
}

// add takes a value; what is absent is null.
func (c *cells) add(v value.Value) {
	switch {
	case v.IsNull() || v.IsAbsent():
		c.addNull()
	case c.kind == value.String:
		c.addText(v.Text())
	case c.kind == value.Boolean:
		c.addBits(truth(v.Bool()))
	case c.kind == value.Float:
		c.addBits(math.Float64bits(v.Float()))
	default:
		c.addBits(uint64(v.Int()))
	}
}

// value is the cell of an event.
func (c *cells) value(i int) value.Value {
	if c.null[i] {
		return value.Null()
	}
	switch c.kind {
	case value.Boolean:
		return value.OfBool(c.bits[i] != 0)
	case value.Integer:
		return value.OfInt(int64(c.bits[i]))
	case value.Timestamp:
		return value.OfTime(int64(c.bits[i]))
	case value.Float:
		return value.OfFloat(math.Float64frombits(c.bits[i]))
	case value.String:
		return value.OfString(c.texts[i])
	}
	return value.OfString("")
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
