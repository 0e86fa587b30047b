// Package value holds the types that a feature or a join key can have, and the values of those types: how they are read
// from JSON and text, compared and written.
package value

import "math"

// Type is the type of a feature's values. The text form ("INTEGER", "FLOAT[]") is what the API and the stores use.
type Type uint8

const (
	Invalid Type = iota
	Boolean
	Integer // 64 bits, exact
	Float   // 64 bits, finite; −0.0 becomes 0.0
	String  // valid UTF-8 without NUL
	Timestamp
	JSON // minified text
	BooleanArray
	IntegerArray
	FloatArray
	StringArray
	TimestampArray
)

const (
	null   Type = 0xff
	NoTime      = math.MinInt64 // a time that was not given
)

// Value is one value: absent (the zero Value: not observed), null, or of a type. Times are microseconds since 1970 in UTC.
// Text of strings may share memory with the input it came from.
type Value struct {
	kind Type   // Invalid: absent
	bits uint64 // boolean, integer, float bits, microseconds; of an array: the number of elements
	text string // string, JSON; of an array: its elements, packed (array.go)
}

func Null() Value             { return Value{kind: null} }
func OfInt(i int64) Value     { return Value{kind: Integer, bits: uint64(i)} }
func OfTime(us int64) Value   { return Value{kind: Timestamp, bits: uint64(us)} }
func OfString(s string) Value { return Value{kind: String, text: s} }

// OfJSON takes text that is already minified and checked.
func OfJSON(minified string) Value { return Value{kind: JSON, text: minified} }

func OfBool(b bool) Value {
	if b {
		return Value{kind: Boolean, bits: 1}
	}
	return Value{kind: Boolean}
}

// OfFloat takes a finite number; −0.0 becomes 0.0.
func OfFloat(f float64) Value { return Value{kind: Float, bits: math.Float64bits(f + 0)} }

func (v Value) IsAbsent() bool { return v.kind == Invalid }
func (v Value) IsNull() bool   { return v.kind == null }

// Type is Invalid for absent and null.
func (v Value) Type() Type {
	if v.kind == null {
		return Invalid
	}
	return v.kind
}

func (v Value) Bool() bool     { return v.bits != 0 }
func (v Value) Int() int64     { return int64(v.bits) }
func (v Value) Float() float64 { return math.Float64frombits(v.bits) }
func (v Value) Time() int64    { return int64(v.bits) }

// Text is the content of a String or JSON.
func (v Value) Text() string { return v.text }

// AsFloat is an integer or float as a float: an older integer of a feature that was widened reads as FLOAT.
func (v Value) AsFloat() Value {
	if v.kind == Integer {
		return OfFloat(float64(int64(v.bits)))
	}
	return v
}
