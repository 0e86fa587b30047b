package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// known is what shows now, and the group's last removal.
func (o *offline) known(group *registry.Group) (known store.Known, removal int64) {
	o.Helper()
	o.look(func(s store.Snapshot) {
		var err error
		known, err = s.Known(o.ctx)
		require.NoError(o, err)
		removals, err := s.Removals(o.ctx)
		require.NoError(o, err)
		removal = removals[group.ID].Last
	})
	return known, removal
}

// late compares what has changed since.
func (o *offline) late() {
	group, other := o.events(), Group(2, "other", Customers, counts...)
	o.ensure(other)
	ticks := []int64{tick1, tick2, tick3}
	known, removal := o.known(group)
	since := func(wanted ...int64) {
		o.Helper()
		o.look(func(s store.Snapshot) {
			times, err := s.Late(o.ctx, group, known, removal, ticks)
			require.NoError(o, err)
			require.Equal(o, append([]int64{}, wanted...), append([]int64{}, times...))
		})
	}
	since()
	x := TextKey("x")
	o.see(group, Seen{x, tick1 - 5, a(1)}, Seen{x, tick1 - 9, a(1)}, Seen{x, tick1 + 1, a(2)}, Seen{x, tick2, a(3)}, Seen{x, tick3 + 1, a(4)})
	o.see(other, Seen{x, tick3, a(1)})
	since(tick1-5, tick2)
	o.restart()
	since(tick1-5, tick2)
	known, removal = o.known(group)
	since()
	open := o.begin(group, 7)
	require.NoError(o, open.Add(o.ctx, RowsOf(group, Seen{x, tick1, a(5)})))
	since()
	o.see(group, Seen{x, tick3, a(1)})
	since(tick3)
	known, removal = o.known(group)
	since()
	require.NoError(o, open.Commit(o.ctx))
	since(tick1)
	known, removal = o.known(group)
	remove := func(what store.Selection) {
		o.Helper()
		removed, err := o.store.Remove(o.ctx, group, what)
		require.NoError(o, err)
		require.True(o, removed.Any())
		require.NoError(o, o.store.ForgetRemovals(o.ctx, group, 99))
	}
	remove(store.Selection{Run: 7})
	since(tick1)
	_, removal = o.known(group)
	since()
	remove(store.Selection{Key: &x, At: tick2})
	since(tick2)
	remove(store.Selection{Key: &x, At: tick3, UpTo: true})
	since(tick1, tick2, tick3)
	_, removal = o.known(group)
	since()
	ticks = nil
	since()
}

// oldest reads rows in the order of entities, the oldest first.
func (o *offline) oldest() {
	group := Group(1, "purchases", Trips, counts...)
	o.ensure(group)
	for i := range int64(3) {
		o.see(group, Seen{TripKey(i, "eu"), noon + 2, a(1)}, Seen{TripKey(i, "eu"), noon, a(2)}, Seen{TripKey(1, fmt.Sprint("r", i)), noon, a(3)}, Seen{TripKey(i, "eu"), noon, a(4)})
	}
	o.look(func(s store.Snapshot) {
		newest, oldest := o.entries(s, group, store.Range{Ordered: true}), o.entries(s, group, store.Range{Ordered: true, Oldest: true})
		require.Len(o, oldest, 12)
		require.ElementsMatch(o, newest, oldest)
		seen := map[string]bool{}
		for i, e := range oldest {
			if i > 0 && oldest[i-1].key == e.key {
				require.True(o, oldest[i-1].at < e.at || oldest[i-1].at == e.at && oldest[i-1].id < e.id)
				continue
			}
			require.False(o, seen[e.key], "one entity after the other")
			seen[e.key] = true
		}
		from, to := noon+1, noon+3
		require.Len(o, o.entries(s, group, store.Range{Ordered: true, Oldest: true, From: &from, To: &to}), 3)
	})
}

// related compares the rows of a snapshot with its relation, where it has one.
func (o *offline) related() {
	group := Group(1, "purchases", Trips, Column{"a", value.Integer}, Column{"f", value.FloatArray}, Column{"t", value.Timestamp}, Column{"s", value.String})
	s := o.snapshot()
	relational, ok := s.(store.Relational)
	require.NoError(o, s.Close())
	if !ok {
		return
	}
	read := func(merged bool) (found []string) {
		s := o.snapshot()
		defer func() { require.NoError(o, s.Close()) }()
		o.see(group, Seen{TripKey(9, "late"), noon, a(1)}) // it is not in the snapshot
		from, to := noon-10, noon+3
		relational = s.(store.Relational)
		require.NoError(o, relational.Relation(o.ctx, group, group.Features, store.Range{From: &from, To: &to}, merged, func(ctx context.Context, tx pgx.Tx, query string) error {
			rows, err := tx.Query(ctx, "SELECT concat_ws(' ', driver_id, region, event_us - $1::bigint, seq, a, f, t, s) FROM ("+query+") AS events ORDER BY driver_id, region, event_us, seq", noon)
			if err != nil {
				return err
			}
			found, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		}))
		return found
	}
	o.ensure(group)
	fs, err := value.ParseJSON(value.FloatArray, []byte("[0.5]"))
	require.NoError(o, err)
	o.see(group, Seen{TripKey(1, "eu"), noon, Values{"a": value.OfInt(1), "f": fs}}, Seen{TripKey(1, "eu"), noon, Values{"a": value.Null(), "s": value.OfString("x")}},
		Seen{TripKey(1, "eu"), noon + 2, Values{"t": value.OfTime(noon)}}, Seen{TripKey(1, "eu"), noon + 3, a(1)}, Seen{TripKey(2, "eu"), noon - 1, a(2)})
	require.Equal(o, []string{"1 eu 0 1 1 {0.5}", "1 eu 0 2 x", "1 eu 2 3 2023-11-14 22:13:20", "2 eu -1 5 2"}, read(false))
	merged := read(true)
	require.Equal(o, []string{"1 eu 0 2 {0.5} x", "1 eu 2 3 2023-11-14 22:13:20", "2 eu -1 5 2"}, slices.DeleteFunc(merged, func(row string) bool { return row[0] == '9' }))
}
