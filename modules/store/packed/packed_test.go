package packed_test

import (
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/valuetest"
	"featurestore/modules/store/packed"
)

// The layout is written to stores, so its bytes are spelt out here once.
func TestLayout(t *testing.T) {
	stamp := packed.Stamp{EventTime: 1, IngestID: -1}
	row := packed.Append(nil, "k1", []uint16{1, 2, 258}, []value.Value{value.OfInt(-2), value.Null(), value.OfString("ab")}, stamp)
	require.Equal(t, "01"+"00"+"8000000000000001"+"7fffffffffffffff"+"0003"+"0002"+"6b31"+
		"0001"+"0002"+"0102"+"03"+"00"+"0a"+
		"fe"+"026162", hex.EncodeToString(row))

	older := packed.Stamp{EventTime: -1, IngestID: 7}
	row = packed.AppendStamped(nil, "", []uint16{3, 4}, []value.Value{value.OfBool(true), value.OfFloat(1.5)}, []packed.Stamp{older, stamp})
	require.Equal(t, "01"+"01"+"8000000000000001"+"7fffffffffffffff"+"0002"+"0000"+
		"0003"+"0004"+"02"+"07"+
		"7fffffffffffffff"+"8000000000000007"+"8000000000000001"+"7fffffffffffffff"+
		"0000c03f", hex.EncodeToString(row))
}

func TestValuesTakeTheSmallestForm(t *testing.T) {
	empty := len(packed.Append(nil, "", []uint16{1}, []value.Value{value.Null()}, packed.Stamp{}))
	for _, c := range []struct {
		value value.Value
		bytes int
	}{
		{value.OfBool(true), 0}, {value.OfBool(false), 0},
		{value.OfInt(0), 1}, {value.OfInt(127), 1}, {value.OfInt(-128), 1}, {value.OfInt(128), 2}, {value.OfInt(-129), 2},
		{value.OfInt(math.MaxInt16), 2}, {value.OfInt(math.MinInt16), 2}, {value.OfInt(math.MaxInt16 + 1), 4},
		{value.OfInt(math.MaxInt32), 4}, {value.OfInt(math.MinInt32), 4}, {value.OfInt(math.MaxInt32 + 1), 8}, {value.OfInt(math.MinInt64), 8},
		{value.OfFloat(0), 4}, {value.OfFloat(0.5), 4}, {value.OfFloat(math.MaxFloat32), 4}, {value.OfFloat(0.1), 8}, {value.OfFloat(1 << 53), 4},
		{value.OfFloat(1<<53 - 1), 8}, {value.OfFloat(math.SmallestNonzeroFloat64), 8},
		{value.OfTime(0), 8}, {value.OfString(""), 1}, {value.OfString("ä"), 3},
		{value.OfString(strings.Repeat("x", 255)), 256}, {value.OfString(strings.Repeat("x", 256)), 260},
		{value.OfJSON("{}"), 6}, {value.OfBools([]bool{true, false}), 6}, {value.OfInts(value.IntegerArray, []int64{1}), 12},
		{value.OfStrings([]string{"a", ""}), 13},
	} {
		row := packed.Append(nil, "", []uint16{1}, []value.Value{c.value}, packed.Stamp{})
		require.Equal(t, c.bytes, len(row)-empty, "%v", c.value)
	}
}

// content is a packed row as a map.
type content map[uint16]packed.Cell

// anything is a value of any type, or null.
var anything = rapid.Custom(func(t *rapid.T) value.Value {
	if i := rapid.IntRange(-1, len(valuetest.Types)-1).Draw(t, "type"); i >= 0 {
		return valuetest.Value(valuetest.Types[i]).Draw(t, "value")
	}
	return value.Null()
})

// observed draws one observation: some of the features 1 to 12 under one stamp.
func observed(t *rapid.T, label string, stamp packed.Stamp) content {
	c := content{}
	for _, o := range rapid.SliceOfNDistinct(rapid.Uint16Range(1, 12), 1, 12, rapid.ID[uint16]).Draw(t, label+" features") {
		c[o] = packed.Cell{Value: anything.Draw(t, label), Stamp: stamp}
	}
	return c
}

func drawStamp(t *rapid.T) packed.Stamp {
	times := rapid.OneOf(rapid.Int64Range(-2, 2), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64}))
	return packed.Stamp{EventTime: times.Draw(t, "event time"), IngestID: times.Draw(t, "ingest id")}
}

