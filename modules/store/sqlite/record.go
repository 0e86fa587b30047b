package sqlite

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"math"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// A record is a row on its way through a sorter: a key that orders rows as the index does, and the columns behind it.

// appendSortKey appends an entity's join keys and an event time so that bytes compare as the columns do: numbers big-endian with the
// sign bit flipped; texts as they are and then two zero bytes, a zero byte inside them followed by 0xff.
func appendSortKey(b []byte, keys []value.Value, eventTime int64) []byte {
	for _, key := range keys {
		switch {
		case key.Type() == value.Integer:
			b = binary.BigEndian.AppendUint64(b, uint64(key.Int())^1<<63)
		case strings.IndexByte(key.Text(), 0) < 0:
			b = append(append(b, key.Text()...), 0, 0)
		default:
			b = append(append(b, strings.ReplaceAll(key.Text(), "\x00", "\x00\xff")...), 0, 0)
		}
	}
	return binary.BigEndian.AppendUint64(b, uint64(eventTime)^1<<63)
}

func cutSortKey(b []byte) (entity []byte, eventTime int64) {
	n := len(b) - 8
	return b[:n], int64(binary.BigEndian.Uint64(b[n:]) ^ 1<<63)
}

// splitSortKey appends the columns of the join keys.
func splitSortKey(columns []driver.Value, entity []byte, keys []registry.JoinKey) []driver.Value {
	for _, key := range keys {
		if key.ValueType == value.Integer {
			columns = append(columns, int64(binary.BigEndian.Uint64(entity)^1<<63))
			entity = entity[8:]
			continue
		}
		end := bytes.Index(entity, []byte{0, 0})
		columns = append(columns, strings.ReplaceAll(string(entity[:end]), "\x00\xff", "\x00"))
		entity = entity[end+2:]
	}
	return columns
}

// Tags of columns in a record.
const (
	tagNull    = iota
	tagInteger // and 8 bytes
	tagReal    // and 8 bytes
	tagText    // and the length and the bytes
)

// appendColumn appends what encode makes of a value.
func appendColumn(b []byte, v value.Value) []byte {
	switch v.Type() {
	case value.Invalid:
		return append(b, tagNull)
	case value.Boolean, value.Integer, value.Timestamp:
		return binary.LittleEndian.AppendUint64(append(b, tagInteger), uint64(v.Int()))
	case value.Float:
		return binary.LittleEndian.AppendUint64(append(b, tagReal), math.Float64bits(v.Float()))
	case value.String, value.JSON:
		return appendText(b, v.Text())
	default:
		return appendText(b, string(value.AppendJSON(nil, v)))
	}
}

func appendText(b []byte, text string) []byte {
	b = binary.AppendUvarint(append(b, tagText), uint64(len(text)))
	return append(b, text...)
}

// cutColumn takes the first column off.
func cutColumn(b []byte) (driver.Value, []byte) {
	switch b[0] {
	case tagInteger:
		return int64(binary.LittleEndian.Uint64(b[1:])), b[9:]
	case tagReal:
		return math.Float64frombits(binary.LittleEndian.Uint64(b[1:])), b[9:]
	case tagText:
		n, size := binary.Uvarint(b[1:])
		b = b[1+size:]
		return string(b[:n]), b[n:]
	default:
		return nil, b[1:]
	}
}

// packIntegers is a list as one value of a column, 8 bytes big-endian each.
func packIntegers(list []int64) []byte {
	b := make([]byte, 0, 8*len(list))
	for _, n := range list {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func unpackIntegers(b []byte) []int64 {
	list := make([]int64, 0, len(b)/8)
	for ; len(b) > 0; b = b[8:] {
		list = append(list, int64(binary.BigEndian.Uint64(b)))
	}
	return list
}
