package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

func (o *offline) removeUpTo() {
	group := Group(1, "purchases", Trips, counts...)
	o.ensure(group)
	x := TripKey(1, "eu")
	rows := o.see(group, Seen{x, noon, Values{"a": value.OfInt(1)}}, Seen{x, noon, Values{"b": value.OfInt(2)}}, Seen{x, noon - second, Values{"a": value.OfInt(3)}},
		Seen{x, noon + 1, Values{"a": value.OfInt(4)}}, Seen{TripKey(1, "us"), noon, Values{"a": value.OfInt(5)}})
	o.load(7, RowsOf(group, Seen{x, noon - 1, Values{"c": value.OfInt(6)}}))
	what := store.Selection{Key: &x, At: noon, UpTo: true}
	require.Equal(o, store.Removed{Rows: 4, Entities: 1, Runs: []int64{7}}, o.remove(group, what))
	require.Len(o, o.taken(group, 0)[x.Encoded], 4)
	require.Subset(o, o.taken(group, 0)[x.Encoded], rows.IngestIDs[:3])
	require.Equal(o, []value.Value{value.OfInt(4), {}, {}}, o.now(group, x))
	require.Equal(o, 2, o.count(group))
	require.Equal(o, store.Removed{}, o.remove(group, what))
}

// sum is a hash or secret that differs with n.
func sum(n byte) (s [32]byte) {
	for i := range s {
		s[i] = n + byte(i)
	}
	return s
}

// enters enters an entity of customers into the ledger.
func (o *offline) enters(id string, groups ...*registry.Group) store.Erasure {
	o.Helper()
	e := store.Erasure{EntityType: 1, Secret: sum(1), Hash: sum(id[0]), Entity: "entity " + id}
	require.NoError(o, o.store.Erase(o.ctx, &e, TextKey(id), groups))
	return e
}

func (o *offline) ledgerState() store.LedgerState {
	o.Helper()
	state, err := o.store.LedgerState(o.ctx)
	require.NoError(o, err)
	return state
}

func (o *offline) ledger(of store.ErasureRange) []store.Erasure {
	o.Helper()
	found, err := o.store.Erasures(o.ctx, of)
	require.NoError(o, err)
	return found
}

func (o *offline) erase() {
	group, events, none := Group(1, "purchases", Customers, counts...), Group(2, "clicks", Customers, counts...), Group(3, "returns", Customers, counts...)
	events.Kind = registry.Events
	o.ensure(group, events)
	require.Equal(o, store.LedgerState{}, o.ledgerState())
	require.Empty(o, o.ledger(store.ErasureRange{}))
	ahead := time.Now().UnixMicro() + 3600*second
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}}, Seen{TextKey("y"), ahead + 1, Values{"a": value.OfInt(1)}})
	o.see(events, Seen{TextKey("x"), ahead, Values{"a": value.OfInt(1)}}, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})
	x := o.enters("x", group, events, none)
	require.EqualValues(o, 1, x.Number)
	require.Equal(o, map[string]int64{"purchases": 1, "clicks": 2}, x.Rows)
	require.Equal(o, ahead, x.CutOff, "its newest event time")
	var now int64
	o.look(func(s store.Snapshot) { now = s.Now() })
	require.LessOrEqual(o, x.At, now)
	z := o.enters("z", group, events, none)
	require.EqualValues(o, 2, z.Number)
	require.Empty(o, z.Rows)
	require.Equal(o, z.At, z.CutOff, "the store's clock")
	require.GreaterOrEqual(o, z.At, x.At)
	for range 2 {
		require.Equal(o, []store.Erasure{x, z}, o.ledger(store.ErasureRange{}))
		require.Equal(o, store.LedgerState{Version: 2, Entries: 2, Undone: 2}, o.ledgerState())
		require.Equal(o, 4, o.count(group)+o.count(events), "entering an entity deletes nothing")
		o.restart()
	}
	given := store.Erasure{EntityType: 1, Secret: sum(1), Hash: sum('g'), CutOff: ahead}
	require.NoError(o, o.store.Erase(o.ctx, &given, TextKey("g"), nil))
	require.Equal(o, ahead, given.CutOff, "the one that was given")
}

func (o *offline) eraseAgain() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	ahead := time.Now().UnixMicro() + 3600*second
	o.see(group, Seen{TextKey("x"), ahead, Values{"a": value.OfInt(1)}})
	x, y := o.enters("x", group), o.enters("y", group)
	key := TextKey("x")
	o.remove(group, store.Selection{Key: &key, At: x.CutOff, UpTo: true})
	require.NoError(o, o.store.Finish(o.ctx, []store.Erasure{x}))
	again := o.enters("x", group)
	require.EqualValues(o, 3, again.Number)
	require.Equal(o, ahead, again.CutOff, "it never becomes earlier")
	require.Empty(o, again.Rows)
	require.Equal(o, []store.Erasure{y, again}, o.ledger(store.ErasureRange{}))
	require.Equal(o, store.LedgerState{Version: 3, Entries: 2, Undone: 2}, o.ledgerState())
	require.NoError(o, o.store.Finish(o.ctx, []store.Erasure{x}), "that is not the entry any more")
	require.Equal(o, []store.Erasure{y, again}, o.ledger(store.ErasureRange{}))
}

