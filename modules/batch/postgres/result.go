package postgres

import (
	"context"
	"encoding/binary"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"featurestore/modules/registry/value"
)

// read runs a query and calls row for each row of its answer, in binary form, as it comes. What row is given is valid until it returns.
func read(ctx context.Context, tx pgx.Tx, text string, parameters [][]byte, row func(columns [][]byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	types, formats := []uint32{pgtype.Int8ArrayOID}, []int16{pgx.BinaryFormatCode}
	answer := tx.Conn().PgConn().ExecParams(ctx, text, parameters, types[:len(parameters)], formats[:len(parameters)], formats)
	for answer.NextRow() {
		if err := row(answer.Values()); err != nil {
			cancel() // the rest is not waited for
			_, _ = answer.Close()
			return err
		}
	}
	_, err := answer.Close()
	return err
}

// encodeIntegers is a bigint[] in binary form.
func encodeIntegers(numbers []int64) []byte {
	b := binary.BigEndian.AppendUint32(nil, 1)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, pgtype.Int8OID)
	b = binary.BigEndian.AppendUint32(b, uint32(len(numbers)))
	b = binary.BigEndian.AppendUint32(b, 1)
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint32(b, 8)
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

// epoch is 2000-01-01, from which PostgreSQL counts, in µs since 1970.
const epoch = 946_684_800_000_000

func decodeInteger(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

// decode reads a column of a type as sqlTypes has it; NULL is null.
func decode(t value.Type, b []byte) value.Value {
	if b == nil {
		return value.Null()
	}
	switch t {
	case value.Boolean:
		return value.OfBool(b[0] != 0)
	case value.Integer:
		return value.OfInt(decodeInteger(b))
	case value.Float:
		return value.OfFloat(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case value.String:
		return value.OfString(string(b))
	case value.JSON:
		return value.OfJSON(string(b))
	case value.Timestamp:
		return value.OfTime(decodeInteger(b) + epoch)
	}
	elements := elementsOf(t.Element(), b)
	switch t {
	case value.BooleanArray:
		return value.OfBools(each(elements, value.Value.Bool))
	case value.FloatArray:
		return value.OfFloats(each(elements, value.Value.Float))
	case value.StringArray:
		return value.OfStrings(each(elements, value.Value.Text))
	}
	return value.OfInts(t, each(elements, value.Value.Int))
}

// elementsOf are the elements of an array: after its dimensions, whether there are nulls, the type, the length and the first index.
func elementsOf(t value.Type, b []byte) (elements []value.Value) {
	if binary.BigEndian.Uint32(b) == 0 {
		return nil
	}
	for b = b[20:]; len(b) > 0; {
		size := int32(binary.BigEndian.Uint32(b))
		if b = b[4:]; size < 0 {
			elements = append(elements, value.Null())
			continue
		}
		elements = append(elements, decode(t, b[:size]))
		b = b[size:]
	}
	return elements
}

func each[T any](elements []value.Value, of func(value.Value) T) []T {
	out := make([]T, len(elements))
	for i, v := range elements {
		out[i] = of(v)
	}
	return out
}

// reversed is an array from its end to its beginning.
func reversed(v value.Value) value.Value {
	switch v.Type() {
	case value.BooleanArray:
		return value.OfBools(backward(v.Bools()))
	case value.FloatArray:
		return value.OfFloats(backward(v.Floats()))
	case value.StringArray:
		return value.OfStrings(backward(v.Strings()))
	}
	return value.OfInts(v.Type(), backward(v.Ints()))
}

func backward[T any](elements []T) []T {
	elements = slices.Clone(elements)
	slices.Reverse(elements)
	return elements
}
