package storetest

import (
	"fmt"
	"math"
	"slices"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// published is a publication as a test makes it.
type published struct {
	name  string // "": daily
	run   int64
	ticks []int64
	rows  []Seen
	wait  []*store.Quarantined
	alter func(*store.Publishing)
}

// ticks of publications.
const tick1, tick2, tick3 = noon, noon + 3600*second, noon + 7200*second

// publishing begins a publication and hands everything in.
func (o *offline) publishing(group *registry.Group, p published) (store.Load, *store.Publishing) {
	o.Helper()
	what := &store.Publishing{Name: p.name, Version: 3, Ticks: p.ticks, Source: store.Place{Store: "s", Group: 9, Head: p.run}, Rows: map[int64]int64{}}
	if what.Name == "" {
		what.Name = "daily"
	}
	for _, row := range p.rows {
		what.Rows[row.At]++
	}
	if p.alter != nil {
		p.alter(what)
	}
	load, err := o.store.Publish(o.ctx, group, p.run, what)
	require.NoError(o, err)
	if len(p.rows) > 0 {
		rows := RowsOf(group, p.rows...)
		rows.Run = p.run
		require.NoError(o, load.Add(o.ctx, rows))
	}
	for _, e := range p.wait {
		e.Source.Run = p.run
	}
	require.NoError(o, load.Quarantine(o.ctx, p.wait))
	return load, what
}

// publish is a whole one: it answers how many rows were there already, and what was taken back.
func (o *offline) publish(group *registry.Group, p published) (unchanged int64, takenBack store.Removed) {
	o.Helper()
	load, what := o.publishing(group, p)
	require.NoError(o, load.Commit(o.ctx))
	require.NoError(o, load.Abort(o.ctx), "which does nothing any more")
	return load.Duplicates(), what.TakenBack
}

// ticksOf are the published ticks of a name, with their runs.
func (o *offline) ticksOf(group *registry.Group, name string) map[int64]int64 {
	o.Helper()
	found, err := o.store.Published(o.ctx, group, name, store.TickRange{})
	require.NoError(o, err)
	runs := map[int64]int64{}
	for _, t := range found {
		runs[t.Tick] = t.Run
	}
	require.Len(o, runs, len(found))
	return runs
}

// shows are the rows that show, as key, hours after noon, values.
func (o *offline) shows(group *registry.Group) (found []string) {
	o.Helper()
	o.look(func(s store.Snapshot) {
		for _, e := range o.entries(s, group, store.Range{}) {
			text := fmt.Sprintf("%s %d", e.key, (e.at-noon)/(3600*second))
			for i, v := range e.values {
				if !v.IsAbsent() {
					text += fmt.Sprintf(" %s=%s", group.Features[i].Name, value.AppendJSON(nil, v))
				}
			}
			found = append(found, text)
		}
	})
	slices.Sort(found)
	return found
}

// a and ab are a row's values.
func a(i int64) Values     { return Values{"a": value.OfInt(i)} }
func ab(i, j int64) Values { return Values{"a": value.OfInt(i), "b": value.OfInt(j)} }

func (o *offline) publishFirst() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	load, what := o.publishing(group, published{run: 7, ticks: []int64{tick1, tick2, tick3}, rows: []Seen{{TextKey("x"), tick1, ab(1, 2)}, {TextKey("y"), tick1, a(3)}, {TextKey("x"), tick2, a(4)}}})
	require.Zero(o, o.count(group), "it is not committed")
	require.Empty(o, o.ticksOf(group, "daily"))
	require.NoError(o, load.Commit(o.ctx))
	require.Zero(o, load.Duplicates())
	require.Equal(o, store.Removed{}, what.TakenBack)
	for range 2 {
		require.Equal(o, []string{"x 0 a=1 b=2", "x 1 a=4", "y 0 a=3"}, o.shows(group))
		o.look(func(s store.Snapshot) { require.Len(o, o.entries(s, group, store.Range{Run: 7}), 3) })
		found, err := o.store.Published(o.ctx, group, "daily", store.TickRange{})
		require.NoError(o, err)
		require.Len(o, found, 3)
		for i, rows := range []int64{2, 1, 0} {
			require.Positive(o, found[i].At)
			require.Equal(o, store.PublishedTick{Tick: what.Ticks[i], Run: 7, Version: 3, Rows: rows, Source: what.Source, At: found[i].At}, found[i])
		}
		from, to := tick1+1, int64(tick2)
		found, err = o.store.Published(o.ctx, group, "daily", store.TickRange{From: &from, To: &to})
		require.NoError(o, err)
		require.Len(o, found, 1)
		require.Equal(o, tick2, found[0].Tick)
		require.Empty(o, o.ticksOf(group, "other"))
		id, since, err := o.store.PublishedBy(o.ctx, 7)
		require.NoError(o, err)
		require.Equal(o, group.ID, id)
		o.look(func(s store.Snapshot) {
			require.Len(o, o.entries(s, group, store.Range{Run: 7, After: since}), 3)
			require.NotEmpty(o, since)
		})
		id, _, err = o.store.PublishedBy(o.ctx, 8)
		require.NoError(o, err)
		require.Zero(o, id)
		last, err := o.store.LastPublished(o.ctx, group)
		require.NoError(o, err)
		require.EqualValues(o, 7, last)
		o.restart()
	}
}