func (o *offline) eraseRefuses() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	o.ensure(group, other)
	x := o.enters("x", group)
	seen := func(group *registry.Group, checked int64) *store.Rows {
		rows := RowsOf(group, Seen{TextKey("y"), noon, Values{"a": value.OfInt(1)}})
		rows.Checked = checked
		return rows
	}
	require.ErrorIs(o, o.store.Append(o.ctx, []*store.Rows{seen(group, x.Number), seen(other, x.Number-1)}), store.ErrUnchecked)
	request := &store.KeyedRequest{Key: sum(9), Keep: time.Hour, Remembered: store.Remembered{Status: 200, Answer: []byte("{}")}}
	require.ErrorIs(o, o.store.AppendOnce(o.ctx, []*store.Rows{seen(group, 0)}, []*store.KeyedRequest{request}), store.ErrUnchecked)
	found, err := o.store.Recall(o.ctx, request.Key)
	require.NoError(o, err)
	require.Nil(o, found)
	require.Zero(o, o.count(group)+o.count(other))
	require.NoError(o, o.store.AppendOnce(o.ctx, []*store.Rows{seen(group, x.Number), seen(other, x.Number+1)}, []*store.KeyedRequest{request}))
	require.Equal(o, 2, o.count(group)+o.count(other))
	o.restart()
	require.ErrorIs(o, o.store.Append(o.ctx, []*store.Rows{seen(group, 0)}), store.ErrUnchecked)
}

func (o *offline) eraseLoads() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	before := o.begin(group, 7)
	x := o.enters("x", group)
	rows := RowsOf(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})
	require.NoError(o, before.Add(o.ctx, rows), "it began before the entity was entered")
	after := o.begin(group, 8)
	require.ErrorIs(o, after.Add(o.ctx, rows), store.ErrUnchecked)
	rows.Checked = x.Number
	require.NoError(o, after.Add(o.ctx, rows), "a load goes on after rows were refused")
	require.NoError(o, after.Commit(o.ctx))
	require.NoError(o, before.Commit(o.ctx))
	require.Equal(o, 2, o.count(group))
}

func (o *offline) awaitWrites() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	o.ensure(group, other)
	key := TextKey("x")
	for _, aborted := range []bool{false, true} {
		load := o.begin(group, 7)
		require.NoError(o, load.Add(o.ctx, rowsChecked(o.ledgerState().Version, group, Seen{key, noon, Values{"a": value.OfInt(1)}})))
		x := o.enters("x", group)
		require.Empty(o, x.Rows)
		require.NoError(o, o.store.AwaitWrites(o.ctx, []*registry.Group{other}), "that load is of another group")
		soon, cancel := context.WithTimeout(o.ctx, 50*time.Millisecond)
		require.ErrorIs(o, o.store.AwaitWrites(soon, []*registry.Group{other, group}), context.DeadlineExceeded)
		cancel()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if err := o.store.AwaitWrites(o.ctx, []*registry.Group{group}); err != nil {
				o.Errorf("await writes: %v", err)
			}
		})
		if aborted {
			require.NoError(o, load.Abort(o.ctx))
		} else {
			require.NoError(o, load.Commit(o.ctx))
		}
		waiting.Wait()
		removed := o.remove(group, store.Selection{Key: &key, At: x.CutOff, UpTo: true})
		require.Equal(o, !aborted, removed.Any(), "what the load brought is there by then")
		require.Zero(o, o.count(group))
	}
	require.NoError(o, o.store.Scrub(o.ctx, []*registry.Group{group, other}))
	require.NoError(o, o.store.AwaitWrites(o.ctx, nil))
}

func rowsChecked(version int64, group *registry.Group, seen ...Seen) *store.Rows {
	rows := RowsOf(group, seen...)
	rows.Checked = version
	return rows
}

