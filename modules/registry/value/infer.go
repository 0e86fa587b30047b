package value

import (
	"fmt"
	"time"
	"unsafe"

	"featurestore/modules/registry/value/jsonscan"
)

// InferJSON is the type for the first value of a feature that nobody registered: a number without fraction or exponent is
// INTEGER, a string in RFC 3339 with an offset TIMESTAMP, an array of one scalar type an array, objects and other arrays
// are JSON. Null, an empty array and an array with a null have no type and are an error. raw is as for ParseJSON. A time without
// an offset counts only if a zone is given.
func InferJSON(raw []byte, zone *time.Location) (Type, error) {
	return inferJSON(unsafe.String(unsafe.SliceData(raw), len(raw)), zone)
}

func inferJSON(raw string, zone *time.Location) (Type, error) {
	switch jsonscan.KindOf(raw) {
	case jsonscan.Bool:
		return Boolean, nil
	case jsonscan.Number:
		if n, _ := readNumber(raw); n.integer {
			_, err := parseInteger(raw)
			return Integer, err
		}
		_, err := parseFloat(raw)
		return Float, err
	case jsonscan.String:
		if _, err := ParseTime(jsonscan.Unquote(raw), zone); err == nil {
			return Timestamp, nil
		}
		return String, nil
	case jsonscan.Object:
		return JSON, nil
	case jsonscan.Array:
		return inferArray(raw, zone)
	}
	return Invalid, fmt.Errorf("null does not tell the type of the feature: register it first")
}

func inferArray(raw string, zone *time.Location) (Type, error) {
	common, n, null := Invalid, 0, 0
	elements := jsonscan.ElementsOf(raw)
	for raw, ok := elements.Next(); ok; raw, ok = elements.Next() {
		n++
		kind := jsonscan.KindOf(raw)
		switch {
		case common == JSON:
		case kind == jsonscan.Null:
			null = n
		case kind == jsonscan.Array || kind == jsonscan.Object:
			common = JSON
		default:
			t, err := inferJSON(raw, zone)
			if err != nil {
				return Invalid, fmt.Errorf("element %d: %w", n, err)
			}
			if common == Invalid {
				common = t
			}
			if common = Common(common, t); common == Invalid {
				common = JSON
			}
		}
	}
	switch {
	case n == 0:
		return Invalid, fmt.Errorf("an empty array does not tell the type of its elements: register the feature first")
	case common == JSON:
		return JSON, nil
	case null > 0:
		return Invalid, fmt.Errorf("arrays hold no nulls, element %d is one: register the feature as JSON to keep it as it is", null)
	}
	return common + BooleanArray - Boolean, nil
}

// Common is the type that holds the values of both: FLOAT for INTEGER and FLOAT, STRING for TIMESTAMP and STRING, arrays
// likewise; Invalid if there is none.
func Common(a, b Type) Type {
	if a.Array() && b.Array() {
		if common := Common(a.Element(), b.Element()); common != Invalid {
			return common + BooleanArray - Boolean
		}
		return Invalid
	}
	if a > b {
		a, b = b, a
	}
	switch {
	case a == b:
		return a
	case a == Integer && b == Float:
		return Float
	case a == String && b == Timestamp:
		return String
	}
	return Invalid
}

// TextInference tells the type of a CSV column that nobody registered from its cells: INTEGER or FLOAT if all are such numbers,
// BOOLEAN, TIMESTAMP, arrays and JSON objects likewise, else STRING. A number that begins with a zero too many, or an integer
// beyond 64 bits, makes it STRING. NaN and infinities count as FLOAT, so that reading them says what is wrong. Empty cells
// and empty arrays do not count. The zero TextInference has seen nothing.
type TextInference struct {
	Zone   *time.Location // of times without an offset; nil: those are no times
	common Type
}

func (n *TextInference) Add(text string) {
	if text == "" || text == "[]" || n.common == String {
		return
	}
	t := inferText(text, n.Zone)
	if n.common == Invalid {
		n.common = t
	}
	if n.common = Common(n.common, t); n.common == Invalid {
		n.common = String
	}
}

// Type is Invalid as long as no cell counted.
func (n *TextInference) Type() Type { return n.common }

func inferText(text string, zone *time.Location) Type {
	switch c := text[0]; {
	case c == '[' || c == '{':
		if raw, err := checkedJSON(text); err == nil {
			if t, err := inferJSON(raw, zone); err == nil {
				return t
			}
		}
		return String
	case isNaN(text):
		return Float
	}
	if n, ok := readNumber(text); ok && !n.zeros {
		if _, err := parseInteger(text); err == nil && n.integer {
			return Integer
		}
		if _, err := parseFloat(text); err == nil && !n.integer {
			return Float
		}
		return String
	}
	if _, err := ParseText(Boolean, text, nil); err == nil {
		return Boolean
	}
	if _, err := ParseTime(text, zone); err == nil {
		return Timestamp
	}
	return String
}
