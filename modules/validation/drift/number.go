package drift

import (
	"unicode/utf8"

	"featurestore/modules/registry/value"
)

// number is what of a value, neither null nor absent, falls into numeric bins.
func number(v value.Value) float64 {
	switch v.Type() {
	case value.Float:
		return v.Float()
	case value.Integer:
		return float64(v.Int())
	case value.Timestamp:
		return float64(v.Time())
	case value.Boolean:
		if v.Bool() {
			return 1
		}
		return 0
	case value.String, value.JSON:
		return float64(utf8.RuneCountInString(v.Text()))
	}
	return float64(v.Len())
}

// category is what of a value, neither null nor absent, is a category: its text as in a CSV cell.
func category(v value.Value) string {
	if v.Type() == value.String {
		return v.Text()
	}
	return string(value.AppendText(nil, v))
}
