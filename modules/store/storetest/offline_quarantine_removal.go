package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// loaded is an entry of a load's row.
func loaded(group *registry.Group, row int64, at int64) *store.Quarantined {
	e := barred(group, TextKey(fmt.Sprint("x", row)), at, 10+row)
	e.Source = store.Source{Way: store.WayLoad, Run: 5, File: "january.csv", Row: row}
	return e
}

func (o *offline) quarantineLoad() {
	group := o.events()
	load := o.begin(group, 5)
	row := func(i int64) *store.Rows {
		return RowsOf(group, Seen{TextKey(fmt.Sprint("x", i)), noon, Values{"a": value.OfInt(i)}})
	}
	var all []*store.Quarantined
	for i := range int64(4) {
		require.NoError(o, load.Add(o.ctx, row(i)))
		e := loaded(group, i, noon+i)
		if i == 3 {
			e.EventTime = value.NoTime
		}
		require.NoError(o, load.Quarantine(o.ctx, []*store.Quarantined{e}))
		all = append(all, e)
	}
	require.NoError(o, load.Quarantine(o.ctx, nil))
	require.NoError(o, load.Add(o.ctx, row(4)))
	require.Empty(o, o.waiting(group), "an open load does not show")
	require.Empty(o, o.counted(group))
	require.NoError(o, load.Commit(o.ctx))
	require.NoError(o, load.Abort(o.ctx))
	for range 2 {
		require.Equal(o, 5, o.count(group))
		require.Equal(o, states{store.Waiting: 4}, o.counted(group))
		found := o.quarantined(store.QuarantineFilter{Groups: []*registry.Group{group}, Run: 5})
		require.Len(o, found, 4)
		for i, e := range found {
			wanted := *all[len(all)-1-i]
			require.Positive(o, e.At)
			if i == 0 {
				require.LessOrEqual(o, e.EventTime, e.At)
				require.Positive(o, e.EventTime)
				wanted.EventTime = e.EventTime
			}
			wanted.At, wanted.Number, wanted.State, wanted.Version = e.At, e.Number, store.Waiting, 1
			require.Equal(o, &wanted, e)
		}
		o.restart()
	}
	require.Error(o, load.Quarantine(o.ctx, all), "it has ended")
}

// quarantineLoadAlone commits loads that have entries only, with a key and without.
func (o *offline) quarantineLoadAlone() {
	group := o.events()
	load := o.begin(group, 5)
	require.NoError(o, load.Quarantine(o.ctx, []*store.Quarantined{loaded(group, 1, noon)}))
	require.NoError(o, load.Commit(o.ctx))
	require.Len(o, o.waiting(group), 1)
	load = o.begin(group, 6)
	request := keyed("six")
	request.Run = 6
	require.NoError(o, load.Quarantine(o.ctx, []*store.Quarantined{loaded(group, 2, noon)}))
	require.NoError(o, load.CommitOnce(o.ctx, request))
	require.NotNil(o, o.recall(request))
	require.Len(o, o.waiting(group), 2)
	load = o.begin(group, 7)
	require.NoError(o, load.Quarantine(o.ctx, []*store.Quarantined{loaded(group, 3, noon)}))
	again := keyed("six")
	again.Run = 7
	require.ErrorIs(o, load.CommitOnce(o.ctx, again), store.ErrKnown)
	require.Len(o, o.waiting(group), 2)
	require.Zero(o, o.count(group))
}