func (c content) pack(key string) string {
	var ordinals []uint16
	for o := range c {
		ordinals = append(ordinals, o)
	}
	slices.Sort(ordinals)
	values, stamps := make([]value.Value, len(ordinals)), make([]packed.Stamp, len(ordinals))
	for i, o := range ordinals {
		values[i], stamps[i] = c[o].Value, c[o].Stamp
	}
	return string(packed.AppendStamped(nil, key, ordinals, values, stamps))
}

// merge is the naive form of what packed.Merge does.
func (c content) merge(in content) (changed bool) {
	for o, cell := range in {
		if old, ok := c[o]; !ok || cell.Stamp.Newer(old.Stamp) {
			c[o], changed = cell, true
		}
	}
	return changed
}

// unpack reads the features 0 to 13 of a row.
func unpack(t require.TestingT, row string) content {
	view, err := packed.Open(row)
	require.NoError(t, err)
	ordinals := []uint16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}
	cells := make([]packed.Cell, len(ordinals))
	require.NoError(t, view.Pick(ordinals, cells))
	c := content{}
	for i, o := range ordinals {
		if !cells[i].Value.IsAbsent() {
			c[o] = cells[i]
		}
	}
	return c
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringN(0, -1, 600).Draw(t, "key")
		c := content{}
		for range rapid.IntRange(1, 3).Draw(t, "observations") {
			c.merge(observed(t, "value", drawStamp(t)))
		}
		row := c.pack(key)
		require.Equal(t, c, unpack(t, row))
		view, err := packed.Open(row)
		require.NoError(t, err)
		require.Equal(t, key, view.Key())
		require.Equal(t, len(c), view.Len())
		newest := packed.Stamp{EventTime: math.MinInt64, IngestID: math.MinInt64}
		for _, cell := range c {
			if cell.Stamp.Newer(newest) {
				newest = cell.Stamp
			}
		}
		require.Equal(t, newest, view.Newest())
	})
}

func TestPickReadsAnySelection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := observed(t, "older", drawStamp(t))
		c.merge(observed(t, "newer", drawStamp(t)))
		ordinals := rapid.SliceOfNDistinct(rapid.Uint16Range(0, 14), 0, 15, rapid.ID[uint16]).Draw(t, "wanted")
		slices.Sort(ordinals)
		view, err := packed.Open(c.pack("k"))
		require.NoError(t, err)
		cells := make([]packed.Cell, len(ordinals))
		for i := range cells {
			cells[i] = packed.Cell{Value: value.OfInt(1), Stamp: packed.Stamp{EventTime: 9}} // left over from another row
		}
		require.NoError(t, view.Pick(ordinals, cells))
		for i, o := range ordinals {
			require.Equal(t, c[o], cells[i], "feature %d", o)
		}
	})
}

func TestAbsentValuesAreLeftOut(t *testing.T) {
	stamp := packed.Stamp{EventTime: 5, IngestID: 6}
	values := []value.Value{{}, value.OfInt(1), {}, value.Null()}
	row := packed.Append(nil, "k", []uint16{1, 2, 3, 4}, values, stamp)
	require.Equal(t, packed.Append(nil, "k", []uint16{2, 4}, []value.Value{value.OfInt(1), value.Null()}, stamp), row)
	// The stamp of an absent value means nothing.
	late := packed.Stamp{EventTime: 99, IngestID: 99}
	require.Equal(t, row, packed.AppendStamped(nil, "k", []uint16{1, 2, 3, 4}, values, []packed.Stamp{late, stamp, late, stamp}))
}

func TestRowsAreAppended(t *testing.T) {
	one := packed.Append(nil, "a", []uint16{1}, []value.Value{value.OfInt(1)}, packed.Stamp{EventTime: 1})
	two := packed.Append(one, "b", []uint16{1}, []value.Value{value.OfInt(2)}, packed.Stamp{EventTime: 2})
	require.Equal(t, packed.Append(nil, "b", []uint16{1}, []value.Value{value.OfInt(2)}, packed.Stamp{EventTime: 2}), two[len(one):])
	merged, _, err := packed.Merge(one, string(two[len(one):]), string(packed.Append(nil, "b", []uint16{2}, []value.Value{value.Null()}, packed.Stamp{})))
	require.NoError(t, err)
	require.Equal(t, one, merged[:len(one)])
	require.Len(t, unpack(t, string(merged[len(one):])), 2)
}

// A float that is stored as −0.0, and so packed, is 0.0.
func TestZeroHasOneForm(t *testing.T) {
	negative := value.OfFloat(math.Copysign(0, -1))
	require.Equal(t, value.OfFloat(0), negative)
	require.Equal(t, uint64(0), math.Float64bits(negative.Float()))
	require.Equal(t, value.OfFloats([]float64{0}), value.OfFloats([]float64{math.Copysign(0, -1)}))
}
