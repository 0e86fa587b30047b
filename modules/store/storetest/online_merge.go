package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/valuetest"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
)

// picked reads features 1 to 3 of a row.
func (o *online) picked(row string) []packed.Cell {
	o.Helper()
	view, err := packed.Open(row)
	require.NoError(o, err)
	cells := make([]packed.Cell, 3)
	require.NoError(o, view.Pick([]uint16{1, 2, 3}, cells))
	return cells
}

func (o *online) mergeNewer() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	x := TextKey("x")
	at := func(us, id int64) store.Stamp { return store.Stamp{EventTime: us, IngestID: id} }
	whole := func(us, id, v int64) store.PackedRow {
		return packRow(x, at(us, id), map[uint16]value.Value{1: value.OfInt(v), 2: value.OfInt(v), 3: value.OfInt(v)})
	}
	expect := func(row store.PackedRow, written bool, wanted ...packed.Cell) {
		o.Helper()
		merged := o.merge(group, row)
		require.Equal(o, written, merged.Written == 1)
		require.Equal(o, !written, merged.Older == 1)
		require.Equal(o, wanted, o.picked(o.rows(group, x)[0]))
	}
	cell := func(us, id, v int64) packed.Cell { return packed.Cell{Value: value.OfInt(v), Stamp: at(us, id)} }
	expect(whole(10, 5, 1), true, cell(10, 5, 1), cell(10, 5, 1), cell(10, 5, 1))
	expect(whole(10, 5, 1), false, cell(10, 5, 1), cell(10, 5, 1), cell(10, 5, 1))     // the same again
	expect(whole(10, 4, 9), false, cell(10, 5, 1), cell(10, 5, 1), cell(10, 5, 1))     // ingested earlier
	expect(whole(9, 99, 9), false, cell(10, 5, 1), cell(10, 5, 1), cell(10, 5, 1))     // late
	expect(whole(10, 6, 2), true, cell(10, 6, 2), cell(10, 6, 2), cell(10, 6, 2))      // a correction
	expect(whole(-5, 1<<40, 3), false, cell(10, 6, 2), cell(10, 6, 2), cell(10, 6, 2)) // before 1970
	expect(packRow(x, at(12, 7), map[uint16]value.Value{2: value.Null()}), true, cell(10, 6, 2), packed.Cell{Value: value.Null(), Stamp: at(12, 7)}, cell(10, 6, 2))
	expect(packRow(x, at(11, 8), map[uint16]value.Value{1: value.OfInt(4), 2: value.OfInt(4)}), true,
		cell(11, 8, 4), packed.Cell{Value: value.Null(), Stamp: at(12, 7)}, cell(10, 6, 2))
	expect(whole(11, 9, 5), true, cell(11, 9, 5), packed.Cell{Value: value.Null(), Stamp: at(12, 7)}, cell(11, 9, 5))
	expect(whole(12, 10, 6), true, cell(12, 10, 6), cell(12, 10, 6), cell(12, 10, 6))

	// Stamps whose bytes compare another way than their numbers would, or than their locale says.
	stamps := []int64{math.MinInt64, math.MinInt64 + 1, -1 << 32, -1<<32 + 1, -256, -255, -1, 0, 1, 127, 128, 255, 256, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 1,
		1<<53 - 1, 1 << 53, 1<<53 + 1, 1<<53 + 2, math.MaxInt64 - 1, math.MaxInt64}
	for i := range stamps {
		for j := range stamps {
			byTime, byID := TextKey(fmt.Sprintf("time %d %d", i, j)), TextKey(fmt.Sprintf("id %d %d", i, j))
			o.merge(group, intRow(byTime, stamps[i], 1, 1), intRow(byID, 1, stamps[i], 1))
			o.merge(group, intRow(byTime, stamps[j], 1, 2), intRow(byID, 1, stamps[j], 2))
			wanted := value.OfInt(1)
			if j > i {
				wanted = value.OfInt(2)
			}
			for _, row := range o.rows(group, byTime, byID) {
				require.Equal(o, wanted, o.picked(row)[0].Value, "%d after %d", stamps[j], stamps[i])
			}
		}
	}
}

