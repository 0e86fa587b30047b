package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// barred is an entry of an entity that broke a rule with that value.
func barred(group *registry.Group, key store.Key, at, a int64) *store.Quarantined {
	text := fmt.Sprint(a)
	return &store.Quarantined{
		ID: store.NewQuarantineID(noon), Group: group, Key: key, EventTime: at, Document: []byte(`{"a":` + text + `}`),
		Broken: []store.Breach{{Rule: "a_range", Version: 3, Feature: "a", Value: json.RawMessage(text), Expected: "0 <= a <= 9"}},
		Source: store.Source{Way: store.WayWrite},
	}
}

// bar brings entries into quarantine.
func (o *offline) bar(entries ...*store.Quarantined) {
	o.Helper()
	require.NoError(o, o.store.AppendTogether(o.ctx, &store.Together{Entries: entries}))
}

// quarantined reads entries, newest first.
func (o *offline) quarantined(of store.QuarantineFilter) []*store.Quarantined {
	o.Helper()
	found, err := o.store.ListQuarantined(o.ctx, of)
	require.NoError(o, err)
	for i := 1; i < len(found); i++ {
		require.Less(o, found[i].Number, found[i-1].Number)
	}
	return found
}

func (o *offline) waiting(groups ...*registry.Group) []*store.Quarantined {
	o.Helper()
	return o.quarantined(store.QuarantineFilter{Groups: groups, State: store.Waiting})
}

func idsOf(entries []*store.Quarantined) []string {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.ID
	}
	return ids
}

// counted is what became of a group's entries, as far as there are such.
func (o *offline) counted(group *registry.Group) map[store.QuarantineState]int64 {
	o.Helper()
	all, err := o.store.CountQuarantined(o.ctx)
	require.NoError(o, err)
	for state, n := range all[group.ID] {
		if n == 0 {
			delete(all[group.ID], state)
		}
	}
	return all[group.ID]
}

// states is a count by state.
type states = map[store.QuarantineState]int64

func (o *offline) quarantineKeeps() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "trips", Trips, counts...)
	o.ensure(group, other)
	require.Empty(o, o.waiting(group, other))
	first, second := barred(group, TextKey("x"), noon, 11), barred(other, TripKey(-5, "eu"), value.NoTime, 12)
	second.Broken = append(second.Broken, store.Breach{Rule: "b_not_null", Version: 1, Feature: "b"}, store.Breach{Rule: "a_range", Version: 3, Feature: "c"})
	second.Source = store.Source{Way: store.WayFeast}
	rows, request := RowsOf(group, Seen{TextKey("y"), value.NoTime, Values{"a": value.OfInt(1)}}), keyed("one")
	require.NoError(o, o.store.AppendTogether(o.ctx, &store.Together{Rows: []*store.Rows{rows}, Requests: []*store.KeyedRequest{request}, Entries: []*store.Quarantined{first, second}}))
	require.Equal(o, request.At, second.At)
	require.Equal(o, request.At, second.EventTime, "an entry without a time is dated as the request and the rows are")
	require.Equal(o, request.At, rows.EventTimes[0])
	require.Equal(o, noon, first.EventTime)
	require.Equal(o, request.At, first.At)
	for range 2 {
		found := o.waiting(group, other)
		require.ElementsMatch(o, []string{first.ID, second.ID}, idsOf(found))
		for _, e := range found {
			wanted := *first
			if e.ID == second.ID {
				wanted = *second
			}
			require.Positive(o, e.Number)
			wanted.Number, wanted.State, wanted.Version = e.Number, store.Waiting, 1
			require.Equal(o, &wanted, e)
		}
		require.Equal(o, 1, o.count(group)+o.count(other), "entries are no rows")
		require.Equal(o, states{store.Waiting: 1}, o.counted(group))
		require.NotNil(o, o.recall(request))
		o.restart()
	}
	require.NoError(o, o.store.AppendTogether(o.ctx, &store.Together{}))
}

