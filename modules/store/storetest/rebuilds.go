package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/store"
)

// RunRebuilds rebuilds online copies: whatever they held that history does not have is gone, nothing is missing, and no wrong answer is given
// meanwhile, wherever a rebuild is broken off.
func RunRebuilds(t *testing.T, pair Pair) {
	t.Run("what is void", func(t *testing.T) { rebuildVoid(t, pair) })
	t.Run("broken off at every step", func(t *testing.T) { rebuildBrokenOff(t, pair) })
	t.Run("who read the history before", func(t *testing.T) { rebuildFence(t, pair) })
	t.Run("a history that went back", func(t *testing.T) { rebuildWentBack(t, pair) })
	t.Run("two at once", func(t *testing.T) { rebuildTwice(t, pair) })
	t.Run("a sweep that comes late", func(t *testing.T) { rebuildLateSweep(t, pair) })
}

// change replaces a group's state by one that somebody else could have left.
func (w *World) change(group *registry.Group, change func(*store.State)) {
	w.Helper()
	from, err := w.Store.Online().State(w.ctx, group)
	require.NoError(w, err)
	to := from
	change(&to)
	swapped, err := w.Store.Online().Swap(w.ctx, group, from, to)
	require.NoError(w, err)
	require.True(w, swapped)
}

// rebuildVoid has a row that history does not have, and then a watermark that does not count. The control is a full run, which leaves the row.
func rebuildVoid(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	const entities = 1500
	group := w.customers("void", nil)
	w.fill(group, entities)
	stranger := packRow(TextKey("stranger"), store.Stamp{EventTime: start + 5, IngestID: 1 << 40}, map[uint16]value.Value{1: value.OfInt(1)})
	plant := func() {
		state, err := w.Store.Online().State(w.ctx, group)
		require.NoError(t, err)
		_, err = w.Store.Online().Merge(w.ctx, group, state.Fence, false, []store.PackedRow{stranger})
		require.NoError(t, err)
		require.EqualValues(t, 1, w.check(group, false).Extra)
	}
	fence := int64(-1)
	clean := func(says, reason string, mode materialization.Mode) {
		progress, err := w.Materialization.Group(w.ctx, w.Group(group.Name), mode, nil)
		require.NoError(t, err)
		require.Equal(t, materialization.Rebuild, progress.Mode, says)
		require.Equal(t, reason, progress.Reason)
		require.EqualValues(t, entities, progress.Written)
		w.requireClean(group, entities)
		state, err := w.Store.Online().State(w.ctx, group)
		require.NoError(t, err)
		require.Greater(t, state.Fence, fence, "the fence rises with each rebuild")
		fence = state.Fence
	}
	plant()
	w.Materialize(materialization.Full, group)
	require.EqualValues(t, 1, w.check(group, false).Extra, "the control")
	clean("asked for", "", materialization.Rebuild)
	for reason, change := range map[string]func(*store.State){
		"the online copy has no watermark":                      func(s *store.State) { *s = store.State{Server: s.Server, Fence: s.Fence} },
		"the watermark is of another offline store or timeline": func(s *store.State) { s.Watermark.Store += "x" },
		"the watermark is ahead of the offline store":           func(s *store.State) { s.Watermark.Position = "9000000000000000" },
		"the TTL was changed":                                   func(s *store.State) { s.Watermark.TTL = 5 },
	} {
		for _, mode := range []materialization.Mode{materialization.Incremental, materialization.Full} {
			plant()
			w.change(group, change)
			clean(reason, reason, mode)
		}
	}
}

// brokenOnline fails before or after its n-th change, as if the process ended there.
type brokenOnline struct {
	store.Online
	left  int // changes until then; below 0: it works
	after bool
}

var errBroken = errors.New("broken off")

func (b *brokenOnline) step(do func() error) error {
	b.left--
	if b.left == 0 && !b.after {
		return errBroken
	}
	err := do()
	if b.left == 0 && err == nil {
		err = errBroken
	}
	return err
}

func (b *brokenOnline) Merge(ctx context.Context, group *registry.Group, fence int64, unmarked bool, rows []store.PackedRow) (merged store.Merged, err error) {
	err = b.step(func() error { merged, err = b.Online.Merge(ctx, group, fence, unmarked, rows); return err })
	return merged, err
}

