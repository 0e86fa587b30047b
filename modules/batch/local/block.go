package local

import (
	"featurestore/modules/registry/value"
)

const (
	blockEvents   = 32 << 10 // a block is handed on once it has so many
	bytesOfEvent  = 16
	bytesOfValue  = 40
	blockEntities = 4 << 10
)

// block is the events of some entities, all of each, entity by entity, each's in their order.
type block struct {
	keys   [][]value.Value // of the entities: their join keys
	ends   []int           // where each entity's events end
	times  []int64
	seqs   []int64
	values []value.Value // as many as the plan has columns for each event
	width  int
	bytes  int // about what it holds
}

// row is the values of an event.
func (b *block) row(i int) []value.Value { return b.values[i*b.width : (i+1)*b.width : (i+1)*b.width] }

// add begins an event, whose values are to be filled in.
func (b *block) add(time, seq int64) []value.Value {
	b.times, b.seqs = append(b.times, time), append(b.seqs, seq)
	n := len(b.values)
	for range b.width {
		b.values = append(b.values, value.Value{})
	}
	b.ends[len(b.ends)-1]++
	b.bytes += bytesOfEvent + b.width*bytesOfValue
	return b.values[n:]
}

// entity begins one.
func (b *block) entity(key []value.Value) {
	b.keys = append(b.keys, key)
	b.ends = append(b.ends, len(b.times))
}

// full tells that it should be handed on before another entity begins.
func (b *block) full() bool { return len(b.times) >= blockEvents || len(b.keys) >= blockEntities }