func (o *online) mergeAsPacked() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	random := rand.New(rand.NewPCG(9, 10))
	var values []value.Value
	for _, t := range valuetest.Types {
		for _, v := range edges(t) {
			if len(v.Text()) < 5000 {
				values = append(values, v)
			}
		}
	}
	values = append(values, value.Null(), value.Null(), value.Null())
	wanted := map[string]string{}
	id := int64(0)
	draw := func(key store.Key) store.PackedRow {
		var ordinals []uint16
		var row []value.Value
		var stamps []store.Stamp
		same := random.IntN(2) == 0
		for ordinal := uint16(1); ordinal <= 9; ordinal++ {
			if random.IntN(3) == 0 {
				continue
			}
			if !same || len(stamps) == 0 {
				id++
			}
			ordinals, row = append(ordinals, ordinal*61), append(row, values[random.IntN(len(values))]) // two bytes, all of which vary
			stamps = append(stamps, store.Stamp{EventTime: random.Int64N(5) - 2, IngestID: id})
			if same {
				stamps[len(stamps)-1] = stamps[0]
			}
		}
		if len(ordinals) == 0 {
			return intRow(key, random.Int64N(5)-2, -id, id)
		}
		return store.PackedRow{Key: key, Row: string(packed.AppendStamped(nil, key.Encoded, ordinals, row, stamps))}
	}
	for range 60 {
		var rows []store.PackedRow
		written := 0
		for range 50 {
			row := draw(TextKey(fmt.Sprint(random.IntN(40))))
			rows = append(rows, row)
			merged, outcome, err := packed.Merge(nil, wanted[row.Key.Encoded], row.Row)
			require.NoError(o, err)
			if outcome == packed.Written {
				wanted[row.Key.Encoded] = string(merged)
				written++
			}
		}
		merged := o.merge(group, rows...)
		require.Equal(o, store.Merged{Written: written, Older: len(rows) - written}, merged)
		for key, row := range wanted {
			require.Equal(o, row, o.rows(group, TextKey(key))[0])
		}
	}
}

func (o *online) mergeTwice() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	x := TextKey("x")
	merged := o.merge(group, intRow(x, 5, 1, 1), intRow(x, 7, 2, 2), intRow(x, 6, 3, 3), intRow(x, 7, 2, 2),
		packRow(x, store.Stamp{EventTime: 1, IngestID: 4}, map[uint16]value.Value{2: value.OfInt(4)}))
	require.Equal(o, store.Merged{Written: 3, Older: 2}, merged)
	cells := o.picked(o.rows(group, x)[0])
	require.Equal(o, value.OfInt(2), cells[0].Value)
	require.Equal(o, packed.Cell{Value: value.OfInt(4), Stamp: store.Stamp{EventTime: 1, IngestID: 4}}, cells[1])
}

func (o *online) mergeDamaged() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	x := TextKey("x")
	o.merge(group, packRow(x, store.Stamp{EventTime: 5, IngestID: 1}, map[uint16]value.Value{1: value.OfInt(1), 2: value.OfInt(2)}),
		intRow(x, 7, 2, 3))
	stored := o.rows(group, x)[0]
	whole := intRow(x, 9, 3, 4)
	empty := whole
	empty.Row = string(packed.Append(nil, x.Encoded, []uint16{1}, []value.Value{{}}, store.Stamp{EventTime: 9, IngestID: 3}))
	short := whole
	short.Row = short.Row[:20]
	for _, bad := range []store.PackedRow{empty, short, {Key: x}} {
		_, err := o.store.Merge(o.ctx, group, 0, false, []store.PackedRow{intRow(x, 6, 4, 9), bad})
		require.ErrorIs(o, err, packed.ErrDamaged)
		require.Equal(o, stored, o.rows(group, x)[0])
	}
	require.Equal(o, store.Merged{Written: 1}, o.merge(group, whole), "the next write is not harmed")
}

