package postgres

import (
	"encoding/binary"
	"math"

	"featurestore/modules/registry/value"
)

// decode reads a column of a result in binary format. What is NULL there is null: whether it was observed is not told here.
func decode(t value.Type, b []byte) value.Value {
	if b == nil {
		return value.Null()
	}
	switch t {
	case value.Float:
		return value.OfFloat(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case value.Integer:
		return value.OfInt(decodeInt64(b))
	case value.Boolean:
		return value.OfBool(b[0] != 0)
	case value.Timestamp:
		return value.OfTime(decodeTime(b))
	case value.String:
		return value.OfString(string(b))
	case value.JSON:
		return value.OfJSON(string(b))
	}
	return decodeArray(t, b)
}

func decodeInt64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
func decodeInt32(b []byte) int   { return int(int32(binary.BigEndian.Uint32(b))) }
func decodeTime(b []byte) int64  { return decodeInt64(b) + epoch }

// arrayHead is what stands before the elements: dimensions, whether there are nulls, type, length, first index.
const arrayHead = 20

// decodeArray packs the elements as package value does: little-endian.
func decodeArray(t value.Type, b []byte) value.Value {
	if decodeInt32(b) == 0 {
		return value.OfPacked(t, 0, "")
	}
	n := decodeInt32(b[12:])
	packed := make([]byte, 0, len(b)-arrayHead)
	for b = b[arrayHead:]; len(b) > 0; {
		size := decodeInt32(b)
		element := b[4 : 4+size]
		b = b[4+size:]
		switch t {
		case value.BooleanArray:
			packed = append(packed, element[0])
		case value.StringArray:
			packed = binary.LittleEndian.AppendUint32(packed, uint32(size))
			packed = append(packed, element...)
		case value.TimestampArray:
			packed = binary.LittleEndian.AppendUint64(packed, uint64(decodeTime(element)))
		default:
			packed = binary.LittleEndian.AppendUint64(packed, binary.BigEndian.Uint64(element))
		}
	}
	return value.OfPacked(t, n, string(packed))
}
