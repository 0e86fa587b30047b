package table

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table/parquet"
)

// julian1970 is the day 1970-01-01 of an INT96.
const julian1970 = 2_440_588

// leafCells says how the values of a leaf become cells, and as what the column is kept.
func leafCells(leaf *parquet.Leaf) (cellOf[parquet.Raw], Column, error) {
	column := Column{Name: leaf.Element.Name}
	as := func(t value.Type, cells cellOf[parquet.Raw]) (cellOf[parquet.Raw], Column, error) {
		column.Type = t
		return cells, column, nil
	}
	switch logical := logicalOf(leaf.Element).(type) {
	case *format.DecimalType:
		scale, precision := int(logical.Scale), int(logical.Precision)
		if scale < 0 || scale > 400 || leaf.Length > widestDecimal {
			return nil, column, fmt.Errorf("column %q: a decimal with %d digits behind the point in %d bytes", column.Name, scale, leaf.Length)
		}
		return as(decimalType(scale, precision), func(raw parquet.Raw) (Cell, string) { return decimalOf(leaf, raw, scale) })
	case *format.DateType:
		column.form = dayForm
		return as(value.Timestamp, func(raw parquet.Raw) (Cell, string) {
			return timeCell(int64(int32(raw.Bits)), timeUnit{1, microsecondsOfDay}, dayForm)
		})
	case *format.TimestampType:
		if !logical.IsAdjustedToUTC {
			column.form = localForm
		}
		unit, form := unitOf(logical.Unit), valueForm
		if column.form == localForm {
			form = localForm
		}
		return as(value.Timestamp, func(raw parquet.Raw) (Cell, string) { return timeCell(signed(leaf, raw), unit, form) })
	case *format.TimeType:
		unit := unitOf(logical.Unit)
		return as(value.String, func(raw parquet.Raw) (Cell, string) { return clockCell(signed(leaf, raw), unit) })
	case *format.IntType:
		if !logical.IsSigned {
			return as(value.Integer, func(raw parquet.Raw) (Cell, string) { return unsignedCell(raw.Bits) })
		}
	case *format.JsonType:
		return as(value.JSON, func(raw parquet.Raw) (Cell, string) { return documentCell(raw.Text) })
	case *format.UUIDType:
		if leaf.Length == 16 {
			return as(value.String, func(raw parquet.Raw) (Cell, string) { return textCell(uuidText(raw.Text)) })
		}
	case *format.Float16Type:
		if leaf.Length == 2 {
			return as(value.Float, func(raw parquet.Raw) (Cell, string) {
				return floatCell(half(binary.LittleEndian.Uint16([]byte(raw.Text)))), ""
			})
		}
	case *format.BsonType, *format.VariantType, *format.GeometryType, *format.GeographyType:
		return nil, column, unsupportedColumn(column.Name, fmt.Sprint(logical))
	case nil:
		if c := leaf.Element.ConvertedType; c.Valid && c.V == deprecated.Interval {
			return nil, column, unsupportedColumn(column.Name, "INTERVAL")
		}
	}
	switch leaf.Type {
	case format.Boolean:
		return as(value.Boolean, func(raw parquet.Raw) (Cell, string) { return ValueCell(value.OfBool(raw.Bits != 0)), "" })
	case format.Int32, format.Int64:
		return as(value.Integer, func(raw parquet.Raw) (Cell, string) { return integerCell(signed(leaf, raw)), "" })
	case format.Float:
		return as(value.Float, func(raw parquet.Raw) (Cell, string) {
			return floatCell(float64(math.Float32frombits(uint32(raw.Bits)))), ""
		})
	case format.Double:
		return as(value.Float, func(raw parquet.Raw) (Cell, string) { return floatCell(math.Float64frombits(raw.Bits)), "" })
	case format.Int96:
		return as(value.Timestamp, func(raw parquet.Raw) (Cell, string) { return int96Cell([]byte(raw.Text)) })
	}
	return as(value.String, func(raw parquet.Raw) (Cell, string) { return textCell(raw.Text) })
}

func unsupportedColumn(name, kind string) error {
	return fault.New(fault.Unsupported, "unsupported-column", "the column %q is of the type %s, which is not read: leave it out, or turn it into another type", name, fault.Shorten(kind)).
		At("column "+name, "", "is of the type %s", fault.Shorten(kind))
}

// logicalOf is the logical type of a leaf, also of one that says it as older writers did.
func logicalOf(e *format.SchemaElement) format.LogicalTypeValue {
	if e.LogicalType.Value != nil || !e.ConvertedType.Valid {
		return e.LogicalType.Value
	}
	millis, micros := format.TimeUnit{Value: &format.MilliSeconds{}}, format.TimeUnit{Value: &format.MicroSeconds{}}
	switch e.ConvertedType.V {
	case deprecated.Decimal:
		return &format.DecimalType{Scale: e.Scale.V, Precision: e.Precision.V}
	case deprecated.Date:
		return &format.DateType{}
	case deprecated.TimeMillis:
		return &format.TimeType{Unit: millis}
	case deprecated.TimeMicros:
		return &format.TimeType{Unit: micros}
	case deprecated.TimestampMillis:
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: millis}
	case deprecated.TimestampMicros:
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: micros}
	case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
		return &format.IntType{}
	case deprecated.Json:
		return &format.JsonType{}
	case deprecated.Bson:
		return &format.BsonType{}
	}
	return nil
}

func unitOf(unit format.TimeUnit) timeUnit {
	switch unit.Value.(type) {
	case *format.MilliSeconds:
		return inMilliseconds
	case *format.NanoSeconds:
		return inNanoseconds
	}
	return inMicroseconds
}

// signed is the number of an INT32 or INT64.
func signed(leaf *parquet.Leaf, raw parquet.Raw) int64 {
	if leaf.Type == format.Int32 {
		return int64(int32(raw.Bits))
	}
	return int64(raw.Bits)
}

func decimalOf(leaf *parquet.Leaf, raw parquet.Raw, scale int) (Cell, string) {
	if leaf.Type == format.Int32 || leaf.Type == format.Int64 {
		return decimalCell(big.NewInt(signed(leaf, raw)), scale)
	}
	if len(raw.Text) > widestDecimal {
		return Cell{}, "the decimal has too many digits"
	}
	return decimalCell(bigEndian([]byte(raw.Text)), scale)
}

// bigEndian is a number in two's complement.
func bigEndian(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// int96Cell reads what Spark and Impala write for times: nanoseconds of the day and the Julian day, in UTC.
func int96Cell(b []byte) (Cell, string) {
	nanos, day := int64(binary.LittleEndian.Uint64(b)), int64(int32(binary.LittleEndian.Uint32(b[8:])))
	if nanos < 0 || nanos/1000 >= microsecondsOfDay {
		return Cell{}, "is no time of a day"
	}
	return timeCell((day-julian1970)*microsecondsOfDay+nanos/1000, inMicroseconds, valueForm)
}

func uuidText(b string) string {
	h := hex.EncodeToString([]byte(b))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// half is a float of 16 bits (IEEE 754 binary16).
func half(b uint16) float64 {
	exponent, fraction := int(b>>10&0x1f), float64(b&0x3ff)
	f := math.Ldexp(1+fraction/1024, exponent-15)
	switch {
	case exponent == 0:
		f = math.Ldexp(fraction/1024, -14)
	case exponent == 0x1f && fraction == 0:
		f = math.Inf(1)
	case exponent == 0x1f:
		f = math.NaN()
	}
	if b&0x8000 != 0 {
		f = -f
	}
	return f
}