func (o *online) mergeCounts() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	random := rand.New(rand.NewPCG(11, 12))
	newest := map[string]int64{}
	for range 20 {
		var rows []store.PackedRow
		wanted := store.Merged{}
		for range 100 {
			key, at := TextKey(fmt.Sprint(random.IntN(50))), random.Int64N(100)+1
			rows = append(rows, intRow(key, at, at, at))
			if at > newest[key.Encoded] {
				newest[key.Encoded] = at
				wanted.Written++
			} else {
				wanted.Older++
			}
		}
		require.Equal(o, wanted, o.merge(group, rows...))
	}
}

func (o *online) mergeMany() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	require.Equal(o, store.Merged{}, o.merge(group))
	const n = 20_000
	rows := make([]store.PackedRow, n)
	keys := make([]store.Key, n)
	for i := range rows {
		keys[i] = TextKey(fmt.Sprint("entity ", i))
		rows[i] = intRow(keys[i], noon, int64(i), int64(i))
	}
	require.Equal(o, store.Merged{Written: n}, o.merge(group, rows...))
	require.Equal(o, store.Merged{Older: n}, o.merge(group, rows...))
	for i, row := range o.rows(group, keys[:5000]...) {
		require.Equal(o, rows[i].Row, row)
	}
}

func (o *online) mergeWide() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	x := TextKey("x")
	all := func(every int, v value.Value) map[uint16]value.Value {
		values := map[uint16]value.Value{}
		for i := 0; i < mostColumns; i += every {
			values[uint16(i+1)] = v
		}
		return values
	}
	wanted := ""
	for i, values := range []map[uint16]value.Value{all(1, value.OfFloat(0.1)), all(2, value.OfString(strings.Repeat("ü", 200))), all(3, value.Null()), all(7, value.OfInt(1<<40)),
		{250: value.OfString(strings.Repeat("x", 1_000_000)), 251: value.OfFloats(make([]float64, 1536))}, all(5, value.OfBool(true))} {
		row := packRow(x, store.Stamp{EventTime: noon, IngestID: int64(i)}, values)
		merged, _, err := packed.Merge(nil, wanted, row.Row)
		require.NoError(o, err)
		wanted = string(merged)
		require.Equal(o, store.Merged{Written: 1}, o.merge(group, row))
		require.Equal(o, wanted, o.rows(group, x)[0])
	}
}

func (o *online) mergeFence() {
	group := Group(1, "one", Customers, counts...)
	state := o.mark(group, 5)
	x := TextKey("x")
	try := func(fence int64, unmarked bool, row store.PackedRow) store.Merged {
		o.Helper()
		merged, err := o.store.Merge(o.ctx, group, fence, unmarked, []store.PackedRow{row, row})
		require.NoError(o, err)
		return merged
	}
	for _, unmarked := range []bool{false, true} {
		for _, older := range []int64{0, 4} {
			require.Equal(o, store.Merged{Refused: true, Fence: 5}, try(older, unmarked, intRow(x, noon, 1, 1)))
			require.Equal(o, []string{""}, o.rows(group, x), "nothing was written")
		}
	}
	require.Equal(o, store.Merged{Written: 1, Older: 1, Fence: 5}, try(5, false, intRow(x, noon, 1, 1)))
	require.Equal(o, store.Merged{Written: 1, Older: 1, Fence: 5}, try(6, false, intRow(x, noon, 2, 1)), "a newer one than the store's is no older one")
	raised := state
	raised.Fence, raised.Marker = 1<<40, ""
	o.swap(group, state, raised, true)
	require.Equal(o, store.Merged{Refused: true, Fence: 1 << 40}, try(5, true, intRow(x, noon, 3, 1)))
	merged := try(1<<40-1, false, intRow(x, noon, 3, 1))
	require.True(o, merged.Refused || merged.Unmarked)
	require.Zero(o, merged.Written)
	require.Equal(o, store.Merged{Written: 1, Older: 1, Fence: 1 << 40}, try(1<<40, true, intRow(x, noon, 3, 1)))
}