// publishAgain publishes the same once more, of all types.
func (o *offline) publishAgain() {
	group := Group(1, "totals", Trips, Column{"a", value.Integer}, Column{"f", value.Float}, Column{"s", value.String}, Column{"t", value.Timestamp}, Column{"j", value.JSON},
		Column{"o", value.Boolean}, Column{"fs", value.FloatArray}, Column{"ss", value.StringArray})
	o.ensure(group)
	array := func(t value.Type, text string) value.Value {
		v, err := value.ParseJSON(t, []byte(text))
		require.NoError(o, err)
		return v
	}
	rows := func() []Seen {
		return []Seen{
			{TripKey(1, "eu"), tick1, Values{"a": value.OfInt(1), "f": value.OfFloat(0.1), "s": value.OfString("x'\"\\"), "t": value.OfTime(noon + 1), "j": value.OfJSON(`{"b":1,"a":[]}`),
				"o": value.OfBool(false), "fs": array(value.FloatArray, "[1.5,0.1]"), "ss": array(value.StringArray, `["a",""]`)}},
			{TripKey(1, "us"), tick1, Values{"a": value.Null(), "f": value.Null(), "s": value.OfString("")}},
			{TripKey(-1, "eu"), tick2, Values{"fs": array(value.FloatArray, "[]"), "j": value.Null()}},
			{TripKey(1, "eu"), tick2, Values{"a": value.OfInt(1 << 62), "j": value.OfJSON(`1.0`)}},
		}
	}
	first, wanted := published{run: 1, ticks: []int64{tick1, tick2}, rows: rows()}, []entry(nil)
	o.publish(group, first)
	o.look(func(s store.Snapshot) { wanted = o.entries(s, group, store.Range{}) })
	for run := int64(2); run < 4; run++ {
		unchanged, taken := o.publish(group, published{run: run, ticks: []int64{tick1, tick2}, rows: rows()})
		require.EqualValues(o, 4, unchanged)
		require.Equal(o, store.Removed{}, taken)
		o.look(func(s store.Snapshot) {
			require.Equal(o, wanted, o.entries(s, group, store.Range{}), "with their ingest ids")
			removals, err := s.Removals(o.ctx)
			require.NoError(o, err)
			require.Zero(o, removals[group.ID].Last)
		})
		require.Equal(o, map[int64]int64{tick1: run, tick2: run}, o.ticksOf(group, "daily"))
		o.restart()
	}
	for i, alter := range []func(rows []Seen){
		func(r []Seen) { r[0].Values["a"] = value.OfInt(2) },
		func(r []Seen) { r[0].Values["f"] = value.OfFloat(math.Nextafter(0.1, 1)) },
		func(r []Seen) { r[0].Values["s"] = value.OfString("x'\"\\ ") },
		func(r []Seen) { r[0].Values["t"] = value.OfTime(noon + 2) },
		func(r []Seen) { r[0].Values["j"] = value.OfJSON(`{"a":[],"b":1}`) },
		func(r []Seen) { r[0].Values["o"] = value.Null() },
		func(r []Seen) { r[0].Values["fs"] = array(value.FloatArray, "[0.1,1.5]") },
		func(r []Seen) { r[0].Values["ss"] = array(value.StringArray, `["a"]`) },
	} {
		changed := rows()
		alter(changed)
		unchanged, taken := o.publish(group, published{run: int64(10 + 2*i), ticks: []int64{tick1, tick2}, rows: changed})
		require.EqualValues(o, 3, unchanged, "change %d", i)
		require.Equal(o, store.Removed{}, taken)
		unchanged, _ = o.publish(group, published{run: int64(11 + 2*i), ticks: []int64{tick1, tick2}, rows: rows()})
		require.EqualValues(o, 3, unchanged, "and back")
	}
}