// quarantineRefused finds nothing of what was refused, for whatever reason.
func (o *offline) quarantineRefused() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	o.ensure(group, other)
	known := keyed("known")
	require.NoError(o, o.store.AppendOnce(o.ctx, nil, []*store.KeyedRequest{known}))
	refused := func(wanted error, all *store.Together) {
		o.Helper()
		require.ErrorIs(o, o.store.AppendTogether(o.ctx, all), wanted)
		require.Empty(o, o.waiting(group, other))
		require.Zero(o, o.count(group)+o.count(other))
	}
	row := RowsOf(other, Seen{TextKey("y"), noon, Values{"a": value.OfInt(1)}})
	again := keyed("known")
	refused(store.ErrKnown, &store.Together{Requests: []*store.KeyedRequest{again}, Entries: []*store.Quarantined{barred(group, TextKey("x"), noon, 11)}})
	require.Equal(o, &known.Remembered, again.Earlier)

	fresh := keyed("fresh")
	refused(store.ErrOutdated, &store.Together{Rows: []*store.Rows{row}, Requests: []*store.KeyedRequest{fresh},
		Entries: []*store.Quarantined{barred(WithColumn(group, Column{"d", value.Integer}), TextKey("x"), noon, 11)}})
	refused(store.ErrOutdated, &store.Together{Rows: []*store.Rows{row}, Requests: []*store.KeyedRequest{fresh},
		Entries: []*store.Quarantined{barred(Group(3, "unknown", Customers, counts...), TextKey("x"), noon, 11)}})
	refused(store.ErrOutdated, &store.Together{Rows: []*store.Rows{RowsOf(WithColumn(other, Column{"d", value.Integer}), Seen{TextKey("y"), noon, Values{"d": value.OfInt(1)}})},
		Requests: []*store.KeyedRequest{fresh}, Entries: []*store.Quarantined{barred(group, TextKey("x"), noon, 11)}})
	x := o.enters("x")
	checked := barred(other, TextKey("z"), noon, 11)
	checked.Checked, row.Checked = x.Number, x.Number
	refused(store.ErrUnchecked, &store.Together{Rows: []*store.Rows{row}, Requests: []*store.KeyedRequest{fresh}, Entries: []*store.Quarantined{checked, barred(group, TextKey("x"), noon, 11)}})
	require.Nil(o, o.recall(fresh))
	require.NoError(o, o.store.AppendTogether(o.ctx, &store.Together{Rows: []*store.Rows{row}, Requests: []*store.KeyedRequest{fresh}, Entries: []*store.Quarantined{checked}}))
	require.Len(o, o.waiting(group, other), 1)
}

func (o *offline) quarantineFilter() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	o.ensure(group, other)
	var all []*store.Quarantined
	for i := range int64(7) {
		e := barred(group, TextKey(fmt.Sprint("x", i)), noon+i, 10+i)
		if i%2 == 1 {
			e.Group = other
		}
		if i >= 5 {
			e.Broken = append(e.Broken, store.Breach{Rule: "a"}, store.Breach{Rule: "range"})
		}
		o.bar(e)
		all = append(all, e)
	}
	slices.Reverse(all)
	ids := idsOf(all)
	both := []*registry.Group{group, other}
	find := func(of store.QuarantineFilter) []string {
		o.Helper()
		return idsOf(o.quarantined(of))
	}
	require.Equal(o, ids, find(store.QuarantineFilter{Groups: both}))
	require.Empty(o, find(store.QuarantineFilter{}), "of no group")
	require.Equal(o, []string{ids[0], ids[2], ids[4], ids[6]}, find(store.QuarantineFilter{Groups: both[:1]}))
	require.Equal(o, ids[:2], find(store.QuarantineFilter{Groups: both, Rule: "range"}))
	require.Equal(o, ids, find(store.QuarantineFilter{Groups: both, Rule: "a_range"}))
	require.Empty(o, find(store.QuarantineFilter{Groups: both, Rule: "a_rang"}), "by the whole name")
	require.Equal(o, []string{ids[3], ids[5]}, find(store.QuarantineFilter{Groups: both, IDs: []string{ids[5], "unknown", ids[3]}}))
	require.Empty(o, find(store.QuarantineFilter{Groups: both, IDs: []string{}}))
	require.Empty(o, find(store.QuarantineFilter{Groups: both, Run: 7}))
	require.Empty(o, find(store.QuarantineFilter{Groups: both, State: store.Replayed}))
	var pages []string
	for before := int64(0); ; {
		page := o.quarantined(store.QuarantineFilter{Groups: both, State: store.Waiting, Before: before, Limit: 3})
		if len(page) == 0 {
			break
		}
		require.LessOrEqual(o, len(page), 3)
		pages, before = append(pages, idsOf(page)...), page[len(page)-1].Number
	}
	require.Equal(o, ids, pages)
}

