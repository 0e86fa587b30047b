package postgres

import (
	"encoding/binary"
	"math"

	"featurestore/modules/registry/value"
)

// PostgreSQL's binary format is big-endian; its times are microseconds since 2000.
const epoch = 946_684_800_000_000

// timestamp gives a time as PostgreSQL counts; what no observation can have becomes its infinities.
func timestamp(us int64) int64 {
	const first, last = -62_135_596_800_000_000, 253_402_300_799_999_999 // years 1 to 9999
	switch {
	case us < first:
		return math.MinInt64
	case us > last:
		return math.MaxInt64
	}
	return us - epoch
}

func appendInt64(b []byte, i int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(i)) }
func appendInt32(b []byte, i int) []byte   { return binary.BigEndian.AppendUint32(b, uint32(i)) }
func appendNull(b []byte) []byte           { return append(b, 0xff, 0xff, 0xff, 0xff) }

// appendField adds a value with its length before it, as it stands in a row of COPY and in an array; null and absent as NULL.
func appendField(b []byte, v value.Value) []byte {
	switch v.Type() {
	case value.Boolean:
		if v.Bool() {
			return append(b, 0, 0, 0, 1, 1)
		}
		return append(b, 0, 0, 0, 1, 0)
	case value.Integer:
		return appendInt64(append(b, 0, 0, 0, 8), v.Int())
	case value.Float:
		return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), math.Float64bits(v.Float()))
	case value.Timestamp:
		return appendInt64(append(b, 0, 0, 0, 8), timestamp(v.Time()))
	case value.String, value.JSON:
		return append(appendInt32(b, len(v.Text())), v.Text()...)
	case value.Invalid:
		return appendNull(b)
	}
	at := len(b)
	b = appendElements(beginArray(append(b, 0, 0, 0, 0), typeIDs[v.Type().Element()], v.Len()), v)
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// beginArray adds the head of an array of n elements, none of them null unless marked so by a length of −1. An array without
// elements has no dimension.
func beginArray(b []byte, elementType uint32, n int) []byte {
	if n == 0 {
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
		return binary.BigEndian.AppendUint32(b, elementType)
	}
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 1)
	b = binary.BigEndian.AppendUint32(b, elementType)
	return append(appendInt32(b, n), 0, 0, 0, 1)
}

// appendElements adds the elements of an array, each as a field.
func appendElements(b []byte, v value.Value) []byte {
	packed := v.Packed()
	switch v.Type() {
	case value.BooleanArray:
		for i := range len(packed) {
			b = append(b, 0, 0, 0, 1, packed[i])
		}
	case value.StringArray:
		for _, s := range v.Strings() {
			b = append(appendInt32(b, len(s)), s...)
		}
	case value.TimestampArray:
		for _, us := range v.Ints() {
			b = appendInt64(append(b, 0, 0, 0, 8), timestamp(us))
		}
	default:
		for ; packed != ""; packed = packed[8:] {
			b = append(b, 0, 0, 0, 8, packed[7], packed[6], packed[5], packed[4], packed[3], packed[2], packed[1], packed[0])
		}
	}
	return b
}
