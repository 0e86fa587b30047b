package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

func (o *online) stateNone() {
	state, err := o.store.State(o.ctx, Group(1, "one", Customers, counts...))
	require.NoError(o, err)
	require.Equal(o, store.State{}, state)
}

func (o *online) swapEveryMember() {
	group := Group(1, "one", Customers, counts...)
	state := o.mark(group, 4)
	next := state
	next.Watermark.Position = "18"
	for name, change := range map[string]func(*store.State){
		"marker":   func(s *store.State) { s.Marker = "" },
		"marker 2": func(s *store.State) { s.Marker = marker + "x" },
		"store":    func(s *store.State) { s.Watermark.Store = "another" },
		"position": func(s *store.State) { s.Watermark.Position = "170" },
		"no place": func(s *store.State) { s.Watermark.Position = "" },
		"ttl":      func(s *store.State) { s.Watermark.TTL = 0 },
		"fence":    func(s *store.State) { s.Fence = 5 },
		"removal":  func(s *store.State) { s.Watermark.Removal = 1 },
		"raised":   func(s *store.State) { s.Raised = 1 },
		"server":   func(s *store.State) { s.Server += "x" },
		"all":      func(s *store.State) { *s = store.State{} },
		// Members must not run into each other.
		"shift": func(s *store.State) { s.Watermark.Store, s.Watermark.Position = "offline1", "7" },
	} {
		from := state
		change(&from)
		o.swap(group, from, next, false)
		now, err := o.store.State(o.ctx, group)
		require.NoError(o, err)
		require.Equal(o, state, now, "a swap that failed for its %s changed nothing", name)
	}
	o.swap(group, state, next, true)
	o.swap(group, state, next, false)
	now, err := o.store.State(o.ctx, group)
	require.NoError(o, err)
	require.Equal(o, next, now)
	odd := next
	odd.Marker, odd.Watermark.Store, odd.Watermark.Position, odd.Fence, odd.Watermark.TTL, odd.Raised, odd.Watermark.Removal = "a b|c\n\"'\x01:;", "ä \\ %s {}", "18446744073709551615", 1<<62, 1<<62, 1<<61, 1<<60
	o.swap(group, next, odd, true)
	now, err = o.store.State(o.ctx, group)
	require.NoError(o, err)
	require.Equal(o, odd, now, "any text comes back")
	bare := store.State{Server: next.Server}
	o.swap(group, odd, bare, true)
	now, err = o.store.State(o.ctx, group)
	require.NoError(o, err)
	require.Equal(o, bare, now)
}

func (o *online) swapServer() {
	group := Group(1, "one", Customers, counts...)
	state := o.mark(group, 0)
	for _, server := range []string{"", "another", state.Server + "x"} {
		to := state
		to.Server = server
		if to != state {
			o.swap(group, state, to, false)
		}
	}
	now, err := o.store.State(o.ctx, group)
	require.NoError(o, err)
	require.Equal(o, state, now)
	run, err := o.store.Run(o.ctx)
	require.NoError(o, err)
	require.Equal(o, state.Server, run)
}

func (o *online) swapConcurrent() {
	group := Group(1, "one", Customers, counts...)
	state := o.mark(group, 0)
	for round := range 20 {
		var won atomic.Int32
		var next store.State
		var all sync.WaitGroup
		for i := range 8 {
			to := state
			to.Watermark.Position = store.Position(fmt.Sprint(100*round + i + 100))
			all.Go(func() {
				swapped, err := o.store.Swap(o.ctx, group, state, to)
				if err != nil {
					o.Errorf("Swap: %v", err)
				}
				if swapped {
					won.Add(1)
					next = to
				}
			})
		}
		all.Wait()
		require.EqualValues(o, 1, won.Load())
		state = next
	}
}

func (o *online) swapAlone() {
	one, two := Group(1, "one", Customers, counts...), Group(11, "two", Customers, counts...)
	o.mark(one, 0)
	other := o.mark(two, 7)
	row := intRow(TextKey("x"), noon, 1, 1)
	o.merge(one, row)
	o.mark(one, 3)
	require.Equal(o, []string{row.Row}, o.rows(one, row.Key))
	state, err := o.store.State(o.ctx, two)
	require.NoError(o, err)
	require.Equal(o, other, state)
}

func (o *online) sweep() {
	groups := []*registry.Group{Group(1, "one", Customers, counts...), Group(11, "eleven", Customers, counts...), Group(2, "two", Customers, counts...)}
	const entities = 5000
	var keys []store.Key
	for i := range entities {
		keys = append(keys, TextKey(fmt.Sprint(i)))
	}
	for _, text := range hostileText() {
		keys = append(keys, TextKey("hostile "+text))
	}
	state := map[int64]store.State{}
	for _, group := range groups {
		state[group.ID] = o.mark(group, 3)
		var rows []store.PackedRow
		for i, key := range keys {
			rows = append(rows, intRow(key, noon, int64(i), 1))
		}
		merged, err := o.store.Merge(o.ctx, group, 3, false, rows)
		require.NoError(o, err)
		require.Equal(o, len(keys), merged.Written)
	}
	refused, err := o.store.Sweep(o.ctx, groups[0], 2)
	require.NoError(o, err)
	require.True(o, refused, "the fence is newer")
	require.NotContains(o, o.rows(groups[0], keys...), "")
	sweep(o, o.store, groups[0])
	for _, row := range o.rows(groups[0], keys...) {
		require.Empty(o, row)
	}
	for _, group := range groups[1:] {
		require.NotContains(o, o.rows(group, keys...), "")
	}
	for _, group := range groups {
		now, err := o.store.State(o.ctx, group)
		require.NoError(o, err)
		require.Equal(o, state[group.ID], now)
	}
	sweep(o, o.store, groups[0]) // again
	sweep(o, o.store, Group(99, "never_used", Customers, counts...))
	merged, err := o.store.Merge(o.ctx, groups[0], 3, false, []store.PackedRow{intRow(keys[0], noon-1, 1, 5)})
	require.NoError(o, err)
	require.Equal(o, 1, merged.Written, "nothing is remembered of what was swept")
}
