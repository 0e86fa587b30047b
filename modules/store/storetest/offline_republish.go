package storetest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// publishTakesBack publishes ticks anew beside what others wrote.
func (o *offline) publishTakesBack() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	o.see(group, Seen{TextKey("gone"), tick1, a(100)})
	o.load(3, RowsOf(group, Seen{TextKey("gone"), tick1, a(200)}))
	o.publish(group, published{name: "other", run: 4, ticks: []int64{tick1}, rows: []Seen{{TextKey("gone"), tick1, a(300)}}})
	o.publish(group, published{run: 5, ticks: []int64{tick1, tick2}, rows: []Seen{{TextKey("gone"), tick1, ab(1, 1)}, {TextKey("stays"), tick1, a(2)}, {TextKey("gone"), tick2, a(3)}}})
	o.publish(group, published{run: 6, ticks: []int64{tick1}, rows: []Seen{{TextKey("gone"), tick1, ab(4, 1)}, {TextKey("stays"), tick1, a(2)}}})
	before := o.snapshot()
	var ids []int64
	o.look(func(s store.Snapshot) {
		for _, run := range []int64{5, 6} {
			for _, e := range o.entries(s, group, store.Range{Run: run}) {
				if e.key == "gone" && e.at == tick1 {
					ids = append(ids, e.id)
				}
			}
		}
	})
	require.Len(o, ids, 2)
	removing := 0
	unchanged, taken := o.publish(group, published{run: 7, ticks: []int64{tick1}, rows: []Seen{{TextKey("stays"), tick1, a(5)}}, alter: func(p *store.Publishing) {
		p.Removing = func() { removing++ }
	}})
	require.Zero(o, unchanged)
	require.Equal(o, store.Removed{Rows: 2, Entities: 1}, taken)
	require.Equal(o, 1, removing, "it was told of before the commit")
	require.Equal(o, []string{"gone 0 a=100", "gone 0 a=200", "gone 0 a=300", "gone 1 a=3", "stays 0 a=2", "stays 0 a=5"}, o.shows(group))
	require.Equal(o, map[string][]int64{"gone": ids}, o.taken(group, 0))
	require.Len(o, o.entries(before, group, store.Range{}), 7, "an earlier snapshot does not change")
	require.NoError(o, before.Close())
	require.Equal(o, map[int64]int64{tick1: 7, tick2: 5}, o.ticksOf(group, "daily"))
	require.Equal(o, map[int64]int64{tick1: 4}, o.ticksOf(group, "other"))
	o.restart()
	unchanged, taken = o.publish(group, published{run: 8, ticks: []int64{tick1, tick2}})
	require.Zero(o, unchanged)
	require.Equal(o, store.Removed{Rows: 3, Entities: 2}, taken)
	require.Equal(o, []string{"gone 0 a=100", "gone 0 a=200", "gone 0 a=300"}, o.shows(group))
	o.look(func(s store.Snapshot) {
		removals, err := s.Removals(o.ctx)
		require.NoError(o, err)
		require.EqualValues(o, 2, removals[group.ID].Last)
	})
	found, err := o.store.Published(o.ctx, group, "daily", store.TickRange{})
	require.NoError(o, err)
	require.Len(o, found, 2)
	require.Zero(o, found[0].Rows+found[1].Rows, "that there are none is published")
}