func (o *offline) quarantineReplay() {
	group := o.events()
	x, y, z := barred(group, TextKey("x"), noon, 11), barred(group, TextKey("y"), noon, 12), barred(group, TextKey("z"), noon, 13)
	o.bar(x, y, z)
	read := map[string]*store.Quarantined{}
	for _, e := range o.waiting(group) {
		read[e.Key.Encoded] = e
	}
	replay := func(name string, entries ...*store.Quarantined) error {
		rows := RowsOf(group)
		rows.Features = group.Features[:1]
		for _, e := range entries {
			rows.Keys, rows.EventTimes, rows.Values = append(rows.Keys, e.Key), append(rows.EventTimes, e.EventTime), append(rows.Values, value.OfInt(5))
		}
		return o.store.AppendTogether(o.ctx, &store.Together{Rows: []*store.Rows{rows}, Requests: []*store.KeyedRequest{keyed(name)}, Replayed: entries})
	}
	require.NoError(o, replay("one", read["x"]))
	require.ErrorIs(o, replay("one", read["x"]), store.ErrKnown, "that comes first")
	require.ErrorIs(o, replay("two", read["y"], read["x"]), store.ErrNotWaiting)
	require.Nil(o, o.recall(keyed("two")))

	amended := *read["y"]
	amended.Document, amended.Broken = []byte(`{"a":10}`), []store.Breach{{Rule: "other", Version: 1, Feature: "a"}}
	require.ErrorIs(o, o.store.AmendQuarantined(o.ctx, []*store.Quarantined{&amended, read["x"]}), store.ErrNotWaiting)
	require.NoError(o, o.store.AmendQuarantined(o.ctx, []*store.Quarantined{&amended}))
	require.ErrorIs(o, o.store.AmendQuarantined(o.ctx, []*store.Quarantined{&amended}), store.ErrNotWaiting, "it is not as it was read")
	require.ErrorIs(o, replay("three", read["y"]), store.ErrNotWaiting, "nor for a replay")
	found := o.quarantined(store.QuarantineFilter{Groups: []*registry.Group{group}, Rule: "other"})
	amended.Version = 2
	require.Equal(o, []*store.Quarantined{&amended}, found)
	require.NoError(o, replay("three", &amended, read["z"]))
	require.Equal(o, 3, o.count(group))
	require.NoError(o, o.store.AmendQuarantined(o.ctx, nil))
	for range 2 {
		require.Empty(o, o.waiting(group))
		require.Equal(o, states{store.Replayed: 3}, o.counted(group))
		left := o.quarantined(store.QuarantineFilter{Groups: []*registry.Group{group}, IDs: []string{y.ID}})[0]
		require.GreaterOrEqual(o, left.Ended, left.At)
		require.Equal(o, &store.Quarantined{ID: y.ID, Group: group, EventTime: noon, Broken: []store.Breach{{Rule: "other"}}, Source: y.Source, At: y.At, Number: left.Number,
			State: store.Replayed, Version: 2, Ended: left.Ended}, left)
		o.restart()
	}
	require.ErrorIs(o, replay("four", &store.Quarantined{ID: "unknown", Version: 1, Key: TextKey("x")}), store.ErrNotWaiting)
}

// quarantineReplayOnce replays, amends and discards each entry from many callers at once.
func (o *offline) quarantineReplayOnce() {
	const entries, callers = 60, 8
	group := o.events()
	all := make([]*store.Quarantined, entries)
	for i := range all {
		all[i] = barred(group, TextKey(fmt.Sprint("x", i)), noon, 11)
	}
	o.bar(all...)
	read := o.waiting(group)
	var replayed, discarded atomic.Int64
	var work sync.WaitGroup
	failures := make(chan error, callers)
	for caller := range callers {
		work.Go(func() {
			waiting := rand.Perm(entries)
			for len(waiting) > 0 {
				n := min(len(waiting), 1+rand.IntN(3))
				var some []*store.Quarantined
				var rows []*store.Rows
				for _, i := range waiting[:n] {
					some, rows = append(some, read[i]), append(rows, RowsOf(group, Seen{read[i].Key, noon, Values{"a": value.OfInt(1)}}))
				}
				if caller == 0 {
					done, err := o.store.DiscardQuarantined(o.ctx, idsOf(some[:1]))
					if discarded.Add(int64(done)); err != nil {
						failures <- err
						return
					}
				}
				err := o.store.AppendTogether(o.ctx, &store.Together{Rows: rows, Replayed: some})
				switch {
				case err == nil:
					replayed.Add(int64(n))
					waiting = waiting[n:]
				case errors.Is(err, store.ErrNotWaiting) && n > 1: // each by itself, then
					rand.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
				case errors.Is(err, store.ErrNotWaiting):
					waiting = waiting[1:]
				default:
					failures <- err
					return
				}
			}
		})
	}
	work.Wait()
	select {
	case err := <-failures:
		require.NoError(o, err)
	default:
	}
	require.EqualValues(o, entries, replayed.Load()+discarded.Load(), "each was replayed once, or discarded")
	require.EqualValues(o, replayed.Load(), o.count(group))
	wanted := states{store.Replayed: replayed.Load()}
	if discarded.Load() > 0 {
		wanted[store.Discarded] = discarded.Load()
	}
	require.Equal(o, wanted, o.counted(group))
}

