package storetest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// stored are all features of a group by name and value type, which tells generations apart.
func stored(group *registry.Group) (names []string) {
	for _, f := range group.Stored() {
		names = append(names, f.Name+" "+f.ValueType.String())
	}
	return names
}

// all answers everything that is stored of an entity now, by name and value type, and checks that AsOf, Current and Observations agree.
func (o *offline) all(group *registry.Group, key store.Key) Values {
	o.Helper()
	values, features, names := Values{}, group.Stored(), stored(group)
	o.look(func(s store.Snapshot) {
		current, err := s.AsOf(o.ctx, group, features, []store.Key{key}, []int64{noon + 1000}, nil)
		require.NoError(o, err)
		for i, name := range names {
			if !current.Values[i].IsAbsent() {
				values[name] = current.Values[i]
			}
		}
		require.NoError(o, s.Current(o.ctx, group, features, func(c *store.Current) error {
			n := len(c.Features)
			for i, k := range c.Keys {
				if k.Encoded == key.Encoded {
					require.Equal(o, current.Values, c.Values[i*n:i*n+n])
					require.Equal(o, current.Stamps, c.Stamps[i*n:i*n+n])
				}
			}
			return nil
		}))
		var oracle Oracle
		for _, of := range []store.Range{{}, {Key: &key}} {
			oracle = nil
			require.NoError(o, s.Observations(o.ctx, group, features, of, func(r *store.Rows) error { oracle.Learn(r); return nil }))
			for i, f := range features {
				newest, found := oracle.Newest(f, key, noon+1000)
				require.Equal(o, found, !current.Values[i].IsAbsent(), names[i])
				require.Equal(o, newest.Value, current.Values[i], names[i])
			}
		}
	})
	return values
}

func (o *offline) generations() {
	first := Group(1, "purchases", Customers, counts...)
	second := Retyped(first, "b", value.String)
	third := Retyped(Retyped(second, "b", value.IntegerArray), "a", value.Boolean)
	x := TextKey("x")
	o.ensure(first)
	o.see(first, Seen{x, noon, Values{"b": value.OfInt(2)}})
	o.ensure(second)
	o.ensure(second) // as after a crash
	o.see(second, Seen{x, noon - 5, Values{"b": value.OfString("two")}}, Seen{x, noon + 1, Values{"a": value.OfInt(1)}})
	want := Values{"a INTEGER": value.OfInt(1), "b INTEGER": value.OfInt(2), "b STRING": value.OfString("two")}
	require.Equal(o, want, o.all(second, x))
	o.ensure(third)
	o.see(third, Seen{x, noon + 2, Values{"b": value.Null(), "a": value.OfBool(true)}})
	want["a BOOLEAN"], want["b INTEGER[]"] = value.OfBool(true), value.Null()
	require.Equal(o, want, o.all(third, x))
	o.restart()
	require.Equal(o, want, o.all(third, x))
	require.NoError(o, o.store.Append(o.ctx, nil))
	require.ErrorIs(o, o.store.Append(o.ctx, []*store.Rows{RowsOf(first, Seen{x, noon, Values{"b": value.OfInt(3)}})}), store.ErrOutdated)
}

