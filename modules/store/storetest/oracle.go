package storetest

import (
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// Fact is one feature of one observation.
type Fact struct {
	Group   int64
	Key     string // store.Key.Encoded
	Ordinal uint16
	Stamp   store.Stamp
	Value   value.Value // may be null
}

// Oracle is the rules of time in the plainest form: everything that was ever observed, looked through from end to end.
type Oracle []Fact

// Learn adds what rows observe. Their ingest ids must ascend with the order of ingestion.
func (o *Oracle) Learn(rows *store.Rows) {
	for i, key := range rows.Keys {
		for j, v := range rows.Row(i) {
			if !v.IsAbsent() {
				stamp := store.Stamp{EventTime: rows.EventTimes[i], IngestID: rows.IngestIDs[i]}
				*o = append(*o, Fact{rows.Group.ID, key.Encoded, rows.Features[j].Ordinal, stamp, v})
			}
		}
	}
}

// Newest is rule 1 without the TTL: of a feature's observations with event time ≤ at the newest, of two with the same event time
// the one ingested later.
func (o Oracle) Newest(feature *registry.Feature, key store.Key, at int64) (newest Fact, found bool) {
	for _, f := range o {
		if f.Group != feature.Group.ID || f.Ordinal != feature.Ordinal || f.Key != key.Encoded || f.Stamp.EventTime > at {
			continue
		}
		if !found || f.Stamp.EventTime > newest.Stamp.EventTime ||
			f.Stamp.EventTime == newest.Stamp.EventTime && f.Stamp.IngestID > newest.Stamp.IngestID {
			newest, found = f, true
		}
	}
	return newest, found
}

// Cell is rules 1 and 2: candidates are observations with event time ≤ latest, and their age is counted from at.
func (o Oracle) Cell(feature *registry.Feature, key store.Key, latest, at int64) store.Cell {
	newest, found := o.Newest(feature, key, latest)
	ttl := feature.Group.TTL.Microseconds()
	switch {
	case !found:
		return store.Cell{Value: value.Null(), EventTime: value.NoTime, Status: store.NotFound}
	case ttl > 0 && at-newest.Stamp.EventTime > ttl:
		return store.Cell{Value: value.Null(), EventTime: newest.Stamp.EventTime, Status: store.OutsideMaxAge}
	case newest.Value.IsNull():
		return store.Cell{Value: value.Null(), EventTime: newest.Stamp.EventTime, Status: store.NullValue}
	case feature.ValueType == value.Float:
		newest.Value = newest.Value.AsFloat() // observed before the feature was widened
	}
	return store.Cell{Value: newest.Value, EventTime: newest.Stamp.EventTime, Status: store.Present}
}