func (b *brokenOnline) Swap(ctx context.Context, group *registry.Group, from, to store.State) (swapped bool, err error) {
	err = b.step(func() error { swapped, err = b.Online.Swap(ctx, group, from, to); return err })
	return swapped, err
}

func (b *brokenOnline) Sweep(ctx context.Context, group *registry.Group, fence int64) (refused bool, err error) {
	err = b.step(func() error { refused, err = b.Online.Sweep(ctx, group, fence); return err })
	return refused, err
}

// wrapped gives a pair whose online store is seen through wrap.
func (p Pair) wrapped(wrap func(store.Online) store.Online) Pair {
	open := p.Online
	p.Online = func(t testing.TB, place string) store.Online { return wrap(open(t, place)) }
	return p
}

// rebuildBrokenOff breaks rebuilds off before and after each change that they make. Reads are right all the time, and the next ordinary run brings
// the copy back. The control drops the marker alone: the next ordinary run calls an empty copy complete.
func rebuildBrokenOff(t *testing.T, pair Pair) {
	broken := &brokenOnline{}
	w := NewWorld(t, pair.wrapped(func(online store.Online) store.Online { broken.Online = online; return broken }))
	const entities = 3000
	group := w.customers("broken", nil)
	w.fill(group, entities)
	read := store.Read{Rows: entities, Keys: map[string][]store.Key{}, Features: group.Features[:1]}
	for i := range entities {
		read.Keys[group.Name] = append(read.Keys[group.Name], TextKey(fmt.Sprint("entity ", i)))
	}
	right := func() (wrong int) {
		cells, err := w.Ask(Served, read, 0)
		require.NoError(t, err)
		for i, cell := range cells {
			if cell.Value != value.OfInt(int64(i)) {
				wrong++
			}
		}
		return wrong
	}
	steps := 0
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			broken.left, broken.after = n, after
			_, err := w.Materialization.Group(w.ctx, group, materialization.Rebuild, nil)
			done := broken.left > 0
			broken.left = 0
			if done {
				require.NoError(t, err)
				break
			}
			require.ErrorIs(t, err, errBroken)
			require.Zero(t, right())
			w.Materialize(materialization.Incremental, group)
			require.Zero(t, right())
			w.requireClean(group, entities)
			steps++
		}
	}
	require.GreaterOrEqual(t, steps, 2*4, "marker off, sweep, some batches, marker on")
	t.Logf("measured: %d places at which a rebuild was broken off, no wrong answer, all came back", steps)

	w.change(group, func(s *store.State) { s.Marker = "" })
	sweep(t, w.Store.Online(), group)
	w.Materialize(materialization.Incremental, group)
	require.Equal(t, entities, right(), "the control, which kept its watermark")
}

// rebuildFence has rows come in that were read before the rebuild began, from a history that has forgotten them since. The control has the fence
// of the rebuild: it brings them back.
func rebuildFence(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	group := w.customers("fenced", nil)
	w.fill(group, 10)
	before, err := w.Store.Online().State(w.ctx, group)
	require.NoError(t, err)
	w.Materialize(materialization.Rebuild, group)
	now, err := w.Store.Online().State(w.ctx, group)
	require.NoError(t, err)
	forgotten := []store.PackedRow{packRow(TextKey("forgotten"), store.Stamp{EventTime: start, IngestID: 1 << 40}, map[uint16]value.Value{1: value.OfInt(1)})}
	for _, unmarked := range []bool{false, true} {
		merged, err := w.Store.Online().Merge(w.ctx, group, before.Fence, unmarked, forgotten)
		require.NoError(t, err)
		require.True(t, merged.Refused)
		w.requireClean(group, 10)
	}
	require.NoError(t, w.Lose(group))
	w.Materialize(materialization.Incremental, group)
	merged, err := w.Store.Online().Merge(w.ctx, group, now.Fence, true, forgotten)
	require.NoError(t, err)
	require.True(t, merged.Refused, "also after the state was lost")

	now, err = w.Store.Online().State(w.ctx, group)
	require.NoError(t, err)
	_, err = w.Store.Online().Merge(w.ctx, group, now.Fence, true, forgotten)
	require.NoError(t, err)
	require.EqualValues(t, 1, w.check(group, false).Extra)
}