func (o *offline) quarantineEnds() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	o.ensure(group, other)
	var all []*store.Quarantined
	for i := range int64(6) {
		all = append(all, barred(group, TextKey(fmt.Sprint("x", i)), noon, i))
	}
	o.bar(all...)
	kept := barred(other, TextKey("x"), noon, 1)
	o.bar(kept)
	end := func(done int, err error) int {
		o.Helper()
		require.NoError(o, err)
		return done
	}
	require.Equal(o, 2, end(o.store.DiscardQuarantined(o.ctx, []string{all[0].ID, "unknown", all[1].ID})))
	require.Zero(o, end(o.store.DiscardQuarantined(o.ctx, []string{all[0].ID, all[1].ID})), "again")
	require.Zero(o, end(o.store.DiscardQuarantined(o.ctx, nil)))
	require.Zero(o, end(o.store.ExpireQuarantined(o.ctx, time.Hour, 10)))
	require.Zero(o, end(o.store.ForgetQuarantined(o.ctx, time.Hour, 10)))
	require.Equal(o, 3, end(o.store.ExpireQuarantined(o.ctx, -time.Hour, 3)), "at most so many")
	require.Equal(o, states{store.Waiting: 1, store.Discarded: 2, store.Expired: 3}, o.counted(group))
	for _, e := range o.quarantined(store.QuarantineFilter{Groups: []*registry.Group{group}, State: store.Expired}) {
		require.Empty(o, e.Key.Encoded)
		require.Empty(o, e.Document)
		require.Equal(o, []store.Breach{{Rule: "a_range"}}, e.Broken)
		require.Positive(o, e.Ended)
	}
	require.Equal(o, 4, end(o.store.ForgetQuarantined(o.ctx, -time.Hour, 4)))
	require.Equal(o, 1, end(o.store.ForgetQuarantined(o.ctx, -time.Hour, 4)), "those that wait stay")
	for range 2 {
		require.Len(o, o.quarantined(store.QuarantineFilter{Groups: []*registry.Group{group, other}}), 2)
		require.Equal(o, states{store.Waiting: 1, store.Discarded: 2, store.Expired: 3}, o.counted(group), "all are counted")
		require.Equal(o, states{store.Waiting: 1}, o.counted(other))
		o.restart()
	}
	require.Equal(o, 2, end(o.store.ExpireQuarantined(o.ctx, -time.Hour, 10)))
	require.Empty(o, o.waiting(group, other))
}

// quarantineRetired keeps a group, and its join keys, while something of it waits.
func (o *offline) quarantineRetired() {
	group := o.events()
	e := barred(group, TextKey("x"), noon, 11)
	o.bar(e)
	o.retire(group, true)
	changed := Group(1, "purchases", Drivers, counts...)
	changed.SchemaVersion = 2
	_, err := o.store.EnsureLayout(o.ctx, changed)
	problem, ok := fault.As(err)
	require.True(o, ok, "%v", err)
	require.Equal(o, "join-keys-in-use", problem.Slug)
	require.Len(o, o.waiting(group), 1)
	discarded, err := o.store.DiscardQuarantined(o.ctx, []string{e.ID})
	require.NoError(o, err)
	require.Equal(o, 1, discarded)
	o.retire(group, false)
	require.ErrorIs(o, o.store.AppendTogether(o.ctx, &store.Together{Entries: []*store.Quarantined{barred(group, TextKey("x"), noon, 11)}}), store.ErrOutdated)
	o.ensure(changed)
	require.Len(o, o.quarantined(store.QuarantineFilter{Groups: []*registry.Group{changed}}), 1, "what is left of it can be read")
}
