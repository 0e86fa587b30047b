package table

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// columnar makes batches of a format that has its values by columns.
type columnar struct {
	batch   Batch
	ignored []string
	flaws   []flaw // of the rows of the batch
}

// flaw is what makes a row bad.
type flaw struct {
	row    int // of the batch
	column int
	shown  string
	reason string
}

// rowsOf is how many rows a batch of n columns takes.
func rowsOf(n int) int64 { return int64(min(batchRows, max(batchCells/max(n, 1), 1))) }

// filled makes the cells that have been filled the rows of the batch, without those that have a flaw.
func (c *columnar) filled(rows int) {
	b := &c.batch
	if len(c.flaws) == 0 {
		b.Rows = rows
		return
	}
	first := make(map[int]flaw, len(c.flaws))
	for _, f := range c.flaws {
		if found, ok := first[f.row]; !ok || f.column < found.column {
			first[f.row] = f
		}
	}
	n, all := len(b.Columns), b.Cells
	b.Cells = b.Cells[:0]
	for r := range rows {
		if f, ok := first[r]; ok {
			b.bad(b.Columns[f.column], f.shown, f.reason)
			continue
		}
		b.Cells = append(b.Cells, all[r*n:(r+1)*n]...)
		b.good()
	}
	c.flaws = c.flaws[:0]
}

// cellOf makes a cell of a value as the file has it; reason says why it cannot be one.
type cellOf[T any] func(T) (c Cell, reason string)

func textCell(text string) (Cell, string) {
	v, err := value.ParseText(value.String, text, nil)
	if err != nil {
		return Cell{}, err.Error()
	}
	return ValueCell(v), ""
}

// documentCell takes the text of a JSON document.
func documentCell(text string) (Cell, string) {
	v, err := value.ParseText(value.JSON, text, nil)
	if err != nil {
		return Cell{}, err.Error()
	}
	return ValueCell(v), ""
}

// floatCell keeps what is not finite as text, which no number can be read from.
func floatCell(f float64) Cell {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return TextCell(strconv.FormatFloat(f, 'g', -1, 64))
	}
	return Cell{form: valueForm, held: value.OfFloat(f)}
}

func integerCell(i int64) Cell { return Cell{form: valueForm, held: value.OfInt(i)} }

func unsignedCell(u uint64) (Cell, string) {
	if u > math.MaxInt64 {
		_, err := value.ParseText(value.Integer, strconv.FormatUint(u, 10), nil)
		return Cell{}, err.Error()
	}
	return integerCell(int64(u)), ""
}

// timeUnit is what a time is counted in: how many of it a microsecond has, or how many microseconds it has.
type timeUnit struct{ perMicrosecond, microseconds int64 }

var (
	inSeconds      = timeUnit{1, 1_000_000}
	inMilliseconds = timeUnit{1, 1_000}
	inMicroseconds = timeUnit{1, 1}
	inNanoseconds  = timeUnit{1_000, 1}
)

// timeCell makes a time of a count since 1970; what is finer than a microsecond is cut off. form is valueForm for a time in UTC, else
// localForm or dayForm.
func timeCell(count int64, unit timeUnit, form form) (Cell, string) {
	us := count
	if unit.perMicrosecond > 1 {
		us = count / unit.perMicrosecond
		if count%unit.perMicrosecond < 0 {
			us--
		}
	}
	if whole := us * unit.microseconds; whole/unit.microseconds != us || !value.TimeInRange(whole) {
		return Cell{}, "the time " + strconv.FormatInt(count, 10) + " is outside the years 1 to 9999"
	}
	return Cell{form: form, held: value.OfTime(us * unit.microseconds)}, ""
}

const (
	microsecondsOfDay = 86_400_000_000
	widestDecimal     = 64 // bytes
)

// clockCell makes a text of a time of day.
func clockCell(count int64, unit timeUnit) (Cell, string) {
	us := count / unit.perMicrosecond * unit.microseconds
	if count < 0 || us >= microsecondsOfDay || us/unit.microseconds != count/unit.perMicrosecond {
		return Cell{}, "is no time of a day"
	}
	return textCell(clockText(us))
}

// clockText is a time of day: 23:59:59.999999.
func clockText(us int64) string {
	text := value.AppendTime(nil, us)
	return string(text[len("1970-01-01T") : len(text)-1])
}

// decimalCell makes a number of an integer and how many of its digits stand behind the point.
func decimalCell(unscaled *big.Int, scale int) (Cell, string) {
	digits := unscaled.String()
	if scale <= 0 {
		return JSONCell(digits + strings.Repeat("0", -scale)), ""
	}
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - scale
	return JSONCell(sign + digits[:point] + "." + digits[point:]), ""
}

// decimalType is the type that a column of decimals is kept as.
func decimalType(scale, precision int) value.Type {
	if scale <= 0 && precision <= 18 {
		return value.Integer
	}
	return value.Float
}

// arrayOf is the type of an array of a type; JSON where there is none.
func arrayOf(element value.Type) value.Type {
	if element >= value.Boolean && element <= value.Timestamp {
		return element + value.BooleanArray - value.Boolean
	}
	return value.JSON
}

// arrayCell makes an array of its elements. With a null, or anything that is not of the type, it stays JSON, and the reader of the cell says
// what is wrong.
func arrayCell(elements []Cell, element value.Type) Cell {
	for i := range elements {
		if elements[i].form != valueForm || elements[i].held.Type() != element || len(elements) > value.MaxText/8 {
			return jsonArrayCell(elements)
		}
	}
	switch element {
	case value.Boolean:
		return arrayFrom(elements, value.Value.Bool, value.OfBools)
	case value.Float:
		return arrayFrom(elements, value.Value.Float, value.OfFloats)
	case value.Integer:
		return arrayFrom(elements, value.Value.Int, func(i []int64) value.Value { return value.OfInts(value.IntegerArray, i) })
	case value.Timestamp:
		return arrayFrom(elements, value.Value.Time, func(t []int64) value.Value { return value.OfInts(value.TimestampArray, t) })
	case value.String:
		size := 0
		for i := range elements {
			size += 4 + len(elements[i].held.Text())
		}
		if size <= value.MaxText {
			return arrayFrom(elements, value.Value.Text, value.OfStrings)
		}
	}
	return jsonArrayCell(elements)
}

func arrayFrom[T any](elements []Cell, of func(value.Value) T, make_ func([]T) value.Value) Cell {
	out := make([]T, len(elements))
	for i := range elements {
		out[i] = of(elements[i].held)
	}
	return ValueCell(make_(out))
}

func jsonArrayCell(elements []Cell) Cell {
	b := []byte{'['}
	for i := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, &elements[i], value.Invalid)
	}
	return JSONCell(string(append(b, ']')))
}

// nestedCell takes JSON that was made of nested values, whose names may be twice in one.
func nestedCell(text string) (Cell, string) {
	s := jsonscan.New(text)
	if _, err := s.Value(); err != nil {
		return Cell{}, err.Error()
	}
	return JSONCell(text), ""
}