// quarantineLoadBroken finds nothing of loads that were aborted, cancelled, refused or killed, however much they had.
func (o *offline) quarantineLoadBroken() {
	group := o.events()
	fill := func(load store.Load) {
		o.Helper()
		for i := range int64(2000) {
			e := loaded(group, i, noon)
			e.Document = fmt.Appendf(nil, `{"a":%d,"s":"%01000d"}`, i, i)
			require.NoError(o, load.Quarantine(o.ctx, []*store.Quarantined{e}))
		}
		require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})))
	}
	aborted := o.begin(group, 1)
	fill(aborted)
	require.NoError(o, aborted.Abort(o.ctx))
	cancelled := o.begin(group, 2)
	fill(cancelled)
	ctx, cancel := context.WithCancel(o.ctx)
	cancel()
	require.Error(o, cancelled.Commit(ctx))
	require.NoError(o, cancelled.Abort(o.ctx))
	reverted := o.begin(group, 3)
	fill(reverted)
	require.Zero(o, o.remove(group, store.Selection{Run: 3}))
	problem, ok := fault.As(reverted.Commit(o.ctx))
	require.True(o, ok)
	require.Equal(o, "run-reverted", problem.Slug)
	o.enters("y")
	unchecked := o.begin(group, 4)
	require.ErrorIs(o, unchecked.Quarantine(o.ctx, []*store.Quarantined{loaded(group, 1, noon)}), store.ErrUnchecked)
	require.NoError(o, unchecked.Abort(o.ctx))
	require.Empty(o, o.waiting(group))
	killed := o.begin(group, 6)
	e := loaded(group, 1, noon)
	e.Checked = 1
	require.NoError(o, killed.Quarantine(o.ctx, []*store.Quarantined{e}))
	before := o.store
	o.store = o.engine.Crash(o, "store")
	_ = killed.Abort(o.ctx) // of a process that is no more
	_ = before.Close()
	require.Empty(o, o.waiting(group))
	require.Empty(o, o.counted(group))
	require.Zero(o, o.count(group))
}

// quarantineTakenBack purges what waits of runs and entities.
func (o *offline) quarantineTakenBack() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	o.ensure(group, other)
	x := TextKey("x1")
	load := o.begin(group, 5)
	require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{TextKey("good"), noon, Values{"a": value.OfInt(1)}})))
	for i := range int64(4) {
		require.NoError(o, load.Quarantine(o.ctx, []*store.Quarantined{loaded(group, i, noon+i)}))
	}
	require.NoError(o, load.Commit(o.ctx))
	single := barred(group, x, noon+5, 11)
	o.bar(single, barred(other, x, noon, 11), barred(group, TextKey("x"), noon, 11))
	discarded, err := o.store.DiscardQuarantined(o.ctx, idsOf(o.quarantined(store.QuarantineFilter{Groups: []*registry.Group{group}, Run: 5}))[:1])
	require.NoError(o, err)
	require.Equal(o, 1, discarded)

	require.Equal(o, store.Removed{Quarantined: 1}, o.remove(group, store.Selection{Key: &x, At: noon + 1}), "of that event time")
	require.Zero(o, o.remove(group, store.Selection{Key: &x, At: noon + 5, Features: group.Features[:1]}), "some features are amended instead")
	require.Zero(o, o.remove(group, store.Selection{Key: &x, At: noon + 4, UpTo: true}))
	require.Equal(o, store.Removed{Quarantined: 1}, o.remove(group, store.Selection{Key: &x, At: noon + 5, UpTo: true}))
	require.Equal(o, store.Removals{}, o.removals(group), "the online copy has nothing of it")
	require.Equal(o, store.Removed{Rows: 1, Entities: 1, Quarantined: 2}, o.remove(group, store.Selection{Run: 5}))
	require.Equal(o, store.Removals{Last: 1}, o.removals(group))
	again, err := o.store.Remove(o.ctx, group, store.Selection{Run: 5})
	require.NoError(o, err)
	require.Equal(o, store.Removed{Rows: 1, Entities: 1}, again, "what it took then; nothing waits any more")
	require.Zero(o, o.remove(other, store.Selection{Run: 5}))
	require.Zero(o, o.remove(other, store.Selection{Key: &x, At: noon - 1, UpTo: true}))
	for range 2 {
		require.Empty(o, o.quarantined(store.QuarantineFilter{Groups: []*registry.Group{group}, Run: 5}), "whatever became of them")
		require.Len(o, o.waiting(group), 1)
		require.Len(o, o.waiting(other), 1)
		require.Equal(o, states{store.Waiting: 1, store.QuarantineReverted: 3, store.QuarantineErased: 1, store.Discarded: 1}, o.counted(group))
		require.Zero(o, o.count(group))
		o.restart()
	}
}

// quarantineErased counts entries among what an erasure's cut-off is not earlier than.
func (o *offline) quarantineErased() {
	group := o.events()
	now := o.enters("y", group).At
	ahead := barred(group, TextKey("x"), now+3600*second, 11)
	ahead.Checked = 1
	o.bar(ahead)
	x := o.enters("x", group)
	require.Equal(o, now+3600*second, x.CutOff)
	require.Empty(o, x.Rows)
	key := TextKey("x")
	require.Equal(o, store.Removed{Quarantined: 1}, o.remove(group, store.Selection{Key: &key, At: x.CutOff, UpTo: true}))
}

