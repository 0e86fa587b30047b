package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// orders is an event group whose rows are known by one of these columns; "" for none.
func orders(id int64, name, idColumn string) *registry.Group {
	group := Group(id, name, Customers, Column{"order_id", value.Integer}, Column{"code", value.String}, Column{"amount", value.Float})
	group.Kind, group.IDColumn = registry.Events, idColumn
	return group
}

// order is a row with the same number as both of its ids.
func order(number int64) Seen {
	return Seen{TextKey(fmt.Sprint(number % 7)), noon + number%3, Values{"order_id": value.OfInt(number), "code": value.OfString(fmt.Sprintf("n° %d", number)), "amount": value.OfFloat(0.5)}}
}

// kept says of each row whether it was stored.
func kept(rows *store.Rows) []bool {
	out := make([]bool, len(rows.IngestIDs))
	for i, id := range rows.IngestIDs {
		out[i] = id != store.NotStored
	}
	return out
}

func (o *offline) rowIDAppend() {
	byNumber, byCode, other := orders(1, "by_number", "order_id"), orders(2, "by_code", "code"), orders(3, "other", "order_id")
	o.ensure(byNumber, byCode, other)
	for _, group := range []*registry.Group{byNumber, byCode} {
		rows := RowsOf(group, order(5), order(3), order(5), order(4))
		elsewhere := RowsOf(other, order(group.ID))
		o.append(rows, elsewhere)
		require.Equal(o, []bool{true, true, false, true}, kept(rows), "an id that comes twice in a call")
		require.Equal(o, []bool{true}, kept(elsewhere))
		again := RowsOf(group, order(6), order(5), order(3), order(7))
		again.EventTimes[1] = value.NoTime
		o.append(again)
		require.Equal(o, []bool{true, false, false, true}, kept(again), "an id that is stored")
		require.Equal(o, int64(value.NoTime), again.EventTimes[1])
		o.restart()
		next := WithColumn(group, Column{"shop", value.Integer})
		o.ensure(next)
		last := RowsOf(next, order(3), order(8), order(8))
		o.append(last)
		require.Equal(o, []bool{false, true, false}, kept(last), "after a restart, under another layout")
		require.Equal(o, 6, o.count(next))
		o.look(func(s store.Snapshot) {
			read := map[int64]bool{}
			for _, e := range o.entries(s, next, store.Range{}) {
				read[e.id] = true
			}
			for _, rows := range []*store.Rows{rows, again, last} {
				for _, id := range rows.IngestIDs {
					require.True(o, id == store.NotStored || read[id])
				}
			}
		})
	}
}

func (o *offline) rowIDConcurrent() {
	known, unknown := orders(1, "known", "order_id"), orders(2, "unknown", "")
	o.ensure(known, unknown)
	const writers, calls, each = 8, 12, 40
	var inserted atomic.Int64
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for call := range calls {
				var seen []Seen
				for i := range each { // the same ids as the other writers, in another order
					seen = append(seen, order(int64(call*each+(i*(2*w+1)+w)%each)))
				}
				rows := RowsOf(known, seen...)
				if err := o.store.Append(o.ctx, []*store.Rows{rows, RowsOf(unknown, seen...)}); err != nil {
					o.Errorf("Append: %v", err)
					return
				}
				inserted.Add(int64(len(rows.Keys) - rows.Duplicates()))
			}
		})
	}
	all.Wait()
	require.Equal(o, calls*each, int(inserted.Load()), "rows that were answered as stored")
	require.Equal(o, calls*each, o.count(known))
	require.Equal(o, writers*calls*each, o.count(unknown), "the control: without a row id each of them counts")
}

