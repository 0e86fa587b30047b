package table

import (
	"math/big"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"featurestore/modules/registry/value"
)

// bindArray takes a column's array of a record, and answers how its rows become cells.
type bindArray func(arrow.Array) cellOf[int]

// arena copies texts into blocks of its own.
type arena struct{ block []byte }

const arenaBlock = 64 << 10

func (a *arena) keep(text string) string {
	if len(text) > cap(a.block)-len(a.block) {
		a.block = make([]byte, 0, max(arenaBlock, len(text)))
	}
	from := len(a.block)
	a.block = append(a.block, text...)
	return unsafe.String(unsafe.SliceData(a.block[from:]), len(text))
}

func (a *arena) text(text string) (Cell, string) { return textCell(a.keep(text)) }

const (
	deepestArrow = 32
	longestArrow = 4 << 20 // elements of an array
)

// scalar makes the cells of an array whose type has a Go type, nulls apart.
func scalar[A arrow.Array, T any](valueAt func(A, int) T, cells cellOf[T]) bindArray {
	return func(arr arrow.Array) cellOf[int] {
		typed := arr.(A)
		return func(i int) (Cell, string) {
			if typed.IsNull(i) {
				return NullCell(), ""
			}
			return cells(valueAt(typed, i))
		}
	}
}

func sound[T any](cell func(T) Cell) cellOf[T] {
	return func(v T) (Cell, string) { return cell(v), "" }
}

func integerOf[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](v T) (Cell, string) {
	return integerCell(int64(v)), ""
}

// cellsOf says how the arrays of a column of a type become cells, and as what the column is kept.
func (a *arena) cellsOf(name string, dt arrow.DataType, depth int) (bindArray, Column, error) {
	column := Column{Name: name}
	if depth > deepestArrow {
		return nil, column, unsupportedColumn(name, "deeply nested")
	}
	as := func(t value.Type, bind bindArray) (bindArray, Column, error) {
		column.Type = t
		return bind, column, nil
	}
	switch dt := dt.(type) {
	case *arrow.NullType:
		return as(value.String, func(arrow.Array) cellOf[int] { return func(int) (Cell, string) { return NullCell(), "" } })
	case *arrow.BooleanType:
		return as(value.Boolean, scalar((*array.Boolean).Value, sound(func(v bool) Cell { return ValueCell(value.OfBool(v)) })))
	case *arrow.Int8Type:
		return as(value.Integer, scalar((*array.Int8).Value, integerOf[int8]))
	case *arrow.Int16Type:
		return as(value.Integer, scalar((*array.Int16).Value, integerOf[int16]))
	case *arrow.Int32Type:
		return as(value.Integer, scalar((*array.Int32).Value, integerOf[int32]))
	case *arrow.Int64Type:
		return as(value.Integer, scalar((*array.Int64).Value, integerOf[int64]))
	case *arrow.Uint8Type:
		return as(value.Integer, scalar((*array.Uint8).Value, integerOf[uint8]))
	case *arrow.Uint16Type:
		return as(value.Integer, scalar((*array.Uint16).Value, integerOf[uint16]))
	case *arrow.Uint32Type:
		return as(value.Integer, scalar((*array.Uint32).Value, integerOf[uint32]))
	case *arrow.Uint64Type:
		return as(value.Integer, scalar((*array.Uint64).Value, unsignedCell))
	case *arrow.Float16Type:
		return as(value.Float, scalar(func(arr *array.Float16, i int) float64 { return half(arr.Value(i).Uint16()) }, sound(floatCell)))
	case *arrow.Float32Type:
		return as(value.Float, scalar(func(arr *array.Float32, i int) float64 { return float64(arr.Value(i)) }, sound(floatCell)))
	case *arrow.Float64Type:
		return as(value.Float, scalar((*array.Float64).Value, sound(floatCell)))
	case *arrow.StringType:
		return as(value.String, scalar((*array.String).Value, a.text))
	case *arrow.LargeStringType:
		return as(value.String, scalar((*array.LargeString).Value, a.text))
	case *arrow.StringViewType:
		return as(value.String, scalar((*array.StringView).Value, a.text))
	case *arrow.BinaryType:
		return as(value.String, scalar((*array.Binary).ValueString, a.text))
	case *arrow.LargeBinaryType:
		return as(value.String, scalar((*array.LargeBinary).ValueString, a.text))
	case *arrow.BinaryViewType:
		return as(value.String, scalar((*array.BinaryView).ValueString, a.text))
	case *arrow.FixedSizeBinaryType:
		return as(value.String, scalar(func(arr *array.FixedSizeBinary, i int) string { return string(arr.Value(i)) }, a.text))
	case *arrow.DictionaryType:
		bind, column, err := a.cellsOf(name, dt.ValueType, depth+1)
		return dictionaryCells(bind), column, err
	case *arrow.Decimal32Type, *arrow.Decimal64Type, *arrow.Decimal128Type, *arrow.Decimal256Type:
		return as(arrowDecimal(dt))
	case *arrow.StructType, *arrow.MapType, *arrow.ListType, *arrow.LargeListType, *arrow.FixedSizeListType, *arrow.ListViewType, *arrow.LargeListViewType:
		return a.nestedCells(name, dt, depth+1)
	case arrow.ExtensionType:
		bind, column, err := a.cellsOf(name, dt.StorageType(), depth+1)
		if err != nil {
			return nil, column, err
		}
		return func(arr arrow.Array) cellOf[int] { return bind(arr.(array.ExtensionArray).Storage()) }, column, nil
	}
	if bind, form := arrowTime(dt); bind != nil {
		column.form = form
		if form == textForm {
			column.form = missingForm
			return as(value.String, bind)
		}
		return as(value.Timestamp, bind)
	}
	return nil, column, unsupportedColumn(name, dt.String())
}