// quarantineConcurrent bars and replays an entity's rows over and over while it is erased, and a run's while it is reverted. Nothing of
// either is left, neither row nor entry. In the control nobody checks the ledger, and the run is not reverted.
func (o *offline) quarantineConcurrent() {
	group := o.events()
	erased := func(id string, unchecked bool) int {
		key := TextKey(id)
		stop := make(chan struct{})
		var writers, before, after sync.WaitGroup
		var done atomic.Bool
		before.Add(contenders)
		after.Add(contenders)
		for range contenders {
			writers.Go(func() {
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
					if err := o.barAndReplay(group, key, unchecked); err != nil {
						o.Errorf("bar and replay: %v", err)
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
		for range 2 {
			_, err := o.store.Remove(o.ctx, group, what)
			require.NoError(o, err)
			require.NoError(o, o.store.AwaitWrites(o.ctx, []*registry.Group{group}))
		}
		done.Store(true)
		after.Wait()
		close(stop)
		writers.Wait()
		left := 0
		for _, e := range o.waiting(group) {
			if e.Key.Encoded == id {
				left++
			}
		}
		o.look(func(s store.Snapshot) { left += len(o.entries(s, group, store.Range{Key: &key})) })
		return left
	}
	for _, id := range []string{"a", "b", "c"} {
		require.Zero(o, erased(id, false), id)
	}
	require.Positive(o, erased("d", true), "the control brings it back")
}

// barAndReplay brings an entry in and replays it, as a process does that hears of the ledger by being refused.
func (o *offline) barAndReplay(group *registry.Group, key store.Key, unchecked bool) error {
	state, err := o.store.LedgerState(o.ctx)
	if err != nil {
		return err
	}
	if erased := int64(key.Encoded[0]-'a'+1) <= state.Version; erased && !unchecked {
		return nil
	}
	e := barred(group, key, noon, 11)
	e.Checked = state.Version
	if unchecked {
		e.Checked = 1 << 62
	}
	err = o.store.AppendTogether(o.ctx, &store.Together{Entries: []*store.Quarantined{e}})
	if err == nil {
		e.Version = 1
		rows := rowsChecked(e.Checked, group, Seen{key, noon, Values{"a": value.OfInt(1)}})
		err = o.store.AppendTogether(o.ctx, &store.Together{Rows: []*store.Rows{rows}, Replayed: []*store.Quarantined{e}})
	}
	if errors.Is(err, store.ErrUnchecked) || errors.Is(err, store.ErrNotWaiting) {
		return nil
	}
	return err
}

// quarantineRevertedReplay reverts runs while their entries are being replayed: what was stored goes with the run, whichever was first.
func (o *offline) quarantineRevertedReplay() {
	group := o.events()
	for run := range int64(20) {
		load := o.begin(group, run+1)
		for i := range int64(10) {
			e := loaded(group, i, noon)
			e.Source.Run = run + 1
			require.NoError(o, load.Quarantine(o.ctx, []*store.Quarantined{e}))
		}
		require.NoError(o, load.Commit(o.ctx))
		var work sync.WaitGroup
		for _, e := range o.waiting(group) {
			work.Go(func() {
				rows := RowsOf(group, Seen{e.Key, noon, Values{"a": value.OfInt(1)}})
				rows.Run = run + 1
				err := o.store.AppendTogether(o.ctx, &store.Together{Rows: []*store.Rows{rows}, Replayed: []*store.Quarantined{e}})
				if err != nil && !errors.Is(err, store.ErrNotWaiting) {
					o.Errorf("replay: %v", err)
				}
			})
		}
		_, err := o.store.Remove(o.ctx, group, store.Selection{Run: run + 1})
		require.NoError(o, err)
		work.Wait()
		require.Zero(o, o.count(group), "run %d", run+1)
		require.Empty(o, o.waiting(group))
	}
	counted := o.counted(group)
	require.EqualValues(o, 200, counted[store.Replayed]+counted[store.QuarantineReverted], "%v", counted)
}