func (o *online) mergeUnmarked() {
	group := Group(1, "one", Customers, counts...)
	x := TextKey("x")
	try := func(unmarked bool, row store.PackedRow) store.Merged {
		o.Helper()
		merged, err := o.store.Merge(o.ctx, group, 0, unmarked, []store.PackedRow{row})
		require.NoError(o, err)
		return merged
	}
	require.Equal(o, store.Merged{Unmarked: true}, try(false, intRow(x, noon, 9, 1)))
	require.Equal(o, store.Merged{Written: 1}, try(true, intRow(x, noon, 1, 2)))
	state := o.mark(group, 0)
	require.Equal(o, value.OfInt(2), o.picked(o.rows(group, x)[0])[0].Value, "only what materialization wrote is there")
	require.Equal(o, store.Merged{Written: 1}, try(false, intRow(x, noon, 2, 3)))
	require.Equal(o, store.Merged{Written: 1}, try(true, intRow(x, noon, 3, 4)))
	dropped := state
	dropped.Marker = ""
	o.swap(group, state, dropped, true)
	require.Equal(o, store.Merged{Unmarked: true}, try(false, intRow(x, noon, 9, 1)))
	o.mark(group, 0)
	require.Equal(o, value.OfInt(4), o.picked(o.rows(group, x)[0])[0].Value)
}

// Expiry only reclaims space, so what may be reclaimed may also still be there; what may not must be there.
func (o *online) mergeExpires() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	in := func(d time.Duration) int64 { return time.Now().Add(d).UnixMilli() }
	until := func(row store.PackedRow, expires int64) store.PackedRow {
		row.Expires = expires
		return row
	}
	const soon = 3 * time.Second
	row := func(name string, at int64) store.PackedRow { return intRow(TextKey(name), noon+at, 1, at) }
	partial := func(name string, at int64) store.PackedRow {
		return packRow(TextKey(name), store.Stamp{EventTime: noon + at, IngestID: 1}, map[uint16]value.Value{2: value.OfInt(at)})
	}
	wanted := o.merge(group,
		until(row("late", 1), in(time.Hour)), until(row("late", 0), in(soon)), // an older one comes later
		until(row("late partial", 1), in(time.Hour)), until(partial("late partial", 0), in(soon)),
		until(row("renewed", 1), in(soon)), until(row("renewed", 1), in(time.Hour)), // the same again under a longer TTL
		until(row("renewed for ever", 1), in(soon)), until(row("renewed for ever", 1), 0),
		until(row("newer", 1), in(soon)), until(row("newer", 2), in(time.Hour)),
		until(row("newer partial", 1), in(soon)), until(partial("newer partial", 2), in(time.Hour)),
		until(row("never", 1), 0),
		until(row("far", 1), in(24*365*100*time.Hour)),
	)
	require.Equal(o, 11, wanted.Written)
	require.Equal(o, 3, wanted.Older)
	time.Sleep(soon + 500*time.Millisecond)
	names := []string{"late", "late partial", "renewed", "renewed for ever", "newer", "newer partial", "never", "far"}
	for _, name := range names {
		require.NotEmpty(o, o.rows(group, TextKey(name))[0], "%s", name)
	}
	// One that is reclaimed at once is as good as not there, and does no harm.
	merged := o.merge(group, until(row("past", 1), 1))
	require.Equal(o, 1, merged.Written+merged.Older)
	o.merge(group, until(row("past", 2), in(time.Hour)))
	require.Equal(o, row("past", 2).Row, o.rows(group, TextKey("past"))[0])
}

func (o *online) mergeConcurrent() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	const writers, features = 8, 8
	// Each writer owns a feature: no update of one may be lost to another's.
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range int64(100) {
				row := packRow(TextKey(fmt.Sprint(i%5)), store.Stamp{EventTime: i, IngestID: int64(w)}, map[uint16]value.Value{uint16(w + 1): value.OfInt(i)})
				if _, err := o.store.Merge(o.ctx, group, 0, false, []store.PackedRow{row}); err != nil {
					o.Errorf("Merge: %v", err)
				}
			}
		})
	}
	all.Wait()
	for i := range int64(5) {
		view, err := packed.Open(o.rows(group, TextKey(fmt.Sprint(i)))[0])
		require.NoError(o, err)
		cells := make([]packed.Cell, features)
		require.NoError(o, view.Pick([]uint16{1, 2, 3, 4, 5, 6, 7, 8}, cells))
		for _, c := range cells {
			require.Equal(o, value.OfInt(95+i), c.Value)
		}
	}
}
