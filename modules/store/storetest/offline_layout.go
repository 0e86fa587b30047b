package storetest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

var counts = []Column{{"a", value.Integer}, {"b", value.Integer}, {"c", value.Integer}}

func (o *offline) layoutCreated() {
	group := Group(1, "purchases", Customers, counts...)
	for _, wanted := range []bool{true, false, false} {
		created, err := o.store.EnsureLayout(o.ctx, group)
		require.NoError(o, err)
		require.Equal(o, wanted, created)
	}
	created, err := o.store.EnsureLayout(o.ctx, Group(2, "returns", Customers, counts...))
	require.NoError(o, err)
	require.True(o, created)
	o.restart()
	created, err = o.store.EnsureLayout(o.ctx, group)
	require.NoError(o, err)
	require.False(o, created)
}

func (o *offline) layoutConcurrent() {
	first := Group(1, "purchases", Customers, counts...)
	second := WithColumn(WithColumn(first, Column{"d", value.Float}), Column{"e", value.String})
	var made atomic.Int32
	var all sync.WaitGroup
	for i := range 16 {
		group := first
		if i%2 == 1 {
			group = second
		}
		all.Go(func() {
			created, err := o.store.EnsureLayout(o.ctx, group)
			if err != nil {
				o.Errorf("EnsureLayout: %v", err)
			}
			if created {
				made.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(o, 1, made.Load(), "one of them made the table")
	o.see(second, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1), "e": value.OfString("e")}})
	require.ErrorIs(o, o.store.Append(o.ctx, []*store.Rows{RowsOf(first, Seen{TextKey("x"), noon, Values{"a": value.OfInt(2)}})}), store.ErrOutdated)
}

func (o *offline) layoutAdds() {
	first := Group(1, "purchases", Customers, counts...)
	second := WithColumn(first, Column{"d", value.FloatArray})
	o.ensure(first)
	o.see(first, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1), "b": value.OfInt(2), "c": value.OfInt(3)}})
	created, err := o.store.EnsureLayout(o.ctx, second)
	require.NoError(o, err)
	require.False(o, created)
	array := value.OfFloats([]float64{1, 2})
	o.see(second, Seen{TextKey("x"), noon + 1, Values{"d": array}})
	require.Equal(o, append(ints(1, 2, 3), array), o.now(second, TextKey("x")))

	o.ensure(first) // a process that has not heard of the column yet
	o.see(second, Seen{TextKey("y"), noon, Values{"d": array}})
	require.Equal(o, []value.Value{{}, {}, {}, array}, o.now(second, TextKey("y")))
	rows := RowsOf(first, Seen{TextKey("y"), noon + 1, Values{"a": value.OfInt(9)}})
	require.ErrorIs(o, o.store.Append(o.ctx, []*store.Rows{rows}), store.ErrOutdated, "the version was not lowered")
}

func (o *offline) layoutNames() {
	long := strings.Repeat("n", 47)
	groups := []string{"order", "select", "table", "index", "group", "user", "default", "layout", "loads", long + "a", long + "b"}
	columns := []Column{{"select", value.Integer}, {"from", value.Integer}, {"key", value.Integer}, {"values", value.Integer}, {"null", value.Integer},
		{"version", value.Integer}, {"ord", value.Integer}, {"at", value.Integer}, {"i", value.Integer}, {"k1", value.Integer}, {"t", value.Integer},
		{long + "a", value.Integer}, {long + "b", value.Integer}}
	for i, name := range groups {
		group := Group(int64(i+1), name, Customers, columns...)
		o.ensure(group)
		values := Values{}
		for j, c := range columns {
			values[c.Name] = value.OfInt(int64(100*i + j))
		}
		o.see(group, Seen{TextKey("x"), noon, values})
	}
	for i, name := range groups {
		got := o.now(Group(int64(i+1), name, Customers, columns...), TextKey("x"))
		for j := range columns {
			require.Equal(o, value.OfInt(int64(100*i+j)), got[j], "%s.%s", name, columns[j].Name)
		}
	}
	keys := EntityType("line", Customers.JoinKeys[0], Drivers.JoinKeys[0])
	keys.JoinKeys[0].Name, keys.JoinKeys[1].Name = "order", "group"
	group := Group(50, "lines", keys, counts...)
	o.ensure(group)
	key := store.NewKey([]value.Value{value.OfString("o"), value.OfInt(7)})
	o.see(group, Seen{key, noon, Values{"a": value.OfInt(5)}})
	require.Equal(o, value.OfInt(5), o.now(group, key)[0])
}

func (o *offline) layoutWide() {
	columns := make([]Column, 500)
	for i := range columns {
		columns[i] = Column{fmt.Sprintf("f%d", i), value.Float}
	}
	group := Group(1, "wide", Customers, columns...)
	o.ensure(group)
	whole := Values{}
	for i, c := range columns {
		whole[c.Name] = value.OfFloat(float64(i) / 8)
	}
	var seen []Seen
	for i := range 200 {
		seen = append(seen, Seen{TextKey(fmt.Sprint(i)), noon, whole})
	}
	o.see(group, seen...)
	o.see(group, Seen{TextKey("7"), noon + 1, Values{"f499": value.Null()}})
	got := o.now(group, TextKey("7"))
	require.Equal(o, value.OfFloat(0), got[0])
	require.Equal(o, value.OfFloat(498.0/8), got[498])
	require.Equal(o, value.Null(), got[499])
}

// A feature that was deleted and comes back has a column and an ordinal that were never used: nothing of the earlier one shows.
func (o *offline) layoutReusedName() {
	first := Group(1, "purchases", Customers, counts...)
	o.ensure(first)
	o.see(first, Seen{TextKey("x"), noon, Values{"a": value.OfInt(1), "b": value.OfInt(2), "c": value.OfInt(3)}})
	second := WithoutColumn(first, "b")
	o.ensure(second)
	o.see(second, Seen{TextKey("x"), noon + 1, Values{"a": value.OfInt(4), "c": value.OfInt(6)}})
	third := WithColumn(second, Column{"b", value.String})
	FeatureOf(third, "b").Column = "b__2"
	o.ensure(third)
	require.Equal(o, []value.Value{value.OfInt(4), value.OfInt(6), {}}, o.now(third, TextKey("x")))
	o.see(third, Seen{TextKey("x"), noon + 2, Values{"b": value.OfString("new")}})
	require.Equal(o, []value.Value{value.OfInt(4), value.OfInt(6), value.OfString("new")}, o.now(third, TextKey("x")))
}
