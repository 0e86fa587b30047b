package storetest

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

func (o *offline) snapshotStable() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})
	s := o.snapshot()
	defer s.Close()
	load := o.begin(group, 1)
	require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{TextKey("x"), noon + 1, Values{"a": value.OfInt(-5)}})))
	for i := range 3 {
		for _, e := range o.entries(s, group, store.Range{}) {
			require.Equal(o, value.OfInt(1), e.values[0])
		}
		require.Equal(o, value.OfInt(1), o.asOf(s, group, TextKey("x"), math.MaxInt64)[0])
		require.True(o, o.asOf(s, group, TextKey("y"), math.MaxInt64)[0].IsAbsent())
		least, greatest, found, err := s.IntegerBounds(o.ctx, group.Features[0])
		require.NoError(o, err)
		require.True(o, found)
		require.Equal(o, []int64{1, 1}, []int64{least, greatest})
		entities := 0
		require.NoError(o, s.Current(o.ctx, group, group.Features, func(c *store.Current) error {
			entities += len(c.Keys)
			return nil
		}))
		require.Equal(o, 1, entities)
		o.see(group, Seen{TextKey("x"), noon + 2, Values{"a": value.OfInt(7)}}, Seen{TextKey("y"), noon, Values{"a": value.OfInt(8)}})
		if i == 1 {
			require.NoError(o, load.Commit(o.ctx))
		}
	}
	// A column added meanwhile does not show either. The engine may say that it cannot be added while the table is being read.
	wider := WithColumn(group, Column{"d", value.Integer})
	newest := wider
	if _, err := o.store.EnsureLayout(o.ctx, wider); err != nil {
		problem, ok := fault.As(err)
		require.True(o, ok && problem.Kind == fault.Busy, "%v", err)
		newest = group
	}
	require.Equal(o, []value.Value{value.OfInt(1), {}, {}}, o.asOf(s, group, TextKey("x"), math.MaxInt64))
	require.Equal(o, []value.Value{value.OfInt(1), {}, {}, {}}, o.asOf(s, wider, TextKey("x"), math.MaxInt64))
	require.Equal(o, value.OfInt(7), o.now(newest, TextKey("x"))[0])
}

// Who holds older definitions than those that rows were stored under would take their values for nulls. A snapshot from before fits them.
func (o *offline) snapshotOutdated() {
	first := Group(1, "purchases", Customers, counts...)
	o.ensure(first)
	o.see(first, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1), "b": value.OfInt(2), "c": value.OfInt(3)}})
	o.look(func(s store.Snapshot) { require.NoError(o, s.Fits(o.ctx, first)) })
	second := Widened(WithColumn(first, Column{"d", value.Integer}), "a")
	o.ensure(second)
	o.see(second, Seen{TextKey("x"), noon, Values{"a": value.OfFloat(1.5), "b": value.OfInt(2), "c": value.OfInt(3), "d": value.OfInt(4)}})
	o.look(func(s store.Snapshot) {
		require.ErrorIs(o, s.Fits(o.ctx, first), store.ErrOutdated)
		_, err := s.AsOf(o.ctx, first, first.Features, []store.Key{TextKey("x")}, []int64{noon}, nil)
		require.ErrorIs(o, err, store.ErrOutdated)
		err = s.Current(o.ctx, first, first.Features, func(*store.Current) error { return errors.New("values were read") })
		require.ErrorIs(o, err, store.ErrOutdated)
		err = s.Observations(o.ctx, first, first.Features, store.Range{}, func(*store.Rows) error { return errors.New("rows were read") })
		require.ErrorIs(o, err, store.ErrOutdated)
		_, _, _, err = s.IntegerBounds(o.ctx, first.Features[0])
		require.ErrorIs(o, err, store.ErrOutdated)
		require.NoError(o, s.Fits(o.ctx, second), "the snapshot is not harmed")
		require.Equal(o, value.OfFloat(1.5), o.asOf(s, second, TextKey("x"), noon)[0])
		pretended := *first
		pretended.SchemaVersion = second.SchemaVersion
		require.Equal(o, value.Null(), o.asOf(s, &pretended, TextKey("x"), noon)[0], "the control: without the versions it is taken for a null")
	})
}

