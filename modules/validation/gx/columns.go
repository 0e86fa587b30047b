package gx

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// Columns are inline data by columns.
type Columns struct {
	Names []string
	Rows  int
	by    map[string]*column
}

// column is one of them as pandas would hold it.
type column struct {
	values []value.Value
	dtype  string // int64, float64, bool_, object_ or datetime64
}

// ReadColumns reads {name: [values]}, well-formed JSON. schema gives a column the dtype that it is cast to: int, float, bool, str,
// datetime64 and their usual variants; others are left as pandas infers them. More than most values in all are a fault.
func ReadColumns(raw string, schema map[string]string, most int) (*Columns, error) {
	c := &Columns{by: map[string]*column{}}
	s := jsonscan.New(raw)
	cells := 0
	err := s.Object(func(name string) error {
		if s.Kind() != jsonscan.Array {
			return s.Errorf("a column is a list of values")
		}
		one := &column{}
		err := s.Array(func(int) error {
			if cells++; cells > most {
				return fault.New(fault.TooLarge, "too-many-values", "the columns have more than %d values", most).At("columns", "", "has too many values")
			}
			raw, err := s.Value()
			if err == nil {
				one.values = append(one.values, cell(raw))
			}
			return err
		})
		if err != nil {
			return err
		}
		if len(c.Names) > 0 && len(one.values) != c.Rows {
			return s.Errorf("the column has %d values, %q has %d", len(one.values), c.Names[0], c.Rows)
		}
		one.infer()
		if err := one.cast(schema[name]); err != nil {
			return s.Errorf("%v", err)
		}
		c.Rows = len(one.values)
		c.Names = append(c.Names, name)
		c.by[name] = one
		return nil
	})
	return c, err
}

// cell is one value as JSON has it: objects and lists as JSON, infinities as floats.
func cell(raw string) value.Value {
	switch jsonscan.KindOf(raw) {
	case jsonscan.Null:
		return value.Null()
	case jsonscan.Bool:
		return value.OfBool(raw == "true")
	case jsonscan.String:
		return value.OfString(jsonscan.Unquote(raw))
	case jsonscan.Number:
		if !strings.ContainsAny(raw, ".eE") {
			if i, err := strconv.ParseInt(raw, 10, 64); err == nil {
				return value.OfInt(i)
			}
		}
		f, _ := strconv.ParseFloat(raw, 64)
		return value.OfFloat(f)
	}
	return value.OfJSON(jsonscan.Minify(raw))
}

// infer finds the dtype that pandas gives the values, and gives them that form.
func (c *column) infer() {
	var seen [value.TimestampArray + 1]int
	for _, v := range c.values {
		seen[v.Type()]++
	}
	nulls := seen[value.Invalid]
	integers, floats, booleans := seen[value.Integer], seen[value.Float], seen[value.Boolean]
	switch n := len(c.values) - nulls; {
	case n > 0 && n == integers && nulls == 0:
		c.dtype = "int64"
	case n > 0 && n == integers+floats:
		c.dtype = "float64"
		for i, v := range c.values {
			c.values[i] = v.AsFloat()
		}
	case n > 0 && n == booleans && nulls == 0:
		c.dtype = "bool_"
	default:
		c.dtype = "object_"
	}
}

// cast gives the values another type, as a schema beside the data asks for.
func (c *column) cast(to string) error {
	kind := strings.ToLower(to)
	switch {
	case strings.HasPrefix(kind, "datetime"):
		values, err := timesOf(c.values)
		if err != nil {
			return err
		}
		c.values, c.dtype = values, "datetime64"
	case kind == "str" || kind == "string":
		for i, v := range c.values {
			if !v.IsNull() {
				c.values[i] = value.OfString(pythonText(v))
			}
		}
		c.dtype = "object_"
	case strings.HasPrefix(kind, "int") && c.dtype != "int64":
		for i, v := range c.values {
			if f := v.Float(); v.Type() == value.Float && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
				c.values[i] = value.OfInt(int64(f))
			}
		}
		if c.dtype == "float64" {
			c.dtype = "int64"
		}
	case strings.HasPrefix(kind, "float") && c.dtype == "int64":
		for i, v := range c.values {
			c.values[i] = v.AsFloat()
		}
		c.dtype = "float64"
	}
	return nil
}

// layouts are how texts of times are written, besides RFC 3339; those without an offset are UTC.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04",
	"2006-01-02 15:04", "2006-01-02", "2006/01/02 15:04:05", "2006/01/02", "01/02/2006 15:04:05", "01/02/2006", "1/2/2006", "Jan 2 2006 15:04:05", "Jan 2 2006",
	"Jan 2, 2006", "January 2, 2006", "2 Jan 2006", "2 January 2006", "20060102", time.RFC1123, time.RFC1123Z, time.ANSIC}

func timeOf(text string) (us int64, ok bool) {
	text = strings.TrimSpace(text)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil && value.TimeInRange(t.UnixMicro()) {
			return t.UnixMicro(), true
		}
	}
	return 0, false
}

// timesOf reads texts as times; times stay what they are.
func timesOf(values []value.Value) ([]value.Value, error) {
	times := make([]value.Value, len(values))
	for i, v := range values {
		times[i] = v
		if v.IsNull() || v.Type() == value.Timestamp {
			continue
		}
		us, ok := int64(0), false
		if v.Type() == value.String {
			us, ok = timeOf(v.Text())
		}
		if !ok {
			return nil, fmt.Errorf("%s cannot be read as a time", pythonText(v))
		}
		times[i] = value.OfTime(us)
	}
	return times, nil
}

// pythonText is a value as str() writes it in Python.
func pythonText(v value.Value) string {
	switch v.Type() {
	case value.String, value.JSON:
		return v.Text()
	case value.Boolean:
		if v.Bool() {
			return "True"
		}
		return "False"
	case value.Integer:
		return strconv.FormatInt(v.Int(), 10)
	case value.Float:
		return pythonFloat(v.Float())
	case value.Timestamp:
		return strings.Replace(strings.TrimSuffix(string(value.AppendTime(nil, v.Time())), "Z"), "T", " ", 1)
	}
	return "None"
}

// pythonFloat is repr() of a float: the shortest digits, with an exponent below 1e-4 and from 1e16 on.
func pythonFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

func finite(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }
