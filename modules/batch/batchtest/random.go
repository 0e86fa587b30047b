package batchtest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/app/fault"
	"featurestore/modules/batch/tick"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

// What random events are made of. Texts are in the order of their bytes, which is not that of UTF-16 nor of any language.
var (
	smallIntegers = []int64{-3, -1, 0, 1, 2, 3, 1000}
	largeIntegers = []int64{math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, 1 << 62, 1<<53 + 1, -(1 << 53) - 1}

	comparedIntegers = []int64{-3, 0, 1, 2, 1000, math.MaxInt64, -math.MaxInt64, 1<<53 + 1} // a condition cannot write the least

	smallFloats = []float64{0, 0.5, 0.1, -0.1, 0.3, -2.5, 0.0000005, 0.00000049, -0.0000005, 1.005, 123456.789, 1e9, 4503599627.370496}
	largeFloats = []float64{9.223372036854e12, 9.3e12, -9.3e12, 1e15, 1e300, 5e-324, 9007199254.740993}
	texts       = []string{"", "\x01", "\t", "\n", "\r\n", " ", " a ", "\"", "''", "%", ",", "0", "10", "9", ";--", "A", "NULL", "Z", "\\", "\\N", "a", "a\"b", "a,b", "null", "true", "z", "\u007f", "é", "e\u0301", "ß", "日本", "\ufffd", "\uff5e", "🙂", "\U0010ffff"}
)

// randomColumns are the columns of random events.
var randomColumns = []storetest.Column{{Name: "n", Type: value.Integer}, {Name: "x", Type: value.Float}, {Name: "s", Type: value.String}, {Name: "ok", Type: value.Boolean}, {Name: "due", Type: value.Timestamp}}

// perWorld is how many definitions are told in one registry: each is checked against all that are there already.
const perWorld = 200

// runRandom compares what the engine makes of random definitions and events with the oracle.
func runRandom(t *testing.T, s Subject) {
	var all tally
	for number := range (s.Random + perWorld - 1) / perWorld {
		checks := min(perWorld, s.Random-number*perWorld)
		t.Run(fmt.Sprintf("world %d", number), func(t *testing.T) { all.tell(t, s, fmt.Sprintf("r%dx", number), checks) })
	}
	t.Logf("measured: %d random definitions, %d rows compared with the oracle, %d refused as beyond range", all.told, all.rows, all.refused)
}

// tally counts what was compared.
type tally struct{ told, rows, refused int }

// tell tells so many definitions in a world of their own.
func (all *tally) tell(t *testing.T, s Subject, label string, checks int) {
	storetest.SetChecks(t, checks)
	w, failure := newWorld(t, s, label), ""
	defer func() {
		if t.Failed() {
			t.Log("the last failure:", failure) // rapid is silent about what it cannot repeat
		}
	}()
	homes := map[string]*home{}
	for _, h := range s.homes() {
		homes[h.name] = h
	}
	rapid.Check(t, func(rt *rapid.T) {
		w.tb = drawn{rt, t, &failure}
		h := homes[rapid.SampledFrom(slices.Sorted(maps.Keys(homes))).Draw(rt, "home")]
		situation := drawSituation(rt)
		tells, err := w.tell(situation, h)
		require.NoError(w, explained(err))
		all.told++
		wanted, beyond := situation.expected(h)
		got, err := tells.compute()
		if beyond != nil {
			problem, ok := fault.As(err)
			require.True(w, ok && problem.Slug == "sum-out-of-range", "the oracle says %q, the engine %v", beyond, err)
			all.refused++
			return
		}
		require.NoError(w, explained(err))
		require.Empty(w, difference(wanted, got))
		all.rows += len(wanted)
	})
	w.tb = t
}

// drawn is a test of rapid's, with folders.
type drawn struct {
	*rapid.T
	outer   *testing.T
	failure *string
}

func (d drawn) TempDir() string { return d.outer.TempDir() }

func (d drawn) Errorf(format string, args ...any) {
	*d.failure = fmt.Sprintf(format, args...)
	d.T.Errorf(format, args...)
}

