package batch

import (
	"fmt"
	"slices"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

const (
	lifetime    = "lifetime" // the window that has no beginning
	maxLast     = 1_000      // N of last_n
	maxDecimals = 9
	decimals    = 6 // where the definition does not say
)

// function is what is known of one.
type function struct {
	name   Function
	of     []value.Type // that it takes; nil: any
	rows   bool         // it takes no column too
	time   bool         // it takes event_time too
	part   bool         // it can be a part of a ratio
	exact  bool         // it adds up, FLOAT in steps of decimals
	counts bool         // it answers a number of rows: of none, zero
	gives  func(of value.Type) value.Type
}

func always(t value.Type) func(value.Type) value.Type {
	return func(value.Type) value.Type { return t }
}

func same(of value.Type) value.Type { return of }

// listOf is the type of lists of a type.
func listOf(of value.Type) value.Type { return value.BooleanArray + of - value.Boolean }

var (
	numbers = []value.Type{value.Integer, value.Float}
	ordered = []value.Type{value.Integer, value.Float, value.String, value.Timestamp}
	scalars = []value.Type{value.Boolean, value.Integer, value.Float, value.String, value.Timestamp}
)

// functions are all that a definition can name.
var functions = []function{
	{name: Count, rows: true, part: true, counts: true, gives: always(value.Integer)},
	{name: Sum, of: numbers, part: true, exact: true, gives: same},
	{name: Avg, of: numbers, part: true, exact: true, gives: always(value.Float)},
	{name: Min, of: ordered, time: true, part: true, gives: same},
	{name: Max, of: ordered, time: true, part: true, gives: same},
	{name: Stddev, of: numbers, part: true, exact: true, gives: always(value.Float)},
	{name: First, of: scalars, time: true, part: true, gives: same},
	{name: Last, of: scalars, time: true, part: true, gives: same},
	{name: CountDistinct, of: scalars, part: true, counts: true, gives: always(value.Integer)},
	{name: LastN, of: scalars, time: true, gives: listOf},
	{name: Ratio, gives: always(value.Float)},
	{name: TimeSinceLast, rows: true, gives: always(value.Float)},
}

// functionNames are those of a whole aggregation, or of a part of a ratio.
func functionNames(whole bool) (names []string) {
	for _, f := range functions {
		if whole || f.part {
			names = append(names, string(f.name))
		}
	}
	return names
}

// aggregations compiles what a definition declares; sourced: the columns of events are known.
func (k *compiling) aggregations(sourced bool) {
	for i := range k.d.Aggregate {
		d, at := &k.d.Aggregate[i], fmt.Sprintf("aggregate[%d]", i)
		a := Aggregation{}
		if d.Feature == "" {
			k.wrong(at+".feature", "", "must be given: the feature of the target that says what is computed")
		} else {
			a.Feature = k.output(at+".feature", d.Feature)
		}
		if !sourced || !k.aggregation(&a, d, at, "") || a.Feature == nil {
			continue
		}
		k.result(&a, d, at)
		k.plan.Aggregations = append(k.plan.Aggregations, a)
		k.plan.Partial = k.plan.Partial || a.Empty == Nothing
	}
}

// aggregation compiles one, or a part of a ratio, whose window is that of the ratio where it says none. It tells whether it could.
func (k *compiling) aggregation(a *Aggregation, d *aggregate, at, window string) bool {
	before := len(k.found)
	i := slices.IndexFunc(functions, func(f function) bool { return string(f.name) == d.Function })
	if i < 0 {
		k.wrong(at+".function", "", "must be given: %s", strings.Join(functionNames(window == ""), ", "))
		return false
	}
	f := &functions[i]
	a.Function, a.Of, a.Type = f.name, Rows, value.Float
	if d.Window == "" {
		d.Window = window
	}
	k.window(a, d, at)
	if f.name == Ratio {
		return k.ratio(a, d, at) && len(k.found) == before
	}
	k.not(at, "only a ratio has one", given{"numerator", d.Numerator != nil}, given{"denominator", d.Denominator != nil})
	k.of(a, d, at, f)
	if d.Where != "" {
		a.Where = k.where(at+".where", d.Where)
	}
	switch {
	case f.name == LastN && d.N == nil:
		k.wrong(at+".n", "", "must be given: how many values last_n keeps, at most %d", maxLast)
	case f.name == LastN:
		a.N = *d.N
	case d.N != nil:
		k.wrong(at+".n", "", "only last_n has one")
	}
	switch {
	case d.Decimals != nil && (!f.exact || a.OfType != value.Float):
		k.wrong(at+".decimals", "", "is for sum, avg and stddev of a FLOAT column")
	case d.Decimals != nil:
		a.Decimals = *d.Decimals
	case f.exact && a.OfType == value.Float:
		a.Decimals = decimals
	}
	a.Empty = Null
	if f.counts {
		a.Empty = Zero
	}
	return len(k.found) == before
}

// given is whether a member was given.
type given struct {
	member string
	is     bool
}

// not refuses members that have no place here.
func (k *compiling) not(at, why string, members ...given) {
	for _, m := range members {
		if m.is {
			k.wrong(at+"."+m.member, "", "%s", why)
		}
	}
}

// window compiles how far an aggregation looks back.
func (k *compiling) window(a *Aggregation, d *aggregate, at string) {
	switch d.Window {
	case "":
		k.wrong(at+".window", "", "must be given: a duration such as 30d, or %s for all that is not after the tick", lifetime)
	case lifetime:
		k.plan.Lifetime = true
	default:
		window, err := registry.ParseDuration(d.Window)
		if err != nil { // it has been read
			k.wrong(at+".window", d.Window, "%v", err)
		}
		a.Window = window
		k.plan.Longest = max(k.plan.Longest, window)
	}
}

// of compiles the column that an aggregation takes.
func (k *compiling) of(a *Aggregation, d *aggregate, at string, f *function) {
	at += ".of"
	if d.Of == "" {
		if !f.rows {
			k.wrong(at, "", "must be given: %s takes a column of events", f.name)
		}
		return
	}
	i, t, found := k.column(at, d.Of)
	switch {
	case !found:
		return
	case i == EventTime && !f.time:
		k.wrong(at, d.Of, "%s takes no event_time: it is for min, max, first, last and last_n", f.name)
	case f.of != nil && !slices.Contains(f.of, t):
		k.wrong(at, d.Of, "%s is %s, and %s takes %s", d.Of, t, f.name, typesOf(f.of))
	}
	a.Of, a.OfType = i, t
}

func typesOf(types []value.Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

// ratio compiles the two parts of one.
func (k *compiling) ratio(a *Aggregation, d *aggregate, at string) bool {
	k.not(at, "is nothing that a ratio has: its numerator and denominator have", given{"of", d.Of != ""}, given{"where", d.Where != ""},
		given{"n", d.N != nil}, given{"decimals", d.Decimals != nil})
	a.Empty = Null
	sound := true
	for _, part := range []struct {
		name string
		d    *aggregate
		into **Aggregation
	}{{"numerator", d.Numerator, &a.Numerator}, {"denominator", d.Denominator, &a.Denominator}} {
		at := at + "." + part.name
		if part.d == nil {
			k.wrong(at, "", `must be given: an aggregation such as {"function": "count"}`)
			sound = false
			continue
		}
		p := &Aggregation{}
		window := d.Window
		if window == "" {
			window = lifetime // that it is missing has been said
		}
		if !k.aggregation(p, part.d, at, window) {
			sound = false
			continue
		}
		if t := resultOf(p); t != value.Integer && t != value.Float {
			k.wrong(at+".of", part.d.Of, "a part of a ratio is a number, and %s of %s is %s", p.Function, part.d.Of, t)
			sound = false
		}
		*part.into = p
	}
	return sound
}

// resultOf is the type of what an aggregation's function answers.
func resultOf(a *Aggregation) value.Type {
	i := slices.IndexFunc(functions, func(f function) bool { return f.name == a.Function })
	return functions[i].gives(a.OfType)
}

// result checks what an aggregation answers, and says of empty windows, against its feature.
func (k *compiling) result(a *Aggregation, d *aggregate, at string) {
	a.Type = a.Feature.ValueType
	gives := resultOf(a)
	fits := a.Type == gives || a.Type == value.Float && gives == value.Integer || a.Type == value.Integer && a.Function == TimeSinceLast
	if !fits {
		what := string(a.Function)
		if d.Of != "" {
			what += " of " + d.Of
		}
		k.wrong(at+".feature", a.Feature.Name, "%s is %s, and the feature %s is %s", what, gives, a.Feature.Reference(), a.Type)
	}
	if d.Empty == "" {
		return
	}
	a.Empty = Empty(d.Empty)
	if a.Empty == Zero && a.Type != value.Integer && a.Type != value.Float {
		k.wrong(at+".empty", d.Empty, "zero is for INTEGER and FLOAT, and the feature %s is %s: use nothing or null", a.Feature.Reference(), a.Type)
	}
}