func (o *offline) generationsOfWholeRows() {
	first := Group(1, "purchases", Customers, counts...)
	second := Retyped(first, "b", value.String)
	x, y := TextKey("x"), TextKey("y")
	o.ensure(first)
	o.see(first, Seen{x, noon, Values{"a": value.OfInt(1), "b": value.OfInt(2), "c": value.OfInt(3)}},
		Seen{y, noon, Values{"a": value.OfInt(1), "b": value.Null(), "c": value.OfInt(3)}})
	o.ensure(second)
	require.Equal(o, Values{"a INTEGER": value.OfInt(1), "b INTEGER": value.OfInt(2), "c INTEGER": value.OfInt(3)}, o.all(second, x), "the new generation is not observed")
	require.Equal(o, Values{"a INTEGER": value.OfInt(1), "b INTEGER": value.Null(), "c INTEGER": value.OfInt(3)}, o.all(second, y), "an observed null stays one")
	whole := Values{"a": value.OfInt(4), "b": value.OfString("five"), "c": value.OfInt(6)}
	o.see(second, Seen{x, noon + 1, whole}, Seen{y, noon + 1, whole})
	wanted := Values{"a INTEGER": value.OfInt(4), "b INTEGER": value.OfInt(2), "b STRING": value.OfString("five"), "c INTEGER": value.OfInt(6)}
	require.Equal(o, wanted, o.all(second, x), "a whole row of the new generation leaves the old one alone")
	wanted["b INTEGER"] = value.Null()
	require.Equal(o, wanted, o.all(second, y))

	// The control: an older generation that does not say where it ends is wiped by the newer row.
	endless := nextLayout(second)
	endless.SchemaVersion--
	endless.Older[0].Until = 0
	require.Equal(o, value.Null(), o.all(endless, x)["b INTEGER"])
}

// mostColumns is how many columns of features the registry lets a group have had.
const mostColumns = 1500

func (o *offline) generationsMany() {
	const features = mostColumns / 3
	var columns []Column
	for i := range features {
		columns = append(columns, Column{fmt.Sprintf("f%d", i), value.Integer})
	}
	group, x := Group(1, "wide", Customers, columns...), TextKey("x")
	wanted := Values{}
	see := func(v value.Value) {
		values := Values{}
		for _, f := range group.Features {
			values[f.Name] = v
			wanted[f.Name+" "+f.ValueType.String()] = v
		}
		o.ensure(group)
		o.see(group, Seen{x, noon, values})
	}
	see(value.OfInt(1))
	group = retypedAll(group, value.String)
	see(value.OfString("two"))
	group = retypedAll(group, value.Boolean)
	see(value.OfBool(true))
	require.Len(o, wanted, mostColumns)
	require.Equal(o, wanted, o.all(group, x))
	o.load(1, RowsOf(group, Seen{x, noon + 1, Values{"f7": value.Null()}}))
	wanted["f7 BOOLEAN"] = value.Null()
	require.Equal(o, wanted, o.all(group, x))
}

// retypedAll is the group's next layout, in which all features have another value type.
func retypedAll(group *registry.Group, t value.Type) *registry.Group {
	next := group
	for _, f := range group.Features {
		next = Retyped(next, f.Name, t)
	}
	return next
}

// The registry begins a generation before the store adds its column, and may have begun one of a feature that never had any.
func (o *offline) generationNoColumn() {
	first := Group(1, "purchases", Customers, counts...)
	second := Retyped(first, "b", value.String)
	x := TextKey("x")
	whole := Values{"a": value.OfInt(1), "b": value.OfInt(2), "c": value.OfInt(3)}
	wanted := Values{"a INTEGER": value.OfInt(1), "b INTEGER": value.OfInt(2), "c INTEGER": value.OfInt(3)}
	o.ensure(first)
	o.see(first, Seen{x, noon, whole})
	require.Equal(o, wanted, o.all(second, x))
	o.see(first, Seen{x, noon + 1, whole}) // by a process that has not heard of it
	require.Equal(o, wanted, o.all(second, x))
	o.ensure(second)
	require.Equal(o, wanted, o.all(second, x))

	fresh := Retyped(Group(2, "returns", Customers, counts...), "b", value.String)
	o.ensure(fresh)
	o.see(fresh, Seen{x, noon, Values{"a": value.OfInt(1), "b": value.OfString("two"), "c": value.OfInt(3)}})
	require.Equal(o, Values{"a INTEGER": value.OfInt(1), "b STRING": value.OfString("two"), "c INTEGER": value.OfInt(3)}, o.all(fresh, x))
}
