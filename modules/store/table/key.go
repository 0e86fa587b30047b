package table

import (
	"strings"

	"featurestore/modules/registry/value"
)

// KeyValue reads the cell as a join key, which is STRING or INTEGER: an integer given for a STRING is its decimal text.
func (c Cell) KeyValue(t value.Type) (value.Value, error) {
	if t == value.String {
		switch {
		case c.form == jsonForm && isInteger(c.held.Text()):
			return c.held, nil
		case c.form == valueForm && c.held.Type() == value.Integer:
			return value.OfString(string(value.AppendJSON(nil, c.held))), nil
		}
	}
	return c.Value(t, nil)
}

// isInteger tells whether a JSON value is an integer as it is written.
func isInteger(raw string) bool {
	digits := strings.TrimPrefix(raw, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}
