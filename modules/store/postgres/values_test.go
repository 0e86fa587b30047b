package postgres

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

var everyType = []value.Type{value.Boolean, value.Integer, value.Float, value.String, value.Timestamp, value.JSON,
	value.BooleanArray, value.IntegerArray, value.FloatArray, value.StringArray, value.TimestampArray}

// boundaries are rows of everyType with the values that conversions lose first.
func boundaries() [][]value.Value {
	first, last := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()
	long := strings.Repeat("é漢🙂", 5000)
	return [][]value.Value{
		{value.OfBool(true), value.OfInt(math.MaxInt64), value.OfFloat(math.MaxFloat64), value.OfString(""), value.OfTime(first), value.OfJSON(`{"b":1.0,"a":1e2, "a":[]}`),
			value.OfBools([]bool{true, false, true}), value.OfInts(value.IntegerArray, []int64{math.MinInt64, 0, math.MaxInt64}),
			value.OfFloats([]float64{math.SmallestNonzeroFloat64, 0.1, -math.MaxFloat64}), value.OfStrings([]string{"", "NULL", `{"a",b}`, "x"}),
			value.OfInts(value.TimestampArray, []int64{first, -1, 0, 1, last})},
		{value.OfBool(false), value.OfInt(math.MinInt64), value.OfFloat(0.1 + 0.2), value.OfString("'; DROP TABLE x; --\n\t\\N\x01"), value.OfTime(last), value.OfJSON(`null`),
			value.OfBools(nil), value.OfInts(value.IntegerArray, nil), value.OfFloats(nil), value.OfStrings(nil), value.OfInts(value.TimestampArray, nil)},
		{value.Null(), value.Null(), value.Null(), value.Null(), value.Null(), value.Null(), value.Null(), value.Null(), value.Null(), value.Null(), value.Null()},
		{value.OfBool(true), value.OfInt(1<<53 + 1), value.OfFloat(math.Copysign(0, -1)), value.OfString(long), value.OfTime(-1), value.OfJSON(`"` + long + `"`),
			value.OfBools([]bool{false}), value.OfInts(value.IntegerArray, []int64{1}), value.OfFloats(make([]float64, 3000)), value.OfStrings([]string{long, long}),
			value.OfInts(value.TimestampArray, []int64{0})},
	}
}

func TestValuesOfAllTypesComeBackAsTheyWere(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	for _, way := range []string{"append", "load"} {
		t.Run(way, func(t *testing.T) {
			g := group(1, "g_"+way, []value.Type{value.String}, everyType...)
			if way == "load" {
				g.ID = 2
			}
			ensure(t, o, g)
			given := &store.Rows{Group: g, Features: g.Features}
			for i, row := range boundaries() {
				given.Keys = append(given.Keys, stringKey(string(rune('a'+i))))
				given.EventTimes = append(given.EventTimes, at(i))
				given.Values = append(given.Values, row...)
			}
			// and rows that observe one feature each
			for i := range everyType {
				partial := make([]value.Value, len(everyType))
				partial[i] = boundaries()[0][i]
				given.Keys = append(given.Keys, stringKey("partial"))
				given.EventTimes = append(given.EventTimes, at(i))
				given.Values = append(given.Values, partial...)
			}
			if way == "append" {
				require.NoError(t, o.Append(ctx, []*store.Rows{given}))
			} else {
				l, err := o.Load(ctx, g, 7)
				require.NoError(t, err)
				require.NoError(t, l.Add(ctx, given))
				require.NoError(t, l.Commit(ctx))
				require.NoError(t, l.Abort(ctx))
			}
			got := all(t, o, g, store.Range{})
			require.Equal(t, given.Keys, got.Keys)
			require.Equal(t, given.EventTimes, got.EventTimes)
			require.Equal(t, given.Values, got.Values)
			require.IsIncreasing(t, got.IngestIDs)
			if way == "append" {
				require.Equal(t, given.IngestIDs, got.IngestIDs)
			} else {
				require.Len(t, all(t, o, g, store.Range{Run: 7}).Keys, len(given.Keys))
				require.Empty(t, all(t, o, g, store.Range{Run: 8}).Keys)
			}
			s := snapshotOf(t, o)
			current, err := s.AsOf(ctx, g, g.Features, given.Keys[:4], given.EventTimes[:4], given.EventTimes[:4])
			require.NoError(t, err)
			require.Equal(t, given.Values[:4*len(everyType)], current.Values)
		})
	}
}

func TestJSONKeepsItsText(t *testing.T) {
	o := open(t)
	g := group(1, "g", []value.Type{value.Integer}, value.JSON)
	ensure(t, o, g)
	text := `{"b":1.0,"a":[1e400,12345678901234567890.10]}`
	require.NoError(t, o.Append(context.Background(), []*store.Rows{rows(g, []store.Key{store.NewKey([]value.Value{value.OfInt(-1)})}, []int64{at(0)}, value.OfJSON(text))}))
	require.Equal(t, text, all(t, o, g, store.Range{}).Values[0].Text())
}

func TestAValueOfAnotherTypeIsRefused(t *testing.T) {
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Float)
	ensure(t, o, g)
	err := o.Append(context.Background(), []*store.Rows{rows(g, []store.Key{stringKey("a")}, []int64{at(0)}, value.OfInt(1))})
	require.ErrorContains(t, err, "of type INTEGER for the feature g:f0")
	require.Empty(t, all(t, o, g, store.Range{}).Keys)
}

func TestARowThatIsTooLargeIsTheCallersMatter(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	types := make([]value.Type, 500)
	values := make([]value.Value, 500)
	for i := range types {
		types[i], values[i] = value.String, value.OfString(strings.Repeat(string(rune('a'+i%26)), 50+i)+strings.Repeat("xyz", i%7))
	}
	g := group(1, "g", []value.Type{value.String}, types...)
	ensure(t, o, g)
	r := rows(g, []store.Key{stringKey("a")}, []int64{at(0)}, values...)
	require.ErrorContains(t, o.Append(ctx, []*store.Rows{r}), "too large")
	l, err := o.Load(ctx, g, 1)
	require.NoError(t, err)
	err = l.Add(ctx, r)
	if err == nil {
		err = l.Commit(ctx)
	}
	require.ErrorContains(t, err, "too large")
	require.NoError(t, l.Abort(ctx))
	require.Empty(t, all(t, o, g, store.Range{}).Keys)
}
