package storetest

import (
	"fmt"
	"math"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/validation/rules"
)

func (o *offline) measure(group *registry.Group, of store.Range, merged bool, measures ...rules.Measure) []rules.Measured {
	o.Helper()
	var measured []rules.Measured
	o.look(func(s store.Snapshot) {
		var err error
		measured, err = s.Measure(o.ctx, group, group.Features, of, merged, measures)
		require.NoError(o, err)
		require.Len(o, measured, len(measures))
	})
	return measured
}

func (o *offline) measures() {
	group := Group(1, "purchases", Customers, Column{"i", value.Integer}, Column{"f", value.Float}, Column{"s", value.String}, Column{"b", value.Boolean})
	i, f, s, b := []int{0}, []int{1}, []int{2}, []int{3}
	found := map[string]int64{}
	all := []rules.Measure{{Of: rules.Counts}, {Of: rules.Counts, Fields: i}, {Of: rules.Newest}, {Of: rules.Newest, Fields: s}, {Of: rules.Ends, Fields: i}, {Of: rules.Ends, Fields: s},
		{Of: rules.Ends, Fields: b}, {Of: rules.Sum, Fields: i}, {Of: rules.Sum, Fields: f}, {Of: rules.Sum, Fields: b}, {Of: rules.Spread, Fields: f, Center: 1},
		{Of: rules.Repeats, Fields: i}, {Of: rules.Repeats, Fields: []int{0, 2}, NullWhen: "any"}, {Of: rules.Repeats, Fields: []int{0, 2}, NullWhen: "never"},
		{Of: rules.Occurrences, Fields: s, Take: func(v value.Value, rows int64) { found[v.Text()] = rows + 10*int64(len(found)) }}, {Of: rules.Ranked, Fields: i, Ranks: []int64{0, 2}},
		{Of: rules.Entities, Fields: s}, {Of: rules.Steps, Fields: i}, {Of: rules.Steps, Fields: i, Step: rules.Step{Strict: true}},
		{Of: rules.Steps, Fields: i, Step: rules.Step{Change: true, Absolute: new(10.0)}}, {Of: rules.Steps, Fields: i, Step: rules.Step{Change: true, Relative: new(0.0)}}}
	nothing := rules.Measured{Newest: value.NoTime, Sum: value.OfInt(0)}
	measure := func(of store.Range) []rules.Measured { return o.measure(group, of, false, all...) }
	for _, m := range measure(store.Range{}) {
		require.Equal(o, nothing, m, "there is no table")
	}
	o.ensure(group)
	for _, m := range measure(store.Range{}) {
		require.Equal(o, nothing, m, "there are no rows")
	}
	x, y := TextKey("x"), TextKey("y")
	greatest := value.OfInt(math.MaxInt64)
	o.see(group, Seen{x, noon, Values{"i": greatest, "f": value.OfFloat(0.1), "s": value.OfString("Z"), "b": value.OfBool(true)}},
		Seen{x, noon + 2, Values{"i": value.OfInt(5), "f": value.OfFloat(0.2), "s": value.OfString("é"), "b": value.OfBool(true)}},
		Seen{y, noon + 1, Values{"i": value.OfInt(5), "f": value.OfFloat(3)}}, Seen{y, noon + 3, Values{"i": value.Null()}})
	o.see(group, Seen{y, noon + 4, Values{"i": greatest, "s": value.OfString("a")}}, Seen{y, noon + 5, Values{"s": value.Null()}})
	load := o.begin(group, 9)
	require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{y, noon + 9, Values{"i": value.OfInt(-1), "f": value.OfFloat(-1), "s": value.OfString("open")}})))
	defer func() { require.NoError(o, load.Abort(o.ctx)) }()

	with := func(change func(*rules.Measured)) rules.Measured {
		m := nothing
		change(&m)
		return m
	}
	got := measure(store.Range{})
	within := math.Abs(got[10].Spread - (0.81 + 0.64 + 4))
	require.LessOrEqual(o, within, 1e-12)
	require.InDelta(o, 3.3, got[8].Sum.Float(), 1e-15)
	got[10].Spread, got[8].Sum = 0, nothing.Sum
	for n, want := range []rules.Measured{
		with(func(m *rules.Measured) { m.Rows = 6 }),
		with(func(m *rules.Measured) { m.Rows, m.Values, m.Nulls = 6, 4, 1 }),
		with(func(m *rules.Measured) { m.Newest = noon + 5 }),
		with(func(m *rules.Measured) { m.Newest = noon + 4 }),
		with(func(m *rules.Measured) { m.Least, m.Greatest = value.OfInt(5), greatest }),
		with(func(m *rules.Measured) { m.Least, m.Greatest = value.OfString("Z"), value.OfString("é") }),
		with(func(m *rules.Measured) { m.Least, m.Greatest = value.OfBool(true), value.OfBool(true) }),
		with(func(m *rules.Measured) { m.Sum = value.OfFloat(2*math.MaxInt64 + 10) }),
		nothing,
		with(func(m *rules.Measured) { m.Sum = value.OfInt(2) }),
		nothing,
		with(func(m *rules.Measured) { m.Values, m.Nulls, m.Distinct, m.Repeated = 4, 1, 2, 4 }),
		with(func(m *rules.Measured) { m.Values, m.Distinct = 3, 3 }),
		with(func(m *rules.Measured) { m.Values, m.Distinct = 3, 3 }),
		nothing,
		with(func(m *rules.Measured) { m.Ranked = []float64{5, math.MaxInt64} }),
		with(func(m *rules.Measured) { m.Entities = 2 }),
		with(func(m *rules.Measured) { m.Steps = 1 }),
		with(func(m *rules.Measured) { m.Steps = 1 }),
		with(func(m *rules.Measured) { m.Steps = 2 }),
		with(func(m *rules.Measured) { m.Steps = 2 }),
	} {
		require.Equal(o, want, got[n], "%s of %v", all[n].Of, all[n].Fields)
	}
	require.Equal(o, map[string]int64{"Z": 1, "a": 11, "é": 21}, found, "each once, by bytes")

	got = measure(store.Range{From: new(noon + 1), To: new(noon + 3)})
	require.EqualValues(o, 2, got[0].Rows)
	require.Equal(o, value.OfInt(10), got[7].Sum)
	require.Zero(o, measure(store.Range{Run: 9})[0].Rows, "the load is open")

	o.see(group, Seen{x, noon + 20, Values{"f": value.OfFloat(-math.MaxFloat64)}}, Seen{y, noon + 20, Values{"f": value.OfFloat(-math.MaxFloat64)}})
	got = o.measure(group, store.Range{From: new(noon + 20)}, false, rules.Measure{Of: rules.Sum, Fields: f}, rules.Measure{Of: rules.Counts})
	require.Equal(o, []any{math.Inf(-1), int64(2)}, []any{got[0].Sum.Float(), got[1].Rows}, "a sum beyond the range of FLOAT is no error")
}

