package table

import (
	"fmt"
	"strconv"
	"time"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// typedWriter writes a format whose columns have types. A column whose type is not known is kept as that of the values in the first
// cells that are written, where those are of one type, else as text.
type typedWriter struct {
	columns []Column
	begin   func([]Column) (Writer, error)
	out     Writer
}

func (w *typedWriter) start(rows int, cells []Cell) (err error) {
	if w.out != nil {
		return nil
	}
	for i := range w.columns {
		if w.columns[i].Type == value.Invalid {
			w.columns[i].Type, w.columns[i].form = typeOfCells(cells[min(i, len(cells)):], len(w.columns))
		}
	}
	w.out, err = w.begin(w.columns)
	return err
}

func (w *typedWriter) Write(rows int, cells []Cell) error {
	if err := w.start(rows, cells); err != nil {
		return err
	}
	return w.out.Write(rows, cells)
}

func (w *typedWriter) Close() error {
	if err := w.start(0, nil); err != nil {
		return err
	}
	return w.out.Close()
}

// typeOfCells is the type of the cells of a column, each stride behind the one before.
func typeOfCells(cells []Cell, stride int) (t value.Type, form form) {
	for i := 0; i < len(cells); i += stride {
		c := &cells[i]
		switch c.form {
		case missingForm, nullForm:
			continue
		case textForm, jsonForm:
			return value.String, missingForm
		}
		of := missingForm
		if c.form != valueForm {
			of = c.form
		}
		if t == value.Invalid {
			t, form = c.held.Type(), of
		}
		if t = value.Common(t, c.held.Type()); t == value.Invalid || form != of {
			return value.String, missingForm
		}
	}
	if t == value.Invalid {
		t = value.String
	}
	return t, form
}

// valueOf is a cell as a value of the column; missing and null are null.
func (column *Column) valueOf(c *Cell) (value.Value, error) {
	t := column.Type
	switch {
	case c.form == missingForm || c.form == nullForm:
		return value.Null(), nil
	case c.form == valueForm && c.held.Type() == t:
		return c.held, nil
	case (c.form == localForm || c.form == dayForm) && c.form == column.form:
		return c.held, nil
	case t == value.String:
		return value.OfString(plainText(c)), nil
	case t == value.JSON && c.form == jsonForm:
		return value.OfJSON(jsonscan.Minify(c.held.Text())), nil
	case t == value.JSON && c.form == valueForm:
		return value.OfJSON(string(value.AppendJSON(nil, c.held))), nil
	case t == value.Float && c.form == textForm: // also what is not finite, which no feature can be, but a column of a spine
		if f, err := strconv.ParseFloat(c.held.Text(), 64); err == nil {
			return value.OfFloat(f), nil
		}
	}
	v, err := c.Value(t, time.UTC)
	if err != nil {
		err = fmt.Errorf("the column %q: %w", column.Name, err)
	}
	return v, err
}

// plainText is what a cell is in CSV, before quoting.
func plainText(c *Cell) string {
	switch c.form {
	case textForm:
		return c.held.Text()
	case jsonForm:
		if raw := c.held.Text(); raw[0] != '"' {
			return raw
		}
		return jsonscan.Unquote(c.held.Text())
	case localForm, dayForm:
		return c.localText()
	}
	return string(value.AppendText(nil, c.held))
}

// elementsOf is the array of a cell, whose elements may be null where it came in as such; null says that it is none.
func (column *Column) elementsOf(c *Cell) (elements []value.Value, null bool, err error) {
	element := column.Type.Element()
	if c.form == jsonForm && jsonscan.KindOf(c.held.Text()) == jsonscan.Array {
		list := jsonscan.ElementsOf(c.held.Text())
		for raw, ok := list.Next(); ok; raw, ok = list.Next() {
			v, err := value.ParseJSONZone(element, bytesOf(raw), time.UTC)
			if err != nil {
				return nil, false, fmt.Errorf("the column %q: %w", column.Name, err)
			}
			elements = append(elements, v)
		}
		return elements, false, nil
	}
	v, err := column.valueOf(c)
	if err != nil || v.IsNull() {
		return nil, true, err
	}
	elements = make([]value.Value, 0, v.Len())
	switch element {
	case value.Boolean:
		elements = appendAll(elements, v.Bools(), value.OfBool)
	case value.Float:
		elements = appendAll(elements, v.Floats(), value.OfFloat)
	case value.Integer:
		elements = appendAll(elements, v.Ints(), value.OfInt)
	case value.Timestamp:
		elements = appendAll(elements, v.Ints(), value.OfTime)
	case value.String:
		elements = appendAll(elements, v.Strings(), value.OfString)
	}
	return elements, false, nil
}

func appendAll[T any](to []value.Value, from []T, of func(T) value.Value) []value.Value {
	for _, v := range from {
		to = append(to, of(v))
	}
	return to
}
