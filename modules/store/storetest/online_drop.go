package storetest

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
)

// dropRow is a share of a removal that leaves this row in history; the zero PackedRow: nothing.
func dropRow(key store.Key, left store.PackedRow, ids ...int64) store.Dropping {
	left.Key = key
	return store.Dropping{PackedRow: left, IDs: ids}
}

func (o *online) drop(group *registry.Group, fence int64, rows ...store.Dropping) store.Merged {
	o.Helper()
	merged, err := o.store.Drop(o.ctx, group, fence, rows)
	require.NoError(o, err)
	return merged
}

func (o *online) dropIDs() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	x := TextKey("x")
	at := func(us, id int64) store.Stamp { return store.Stamp{EventTime: us, IngestID: id} }
	o.merge(group, packRow(x, at(10, 1), map[uint16]value.Value{1: value.OfInt(1), 2: value.OfInt(1), 3: value.OfInt(1)}))
	o.merge(group, packRow(x, at(11, 1<<53), map[uint16]value.Value{2: value.OfInt(2)}), packRow(x, at(12, 1<<53+1), map[uint16]value.Value{3: value.OfInt(3)}))
	o.merge(group, intRow(TextKey("y"), 10, 1<<53+1, 9))

	// Ids that a double cannot tell apart; what is left in history comes in its place.
	left := packRow(x, at(9, 0), map[uint16]value.Value{1: value.OfInt(-1), 2: value.OfInt(-1), 3: value.OfInt(-1)})
	require.Equal(o, store.Merged{Written: 1}, o.drop(group, 0, dropRow(x, left, 1<<53+1, 7)))
	require.Equal(o, []packed.Cell{{Value: value.OfInt(1), Stamp: at(10, 1)}, {Value: value.OfInt(2), Stamp: at(11, 1<<53)}, {Value: value.OfInt(-1), Stamp: at(9, 0)}},
		o.picked(o.rows(group, x)[0]))
	require.Equal(o, intRow(TextKey("y"), 10, 1<<53+1, 9).Row, o.rows(group, TextKey("y"))[0], "another entity's is another one")

	before := o.rows(group, x)[0]
	require.Equal(o, store.Merged{Older: 1}, o.drop(group, 0, dropRow(x, left, 1<<53+1, 7)), "again")
	require.Equal(o, store.Merged{Older: 1}, o.drop(group, 0, dropRow(x, store.PackedRow{}, 99)))
	require.Equal(o, store.Merged{Older: 1}, o.drop(group, 0, dropRow(x, store.PackedRow{})))
	require.Equal(o, before, o.rows(group, x)[0])

	require.Equal(o, store.Merged{Written: 1}, o.drop(group, 0, dropRow(x, store.PackedRow{}, 1, 0)))
	require.Equal(o, []packed.Cell{{}, {Value: value.OfInt(2), Stamp: at(11, 1<<53)}, {}}, o.picked(o.rows(group, x)[0]))
	require.Equal(o, store.Merged{Written: 1, Older: 2}, o.drop(group, 0, dropRow(x, store.PackedRow{}, 1<<53), dropRow(x, store.PackedRow{}, 1<<53), dropRow(TextKey("z"), store.PackedRow{}, 1)))
	require.Equal(o, []string{"", ""}, o.rows(group, x, TextKey("z")), "a row of which nothing is left goes")
	require.Equal(o, store.Merged{Written: 1}, o.drop(group, 0, dropRow(TextKey("z"), intRow(x, 1, 1, 5), 3)), "one that is not there comes")
}

func (o *online) dropAsPacked() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	ids := []int64{math.MinInt64, -1 << 53, -1, 0, 1, 255, 256, 1 << 32, 1 << 53, 1<<53 + 1, math.MaxInt64}
	for i, id := range ids {
		for j, other := range ids {
			key := TextKey(fmt.Sprint(i, " ", j))
			first := packRow(key, store.Stamp{EventTime: int64(i), IngestID: id}, map[uint16]value.Value{1: value.OfInt(1), 700: value.OfString("a")})
			second := packRow(key, store.Stamp{EventTime: int64(j), IngestID: other}, map[uint16]value.Value{2: value.OfFloat(0.1), 700: value.Null()})
			o.merge(group, first, second)
			stored := o.rows(group, key)[0]
			left := intRow(key, int64(j-1), 5, 3)
			wanted, outcome, err := packed.Drop(nil, stored, map[int64]bool{id: true}, left.Row)
			require.NoError(o, err)
			require.Equal(o, packed.Written, outcome)
			o.drop(group, 0, dropRow(key, left, id))
			require.Equal(o, string(wanted), o.rows(group, key)[0])
		}
	}
}

