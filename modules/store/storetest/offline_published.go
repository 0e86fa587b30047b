package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// publishQuarantine has rows wait in quarantine and come out of it.
func (o *offline) publishQuarantine() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	bad := func(id string, i int64) *store.Quarantined {
		e := barred(group, TextKey(id), tick1, i)
		e.Source = store.Source{Way: store.WayPipeline, Row: i}
		return e
	}
	other := barred(group, TextKey("x"), tick1, 1)
	other.Source = store.Source{Way: store.WayLoad, Run: 3}
	require.NoError(o, o.store.AppendTogether(o.ctx, &store.Together{Entries: []*store.Quarantined{other}}))
	later := barred(group, TextKey("x"), tick2, 1)
	o.publish(group, published{run: 5, ticks: []int64{tick1, tick2}, rows: []Seen{{TextKey("good"), tick1, a(1)}}, wait: []*store.Quarantined{bad("x", 10), bad("y", 11), later}})
	require.Equal(o, states{store.Waiting: 4}, o.counted(group))
	replayed := o.quarantined(store.QuarantineFilter{Groups: []*registry.Group{group}, Run: 5, State: store.Waiting})
	for _, e := range replayed {
		if e.Key.Encoded == "y" {
			row := RowsOf(group, Seen{e.Key, e.EventTime, a(11)})
			row.Run = 5
			require.NoError(o, o.store.AppendTogether(o.ctx, &store.Together{Rows: []*store.Rows{row}, Replayed: []*store.Quarantined{e}}))
		}
	}
	require.Equal(o, []string{"good 0 a=1", "y 0 a=11"}, o.shows(group))
	unchanged, taken := o.publish(group, published{run: 6, ticks: []int64{tick1}, rows: []Seen{{TextKey("good"), tick1, a(1)}, {TextKey("y"), tick1, a(11)}}, wait: []*store.Quarantined{bad("x", 12)}})
	require.EqualValues(o, 2, unchanged, "what was replayed is of the publication")
	require.Equal(o, store.Removed{Quarantined: 1}, taken, "the entry of that run and tick; its own stays, and those of others")
	require.Equal(o, states{store.Waiting: 3, store.Replayed: 1, store.QuarantineReverted: 1}, o.counted(group))
	require.ErrorIs(o, o.store.AppendTogether(o.ctx, &store.Together{Replayed: entriesFor(replayed, "x", tick1)}), store.ErrNotWaiting)
	unchanged, taken = o.publish(group, published{run: 7, ticks: []int64{tick1}, rows: []Seen{{TextKey("x"), tick1, a(1)}}})
	require.Zero(o, unchanged)
	require.Equal(o, store.Removed{Rows: 2, Entities: 2, Quarantined: 1}, taken, "what was replayed is taken back")
	require.Equal(o, []string{"x 0 a=1"}, o.shows(group))
	require.Equal(o, states{store.Waiting: 2, store.Replayed: 1, store.QuarantineReverted: 2}, o.counted(group))
}

// entriesFor are the entries of an entity and event time.
func entriesFor(entries []*store.Quarantined, key string, at int64) (found []*store.Quarantined) {
	for _, e := range entries {
		if e.Key.Encoded == key && e.EventTime == at {
			found = append(found, e)
		}
	}
	return found
}

// unpublish removes runs that have published.
func (o *offline) unpublish() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	remove := func(run int64) store.Removed {
		o.Helper()
		removed, err := o.store.Remove(o.ctx, group, store.Selection{Run: run})
		require.NoError(o, err)
		id, _, err := o.store.PublishedBy(o.ctx, run)
		require.NoError(o, err)
		require.Equal(o, group.ID, id, "it can be removed again, without harm")
		return removed
	}
	x, y := TextKey("x"), TextKey("y")
	o.publish(group, published{run: 1, ticks: []int64{tick1, tick2, tick3}, rows: []Seen{{x, tick1, a(1)}, {x, tick2, a(2)}, {y, tick2, a(3)}}})
	o.publish(group, published{run: 2, ticks: []int64{tick1}, rows: []Seen{{x, tick1, a(10)}}})
	o.publish(group, published{run: 3, ticks: []int64{tick2}, rows: []Seen{{x, tick2, a(20)}, {y, tick2, a(3)}}})
	o.publish(group, published{name: "other", run: 4, ticks: []int64{tick1, tick2}})
	require.Equal(o, store.Removed{Rows: 3, Entities: 2}, remove(1))
	require.Equal(o, map[int64]int64{tick1: 2}, o.ticksOf(group, "daily"), "tick 1 has no row of run 1 any more; tick 2 was left with one")
	require.Equal(o, map[int64]int64{tick1: 4, tick2: 4}, o.ticksOf(group, "other"))
	require.Equal(o, []string{"x 0 a=10", "x 1 a=20"}, o.shows(group))
	o.restart()
	require.Equal(o, store.Removed{}, remove(4), "it brought nothing")
	require.Empty(o, o.ticksOf(group, "other"))
	require.Equal(o, store.Removed{}, remove(4), "again")
	o.publish(group, published{run: 5, ticks: []int64{tick2, tick3}, rows: []Seen{{x, tick2, a(20)}, {y, tick2, a(3)}}})
	require.Equal(o, []string{"x 0 a=10", "x 1 a=20", "y 1 a=3"}, o.shows(group))
	o.publish(group, published{run: 6, ticks: []int64{tick3}, rows: []Seen{{x, tick3, a(1)}}})
	require.Equal(o, store.Removed{Rows: 1, Entities: 1}, remove(6))
	require.Equal(o, map[int64]int64{tick1: 2, tick2: 5}, o.ticksOf(group, "daily"), "not the publication before it: what it took back is gone")
	last, err := o.store.LastPublished(o.ctx, group)
	require.NoError(o, err)
	require.EqualValues(o, 5, last)
}