// publishLess leaves features out of rows.
func (o *offline) publishLess() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	at := func(run int64, values Values) (int64, store.Removed) {
		return o.publish(group, published{run: run, ticks: []int64{tick1}, rows: []Seen{{x, tick1, values}}})
	}
	at(1, ab(1, 2))
	_, taken := at(2, a(1))
	require.Equal(o, store.Removed{Rows: 1, Entities: 1}, taken, "else b would still be known")
	require.Equal(o, []value.Value{value.OfInt(1), {}, {}}, o.now(group, x))
	_, taken = at(3, Values{"a": value.OfInt(1), "b": value.Null()})
	require.Equal(o, store.Removed{}, taken)
	require.Equal(o, []value.Value{value.OfInt(1), value.Null(), {}}, o.now(group, x))
	unchanged, taken := at(4, a(1))
	require.Zero(o, unchanged, "a null is not the same as nothing")
	require.Equal(o, store.Removed{Rows: 1, Entities: 1}, taken)
	require.Equal(o, []string{"x 0 a=1", "x 0 a=1"}, o.shows(group))
	whole := Values{"a": value.OfInt(1), "b": value.OfInt(2), "c": value.OfInt(3)}
	at(5, whole)
	unchanged, _ = at(6, whole)
	require.EqualValues(o, 1, unchanged)
	_, taken = at(7, Values{"c": value.OfInt(3)})
	require.Equal(o, store.Removed{Rows: 3, Entities: 1}, taken)
	require.Equal(o, []string{"x 0 c=3"}, o.shows(group))
}

// publishCorrected publishes around corrections by hand.
func (o *offline) publishCorrected() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	at := func(run, i int64) int64 {
		unchanged, taken := o.publish(group, published{run: run, ticks: []int64{tick1}, rows: []Seen{{x, tick1, a(i)}}})
		require.Equal(o, store.Removed{}, taken)
		return unchanged
	}
	says := func(i int64) {
		o.Helper()
		require.Equal(o, value.OfInt(i), o.now(group, x)[0])
	}
	at(1, 5)
	o.see(group, Seen{x, tick1, a(6)})
	says(6)
	require.EqualValues(o, 1, at(2, 5), "the pipeline says nothing new")
	says(6)
	require.Zero(o, at(3, 7))
	says(7)
	o.see(group, Seen{x, tick1, a(8)})
	require.EqualValues(o, 1, at(4, 7), "as its newest row")
	says(8)
	require.Zero(o, at(5, 5), "its newest row says 7")
	says(5)
	_, err := o.store.Remove(o.ctx, group, store.Selection{Run: 5})
	require.NoError(o, err)
	says(8)
	require.Empty(o, o.ticksOf(group, "daily"))
	require.EqualValues(o, 1, at(6, 7))
	says(8)
	require.Equal(o, map[int64]int64{tick1: 6}, o.ticksOf(group, "daily"))
}

// publishGenerations publishes under later layouts.
func (o *offline) publishGenerations() {
	first := Group(1, "totals", Customers, Column{"a", value.Integer}, Column{"b", value.Integer})
	o.ensure(first)
	x, y := TextKey("x"), TextKey("y")
	o.publish(first, published{run: 1, ticks: []int64{tick1}, rows: []Seen{{x, tick1, ab(1, 2)}, {y, tick1, ab(3, 4)}}})
	second := WithColumn(first, Column{"c", value.Integer})
	o.ensure(second)
	unchanged, taken := o.publish(second, published{run: 2, ticks: []int64{tick1}, rows: []Seen{{x, tick1, ab(1, 2)}, {y, tick1, Values{"a": value.OfInt(3), "b": value.OfInt(4), "c": value.Null()}}}})
	require.EqualValues(o, 1, unchanged, "a whole row of an older version observes what a row that names the same does")
	require.Equal(o, store.Removed{}, taken)
	third := Widened(second, "a")
	o.ensure(third)
	wide := func(i, j int64) Values { return Values{"a": value.OfFloat(float64(i)), "b": value.OfInt(j)} }
	unchanged, taken = o.publish(third, published{run: 3, ticks: []int64{tick1}, rows: []Seen{{x, tick1, wide(1, 2)}, {y, tick1, Values{"a": value.OfFloat(3), "b": value.OfInt(4), "c": value.Null()}}}})
	require.EqualValues(o, 2, unchanged, "older integers of a widened feature are floats")
	require.Equal(o, store.Removed{}, taken)
	fourth := Retyped(third, "b", value.String)
	o.ensure(fourth)
	text := func(i int64) Values { return Values{"a": value.OfFloat(float64(i)), "b": value.OfString("t")} }
	unchanged, taken = o.publish(fourth, published{run: 4, ticks: []int64{tick1}, rows: []Seen{{x, tick1, text(1)}}})
	require.Zero(o, unchanged, "the newest generation of b is observed for the first time")
	require.Equal(o, store.Removed{Rows: 2, Entities: 1}, taken, "of y, which is not there any more")
	o.look(func(s store.Snapshot) {
		current, err := s.AsOf(o.ctx, fourth, fourth.Stored(), []store.Key{x}, []int64{tick1}, nil)
		require.NoError(o, err)
		require.Contains(o, current.Values, value.OfInt(2), "the older generation stays as it was")
		require.Contains(o, current.Values, value.OfString("t"))
	})
	load, err := o.store.Publish(o.ctx, third, 5, &store.Publishing{Name: "daily", Ticks: []int64{tick1}, Rows: map[int64]int64{}})
	if err == nil {
		err = load.Commit(o.ctx)
		require.NoError(o, load.Abort(o.ctx))
	}
	require.ErrorIs(o, err, store.ErrOutdated)
}

