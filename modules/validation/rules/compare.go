package rules

import (
	"cmp"
	"math"

	"featurestore/modules/registry/value"
)

// compare orders two values: numbers of either sort exactly (a boolean is 0 or 1 beside a number), texts by their bytes, times, booleans.
// ok is false where they have no order.
func compare(a, b *value.Value) (order int, ok bool) {
	ta, tb := a.Type(), b.Type()
	if ta == tb {
		switch ta {
		case value.Integer, value.Timestamp:
			return cmp.Compare(a.Int(), b.Int()), true
		case value.Float:
			return cmp.Compare(a.Float(), b.Float()), true
		case value.String:
			return cmp.Compare(a.Text(), b.Text()), true
		case value.Boolean:
			return cmp.Compare(boolInt(a), boolInt(b)), true
		}
		return 0, false
	}
	switch {
	case ta == value.Boolean && (tb == value.Integer || tb == value.Float):
		i := value.OfInt(boolInt(a))
		return compare(&i, b)
	case tb == value.Boolean && (ta == value.Integer || ta == value.Float):
		i := value.OfInt(boolInt(b))
		return compare(a, &i)
	case ta == value.Integer && tb == value.Float:
		return compareMixed(a.Int(), b.Float()), true
	case ta == value.Float && tb == value.Integer:
		return -compareMixed(b.Int(), a.Float()), true
	}
	return 0, false
}

func boolInt(v *value.Value) int64 {
	if v.Bool() {
		return 1
	}
	return 0
}

// compareMixed compares an integer with a float without rounding.
func compareMixed(i int64, f float64) int {
	switch {
	case f >= -math.MinInt64:
		return -1
	case f < math.MinInt64:
		return 1
	}
	whole := math.Trunc(f)
	if order := cmp.Compare(i, int64(whole)); order != 0 {
		return order
	}
	return cmp.Compare(whole, f)
}

// same is a value in the form in which equal ones are identical: a whole float is an integer.
func same(v value.Value) value.Value {
	if v.Type() == value.Float {
		if f := v.Float(); f == math.Trunc(f) && f >= math.MinInt64 && f < -math.MinInt64 {
			return value.OfInt(int64(f))
		}
	}
	return v
}

// number is an integer, a float, or a boolean as 0 or 1.
func number(v *value.Value) (f float64, ok bool) {
	switch v.Type() {
	case value.Integer:
		return float64(v.Int()), true
	case value.Float:
		return v.Float(), true
	case value.Boolean:
		return float64(boolInt(v)), true
	}
	return 0, false
}

func numeric(t value.Type) bool {
	return t == value.Integer || t == value.Float || t == value.Boolean || t == value.Invalid
}

func ordered(t value.Type) bool { return numeric(t) || t == value.String || t == value.Timestamp }

func textual(t value.Type) bool { return t == value.String || t == value.JSON || t == value.Invalid }

// show is a value as JSON.
func show(v value.Value) string { return string(appendJSON(nil, v)) }

// appendJSON writes a value as JSON; what is no finite number, as data from elsewhere can have, as a text.
func appendJSON(b []byte, v value.Value) []byte {
	if f := v.Float(); v.Type() == value.Float && (math.IsInf(f, 0) || math.IsNaN(f)) {
		return append(b, map[bool]string{true: `"Infinity"`, false: `"-Infinity"`}[f > 0]...)
	}
	return value.AppendJSON(b, v)
}

// interval is what a value may be between; an end that is not given is open.
type interval struct {
	least, most             value.Value
	hasLeast, hasMost       bool
	strictLeast, strictMost bool
}

// holds tells whether v lies inside; ok is false if it cannot be compared with an end.
func (n *interval) holds(v *value.Value) (inside, ok bool) {
	if n.hasLeast {
		order, comparable := compare(v, &n.least)
		if !comparable {
			return false, false
		}
		if order < 0 || order == 0 && n.strictLeast {
			if n.hasMost {
				_, ok = compare(v, &n.most)
				return false, ok
			}
			return false, true
		}
	}
	if n.hasMost {
		order, comparable := compare(v, &n.most)
		if !comparable {
			return false, false
		}
		if order > 0 || order == 0 && n.strictMost {
			return false, true
		}
	}
	return true, true
}

// text is the interval around a name: "0 <= amount < 10".
func (n *interval) text(name string) string {
	if n.hasLeast {
		if n.strictLeast {
			name = " < " + name
		} else {
			name = " <= " + name
		}
		name = show(n.least) + name
	}
	if n.hasMost {
		if n.strictMost {
			name += " < "
		} else {
			name += " <= "
		}
		name += show(n.most)
	}
	return name
}

// interval reads an interval of the params least, most, strict_<least> and strict_<most>, which is for values of type t.
func (p *params) interval(least, most string, t value.Type) interval {
	var n interval
	n.least, n.hasLeast = p.bound(least, t)
	n.most, n.hasMost = p.bound(most, t)
	n.strictLeast, n.strictMost = p.truth("strict_"+least), p.truth("strict_"+most)
	if n.hasLeast && n.hasMost {
		order, ok := compare(&n.least, &n.most)
		switch {
		case !ok:
			p.wrong(most, "cannot be compared with %s %s", least, show(n.least))
		case !p.read: // nothing lies between: it is always broken
		case order > 0:
			p.wrong(most, "is below %s, %s: nothing lies between", least, show(n.least))
		case order == 0 && (n.strictLeast || n.strictMost):
			p.wrong(most, "equals %s, and an end is strict: nothing lies between", least)
		}
	}
	return n
}