var errStale = errors.New("another has taken over")

// publishFenced asks a fence.
func (o *offline) publishFenced() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	x, y := TextKey("x"), TextKey("y")
	o.publish(group, published{run: 1, ticks: []int64{tick1}, rows: []Seen{{x, tick1, a(1)}, {y, tick1, a(1)}}, wait: []*store.Quarantined{barred(group, x, tick1, 4)}})
	asked := 0
	fenced := published{run: 2, ticks: []int64{tick1, tick2}, rows: []Seen{{x, tick1, a(2)}, {x, tick2, a(3)}}, wait: []*store.Quarantined{barred(group, x, tick2, 5)}, alter: func(p *store.Publishing) {
		p.Fence = func(ctx context.Context, tx store.Querier) error {
			asked++
			require.Equal(o, []string{"x 0 a=1", "y 0 a=1"}, o.shows(group), "it is not committed")
			if tx != nil { // it is asked last, in the transaction
				var ticks int
				require.NoError(o, tx.QueryRow(ctx, "SELECT $1::integer", 5).Scan(&ticks))
				require.Equal(o, 5, ticks)
			}
			return errStale
		}
	}}
	for range 2 {
		load, _ := o.publishing(group, fenced)
		require.ErrorIs(o, load.Commit(o.ctx), errStale)
		require.NoError(o, load.Abort(o.ctx))
		require.Equal(o, []string{"x 0 a=1", "y 0 a=1"}, o.shows(group))
		require.Equal(o, map[int64]int64{tick1: 1}, o.ticksOf(group, "daily"))
		require.Len(o, o.quarantined(store.QuarantineFilter{Groups: []*registry.Group{group}}), 1)
		require.Empty(o, o.taken(group, 0))
		fenced.wait[0] = barred(group, x, tick2, 5)
		o.restart()
	}
	require.Equal(o, 2, asked)
	fenced.alter = func(p *store.Publishing) {
		p.Fence = func(context.Context, store.Querier) error { asked++; return nil }
	}
	_, taken := o.publish(group, fenced)
	require.Equal(o, store.Removed{Rows: 1, Entities: 1, Quarantined: 1}, taken)
	require.Equal(o, 3, asked)
	require.Equal(o, []string{"x 0 a=1", "x 0 a=2", "x 1 a=3"}, o.shows(group))
}

// publishBroken breaks publications off.
func (o *offline) publishBroken() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	x, y := TextKey("x"), TextKey("y")
	o.publish(group, published{run: 1, ticks: []int64{tick1}, rows: []Seen{{x, tick1, a(1)}, {y, tick1, a(1)}}})
	nothing := func() {
		o.Helper()
		require.Equal(o, []string{"x 0 a=1", "y 0 a=1"}, o.shows(group))
		require.Equal(o, map[int64]int64{tick1: 1}, o.ticksOf(group, "daily"))
		require.Empty(o, o.quarantined(store.QuarantineFilter{Groups: []*registry.Group{group}}))
	}
	again := func(run int64) published {
		return published{run: run, ticks: []int64{tick1, tick2}, rows: []Seen{{x, tick1, a(2)}}, wait: []*store.Quarantined{barred(group, y, tick1, 4)}}
	}
	load, _ := o.publishing(group, again(2))
	require.NoError(o, load.Abort(o.ctx))
	nothing()

	load, _ = o.publishing(group, again(3))
	_, err := o.store.Remove(o.ctx, group, store.Selection{Run: 3})
	require.NoError(o, err)
	require.True(o, fault.Is(load.Commit(o.ctx), "run-reverted"), "it was taken back while it was open")
	nothing()

	load, _ = o.publishing(group, again(4))
	ended, cancel := context.WithCancel(o.ctx)
	cancel()
	require.Error(o, load.Commit(ended))
	require.NoError(o, load.Abort(o.ctx))
	nothing()

	load, _ = o.publishing(group, again(5))
	killed := o.store
	o.store = o.engine.Crash(o, "store")
	_ = load.Abort(o.ctx) // of a process that is no more
	_ = killed.Close()
	nothing()
	o.publish(group, again(5))
	require.Equal(o, []string{"x 0 a=1", "x 0 a=2"}, o.shows(group))
}