func (o *offline) enter() {
	x := o.enters("x")
	copied := []store.Erasure{
		{EntityType: 1, Secret: x.Secret, Hash: x.Hash, CutOff: x.CutOff - 1, At: 5, Run: 5, Done: true},
		{EntityType: 2, Secret: x.Secret, Hash: x.Hash, CutOff: noon, At: 6, Run: 6, Done: true, Rows: map[string]int64{"purchases": 3}},
		{EntityType: 1, Secret: sum(2), Hash: x.Hash, CutOff: -noon, At: 7},
	}
	for i := range 2 {
		changed, err := o.store.Enter(o.ctx, copied)
		require.NoError(o, err)
		require.Equal(o, []int{2, 0}[i], changed)
		for i := range copied[1:] {
			copied[1+i].Number, copied[1+i].Run, copied[1+i].Done, copied[1+i].Rows = int64(2+i), 0, false, map[string]int64{}
		}
		require.Equal(o, []store.Erasure{x, copied[1], copied[2]}, o.ledger(store.ErasureRange{}), "entries of other types and secrets are others")
		require.Equal(o, store.LedgerState{Version: 3, Entries: 3, Undone: 3}, o.ledgerState())
	}
	x.CutOff++
	changed, err := o.store.Enter(o.ctx, []store.Erasure{x})
	require.NoError(o, err)
	require.Equal(o, 1, changed, "its cut-off is later")
	x.Number, x.Entity = 4, ""
	require.Equal(o, []store.Erasure{copied[1], copied[2], x}, o.ledger(store.ErasureRange{}))
	o.restart()
	require.Equal(o, store.LedgerState{Version: 4, Entries: 3, Undone: 3}, o.ledgerState())
	changed, err = o.store.Enter(o.ctx, nil)
	require.NoError(o, err)
	require.Zero(o, changed)
}

func (o *offline) finish() {
	x, y := o.enters("x"), o.enters("y")
	x.Run, x.Rows, x.Done = 17, map[string]int64{"purchases": 5}, true
	require.NoError(o, o.store.Finish(o.ctx, []store.Erasure{x}))
	x.Entity = ""
	require.Equal(o, []store.Erasure{x, y}, o.ledger(store.ErasureRange{}))
	require.Equal(o, []store.Erasure{y}, o.ledger(store.ErasureRange{Undone: true}))
	require.Equal(o, store.LedgerState{Version: 2, Entries: 2, Undone: 1}, o.ledgerState())
	o.restart()
	require.Equal(o, []store.Erasure{x, y}, o.ledger(store.ErasureRange{}))
}

func (o *offline) erasures() {
	var all []store.Erasure
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		all = append(all, o.enters(id))
	}
	require.Equal(o, all[:2], o.ledger(store.ErasureRange{Limit: 2}))
	require.Equal(o, all[2:4], o.ledger(store.ErasureRange{After: all[1].Number, Limit: 2}))
	require.Equal(o, all[4:], o.ledger(store.ErasureRange{After: all[3].Number, Limit: 2}))
	require.Empty(o, o.ledger(store.ErasureRange{After: all[4].Number}))
	require.Equal(o, all[3:4], o.ledger(store.ErasureRange{Hash: &all[3].Hash}))
}

// eraseConcurrent lets writers store an entity over and over, each checking its rows as a process does that hears of the ledger by being
// refused. The control does not check.
func (o *offline) eraseConcurrent() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	erased := func(id string, unchecked bool) int {
		key := TextKey(id)
		stop := make(chan struct{})
		var writers sync.WaitGroup
		var before, after sync.WaitGroup // of each writer the first row, and one that began after the erasure
		var done atomic.Bool
		before.Add(contenders)
		after.Add(contenders)
		for range contenders {
			writers.Go(func() {
				var checked int64
				first, last := sync.OnceFunc(before.Done), sync.OnceFunc(after.Done)
				defer first()
				defer last()
				for {
					select {
					case <-stop:
						return
					default:
					}
					late := done.Load()
					at := noon
					known, err := o.store.Erasures(o.ctx, store.ErasureRange{After: checked})
					for _, e := range known {
						checked = e.Number
					}
					if checked >= int64(id[0]-'a'+1) && !unchecked {
						at = noon + 365*24*3600*1000*second // it is erased: only what comes later is stored
					}
					rows := rowsChecked(checked, group, Seen{key, at, Values{"a": value.OfInt(1)}})
					if unchecked {
						rows.Checked = 1 << 62
					}
					if err == nil {
						err = o.store.Append(o.ctx, []*store.Rows{rows})
					}
					if err != nil && !errors.Is(err, store.ErrUnchecked) {
						o.Errorf("append: %v", err)
						return
					}
					first()
					if late {
						last()
					}
				}
			})
		}
		before.Wait()
		e := o.enters(id, group)
		what := store.Selection{Key: &key, At: e.CutOff, UpTo: true}
		_, err := o.store.Remove(o.ctx, group, what)
		require.NoError(o, err)
		require.NoError(o, o.store.AwaitWrites(o.ctx, []*registry.Group{group}))
		_, err = o.store.Remove(o.ctx, group, what)
		require.NoError(o, err)
		done.Store(true)
		after.Wait()
		close(stop)
		writers.Wait()
		left := 0
		o.look(func(s store.Snapshot) {
			for _, entry := range o.entries(s, group, store.Range{Key: &key}) {
				if entry.at <= e.CutOff {
					left++
				}
			}
		})
		return left
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		require.Zero(o, erased(id, false), id)
	}
	require.Positive(o, erased("e", true), "the control brings it back")
}
