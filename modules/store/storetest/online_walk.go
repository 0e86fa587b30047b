package storetest

import (
	"fmt"
	"sync"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// pages walks over a group, at most so many pages, and answers the rows by key.
func (o *online) pages(group *registry.Group, from string, most int) map[string]string {
	o.Helper()
	found := map[string]string{}
	for range most {
		rows, next, err := o.store.Walk(o.ctx, group, from)
		require.NoError(o, err)
		require.LessOrEqual(o, len(rows), 2000)
		for _, row := range rows {
			found[row.Key] = row.Row
		}
		if from = next; from == "" {
			return found
		}
	}
	return found
}

// many puts n entities into a group.
func (o *online) many(group *registry.Group, n int) (wanted map[string]string) {
	wanted = map[string]string{}
	var rows []store.PackedRow
	for i := range n {
		rows = append(rows, intRow(TextKey(fmt.Sprint("entity ", i)), noon, int64(i), group.ID))
		wanted[rows[i].Key.Encoded] = rows[i].Row
	}
	o.merge(group, rows...)
	return wanted
}

func (o *online) walk() {
	one, eleven, none := Group(1, "one", Customers, counts...), Group(11, "eleven", Customers, counts...), Group(2, "two", Customers, counts...)
	for _, group := range []*registry.Group{one, eleven, none} {
		o.mark(group, 0)
	}
	wanted := o.many(one, 3000)
	o.many(eleven, 700)
	for i, text := range hostileText() {
		row := intRow(TextKey(text), noon, int64(i), 1)
		o.merge(one, row)
		wanted[row.Key.Encoded] = row.Row
	}
	another := intRow(TextKey("another"), noon, 1, 1) // a row need not be its key's
	o.merge(one, store.PackedRow{Key: TextKey("misplaced"), Row: another.Row})
	wanted["misplaced"] = another.Row
	require.Equal(o, wanted, o.pages(one, "", 1000))
	require.Len(o, o.pages(eleven, "", 1000), 700)
	require.Empty(o, o.pages(none, "", 1000))
	_, _, err := o.store.Walk(o.ctx, one, "no place")
	require.Error(o, err)
}

func (o *online) walkConcurrent() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	o.many(group, 1000)
	stop := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() {
		for i := int64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			rows := []store.PackedRow{intRow(TextKey(fmt.Sprint("entity ", i%1000)), noon+i, i, i), intRow(TextKey(fmt.Sprint("new ", i%1000)), noon+i, i, i)}
			if _, err := o.store.Merge(o.ctx, group, 0, false, rows); err != nil {
				o.Errorf("Merge: %v", err)
			}
		}
	})
	for range 2 {
		found := o.pages(group, "", 10_000)
		for i := range 1000 {
			require.Contains(o, found, fmt.Sprint("entity ", i))
		}
	}
	close(stop)
	beside.Wait()
}

// walkAnywhere takes one page at a time: in the end most rows have been seen, so that no part of the group is left out for ever.
func (o *online) walkAnywhere() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	wanted := o.many(group, 5000)
	found := map[string]string{}
	for tried := 0; tried < 20_000 && len(found) <= 4500; tried++ { // a server that holds much else needs more tries
		for key, row := range o.pages(group, store.Anywhere, 1) {
			require.Equal(o, wanted[key], row)
			found[key] = row
		}
	}
	require.Greater(o, len(found), 4500)
	o.pages(group, store.Anywhere, 10_000) // ends
	require.Empty(o, o.pages(Group(2, "two", Customers, counts...), store.Anywhere, 1))
}

func (o *online) mergeIntoDamaged() {
	group := Group(1, "one", Customers, counts...)
	o.mark(group, 0)
	x, y := TextKey("x"), TextKey("y")
	whole := packRow(x, store.Stamp{EventTime: 5, IngestID: 1}, map[uint16]value.Value{1: value.OfInt(1), 2: value.OfString("a text that is cut off")})
	damaged := whole
	damaged.Row = damaged.Row[:len(damaged.Row)-3]
	o.merge(group, damaged)
	require.Equal(o, damaged.Row, o.rows(group, x)[0], "what a row holds is looked at when it is read")
	later := intRow(x, 6, 2, 2)
	require.Equal(o, store.Merged{Older: 1, Written: 1}, o.merge(group, later, intRow(y, 6, 3, 3)))
	require.Equal(o, []string{damaged.Row, intRow(y, 6, 3, 3).Row}, o.rows(group, x, y))
}