func (o *offline) measuresMerged() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	o.see(group, Seen{x, noon, Values{"a": value.OfInt(1), "b": value.OfInt(1), "c": value.OfInt(1)}})
	o.see(group, Seen{x, noon, Values{"a": value.OfInt(2), "b": value.Null()}}, Seen{x, noon + 1, Values{"a": value.OfInt(2)}})
	measures := []rules.Measure{{Of: rules.Counts, Fields: []int{1}}, {Of: rules.Sum, Fields: []int{0}}, {Of: rules.Repeats, Fields: []int{0}}, {Of: rules.Sum, Fields: []int{2}}}
	got := o.measure(group, store.Range{}, true, measures...)
	require.Equal(o, []int64{2, 0, 1}, []int64{got[0].Rows, got[0].Values, got[0].Nulls})
	require.Equal(o, []value.Value{value.OfInt(4), value.OfInt(1)}, []value.Value{got[1].Sum, got[3].Sum})
	require.EqualValues(o, 2, got[2].Repeated)
	got = o.measure(group, store.Range{}, false, measures...)
	require.Equal(o, []int64{3, 1, 1}, []int64{got[0].Rows, got[0].Values, got[0].Nulls})

	rows := &store.Rows{Group: group, Features: group.Features[:1], Run: 1}
	for i := range 2 * 1100 {
		rows.Keys, rows.EventTimes, rows.Values = append(rows.Keys, TextKey(fmt.Sprint(i/2))), append(rows.EventTimes, noon), append(rows.Values, value.OfInt(1))
	}
	o.load(1, rows)
	o.look(func(s store.Snapshot) {
		_, err := s.Measure(o.ctx, group, group.Features, store.Range{}, true, measures)
		require.ErrorIs(o, err, rules.ErrUnmeasured)
	})
	require.EqualValues(o, 2203, o.measure(group, store.Range{}, false, measures...)[0].Rows)
}