// reads asks a snapshot everything about a group in which it should find nothing.
func (o *offline) readsEmpty(s store.Snapshot, group *registry.Group) {
	o.Helper()
	require.Empty(o, o.entries(s, group, store.Range{}))
	key := TextKey("x")
	require.Empty(o, o.entries(s, group, store.Range{Key: &key, Limit: 5}))
	require.Empty(o, o.entries(s, group, store.Range{After: s.Position(), Run: 3, From: new(int64(1)), To: new(int64(2))}))
	current, err := s.AsOf(o.ctx, group, group.Features, []store.Key{key, TextKey("y")}, []int64{noon, noon}, []int64{0, 0})
	require.NoError(o, err)
	require.Equal(o, make([]value.Value, 2*len(group.Features)), current.Values)
	require.Equal(o, make([]store.Stamp, 2*len(group.Features)), current.Stamps)
	require.NoError(o, s.Current(o.ctx, group, group.Features, func(c *store.Current) error {
		require.Empty(o, c.Keys)
		return nil
	}))
	_, _, found, err := s.IntegerBounds(o.ctx, group.Features[0])
	require.NoError(o, err)
	require.False(o, found)
}

func (o *offline) snapshotBeforeTable() {
	group := Group(1, "purchases", Customers, counts...)
	early := o.snapshot()
	defer early.Close()
	o.ensure(group)
	o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1)}})
	o.readsEmpty(early, group)
	require.Equal(o, 1, o.count(group))
}

func (o *offline) snapshotNoTable() {
	group := Group(1, "purchases", Customers, counts...)
	o.look(func(s store.Snapshot) { o.readsEmpty(s, group) })
	o.ensure(Group(2, "returns", Customers, counts...))
	o.look(func(s store.Snapshot) { o.readsEmpty(s, group) })
	o.ensure(group)
	o.look(func(s store.Snapshot) { o.readsEmpty(s, group) })
}

// The registry adds a feature before the store adds its column: reads between the two must not fail.
func (o *offline) snapshotNoColumn() {
	first := Group(1, "purchases", Customers, counts...)
	o.ensure(first)
	o.see(first, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1), "b": value.OfInt(2), "c": value.OfInt(3)}}, Seen{TextKey("x"), noon - 1, Values{"b": value.Null()}})
	second := Widened(WithColumn(first, Column{"d", value.StringArray}), "b")
	wanted := []value.Value{value.OfInt(1), value.OfFloat(2), value.OfInt(3), {}}
	check := func() {
		o.Helper()
		require.Equal(o, wanted, o.now(second, TextKey("x")))
		o.look(func(s store.Snapshot) {
			require.Len(o, o.entries(s, second, store.Range{}), 2)
			require.NoError(o, s.Current(o.ctx, second, second.Features, func(c *store.Current) error {
				require.Equal(o, wanted, asServed(second.Features, c.Values))
				return nil
			}))
			key := TextKey("x")
			require.Equal(o, wanted, o.entries(s, second, store.Range{Key: &key})[0].values)
		})
	}
	check()
	o.restart()
	check()
	o.ensure(second)
	check()
}

func (o *offline) snapshotNow() {
	last := int64(0)
	for i := range 5 {
		o.look(func(s store.Snapshot) {
			require.GreaterOrEqual(o, s.Now(), last)
			require.InDelta(o, time.Now().UnixMicro(), s.Now(), float64(time.Minute.Microseconds()))
			last = s.Now()
			require.Equal(o, last, s.Now(), "a snapshot is of one moment")
		})
		if i == 2 {
			o.restart()
		}
	}
}

