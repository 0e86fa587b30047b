package store

import (
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// Status says of every value that is read what it is (rule 2).
type Status uint8

const (
	NotFound      Status = iota // never observed
	Present                     //
	NullValue                   // observed as null
	OutsideMaxAge               // observed, but longer ago than the group's TTL
)

var statusNames = [...]string{"NOT_FOUND", "PRESENT", "NULL_VALUE", "OUTSIDE_MAX_AGE"}

func (s Status) String() string { return statusNames[s] }

// Cell is one feature of one entity as it is answered. Value is null unless Status is Present; EventTime (µs) is that of the
// newest observation, also of an expired one, and value.NoTime with NotFound.
type Cell struct {
	Value     value.Value
	EventTime int64
	Status    Status
}

// judge applies rules 1 and 2 to the newest observation that was found: at is the time that was asked for, or now.
func judge(feature *registry.Feature, newest value.Value, stamp Stamp, at int64) Cell {
	if newest.IsAbsent() {
		return Cell{Value: value.Null(), EventTime: value.NoTime, Status: NotFound}
	}
	if ttl := feature.Group.TTL.Microseconds(); ttl > 0 && at-stamp.EventTime > ttl {
		return Cell{Value: value.Null(), EventTime: stamp.EventTime, Status: OutsideMaxAge}
	}
	if newest.IsNull() {
		return Cell{Value: newest, EventTime: stamp.EventTime, Status: NullValue}
	}
	if feature.ValueType == value.Float {
		newest = newest.AsFloat() // an integer from before the feature was widened
	}
	return Cell{Value: newest, EventTime: stamp.EventTime, Status: Present}
}
