package value

import (
	"encoding/binary"
	"math"
)

// An array's elements are packed little-endian: 8 bytes each for integers, floats and times, 1 byte for booleans, and for
// strings a length of 4 bytes before the bytes. Arrays hold no nulls. The same bytes stand in the online row.

func (v Value) Len() int       { return int(v.bits) }
func (v Value) Packed() string { return v.text }

// OfPacked makes an array of n elements from its packed form, which must be well formed.
func OfPacked(t Type, n int, packed string) Value {
	return Value{kind: t, bits: uint64(n), text: packed}
}

func OfInts(t Type, elements []int64) Value { // t: IntegerArray or TimestampArray
	b := make([]byte, 0, 8*len(elements))
	for _, e := range elements {
		b = binary.LittleEndian.AppendUint64(b, uint64(e))
	}
	return OfPacked(t, len(elements), string(b))
}

func OfFloats(elements []float64) Value {
	b := make([]byte, 0, 8*len(elements))
	for _, e := range elements {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(e+0))
	}
	return OfPacked(FloatArray, len(elements), string(b))
}

func OfBools(elements []bool) Value {
	b := make([]byte, len(elements))
	for i, e := range elements {
		if e {
			b[i] = 1
		}
	}
	return OfPacked(BooleanArray, len(elements), string(b))
}

func OfStrings(elements []string) Value {
	var b []byte
	for _, e := range elements {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(e)))
		b = append(b, e...)
	}
	return OfPacked(StringArray, len(elements), string(b))
}

func word(s string, i int) uint64 {
	b := s[8*i : 8*i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// Ints are the elements of an IntegerArray or TimestampArray.
func (v Value) Ints() []int64 {
	out := make([]int64, v.Len())
	for i := range out {
		out[i] = int64(word(v.text, i))
	}
	return out
}

func (v Value) Floats() []float64 {
	out := make([]float64, v.Len())
	for i := range out {
		out[i] = math.Float64frombits(word(v.text, i))
	}
	return out
}

func (v Value) Bools() []bool {
	out := make([]bool, v.Len())
	for i := range out {
		out[i] = v.text[i] != 0
	}
	return out
}

func (v Value) Strings() []string {
	out := make([]string, v.Len())
	rest := v.text
	for i := range out {
		n := int(uint32(rest[0]) | uint32(rest[1])<<8 | uint32(rest[2])<<16 | uint32(rest[3])<<24)
		out[i], rest = rest[4:4+n], rest[4+n:]
	}
	return out
}