func (o *online) dropFence() {
	group := Group(1, "one", Customers, counts...)
	state := o.mark(group, 5)
	x := TextKey("x")
	row := intRow(x, noon, 1, 1)
	_, err := o.store.Merge(o.ctx, group, 5, false, []store.PackedRow{row})
	require.NoError(o, err)
	require.Equal(o, store.Merged{Refused: true, Fence: 5}, o.drop(group, 4, dropRow(x, store.PackedRow{}, 1)))
	require.Equal(o, []string{row.Row}, o.rows(group, x))
	unmarked := state
	unmarked.Marker = ""
	o.swap(group, state, unmarked, true)
	require.Equal(o, store.Merged{Written: 1, Fence: 5}, o.drop(group, 5, dropRow(x, store.PackedRow{}, 1)), "without a marker too")
	require.Zero(o, o.drop(group, 5).Written)
}

func (o *online) dropDamaged() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	x := TextKey("x")
	row := intRow(x, noon, 1, 1)
	o.merge(group, row)
	for _, bad := range []string{"x", row.Row[:20], "\x02" + row.Row[1:]} {
		_, err := o.store.Drop(o.ctx, group, 0, []store.Dropping{dropRow(x, store.PackedRow{Row: bad}, 1)})
		require.Error(o, err)
	}
	require.Equal(o, []string{row.Row}, o.rows(group, x))
}

// dropExpires lets rows lose something whose life ends soon, or never.
func (o *online) dropExpires() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	soon, never := TextKey("soon"), TextKey("never")
	both := func(key store.Key, expires int64) {
		for i, id := range []int64{1, 2} {
			row := packRow(key, store.Stamp{EventTime: noon, IngestID: id}, map[uint16]value.Value{uint16(i + 1): value.OfInt(1)})
			row.Expires = expires
			o.merge(group, row)
		}
	}
	ends := time.Now().UnixMilli() + 1500
	both(soon, ends)
	both(never, 0)
	short := intRow(never, noon-1, 3, 3)
	short.Expires = ends
	o.drop(group, 0, dropRow(soon, store.PackedRow{}, 2), dropRow(never, short, 2))
	time.Sleep(time.Until(time.UnixMilli(ends + 100)))
	rows := o.rows(group, soon, never)
	require.NotEmpty(o, rows[1], "the life of a row is not shortened")
	if rows[0] != "" { // it may be reclaimed or not
		require.Equal(o, value.OfInt(1), o.picked(rows[0])[0].Value)
	}
}

func (o *online) dropMany() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	var rows []store.PackedRow
	var keys []store.Key
	var drops []store.Dropping
	for i := range int64(3000) {
		key := TextKey(fmt.Sprint(i))
		keys, rows = append(keys, key), append(rows, intRow(key, noon, i, i))
		drops = append(drops, dropRow(key, store.PackedRow{}, i-i%2))
	}
	o.merge(group, rows...)
	require.Equal(o, store.Merged{Written: 1500, Older: 1500}, o.drop(group, 0, drops...))
	for i, row := range o.rows(group, keys...) {
		require.Equal(o, i%2 == 1, row != "")
	}
}

// dropConcurrent takes values back while newer and older ones come in: what is left is the newest of those that were not taken back.
func (o *online) dropConcurrent() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	const entities, rounds = 5, 200
	var all sync.WaitGroup
	for e := range int64(entities) {
		key := TextKey(fmt.Sprint(e))
		for w := range int64(2) {
			all.Go(func() {
				for i := range int64(rounds) {
					if _, err := o.store.Merge(o.ctx, group, 0, false, []store.PackedRow{intRow(key, i, 2*i+w, i)}); err != nil {
						o.Errorf("Merge: %v", err)
					}
				}
			})
		}
		all.Go(func() {
			for i := range int64(rounds) {
				if _, err := o.store.Drop(o.ctx, group, 0, []store.Dropping{dropRow(key, intRow(key, -1, -1, -1), 2*i+1)}); err != nil {
					o.Errorf("Drop: %v", err)
				}
			}
		})
	}
	all.Wait()
	for e := range int64(entities) {
		key := TextKey(fmt.Sprint(e))
		ids := make([]int64, rounds)
		for i := range ids {
			ids[i] = 2*int64(i) + 1
		}
		// A writer may have come after the drop of what it brought: the next one takes it.
		o.drop(group, 0, dropRow(key, intRow(key, rounds-1, 2*(rounds-1), rounds-1), ids...))
		require.Equal(o, packed.Cell{Value: value.OfInt(rounds - 1), Stamp: store.Stamp{EventTime: rounds - 1, IngestID: 2 * (rounds - 1)}}, o.picked(o.rows(group, key)[0])[0])
	}
}