// arrowTime makes the cells of times; the form is textForm of times of day, else that of its cells, or missingForm of times in UTC.
func arrowTime(dt arrow.DataType) (bindArray, form) {
	switch dt := dt.(type) {
	case *arrow.TimestampType:
		unit, form, kept := arrowUnit(dt.Unit), valueForm, missingForm
		if dt.TimeZone == "" {
			form, kept = localForm, localForm
		}
		return scalar((*array.Timestamp).Value, func(t arrow.Timestamp) (Cell, string) { return timeCell(int64(t), unit, form) }), kept
	case *arrow.Date32Type:
		return scalar((*array.Date32).Value, func(d arrow.Date32) (Cell, string) {
			return timeCell(int64(d), timeUnit{1, microsecondsOfDay}, dayForm)
		}), dayForm
	case *arrow.Date64Type:
		return scalar((*array.Date64).Value, func(d arrow.Date64) (Cell, string) { return timeCell(int64(d), inMilliseconds, localForm) }), localForm
	case *arrow.Time32Type:
		unit := arrowUnit(dt.Unit)
		return scalar((*array.Time32).Value, func(t arrow.Time32) (Cell, string) { return clockCell(int64(t), unit) }), textForm
	case *arrow.Time64Type:
		unit := arrowUnit(dt.Unit)
		return scalar((*array.Time64).Value, func(t arrow.Time64) (Cell, string) { return clockCell(int64(t), unit) }), textForm
	}
	return nil, missingForm
}

func arrowUnit(unit arrow.TimeUnit) timeUnit {
	switch unit {
	case arrow.Second:
		return inSeconds
	case arrow.Millisecond:
		return inMilliseconds
	case arrow.Nanosecond:
		return inNanoseconds
	}
	return inMicroseconds
}

func arrowDecimal(dt arrow.DataType) (value.Type, bindArray) {
	decimal := dt.(arrow.DecimalType)
	scale := int(decimal.GetScale())
	kept := decimalType(scale, int(decimal.GetPrecision()))
	if scale < -400 || scale > 400 {
		return kept, func(arrow.Array) cellOf[int] {
			return func(int) (Cell, string) { return Cell{}, "the decimal has too many digits" }
		}
	}
	switch dt.(type) {
	case *arrow.Decimal32Type:
		return kept, scalar(func(arr *array.Decimal32, i int) int64 { return int64(arr.Value(i)) }, smallDecimal(scale))
	case *arrow.Decimal64Type:
		return kept, scalar(func(arr *array.Decimal64, i int) int64 { return int64(arr.Value(i)) }, smallDecimal(scale))
	case *arrow.Decimal128Type:
		return kept, scalar(func(arr *array.Decimal128, i int) *big.Int { return arr.Value(i).BigInt() }, bigDecimal(scale))
	}
	return kept, scalar(func(arr *array.Decimal256, i int) *big.Int { return arr.Value(i).BigInt() }, bigDecimal(scale))
}

// dictionaryCells makes the cell of each value of a dictionary once.
func dictionaryCells(bind bindArray) bindArray {
	return func(arr arrow.Array) cellOf[int] {
		dictionary := arr.(*array.Dictionary)
		values := bind(dictionary.Dictionary())
		made := make([]known, dictionary.Dictionary().Len())
		return func(i int) (Cell, string) {
			if dictionary.IsNull(i) {
				return NullCell(), ""
			}
			k := &made[dictionary.GetValueIndex(i)]
			if !k.made {
				k.cell, k.reason = values(dictionary.GetValueIndex(i))
				k.made = true
			}
			return k.cell, k.reason
		}
	}
}
