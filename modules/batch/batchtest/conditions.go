package batchtest

import (
	"strconv"

	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
)

// truth is what a condition is of an event: 1 true, -1 false, 0 neither.
type truth int

// condition is a condition as a definition writes it, and what it means.
type condition struct {
	text string
	of   func(e *Event) truth
}

func is(b bool) truth {
	if b {
		return 1
	}
	return -1
}

// drawCondition makes one of some depth.
func drawCondition(t *rapid.T, depth int) condition {
	if depth > 0 {
		switch rapid.IntRange(0, 5).Draw(t, "kind of condition") {
		case 0:
			a, b := drawCondition(t, depth-1), drawCondition(t, depth-1)
			return condition{"(" + a.text + ") and (" + b.text + ")", func(e *Event) truth { return min(a.of(e), b.of(e)) }}
		case 1:
			a, b := drawCondition(t, depth-1), drawCondition(t, depth-1)
			return condition{"(" + a.text + ") or (" + b.text + ")", func(e *Event) truth { return max(a.of(e), b.of(e)) }}
		case 2:
			a := drawCondition(t, depth-1)
			return condition{"not (" + a.text + ")", func(e *Event) truth { return -a.of(e) }}
		}
	}
	switch rapid.IntRange(0, 8).Draw(t, "condition") {
	case 0:
		return condition{"ok", func(e *Event) truth {
			if e.of("ok").IsNull() {
				return 0
			}
			return is(e.of("ok").Bool())
		}}
	case 1:
		column := rapid.SampledFrom([]string{"n", "x", "s", "ok", "due"}).Draw(t, "column")
		return condition{column + " == nil", func(e *Event) truth { return is(e.of(column).IsNull()) }}
	case 2:
		column := rapid.SampledFrom([]string{"n", "x", "s", "ok", "due"}).Draw(t, "column")
		return condition{column + " != nil", func(e *Event) truth { return is(!e.of(column).IsNull()) }}
	case 3:
		some := rapid.SliceOfN(rapid.SampledFrom(smallIntegers), 1, 3).Draw(t, "some")
		text, in := "n in [", map[int64]bool{}
		for i, n := range some {
			if i > 0 {
				text += ", "
			}
			text, in[n] = text+strconv.FormatInt(n, 10), true
		}
		return condition{text + "]", func(e *Event) truth {
			if e.of("n").IsNull() {
				return 0
			}
			return is(in[e.of("n").Int()])
		}}
	case 4:
		s := rapid.SampledFrom(texts).Draw(t, "text")
		return drawComparison(t, "s", strconv.Quote(s), value.OfString(s))
	case 5:
		f := rapid.SampledFrom(smallFloats).Draw(t, "number")
		return drawComparison(t, "x", strconv.FormatFloat(f, 'f', -1, 64), value.OfFloat(f))
	}
	n := rapid.SampledFrom(comparedIntegers).Draw(t, "number")
	return drawComparison(t, "n", strconv.FormatInt(n, 10), value.OfInt(n))
}

// drawComparison compares a column with a constant.
func drawComparison(t *rapid.T, column, text string, constant value.Value) condition {
	operator := rapid.SampledFrom([]string{"==", "!=", "<", "<=", ">", ">="}).Draw(t, "operator")
	return condition{column + " " + operator + " " + text, func(e *Event) truth {
		v := e.of(column)
		if v.IsNull() {
			return 0
		}
		order := compare(v, constant)
		return is(map[string]bool{"==": order == 0, "!=": order != 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator])
	}}
}
