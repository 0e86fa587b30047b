// Package packed is the online row: one entity's newest values in one group, in one self-describing string that Go, SQLite and a
// Lua script inside Redis read and merge alike.
//
//	offset       size    what (integers big-endian unless said)
//	0            1       format, 1
//	1            1       flags; 1: every feature has a stamp of its own
//	2            16      newest stamp of the row: event time (µs), ingest id, each an int64 with its sign bit flipped
//	18           2       n, the number of features, at least 1
//	20           2       k, the length of the key
//	22           k       the entity's own key (store.Key.Encoded)
//	22+k         2n      the features' ordinals, ascending
//	22+k+2n      n       their tags, one byte each, which say type and size
//	22+k+3n      16n     their stamps, only with flag 1; without it all have the row's stamp
//	             …       their values, one after the other
//
// A tag's value takes: null, false, true 0 bytes; int8 1; int16 2; int32 and float32 4; int64, float64, time 8 (little-endian);
// short strings 1 byte of length and the bytes; long strings, JSON and arrays 4 bytes of length and the bytes, an
// array's elements as package value packs them. Integers take the smallest size that holds them, floats the smaller one if it is
// exact, strings below 256 bytes the short form. Flag 1 is set only if the stamps differ. So equal content is equal bytes.
//
// A feature that is not listed was never observed.
package packed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"featurestore/modules/registry/value"
)

// Stamp orders observations of one entity: by event time (µs), then by ingest id.
type Stamp struct {
	EventTime int64
	IngestID  int64
}

// Newer tells whether s wins over t.
func (s Stamp) Newer(t Stamp) bool {
	return s.EventTime > t.EventTime || s.EventTime == t.EventTime && s.IngestID > t.IngestID
}

// ErrDamaged says that bytes are no packed row.
var ErrDamaged = errors.New("damaged packed row")

const (
	format    = 1
	stamped   = 1 // flag
	headSize  = 22
	stampSize = 16
)

// The tags. They are written to the store: never renumber them.
const (
	tagNull = iota
	tagFalse
	tagTrue
	tagInt8
	tagInt16
	tagInt32
	tagInt64
	tagFloat32
	tagFloat64
	tagTime
	tagShort // string below 256 bytes
	tagLong
	tagJSON
	tagBooleans
	tagIntegers
	tagFloats
	tagStrings
	tagTimes
	tagEnd
)

// Append adds the row of one observation to dst: values[i] is of the feature with ordinals[i]; absent ones are left out. At
// least one must not be absent. The ordinals ascend.
func Append(dst []byte, key string, ordinals []uint16, values []value.Value, stamp Stamp) []byte {
	dst, at, n := appendDirectory(dst, key, ordinals, values)
	putHead(dst[at:], 0, stamp, n)
	return appendValues(dst, values)
}

// AppendStamped is Append for values that come from several observations: stamps[i] is the stamp of values[i].
func AppendStamped(dst []byte, key string, ordinals []uint16, values []value.Value, stamps []Stamp) []byte {
	var newest Stamp
	first, same := true, true
	for i, v := range values {
		if v.IsAbsent() {
			continue
		}
		if first {
			newest, first = stamps[i], false
			continue
		}
		if stamps[i] != newest {
			same = false
		}
		if stamps[i].Newer(newest) {
			newest = stamps[i]
		}
	}
	if same {
		return Append(dst, key, ordinals, values, newest)
	}
	dst, at, n := appendDirectory(dst, key, ordinals, values)
	putHead(dst[at:], stamped, newest, n)
	for i, v := range values {
		if !v.IsAbsent() {
			dst = appendStamp(dst, stamps[i])
		}
	}
	return appendValues(dst, values)
}

func appendDirectory(dst []byte, key string, ordinals []uint16, values []value.Value) (_ []byte, at, n int) {
	at = len(dst)
	dst = append(dst, make([]byte, headSize)...)
	binary.BigEndian.PutUint16(dst[at+20:], uint16(len(key)))
	dst = append(dst, key...)
	for i, v := range values {
		if !v.IsAbsent() {
			dst = binary.BigEndian.AppendUint16(dst, ordinals[i])
			n++
		}
	}
	for _, v := range values {
		if !v.IsAbsent() {
			dst = append(dst, tagOf(v))
		}
	}
	return dst, at, n
}

func putHead(head []byte, flags byte, newest Stamp, n int) {
	head[0], head[1] = format, flags
	binary.BigEndian.PutUint64(head[2:], uint64(newest.EventTime)^1<<63)
	binary.BigEndian.PutUint64(head[10:], uint64(newest.IngestID)^1<<63)
	binary.BigEndian.PutUint16(head[18:], uint16(n))
}

func appendStamp(dst []byte, s Stamp) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.EventTime)^1<<63)
	return binary.BigEndian.AppendUint64(dst, uint64(s.IngestID)^1<<63)
}

func tagOf(v value.Value) byte {
	switch v.Type() {
	case value.Boolean:
		if v.Bool() {
			return tagTrue
		}
		return tagFalse
	case value.Integer:
		switch i := v.Int(); {
		case i == int64(int8(i)):
			return tagInt8
		case i == int64(int16(i)):
			return tagInt16
		case i == int64(int32(i)):
			return tagInt32
		}
		return tagInt64
	case value.Float:
		if f := v.Float(); float64(float32(f)) == f {
			return tagFloat32
		}
		return tagFloat64
	case value.Timestamp:
		return tagTime
	case value.String:
		if len(v.Text()) < 256 {
			return tagShort
		}
		return tagLong
	case value.JSON:
		return tagJSON
	case value.BooleanArray:
		return tagBooleans
	case value.IntegerArray:
		return tagIntegers
	case value.FloatArray:
		return tagFloats
	case value.StringArray:
		return tagStrings
	case value.TimestampArray:
		return tagTimes
	}
	return tagNull
}

func appendValues(dst []byte, values []value.Value) []byte {
	for _, v := range values {
		if v.IsAbsent() {
			continue
		}
		switch tagOf(v) {
		case tagInt8:
			dst = append(dst, byte(v.Int()))
		case tagInt16:
			dst = binary.LittleEndian.AppendUint16(dst, uint16(v.Int()))
		case tagInt32:
			dst = binary.LittleEndian.AppendUint32(dst, uint32(v.Int()))
		case tagInt64, tagTime:
			dst = binary.LittleEndian.AppendUint64(dst, uint64(v.Int()))
		case tagFloat32:
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(v.Float())))
		case tagFloat64:
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Float()))
		case tagShort:
			dst = append(dst, byte(len(v.Text())))
			dst = append(dst, v.Text()...)
		case tagLong, tagJSON:
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.Text())))
			dst = append(dst, v.Text()...)
		case tagBooleans, tagIntegers, tagFloats, tagStrings, tagTimes:
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.Packed())))
			dst = append(dst, v.Packed()...)
		}
	}
	return dst
}

// damaged wraps ErrDamaged with what was found.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}
