package postgres

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

// Many questions are answered over two connections, and with many rows at once, as few are over one row by row, of the moment of the snapshot,
// whatever is written meanwhile; and over one connection where no second one can be had.
func TestManyQuestionsAreSharedOut(t *testing.T) {
	o := open(t)
	group := storetest.Group(1, "purchases", storetest.Customers, storetest.Column{Name: "a", Type: value.Integer}, storetest.Column{Name: "b", Type: value.String},
		storetest.Column{Name: "seldom", Type: value.Float}, storetest.Column{Name: "null", Type: value.Boolean})
	_, err := o.EnsureLayout(t.Context(), group)
	require.NoError(t, err)
	const entities = 500
	random := rand.New(rand.NewPCG(3, 3))
	write := func(n int) {
		var seen []storetest.Seen
		for range n {
			values := storetest.Values{"a": value.OfInt(random.Int64N(1000))}
			if random.IntN(3) == 0 {
				values = storetest.Values{"b": value.OfString(fmt.Sprint(random.IntN(1000)))}
			}
			if random.IntN(20) == 0 {
				values["seldom"] = value.OfFloat(random.Float64())
			}
			if random.IntN(3) == 0 {
				values["null"] = value.Null()
			}
			seen = append(seen, storetest.Seen{Key: storetest.TextKey(fmt.Sprint(random.IntN(entities))), At: random.Int64N(1000), Values: values})
		}
		require.NoError(t, o.Append(t.Context(), []*store.Rows{storetest.RowsOf(group, seen...)}))
	}
	write(4000)
	keys, times := make([]store.Key, 3*twinFrom), make([]int64, 3*twinFrom)
	for i := range keys {
		keys[i], times[i] = storetest.TextKey(fmt.Sprint(random.IntN(entities+10))), random.Int64N(1000)
	}
	s, err := o.Snapshot(t.Context())
	require.NoError(t, err)
	defer s.Close() //nolint:errcheck // a test
	few := &store.Current{}
	for from := 0; from < len(keys); from += probed {
		part, err := s.AsOf(t.Context(), group, group.Features, keys[from:from+probed], times[from:from+probed], nil)
		require.NoError(t, err)
		few.Values, few.Stamps = append(few.Values, part.Values...), append(few.Stamps, part.Stamps...)
	}
	require.Nil(t, s.(*snapshot).twin)
	write(4000) // which the snapshot does not show

	answer := func() {
		many, err := s.AsOf(t.Context(), group, group.Features, keys, times, nil)
		require.NoError(t, err)
		require.Equal(t, few.Values, many.Values)
		require.Equal(t, few.Stamps, many.Stamps)
	}
	answer()
	twin := s.(*snapshot).twin
	require.NotNil(t, twin)
	write(100)
	answer()
	require.Same(t, twin, s.(*snapshot).twin, "it is kept")

	s.(*snapshot).twin, s.(*snapshot).alone = nil, true // as if there had been none
	answer()
	s.(*snapshot).twin = twin
}

// Where all connections are taken, a snapshot does with its own.
func TestNoSecondConnectionIsWaitedFor(t *testing.T) {
	o := open(t)
	group := storetest.Group(1, "purchases", storetest.Customers, storetest.Column{Name: "a", Type: value.Integer})
	_, err := o.EnsureLayout(t.Context(), group)
	require.NoError(t, err)
	require.NoError(t, o.Append(t.Context(), []*store.Rows{storetest.RowsOf(group, storetest.Seen{Key: storetest.TextKey("x"), Values: storetest.Values{"a": value.OfInt(7)}})}))
	var all []store.Snapshot
	for range o.readers.Config().MaxConns {
		s, err := o.Snapshot(t.Context())
		require.NoError(t, err)
		defer s.Close() //nolint:errcheck // a test
		all = append(all, s)
	}
	keys, times := make([]store.Key, twinFrom), make([]int64, twinFrom)
	for i := range keys {
		keys[i] = storetest.TextKey("x")
	}
	for range 2 {
		answer, err := all[0].AsOf(t.Context(), group, group.Features, keys, times, nil)
		require.NoError(t, err)
		require.Equal(t, value.OfInt(7), answer.Values[twinFrom-1])
		require.True(t, all[0].(*snapshot).alone)
	}
}