// publishMany publishes more rows than are held at once.
func (o *offline) publishMany() {
	group := Group(1, "totals", Drivers, Column{"a", value.Integer}, Column{"s", value.String})
	o.ensure(group)
	const entities = 6000
	run := func(run int64, skip, shift int64) (unchanged int64, taken store.Removed) {
		p := published{run: run, ticks: []int64{tick1, tick2}}
		for i := range int64(entities) {
			if i%7 == skip {
				continue
			}
			for t, tick := range p.ticks {
				n := i
				if i%5 == shift && t == 1 {
					n = -i - 1
				}
				p.rows = append(p.rows, Seen{IntKey(i * 7919 % entities), tick, Values{"a": value.OfInt(n), "s": value.OfString(fmt.Sprint("text ", n))}})
			}
		}
		return o.publish(group, p)
	}
	run(1, -1, -1)
	require.Equal(o, 2*entities, o.count(group))
	unchanged, taken := run(2, 3, 2)
	gone := int64(0)
	changed := int64(0)
	for i := range int64(entities) {
		switch {
		case i%7 == 3:
			gone++
		case i%5 == 2:
			changed++
		}
	}
	require.Equal(o, store.Removed{Rows: 2 * gone, Entities: gone}, taken)
	require.Equal(o, 2*(entities-gone)-changed, unchanged)
	require.EqualValues(o, 2*entities-2*gone+changed, o.count(group))
	unchanged, taken = run(3, 3, 2)
	require.Equal(o, 2*(entities-gone), unchanged)
	require.Equal(o, store.Removed{}, taken)
	require.Len(o, o.taken(group, 0), int(gone))
}

// publishCompacted publishes again after a correction by hand outlasted what it corrected.
func (o *offline) publishCompacted() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	x := TextKey("x")
	at := func(run, i int64) int64 {
		unchanged, _ := o.publish(group, published{run: run, ticks: []int64{tick1}, rows: []Seen{{x, tick1, a(i)}}})
		return unchanged
	}
	at(1, 5)
	o.publish(group, published{name: "other", run: 2, ticks: []int64{tick1}, rows: []Seen{{x, tick1, a(4)}}})
	o.see(group, Seen{x, tick1, a(6)})
	require.Zero(o, o.compact(group, o.everything()).Removed(), "what is compared later stays")
	require.EqualValues(o, 1, at(3, 5))
	require.Equal(o, value.OfInt(6), o.now(group, x)[0])
	require.Zero(o, at(4, 7))
	require.EqualValues(o, 2, o.compact(group, o.everything()).Superseded)
	require.Equal(o, []string{"x 0 a=4", "x 0 a=7"}, o.shows(group))
	require.EqualValues(o, 1, at(5, 7))
}