func (o *offline) rowIDLoad() {
	for i, column := range []string{"order_id", "code"} {
		group := orders(int64(i+1), "by_"+column, column)
		o.ensure(group)
		o.see(group, order(1), order(2))
		aborted := o.begin(group, 1)
		require.NoError(o, aborted.Add(o.ctx, RowsOf(group, order(3))))
		require.NoError(o, aborted.Abort(o.ctx))
		load := o.begin(group, 2)
		require.NoError(o, load.Add(o.ctx, RowsOf(group, order(3), order(2), order(4))))
		require.NoError(o, load.Add(o.ctx, RowsOf(group, order(4), order(5), order(6))))
		require.Equal(o, 2, o.count(group))
		require.NoError(o, load.Commit(o.ctx))
		require.Equal(o, int64(2), load.Duplicates(), "one was stored, one came twice")
		require.Equal(o, 6, o.count(group))
		o.look(func(s store.Snapshot) { require.Len(o, o.entries(s, group, store.Range{Run: 2}), 4) })
		require.Equal(o, []bool{false, true}, kept(o.see(group, order(6), order(7))))
		o.restart()
		require.Equal(o, []bool{false, true}, kept(o.see(group, order(5), order(8))))
	}
}

// rowIDLoadAndAppend: single writes and loads of the same ids at the same time, some of the loads given up.
func (o *offline) rowIDLoadAndAppend() {
	group := orders(1, "orders", "order_id")
	o.ensure(group)
	const ids, writers = 3000, 4
	var inserted atomic.Int64
	var all sync.WaitGroup
	patiently := func(what string, do func() error) {
		for {
			err := do()
			if problem, ok := fault.As(err); ok && problem.Kind == fault.Busy {
				continue
			}
			if err != nil {
				o.Errorf("%s: %v", what, err)
			}
			return
		}
	}
	for w := range writers {
		all.Go(func() {
			for i := range ids / 10 {
				rows := RowsOf(group, order(int64(10*i+w)), order(int64(10*i+5)))
				patiently("Append", func() error { return o.store.Append(o.ctx, []*store.Rows{rows}) })
				inserted.Add(int64(len(rows.Keys) - rows.Duplicates()))
			}
		})
		all.Go(func() {
			var seen []Seen
			for i := range int64(ids) {
				seen = append(seen, order(i))
			}
			patiently("Load", func() error {
				load, err := o.store.Load(o.ctx, group, int64(w+1))
				if err != nil {
					return err
				}
				if err = load.Add(o.ctx, RowsOf(group, seen...)); err == nil && w%2 == 0 {
					err = load.Commit(o.ctx)
					if err == nil {
						inserted.Add(int64(len(seen)) - load.Duplicates())
					}
					return err
				}
				if failed := load.Abort(o.ctx); err == nil {
					err = failed
				}
				return err
			})
		})
	}
	all.Wait()
	require.Equal(o, ids, int(inserted.Load()), "rows that were answered as stored")
	require.Equal(o, ids, o.count(group))
}

func (o *offline) rowIDDeclared() {
	without, repeating := orders(1, "orders", ""), orders(2, "repeating", "")
	o.ensure(without, repeating)
	o.see(repeating, order(1), order(1))
	next := func(group *registry.Group, column string) *registry.Group {
		changed := nextLayout(group)
		changed.IDColumn = column
		return changed
	}
	byNumber := next(without, "order_id")
	o.ensure(byNumber)
	require.ErrorIs(o, o.store.Append(o.ctx, []*store.Rows{RowsOf(without, order(1))}), store.ErrOutdated, "who does not know of it")
	require.Equal(o, []bool{true, false}, kept(o.see(byNumber, order(1), order(1))))
	byCode := next(byNumber, "code")
	o.ensure(byCode)
	same := order(2)
	same.Values["order_id"] = value.OfInt(1)
	require.Equal(o, []bool{true, false}, kept(o.see(byCode, same, order(1))), "another column")
	added := WithColumn(byCode, Column{"scan", value.Integer})
	added.IDColumn = "scan"
	o.ensure(added)
	fresh := Seen{TextKey("x"), noon, Values{"scan": value.OfInt(1)}}
	require.Equal(o, []bool{true, false}, kept(o.see(added, fresh, fresh)), "a column that comes with it")
	free := next(added, "")
	o.ensure(free)
	require.Equal(o, []bool{true}, kept(o.see(free, order(1))), "given up")

	_, err := o.store.EnsureLayout(o.ctx, next(repeating, "order_id"))
	require.True(o, fault.Is(err, "ids-repeat"), "%v", err)
	require.Equal(o, []bool{true}, kept(o.see(repeating, order(1))), "it stays as it was")
}