// rebuildWentBack has a copy ahead of its history when a process starts, which takes its watermark away. The control starts none, and writes
// until the history has passed the watermark: the ordinary run finds nothing wrong any more.
func rebuildWentBack(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	group := w.customers("ahead", nil)
	w.fill(group, 10)
	forgotten := packRow(TextKey("forgotten"), store.Stamp{EventTime: start, IngestID: 1 << 40}, map[uint16]value.Value{1: value.OfInt(1)})
	plant := func() {
		state, err := w.Store.Online().State(w.ctx, group)
		require.NoError(t, err)
		_, err = w.Store.Online().Merge(w.ctx, group, state.Fence, false, []store.PackedRow{forgotten})
		require.NoError(t, err)
	}
	plant()
	w.fill(group, 10) // what the history has now is above the watermark that was written before
	w.Materialize(materialization.Incremental, group)
	require.EqualValues(t, 1, w.check(group, false).Extra, "the control")

	w.change(group, func(s *store.State) { s.Watermark.Position = "9000000000000000" })
	another := w.another()
	require.NoError(t, another.Start(w.ctx))
	another.Stop()
	state, err := w.Store.Online().State(w.ctx, group)
	require.NoError(t, err)
	require.NotEqual(t, store.Position("9000000000000000"), state.Watermark.Position)
	w.Materialize(materialization.Incremental, group)
	w.requireClean(group, 10)
}

// gatedOnline stops the first batch of a run until it is let go.
type gatedOnline struct {
	store.Online
	reached, open chan struct{}
}

func (g *gatedOnline) Merge(ctx context.Context, group *registry.Group, fence int64, unmarked bool, rows []store.PackedRow) (store.Merged, error) {
	if unmarked && g.reached != nil {
		reached := g.reached
		g.reached = nil
		close(reached)
		<-g.open
	}
	return g.Online.Merge(ctx, group, fence, unmarked, rows)
}

// rebuildTwice has two processes on one group: what only keeps it in step waits for the other's rebuild, what asks for a rebuild takes it over,
// and both end well.
func rebuildTwice(t *testing.T, pair Pair) {
	for _, mode := range []materialization.Mode{materialization.Incremental, materialization.Rebuild} {
		t.Run(string(mode), func(t *testing.T) { rebuildBeside(t, pair, mode) })
	}
}

func rebuildBeside(t *testing.T, pair Pair, mode materialization.Mode) {
	gated := &gatedOnline{}
	w := NewWorld(t, pair.wrapped(func(online store.Online) store.Online { gated.Online = online; return gated }))
	const entities = 2500
	group := w.customers("twice", nil)
	w.fill(group, entities)
	reached := make(chan struct{})
	gated.reached, gated.open = reached, make(chan struct{})
	first, second := make(chan materialization.Progress, 1), make(chan materialization.Progress, 1)
	begin := func(m *materialization.Materialization, mode materialization.Mode, report func(materialization.Progress), ended chan materialization.Progress) {
		go func() {
			progress, err := m.Group(w.ctx, group, mode, report)
			if err != nil {
				t.Errorf("%s: %v", mode, err)
			}
			ended <- progress
		}()
	}
	begin(w.Materialization, materialization.Rebuild, nil, first)
	<-reached
	waits := make(chan struct{}, 1000)
	begin(w.another(), mode, func(materialization.Progress) { waits <- struct{}{} }, second)
	if mode == materialization.Incremental {
		<-waits
		close(gated.open)
		require.Equal(t, materialization.Rebuild, (<-first).Mode)
		require.Equal(t, materialization.Incremental, (<-second).Mode)
	} else {
		require.Equal(t, materialization.Rebuild, (<-second).Mode)
		close(gated.open)
		<-first
	}
	w.requireClean(group, entities)
}

// another is materialization as a second process does it.
func (w *World) another() *materialization.Materialization {
	log := slog.New(slog.DiscardHandler)
	return materialization.New(materialization.DefaultConfig(), w.Registry, w.Store, runs.New(w.db, runs.DefaultConfig(), time.Now, log), time.Now, log)
}
