package value

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"featurestore/app/fault"
	"featurestore/modules/registry/value/jsonscan"
)

// MaxText is how many bytes a STRING, a JSON value or an array may have.
const MaxText = 1 << 20

// ParseJSON reads one JSON value, whose syntax must have been checked (package jsonscan) and that has no space around it. null is
// Null. An error is a sentence such as "expected INTEGER, got 1.5". Text of the value shares the memory of raw, which must not change.
func ParseJSON(t Type, raw []byte) (Value, error) { return ParseJSONZone(t, raw, nil) }

// ParseJSONZone is ParseJSON where times without an offset are in zone.
func ParseJSONZone(t Type, raw []byte, zone *time.Location) (Value, error) {
	return parseJSON(t, unsafe.String(unsafe.SliceData(raw), len(raw)), zone)
}

func parseJSON(t Type, raw string, zone *time.Location) (Value, error) {
	kind := jsonscan.KindOf(raw)
	switch {
	case kind == jsonscan.Null:
		return Null(), nil
	case t == JSON:
		return checkSize(OfJSON(jsonscan.Minify(raw)))
	case t.Array() && kind == jsonscan.Array:
		return parseArray(t, raw, zone)
	case t == Boolean && kind == jsonscan.Bool:
		return OfBool(raw == "true"), nil
	case t == Integer && kind == jsonscan.Number:
		i, err := parseInteger(raw)
		return OfInt(i), err
	case t == Float && kind == jsonscan.Number:
		f, err := parseFloat(raw)
		return OfFloat(f), err
	case t == String && kind == jsonscan.String:
		return checkSize(OfString(jsonscan.Unquote(raw)))
	case t == Timestamp && kind == jsonscan.String:
		us, err := ParseTime(jsonscan.Unquote(raw), zone)
		return OfTime(us), err
	}
	return Value{}, expected(t, raw)
}

// ParseText reads the text of a CSV cell or a path segment. Numbers are written as in JSON, a FLOAT also as +5, .5 or 5.; booleans
// as true, True or TRUE; arrays and JSON as JSON. Times without an offset are in zone; with a nil zone they are an error.
func ParseText(t Type, text string, zone *time.Location) (Value, error) {
	switch t {
	case Float:
		f, err := parseFloat(text)
		return OfFloat(f), err
	case Integer:
		i, err := parseInteger(text)
		return OfInt(i), err
	case String:
		if strings.IndexByte(text, 0) >= 0 {
			return Value{}, fmt.Errorf("the text holds NUL, which is refused")
		}
		if !utf8.ValidString(text) {
			return Value{}, fmt.Errorf("the text is not valid UTF-8")
		}
		return checkSize(OfString(text))
	case Timestamp:
		us, err := ParseTime(text, zone)
		return OfTime(us), err
	case Boolean:
		switch text {
		case "true", "True", "TRUE":
			return OfBool(true), nil
		case "false", "False", "FALSE":
			return OfBool(false), nil
		}
		return Value{}, fmt.Errorf("expected BOOLEAN (true or false), got %s", shown(text))
	}
	raw, err := checkedJSON(text)
	if err != nil {
		return Value{}, fmt.Errorf("expected %s, got %s: %w", t, shown(text), err)
	}
	return parseJSON(t, raw, zone)
}

// checkedJSON checks the syntax of one JSON value with nothing but space around it.
func checkedJSON(text string) (raw string, err error) {
	var s jsonscan.Scanner
	s.Reset(text)
	if raw, err = s.Value(); err == nil {
		err = s.End()
	}
	return raw, err
}

// parseArray reads an array without nulls.
func parseArray(t Type, raw string, zone *time.Location) (Value, error) {
	if len(raw) > 4*MaxText {
		return Value{}, tooLong(t, len(raw))
	}
	element := t.Element()
	size := 8 * (strings.Count(raw, ",") + 1)
	if element == String {
		size = len(raw)
	}
	packed, n := make([]byte, 0, size), 0
	elements := jsonscan.ElementsOf(raw)
	for raw, ok := elements.Next(); ok; raw, ok = elements.Next() {
		n++
		v, err := parseJSON(element, raw, zone)
		switch {
		case err != nil:
			return Value{}, fmt.Errorf("element %d: %w", n, err)
		case v.IsNull():
			return Value{}, fmt.Errorf("element %d is null: arrays hold no nulls", n)
		}
		packed = appendPacked(packed, v)
	}
	return checkSize(OfPacked(t, n, unsafe.String(unsafe.SliceData(packed), len(packed))))
}

// appendPacked appends one element of an array (array.go).
func appendPacked(packed []byte, v Value) []byte {
	switch v.Type() {
	case Boolean:
		return append(packed, byte(v.bits))
	case String:
		return append(binary.LittleEndian.AppendUint32(packed, uint32(len(v.text))), v.text...)
	}
	return binary.LittleEndian.AppendUint64(packed, v.bits)
}

func checkSize(v Value) (Value, error) {
	if len(v.text) > MaxText {
		return Value{}, tooLong(v.Type(), len(v.text))
	}
	return v, nil
}

func tooLong(t Type, size int) error {
	return fmt.Errorf("the %s has %d bytes, more than %d", t, size, MaxText)
}

func expected(t Type, text string) error { return fmt.Errorf("expected %s, got %s", t, shown(text)) }

// shown is text for an error message.
func shown(text string) string {
	if text == "" {
		return `""`
	}
	return fault.Shorten(strings.ToValidUTF8(text, "\uFFFD"))
}

// Convert makes a value of one type one of another where nothing is lost: whole floats become INTEGER, integers that are exact
// become FLOAT, the text of a STRING is read as TIMESTAMP or JSON. Null and absent stay what they are.
func Convert(v Value, t Type, zone *time.Location) (Value, error) {
	switch from := v.Type(); {
	case from == t || from == Invalid:
		return v, nil
	case from == Integer && t == Float:
		if f := v.AsFloat(); exact(v.Int(), f.Float()) {
			return f, nil
		}
		return Value{}, notExact(string(AppendText(nil, v)))
	case from == Float && t == Integer:
		if i, ok := wholeFloat(v.Float()); ok {
			return OfInt(i), nil
		}
	case from == String && (t == Timestamp || t == JSON):
		return ParseText(t, v.Text(), zone)
	case from == IntegerArray && t == FloatArray:
		floats := make([]float64, v.Len())
		for n, i := range v.Ints() {
			if floats[n] = float64(i); !exact(i, floats[n]) {
				return Value{}, fmt.Errorf("element %d: %w", n+1, notExact(fmt.Sprint(i)))
			}
		}
		return OfFloats(floats), nil
	}
	return Value{}, expected(t, string(AppendText(nil, v)))
}

// exact tells whether f, made from i, still is i.
func exact(i int64, f float64) bool { return f != -math.MinInt64 && int64(f) == i }

// wholeFloat is a float as an integer if it is one.
func wholeFloat(f float64) (int64, bool) {
	if f != math.Trunc(f) || f < math.MinInt64 || f >= -math.MinInt64 {
		return 0, false
	}
	return int64(f), true
}

// Equal tells whether two values are the same: of the same type and the same bits.
func Equal(a, b Value) bool { return a == b }