// publishConfirms has ticks that were not computed again get a source.
func (o *offline) publishConfirms() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	o.publish(group, published{run: 1, ticks: []int64{tick1, tick2}, rows: []Seen{{TextKey("x"), tick1, a(1)}}})
	o.publish(group, published{name: "other", run: 2, ticks: []int64{tick1}})
	heads := func(name string) (heads, runs []int64) {
		found, err := o.store.Published(o.ctx, group, name, store.TickRange{})
		require.NoError(o, err)
		for _, t := range found {
			heads, runs = append(heads, t.Source.Head), append(runs, t.Run)
		}
		return heads, runs
	}
	o.publish(group, published{run: 3, ticks: []int64{tick2}})
	got, runs := heads("daily")
	require.Equal(o, []int64{1, 3}, got)
	require.Equal(o, []int64{1, 3}, runs)
	confirms := func(p *store.Publishing) { p.Confirms = true }
	o.publish(group, published{run: 4, ticks: []int64{tick3}, alter: confirms})
	got, runs = heads("daily")
	require.Equal(o, []int64{4, 4, 4}, got)
	require.Equal(o, []int64{1, 3, 4}, runs, "they are still published by the same")
	o.publish(group, published{run: 5, alter: confirms})
	got, runs = heads("daily")
	require.Equal(o, []int64{5, 5, 5}, got)
	require.Equal(o, []int64{1, 3, 4}, runs, "a publication of no ticks only confirms")
	got, _ = heads("other")
	require.Equal(o, []int64{2}, got)
	id, _, err := o.store.PublishedBy(o.ctx, 5)
	require.NoError(o, err)
	require.Zero(o, id)
}

// publishAtOnce has many publish the same tick at once, each other entities and values. Loads in their place are the control: they mix.
func (o *offline) publishAtOnce() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	const publishers = 6
	rows := func(n int64) (seen []Seen) {
		for i := range int64(20) {
			if i%publishers != n {
				seen = append(seen, Seen{TextKey(fmt.Sprint("e", i)), tick1, a(100*n + i)})
			}
		}
		return seen
	}
	for round := range int64(3) {
		var all sync.WaitGroup
		for n := range int64(publishers) {
			load, _ := o.publishing(group, published{run: 1 + round*publishers + n, ticks: []int64{tick1}, rows: rows(n)})
			all.Go(func() {
				for err := load.Commit(o.ctx); err != nil; err = errors.New("a publication failed") {
					o.Errorf("%v", err)
					return
				}
			})
		}
		all.Wait()
		runs := o.ticksOf(group, "daily")
		require.Len(o, runs, 1)
		o.one(group, rows(runs[tick1]-1-round*publishers))
	}
	control := Group(2, "control", Customers, counts...)
	o.ensure(control)
	for n := range int64(publishers) {
		o.load(n+1, RowsOf(control, rows(n)...))
	}
	var entities int
	o.look(func(s store.Snapshot) {
		require.NoError(o, s.Current(o.ctx, control, control.Features, func(c *store.Current) error { entities += len(c.Keys); return nil }))
	})
	require.Equal(o, 20, entities, "each lacks some of them, and together they have all")
}

// one makes sure that a group says what one publication said, and nothing else.
func (o *offline) one(group *registry.Group, wanted []Seen) {
	o.Helper()
	says := map[string]value.Value{}
	o.look(func(s store.Snapshot) {
		require.NoError(o, s.Current(o.ctx, group, group.Features, func(c *store.Current) error {
			for i, key := range c.Keys {
				says[key.Encoded] = c.Values[i*len(group.Features)]
			}
			return nil
		}))
	})
	should := map[string]value.Value{}
	for _, row := range wanted {
		should[row.Key.Encoded] = row.Values["a"]
	}
	require.Equal(o, should, says)
}

// retirePublished retires a group of which ticks are published that have no rows.
func (o *offline) retirePublished() {
	group := Group(1, "totals", Customers, counts...)
	o.ensure(group)
	o.publish(group, published{run: 1, ticks: []int64{tick1}})
	used, err := o.store.Retire(o.ctx, group)
	require.NoError(o, err)
	require.False(o, used)
	require.NoError(o, o.store.Reopen(o.ctx, []*registry.Group{group}))
	require.Empty(o, o.ticksOf(group, "daily"))
	o.publish(group, published{run: 2, ticks: []int64{tick1}, rows: []Seen{{TextKey("x"), tick1, a(1)}}})
	used, err = o.store.Retire(o.ctx, group)
	require.NoError(o, err)
	require.True(o, used)
	require.Equal(o, map[int64]int64{tick1: 2}, o.ticksOf(group, "daily"))
}