// drawSituation makes one. Times are near the edges of windows, on either side.
func drawSituation(t *rapid.T) *situation {
	s := &situation{columns: randomColumns}
	s.cycle = rapid.SampledFrom([]string{"hourly", "daily", "month_end", "30 5 * * *", "0 0 * * 1"}).Draw(t, "tick")
	s.zone = rapid.SampledFrom([]string{"", "UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia"}).Draw(t, "zone")
	s.ticks = drawTicks(t, s.cycle, s.zone)
	for _, kind := range rapid.SampledFrom([][]value.Type{{value.String}, {value.Integer}, {value.Integer, value.String}}).Draw(t, "keys") {
		s.keys = append(s.keys, registry.JoinKey{Name: fmt.Sprintf("k%d", len(s.keys)), ValueType: kind})
	}
	wild := rapid.IntRange(0, 4).Draw(t, "wild") == 0
	for range rapid.SampledFrom([]int{4, 5, 3, 2, 1}).Draw(t, "aggregates") {
		a := drawAggregate(t, len(s.aggregates), wild)
		s.aggregates = append(s.aggregates, a)
		s.outputs = append(s.outputs, storetest.Column{Name: a.Feature, Type: a.Type})
	}
	s.events = drawEvents(t, s, wild)
	return s
}

// drawTicks takes some of the ticks of a cycle that follow each other, around the days when clocks change.
func drawTicks(t *rapid.T, cycle, zone string) (ticks []int64) {
	location, err := time.LoadLocation(zone)
	require.NoError(t, err)
	all, err := tick.New(cycle, location)
	require.NoError(t, err)
	from := rapid.SampledFrom([]string{"1969-12-31T20:00:00Z", "2016-02-28T12:00:00Z", "2019-03-30T22:00:00Z", "2019-10-26T20:00:00Z", "2011-12-29T00:00:00Z", "0007-01-01T00:00:00Z"}).Draw(t, "from")
	at, err := value.ParseTime(from, nil)
	require.NoError(t, err)
	for range rapid.SampledFrom([]int{5, 3, 30, 2, 1}).Draw(t, "ticks") {
		next, found := all.After(at)
		require.True(t, found)
		if at = next; len(ticks) == 0 || rapid.IntRange(0, 3).Draw(t, "left out") > 0 {
			ticks = append(ticks, at)
		}
	}
	return ticks
}

var windows = []time.Duration{0, time.Hour, 90 * time.Minute, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, time.Second}

// takes says of which columns a function can be, and which type it gives; Invalid: that of the column.
var takes = []struct {
	function string
	of       []string
	gives    value.Type
	part     bool
}{
	{"count", []string{"", "n", "x", "s", "ok", "due"}, value.Integer, true},
	{"sum", []string{"n", "x"}, value.Invalid, true},
	{"avg", []string{"n", "x"}, value.Float, true},
	{"min", []string{"n", "x", "s", "due", eventTime}, value.Invalid, false},
	{"max", []string{"n", "x", "s", "due", eventTime}, value.Invalid, false},
	{"stddev", []string{"n", "x"}, value.Float, true},
	{"first", []string{"n", "x", "s", "ok", "due", eventTime}, value.Invalid, false},
	{"last", []string{"n", "x", "s", "ok", "due", eventTime}, value.Invalid, false},
	{"count_distinct", []string{"n", "x", "s", "ok", "due"}, value.Integer, true},
	{"last_n", []string{"n", "x", "s", "ok", "due", eventTime}, value.Invalid, false},
	{"time_since_last", []string{"", "n", "s"}, value.Float, false},
}

func drawAggregate(t *rapid.T, number int, wild bool) Aggregate {
	var a Aggregate
	if rapid.IntRange(0, 7).Draw(t, "ratio") == 0 {
		above, below := drawFunction(t, true), drawFunction(t, true)
		for _, part := range []*Aggregate{&above, &below} {
			part.Type = value.Float
		}
		a = Aggregate{Function: "ratio", Type: value.Float, Decimals: -1, Numerator: &above, Denominator: &below, Window: rapid.SampledFrom(windows).Draw(t, "window")}
	} else {
		a = drawFunction(t, false)
	}
	a.Feature = fmt.Sprintf("f%d", number)
	a.Empty = rapid.SampledFrom([]string{"", "", "nothing", "null"}).Draw(t, "empty")
	if a.Empty == "null" && (a.Type == value.Integer || a.Type == value.Float) && rapid.Bool().Draw(t, "zero") {
		a.Empty = "zero"
	}
	return a
}

