package packed_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/valuetest"
	"featurestore/modules/store/packed"
)

func TestMergeIsTheNaiveMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stored, want := "", content{}
		for range rapid.IntRange(1, 6).Draw(t, "rows") {
			// Rows that come in are of one observation, or of several where an entity was read again.
			in := observed(t, "value", drawStamp(t))
			if rapid.Bool().Draw(t, "of several observations") {
				in.merge(observed(t, "other", drawStamp(t)))
			}
			// The same stamp is the same observation, so it never comes with another value.
			for o, cell := range in {
				if old, ok := want[o]; ok && old.Stamp == cell.Stamp {
					in[o] = old
				}
			}
			incoming := in.pack("k")
			merged, outcome, err := packed.Merge(nil, stored, incoming)
			require.NoError(t, err)
			if want.merge(in) {
				require.Equal(t, packed.Written, outcome)
				stored = string(merged)
			} else {
				require.Equal(t, packed.Older, outcome)
				require.Empty(t, merged)
			}
			require.Equal(t, want, unpack(t, stored))
			require.Equal(t, want.pack("k"), stored, "equal content is equal bytes")

			again, outcome, err := packed.Merge(nil, stored, incoming)
			require.NoError(t, err)
			require.Equal(t, packed.Older, outcome, "merging again changes nothing")
			require.Empty(t, again)
		}
	})
}

// Whatever the order in which observations arrive, the row ends as the same bytes.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows []string
		want := content{}
		for i := range rapid.IntRange(1, 6).Draw(t, "observations") {
			stamp := packed.Stamp{EventTime: rapid.Int64Range(-1, 1).Draw(t, "event time"), IngestID: int64(i)}
			in := observed(t, "value", stamp)
			want.merge(in)
			rows = append(rows, in.pack("k"))
		}
		stored := ""
		for _, incoming := range rapid.Permutation(rows).Draw(t, "arrival") {
			merged, outcome, err := packed.Merge(nil, stored, incoming)
			require.NoError(t, err)
			if outcome == packed.Written {
				stored = string(merged)
			}
		}
		require.Equal(t, want.pack("k"), stored)
	})
}

// A whole row that is newer than only some of the stored features must not replace them all.
func TestANewerRowKeepsWhatIsNewerStill(t *testing.T) {
	at := func(us int64) packed.Stamp { return packed.Stamp{EventTime: us, IngestID: us} }
	stored := content{1: {Value: value.OfInt(1), Stamp: at(1)}, 2: {Value: value.OfInt(2), Stamp: at(9)}}
	in := content{1: {Value: value.OfInt(10), Stamp: at(5)}, 2: {Value: value.OfInt(20), Stamp: at(5)}}
	merged, outcome, err := packed.Merge(nil, stored.pack("k"), in.pack("k"))
	require.NoError(t, err)
	require.Equal(t, packed.Written, outcome)
	require.Equal(t, content{1: in[1], 2: stored[2]}, unpack(t, string(merged)))
}

func TestFiveHundredFeatures(t *testing.T) {
	c := content{}
	for o := range uint16(500) {
		c[o+1] = packed.Cell{Value: value.OfInt(int64(o)), Stamp: packed.Stamp{EventTime: int64(o % 7), IngestID: 1}}
	}
	half := content{}
	for o, cell := range c {
		if o%2 == 0 {
			half[o] = cell
		}
	}
	merged, outcome, err := packed.Merge(nil, half.pack("k"), c.pack("k"))
	require.NoError(t, err)
	require.Equal(t, packed.Written, outcome)
	require.Equal(t, c.pack("k"), string(merged))
	require.NotEqual(t, maps.Collect(maps.All(half)), c)
}

// FuzzDamaged reads and merges bytes that are no packed row, or one that was cut or changed: an error, never a panic.
func FuzzDamaged(f *testing.F) {
	stamps := []packed.Stamp{{EventTime: 1, IngestID: 2}, {EventTime: 2, IngestID: 1}}
	for _, t := range valuetest.Types {
		for _, v := range valuetest.Boundaries(t) {
			f.Add(packed.AppendStamped(nil, "key", []uint16{1, 2}, []value.Value{v, value.Null()}, stamps), uint(30), byte(1))
		}
	}
	good := string(packed.AppendStamped(nil, "key", []uint16{1, 3}, []value.Value{value.OfString("a"), value.OfFloats([]float64{1})}, stamps))
	f.Fuzz(func(t *testing.T, row []byte, at uint, change byte) {
		exercise(t, string(row), good)
		if len(row) > 0 {
			i := int(at % uint(len(row)))
			exercise(t, string(row[:i]), good)
			row[i] ^= change
			exercise(t, string(row), good)
		}
	})
}

func TestDamagedRowsAreErrors(t *testing.T) {
	stamps := []packed.Stamp{{EventTime: 1, IngestID: 2}, {EventTime: 2, IngestID: 1}, {EventTime: 3, IngestID: 1}}
	values := []value.Value{value.OfString("text"), value.OfFloats([]float64{1, 2}), value.OfStrings([]string{"a", "bc"})}
	row := string(packed.AppendStamped(nil, "key", []uint16{1, 2, 5}, values, stamps))
	for i := range len(row) {
		require.ErrorIs(t, exercise(t, row[:i], row), packed.ErrDamaged, "cut to %d bytes", i)
		for bit := range 8 {
			changed := []byte(row)
			changed[i] ^= 1 << bit
			_ = exercise(t, string(changed), row) // may be another good row
		}
	}
	require.ErrorIs(t, exercise(t, row+"x", row), packed.ErrDamaged, "bytes behind the end")
}

// exercise calls everything that reads a row from a store, and answers the first error.
func exercise(t *testing.T, row, good string) error {
	_, _, first := packed.Merge(nil, row, good)
	if _, _, err := packed.Merge(nil, good, row); err != nil && first == nil {
		first = err
	}
	view, err := packed.Open(row)
	if err != nil {
		require.ErrorIs(t, err, packed.ErrDamaged)
		return err
	}
	_, _, _ = view.Key(), view.Newest(), view.Len()
	var cells [14]packed.Cell
	if err := view.Pick([]uint16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 65535}, cells[:]); err != nil {
		require.ErrorIs(t, err, packed.ErrDamaged)
		return err
	}
	for _, c := range cells {
		switch c.Value.Type() {
		case value.StringArray:
			_ = c.Value.Strings()
		case value.IntegerArray, value.TimestampArray:
			_ = c.Value.Ints()
		case value.FloatArray:
			_ = c.Value.Floats()
		case value.BooleanArray:
			_ = c.Value.Bools()
		}
	}
	return first
}
