package table

import (
	"time"
	"unsafe"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
)

// Cell is one cell of a table as it came in or as it goes out: missing (a member that was left out: not observed), null, a raw
// JSON value, the text of a CSV cell, a value of a type, or a time or a day that says nothing of its zone. The zero Cell is missing.
type Cell struct {
	form form
	held value.Value // of jsonForm and textForm a String with the text, of localForm and dayForm what a clock in UTC would show
}

type form uint8

const (
	missingForm form = iota
	nullForm
	jsonForm
	textForm
	valueForm
	localForm
	dayForm
)

func MissingCell() Cell { return Cell{} }
func NullCell() Cell    { return Cell{form: nullForm} }

// TextCell is what stood in a CSV cell, without its quotes; "" is the empty string, not null.
func TextCell(text string) Cell { return Cell{form: textForm, held: value.OfString(text)} }

// JSONCell takes one valid JSON value without space around it; null becomes NullCell.
func JSONCell(raw string) Cell {
	if raw == "null" {
		return Cell{form: nullForm}
	}
	return Cell{form: jsonForm, held: value.OfString(raw)}
}

// ValueCell holds a value; absent becomes MissingCell, null NullCell.
func ValueCell(v value.Value) Cell {
	switch {
	case v.IsAbsent():
		return Cell{}
	case v.IsNull():
		return Cell{form: nullForm}
	}
	return Cell{form: valueForm, held: v}
}

func (c Cell) IsMissing() bool { return c.form == missingForm }
func (c Cell) IsNull() bool    { return c.form == nullForm }

// Value reads the cell as a type: missing as absent, null as null. Times without an offset are in zone; with a nil zone they
// are an error. An error is a sentence such as "expected INTEGER, got 1.5". Text of the value shares the cell's memory.
func (c Cell) Value(t value.Type, zone *time.Location) (value.Value, error) {
	switch c.form {
	case textForm:
		return value.ParseText(t, c.held.Text(), zone)
	case jsonForm:
		return value.ParseJSONZone(t, bytesOf(c.held.Text()), zone)
	case valueForm:
		if c.held.Type() == t {
			return c.held, nil
		}
		return value.Convert(c.held, t, zone)
	case localForm, dayForm:
		return value.ParseText(t, c.localText(), zone)
	case nullForm:
		return value.Null(), nil
	}
	return value.Value{}, nil
}

// localText is a time or a day without a zone, as CSV has it.
func (c Cell) localText() string {
	text := string(value.AppendTime(nil, c.held.Time()))
	if c.form == dayForm {
		return text[:len("2026-01-31")]
	}
	return text[:len(text)-1]
}

// Display is the cell for an error message: shortened, as it was written.
func (c Cell) Display() string {
	switch c.form {
	case textForm, jsonForm:
		return fault.Shorten(c.held.Text())
	case valueForm:
		return fault.Shorten(string(value.AppendText(nil, c.held)))
	case localForm, dayForm:
		return c.localText()
	case nullForm:
		return "null"
	}
	return ""
}

// bytesOf shares the memory of a string with a function that only reads it.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
