package sqlite

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// encode is the form in which a value stands in its column; absent and null are both null there.
func encode(v value.Value) driver.Value {
	switch v.Type() {
	case value.Boolean, value.Integer, value.Timestamp:
		return v.Int()
	case value.Float:
		return v.Float()
	case value.String, value.JSON:
		return v.Text()
	case value.Invalid:
		return nil
	default:
		return string(value.AppendJSON(nil, v))
	}
}

// decode is the inverse of encode for a feature's column.
func decode(t value.Type, column driver.Value) (value.Value, error) {
	switch c := column.(type) {
	case nil:
		return value.Null(), nil
	case int64:
		switch t {
		case value.Integer:
			return value.OfInt(c), nil
		case value.Boolean:
			return value.OfBool(c != 0), nil
		case value.Timestamp:
			return value.OfTime(c), nil
		}
	case float64:
		if t == value.Float {
			return value.OfFloat(c), nil
		}
	case string:
		switch {
		case t == value.String:
			return value.OfString(c), nil
		case t == value.JSON:
			return value.OfJSON(c), nil
		case t.Array():
			return value.ParseJSON(t, unsafe.Slice(unsafe.StringData(c), len(c)))
		}
	}
	return value.Value{}, fmt.Errorf("a column of %s holds %T %v", t, column, column)
}

// decodeKey is the value of a join key's column.
func decodeKey(column driver.Value) value.Value {
	if i, ok := column.(int64); ok {
		return value.OfInt(i)
	}
	return value.OfString(text(column))
}

// presence names the features that a row observes, as the column holds them.
func presence(features []*registry.Feature, row []value.Value) string {
	b := make([]byte, 1, 64)
	b[0] = '.'
	for i, v := range row {
		if !v.IsAbsent() {
			b = append(strconv.AppendUint(b, uint64(features[i].Ordinal), 10), '.')
		}
	}
	return string(b)
}

// observer tells which features of a row were observed; features are asked for in ascending ordinal.
type observer struct {
	version int64
	whole   bool
	rest    string // of presence, behind the first dot
}

func observed(version, presence driver.Value) observer {
	o := observer{version: integer(version), whole: presence == nil}
	if !o.whole {
		o.rest = strings.TrimPrefix(text(presence), ".")
	}
	return o
}

// observes tells whether the row observes the feature, which comes later than those that were asked for before.
func (o *observer) observes(feature *registry.Feature) bool {
	if o.whole {
		return int64(feature.Since) <= o.version && (feature.Until == 0 || o.version < int64(feature.Until))
	}
	for o.rest != "" {
		ordinal, end := 0, 0
		for end < len(o.rest)-1 && o.rest[end] != '.' {
			ordinal = ordinal*10 + int(o.rest[end]-'0')
			end++
		}
		if ordinal > int(feature.Ordinal) {
			return false
		}
		o.rest = o.rest[end+1:]
		if ordinal == int(feature.Ordinal) {
			return true
		}
	}
	return false
}