// drawFunction makes an aggregate, or a part of a ratio.
func drawFunction(t *rapid.T, part bool) Aggregate {
	able := slices.DeleteFunc(slices.Clone(takes), func(f struct {
		function string
		of       []string
		gives    value.Type
		part     bool
	}) bool {
		return part && !f.part
	})
	f := rapid.SampledFrom(able).Draw(t, "function")
	a := Aggregate{Function: f.function, Of: rapid.SampledFrom(f.of).Draw(t, "of"), Type: f.gives, Decimals: -1, Window: rapid.SampledFrom(windows).Draw(t, "window")}
	of := value.Timestamp
	if i := slices.IndexFunc(randomColumns, func(c storetest.Column) bool { return c.Name == a.Of }); i >= 0 {
		of = randomColumns[i].Type
	}
	if a.Type == value.Invalid {
		a.Type = of
	}
	switch {
	case f.function == "last_n":
		a.N = rapid.SampledFrom([]int{1, 2, 3, 1000}).Draw(t, "n")
		a.Type = of + value.BooleanArray - value.Boolean
	case f.function == "time_since_last":
		a.Type = rapid.SampledFrom([]value.Type{value.Float, value.Integer}).Draw(t, "type")
	case a.Type == value.Integer && rapid.IntRange(0, 4).Draw(t, "as float") == 0:
		a.Type = value.Float
	}
	if exact := f.function == "sum" || f.function == "avg" || f.function == "stddev"; exact && of == value.Float {
		a.Decimals = rapid.SampledFrom([]int{-1, 0, 2, 6, 9}).Draw(t, "decimals")
	}
	if rapid.IntRange(0, 2).Draw(t, "where") == 0 {
		c := drawCondition(t, 2)
		a.Where, a.Holds = c.text, func(e *Event) bool { return c.of(e) == 1 }
	}
	return a
}

// drawEvents makes events of a few entities.
func drawEvents(t *rapid.T, s *situation, wild bool) (events []Event) {
	integers, floats := smallIntegers, smallFloats
	if wild {
		integers, floats = append(slices.Clone(integers), largeIntegers...), append(slices.Clone(floats), largeFloats...)
	}
	entities := rapid.SampledFrom([]int{3, 4, 2, 1}).Draw(t, "entities")
	var keys []store.Key
	for range entities {
		var key []value.Value
		for _, k := range s.keys {
			if k.ValueType == value.Integer {
				key = append(key, value.OfInt(rapid.SampledFrom(append(largeIntegers, smallIntegers...)).Draw(t, "key")))
			} else {
				key = append(key, value.OfString(rapid.SampledFrom(texts[1:]).Draw(t, "key")))
			}
		}
		keys = append(keys, store.NewKey(key))
	}
	var edges []int64
	for _, tick := range s.ticks {
		for _, window := range windows {
			edges = append(edges, tick-window.Microseconds())
		}
	}
	for range rapid.SampledFrom([]int{20, 60, 8, 3, 1, 0}).Draw(t, "events") {
		at := rapid.SampledFrom(edges).Draw(t, "edge")
		switch rapid.IntRange(0, 5).Draw(t, "beside it") {
		case 0:
			at--
		case 1:
			at++
		case 2:
			at += rapid.Int64Range(-40*24*3600_000_000, 3600_000_000).Draw(t, "away")
		}
		e := Event{Key: rapid.SampledFrom(keys).Draw(t, "entity"), At: at, Values: map[string]value.Value{}}
		for _, c := range s.columns {
			switch rapid.IntRange(0, 5).Draw(t, "null") {
			case 0:
				e.Values[c.Name] = value.Null()
				continue
			case 1:
				continue
			}
			switch c.Type {
			case value.Integer:
				e.Values[c.Name] = value.OfInt(rapid.SampledFrom(integers).Draw(t, "integer"))
			case value.Float:
				e.Values[c.Name] = value.OfFloat(rapid.SampledFrom(floats).Draw(t, "float"))
			case value.String:
				e.Values[c.Name] = value.OfString(rapid.SampledFrom(texts).Draw(t, "text"))
			case value.Boolean:
				e.Values[c.Name] = value.OfBool(rapid.Bool().Draw(t, "boolean"))
			case value.Timestamp:
				e.Values[c.Name] = value.OfTime(base + rapid.Int64Range(-2, 2).Draw(t, "due")*rapid.SampledFrom([]int64{1, 3600_000_000, 1e15}).Draw(t, "unit"))
			}
		}
		if len(e.Values) == 0 { // a row observes something
			e.Values[s.columns[0].Name] = value.Null()
		}
		events = append(events, e)
	}
	return events
}
