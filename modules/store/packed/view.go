package packed

import (
	"math"
	"unicode/utf8"

	"featurestore/modules/registry/value"
)

// View reads a packed row in place; strings that it yields share the row's memory.
type View struct {
	row            string
	n              int
	ordinals, tags int // offsets
	stamps         int // 0: all have the row's stamp
	values         int
}

// Cell is one feature's newest value and the stamp of the observation it came from; the value is absent if there is none.
type Cell struct {
	Value value.Value
	Stamp Stamp
}

func uint16At(s string, at int) int { return int(s[at])<<8 | int(s[at+1]) }

func uint32At(s string, at int) int {
	return int(s[at])<<24 | int(s[at+1])<<16 | int(s[at+2])<<8 | int(s[at+3])
}

func stampAt(s string, at int) Stamp {
	return Stamp{EventTime: wordAt(s, at), IngestID: wordAt(s, at+8)}
}

func wordAt(s string, at int) int64 {
	b := s[at : at+8]
	return int64((uint64(b[0])<<56 | uint64(b[1])<<48 | uint64(b[2])<<40 | uint64(b[3])<<32 |
		uint64(b[4])<<24 | uint64(b[5])<<16 | uint64(b[6])<<8 | uint64(b[7])) ^ 1<<63)
}

func little(s string) uint64 {
	var u uint64
	for i := len(s) - 1; i >= 0; i-- {
		u = u<<8 | uint64(s[i])
	}
	return u
}

func little64(b string) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// Open checks the head of a row. What lies behind it is checked as it is read.
func Open(row string) (View, error) {
	if len(row) < headSize || row[0] != format {
		return View{}, damaged("%d bytes, no head of format %d", len(row), format)
	}
	n, k := uint16At(row, 18), uint16At(row, 20)
	v := View{row: row, n: n, ordinals: headSize + k, tags: headSize + k + 2*n}
	v.values = v.tags + n
	if row[1]&stamped != 0 {
		v.stamps = v.values
		v.values += stampSize * n
	}
	if n == 0 || v.values > len(row) {
		return View{}, damaged("%d bytes are too few for %d features", len(row), n)
	}
	return v, nil
}

// Key is the entity's own key: compare it with the one asked for.
func (v View) Key() string { return v.row[headSize:v.ordinals] }

// Newest is the newest stamp of any feature.
func (v View) Newest() Stamp { return stampAt(v.row, 2) }

// Len is the number of features.
func (v View) Len() int { return v.n }

func (v View) ordinal(i int) uint16 { return uint16(uint16At(v.row, v.ordinals+2*i)) }

func (v View) stamp(i int) Stamp {
	if v.stamps == 0 {
		return v.Newest()
	}
	return stampAt(v.row, v.stamps+stampSize*i)
}

// size is how many bytes the value with this tag takes at this offset; -1 if that is not inside the row.
func (v View) size(tag byte, at int) int {
	size := 0
	switch tag {
	case tagNull, tagFalse, tagTrue:
	case tagInt8:
		size = 1
	case tagInt16:
		size = 2
	case tagInt32, tagFloat32:
		size = 4
	case tagInt64, tagFloat64, tagTime:
		size = 8
	case tagShort:
		if at >= len(v.row) {
			return -1
		}
		size = 1 + int(v.row[at])
	default:
		if tag >= tagEnd || at+4 > len(v.row) {
			return -1
		}
		size = 4 + uint32At(v.row, at)
	}
	if at+size > len(v.row) {
		return -1
	}
	return size
}

// Whole checks that the values end where the row does, which Pick sees only of those that it is asked for.
func (v View) Whole() error {
	at := v.values
	for i := range v.n {
		size := v.size(v.row[v.tags+i], at)
		if size < 0 {
			return damaged("feature %d ends outside the row", v.ordinal(i))
		}
		at += size
	}
	if at != len(v.row) {
		return damaged("%d bytes behind the last value", len(v.row)-at)
	}
	return nil
}

// Pick reads the features with these ordinals, which ascend, into out, which has as many cells: one pass over the row.
func (v View) Pick(ordinals []uint16, out []Cell) error {
	newest := v.Newest()
	at, i := v.values, 0
	for o, wanted := range ordinals {
		for i < v.n && v.ordinal(i) < wanted {
			size := v.size(v.row[v.tags+i], at)
			if size < 0 {
				return damaged("feature %d ends outside the row", v.ordinal(i))
			}
			at += size
			i++
		}
		if i == v.n || v.ordinal(i) != wanted {
			out[o] = Cell{}
			continue
		}
		tag := v.row[v.tags+i]
		size := v.size(tag, at)
		if size < 0 {
			return damaged("feature %d ends outside the row", wanted)
		}
		read, err := decode(tag, v.row[at:at+size])
		if err != nil {
			return err
		}
		out[o] = Cell{Value: read, Stamp: newest}
		if v.stamps != 0 {
			out[o].Stamp = v.stamp(i)
		}
		at += size
		i++
	}
	return nil
}

func decode(tag byte, b string) (value.Value, error) {
	switch tag {
	case tagNull:
		return value.Null(), nil
	case tagFalse:
		return value.OfBool(false), nil
	case tagTrue:
		return value.OfBool(true), nil
	case tagInt8:
		return value.OfInt(int64(int8(b[0]))), nil
	case tagInt16:
		return value.OfInt(int64(int16(little(b)))), nil
	case tagInt32:
		return value.OfInt(int64(int32(little(b)))), nil
	case tagInt64:
		return value.OfInt(int64(little64(b))), nil
	case tagFloat32:
		return value.OfFloat(float64(math.Float32frombits(uint32(little(b))))), nil
	case tagFloat64:
		return value.OfFloat(math.Float64frombits(little64(b))), nil
	case tagTime:
		return value.OfTime(int64(little64(b))), nil
	case tagShort:
		return value.OfString(b[1:]), nil
	case tagLong:
		return value.OfString(b[4:]), nil
	case tagJSON:
		return value.OfJSON(b[4:]), nil
	}
	return decodeArray(tag, b[4:])
}

// arrayTypes are the types of the arrays of 8 bytes an element, by tag.
var arrayTypes = [tagEnd]value.Type{tagIntegers: value.IntegerArray, tagFloats: value.FloatArray, tagTimes: value.TimestampArray}

func decodeArray(tag byte, elements string) (value.Value, error) {
	switch tag {
	case tagBooleans:
		return value.OfPacked(value.BooleanArray, len(elements), elements), nil
	case tagIntegers, tagFloats, tagTimes:
		if len(elements)%8 != 0 {
			return value.Value{}, damaged("an array of %d bytes", len(elements))
		}
		return value.OfPacked(arrayTypes[tag], len(elements)/8, elements), nil
	}
	n := 0
	for rest := elements; rest != ""; n++ {
		if len(rest) < 4 || uint64(len(rest)-4) < little(rest[:4]) || !utf8.ValidString(rest[4:4+little(rest[:4])]) {
			return value.Value{}, damaged("an array of strings ends early")
		}
		rest = rest[4+little(rest[:4]):]
	}
	return value.OfPacked(value.StringArray, n, elements), nil
}
