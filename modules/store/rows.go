package store

import (
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/packed"
)

// Key names one entity: the values of its entity type's join keys, in their order, and the same as text that is equal for
// equal keys only. Make one with NewKey.
type Key struct {
	Values  []value.Value
	Encoded string
}

// NewKey encodes join key values: a single STRING is itself; anything else is, for each key in turn, 'i' and 8 bytes
// big-endian with the sign bit flipped, or 's', a length of 2 bytes big-endian and the bytes. (A single STRING cannot be
// mistaken for another type's key: one entity type has one form.)
func NewKey(values []value.Value) Key {
	if len(values) == 1 && values[0].Type() == value.String {
		return Key{Values: values, Encoded: values[0].Text()}
	}
	b := make([]byte, 0, 16*len(values))
	for _, v := range values {
		if v.Type() == value.Integer {
			u := uint64(v.Int()) ^ 1<<63
			b = append(b, 'i', byte(u>>56), byte(u>>48), byte(u>>40), byte(u>>32), byte(u>>24), byte(u>>16), byte(u>>8), byte(u))
			continue
		}
		text := v.Text()
		b = append(b, 's', byte(len(text)>>8), byte(len(text)))
		b = append(b, text...)
	}
	return Key{Values: values, Encoded: string(b)}
}

// Stamp orders observations of one entity: by event time, then by ingest id.
type Stamp = packed.Stamp

// Rows are observations of one group. Values holds len(Keys) × len(Features) values, row by row; an absent value was not
// observed. Features are in ascending Ordinal; of rows to be written, they are none of the group's Older.
type Rows struct {
	Group       *registry.Group
	Features    []*registry.Feature
	Keys        []Key
	EventTimes  []int64 // µs; value.NoTime asks Append for the offline store's clock, which fills it in
	IngestIDs   []int64 // filled in by Append and by reading
	IngestTimes []int64 // µs; by reading only, where it was asked for
	Run         int64   // the load or publication that brought them; 0: single writes
	Checked     int64   // the version of the ledger of erased entities that they were checked against; for writing only
	Values      []value.Value
}

// Row is the values of row i.
func (r *Rows) Row(i int) []value.Value {
	n := len(r.Features)
	return r.Values[i*n : (i+1)*n : (i+1)*n]
}

// Observes tells whether row i observes any of the features.
func (r *Rows) Observes(i int) bool {
	for _, v := range r.Row(i) {
		if !v.IsAbsent() {
			return true
		}
	}
	return false
}

// Whole tells whether row i observes every feature that the group has at its SchemaVersion: its presence is stored as null.
func (r *Rows) Whole(i int) bool {
	if len(r.Features) != len(r.Group.Features) {
		return false
	}
	for _, v := range r.Row(i) {
		if v.IsAbsent() {
			return false
		}
	}
	return true
}

// Current holds for each of some entities the newest value of each feature (rule 1; TTL not applied: the reader decides it)
// with the stamp of the observation it came from. Values and Stamps hold len(Keys) × len(Features); a feature never observed is
// absent, its stamp zero.
type Current struct {
	Group    *registry.Group
	Features []*registry.Feature
	Keys     []Key
	Values   []value.Value
	Stamps   []Stamp
}