func (o *offline) positionNew() {
	group, other := Group(1, "purchases", Customers, counts...), Group(2, "returns", Customers, counts...)
	o.ensure(group, other)
	var position store.Position
	o.look(func(s store.Snapshot) { position = s.Position() })
	require.NotEmpty(o, position)
	for i := range int64(10) {
		wanted := map[int64]bool{}
		for j := range i {
			rows := o.see(group, Seen{TextKey("x"), noon - i*100 - j, Values{"a": value.OfInt(j)}}) // late ones, by event time
			wanted[rows.IngestIDs[0]] = true
		}
		o.load(i+1, RowsOf(group, Seen{TextKey("y"), noon - i, Values{"a": value.OfInt(i)}}))
		o.see(other, Seen{TextKey("x"), noon, Values{"a": value.OfInt(i)}})
		o.look(func(s store.Snapshot) {
			require.False(o, position.After(s.Position()), "positions do not go back")
			loaded := false
			for _, e := range o.entries(s, group, store.Range{After: position}) {
				delete(wanted, e.id)
				loaded = loaded || e.at == noon-i
			}
			require.Empty(o, wanted, "rows that came in since the position")
			require.True(o, loaded)
			position = s.Position()
		})
		if i == 5 {
			o.restart()
		}
	}
	// Several conditions at once.
	o.look(func(s store.Snapshot) { position = s.Position() })
	o.see(group, Seen{TextKey("x"), noon + 5, Values{"a": value.OfInt(1)}}, Seen{TextKey("z"), noon + 5, Values{"a": value.OfInt(2)}}, Seen{TextKey("x"), noon + 6, Values{"a": value.OfInt(3)}})
	o.look(func(s store.Snapshot) {
		key := TextKey("x")
		got := o.entries(s, group, store.Range{After: position, Key: &key, From: new(int64(noon + 5)), To: new(int64(noon + 6))})
		require.Len(o, got, 1)
		require.Equal(o, value.OfInt(1), got[0].values[0])
	})
}

// What was under way when a snapshot was taken and is committed later is above the snapshot's position: the next run finds it.
func (o *offline) positionOpenLoad() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	found := 0
	for i := range int64(200) {
		load := o.begin(group, i+1)
		require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{TextKey("loaded"), noon - i, Values{"a": value.OfInt(i)}})))
		o.see(group, Seen{TextKey("written"), noon + i, Values{"a": value.OfInt(i)}}) // committed in between, under later ids
		var position store.Position
		o.look(func(s store.Snapshot) {
			require.Empty(o, o.entries(s, group, store.Range{Run: i + 1}))
			position = s.Position()
		})
		require.NoError(o, load.Commit(o.ctx))
		o.look(func(s store.Snapshot) {
			for _, e := range o.entries(s, group, store.Range{After: position}) {
				if e.key == "loaded" && e.at == noon-i {
					found++
				}
			}
		})
	}
	require.Equal(o, 200, found)
}

// positionFollow reads what came in since the last position while others write, as materialization does.
func (o *offline) positionFollow() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	const writers, each = 8, 60
	var writing sync.WaitGroup
	var ended atomic.Bool
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				rows := RowsOf(group, Seen{TextKey(fmt.Sprintf("%d/%d", w, i)), noon - int64(i), Values{"a": value.OfInt(int64(i))}})
				if w > 1 {
					if err := o.store.Append(o.ctx, []*store.Rows{rows}); err != nil {
						o.Errorf("Append: %v", err)
					}
					continue
				}
				rows.Run = int64(w*each + i + 1)
				load, err := o.store.Load(o.ctx, group, rows.Run)
				if err == nil {
					if err = load.Add(o.ctx, rows); err == nil {
						err = load.Commit(o.ctx)
					}
				}
				if err != nil {
					o.Errorf("load: %v", err)
				}
			}
		})
	}
	go func() { writing.Wait(); ended.Store(true) }()
	position, seen := store.Position(""), map[string]bool{}
	for last := false; !last; {
		last = ended.Load() // the round that begins after the last writer
		o.look(func(s store.Snapshot) {
			for _, e := range o.entries(s, group, store.Range{After: position}) {
				seen[e.key] = true
			}
			position = s.Position()
		})
	}
	require.Equal(o, writers*each, len(seen))
}

func (o *offline) positionHead() {
	group := Group(1, "purchases", Customers, counts...)
	o.ensure(group)
	for i := range int64(5) {
		load := o.begin(group, i+1)
		require.NoError(o, load.Add(o.ctx, RowsOf(group, Seen{TextKey("loaded"), noon, Values{"a": value.OfInt(i)}})))
		o.see(group, Seen{TextKey("x"), noon, Values{"a": value.OfInt(i)}})
		o.look(func(s store.Snapshot) {
			require.Empty(o, o.entries(s, group, store.Range{After: s.Head()}))
			require.False(o, s.Position().After(s.Head()))
		})
		if i%2 == 0 {
			require.NoError(o, load.Commit(o.ctx))
		} else {
			require.NoError(o, load.Abort(o.ctx))
		}
		o.look(func(s store.Snapshot) { require.Empty(o, o.entries(s, group, store.Range{After: s.Head()})) })
	}
}
