package packed_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
	"featurestore/modules/store/packed"
)

func TestDropIsTheNaiveDrop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stored, want := "", content{}
		for range rapid.IntRange(0, 4).Draw(t, "rows") {
			in := observed(t, "value", drawStamp(t))
			merged, outcome, err := packed.Merge(nil, stored, in.pack("k"))
			require.NoError(t, err)
			want.merge(in)
			if outcome == packed.Written {
				stored = string(merged)
			}
		}
		want = content{}
		if stored != "" {
			want = unpack(t, stored)
		}
		ids, changed := map[int64]bool{}, false
		for range rapid.IntRange(0, 3).Draw(t, "ids") {
			ids[drawStamp(t).IngestID] = true
		}
		for o, cell := range want {
			if ids[cell.Stamp.IngestID] {
				delete(want, o)
				changed = true
			}
		}
		incoming := ""
		if rapid.Bool().Draw(t, "something is left in history") {
			in := observed(t, "left", drawStamp(t))
			incoming = in.pack("k")
			changed = want.merge(in) || changed
		}
		dropped, outcome, err := packed.Drop(nil, stored, ids, incoming)
		require.NoError(t, err)
		if !changed {
			require.Equal(t, packed.Older, outcome)
			require.Empty(t, dropped)
			return
		}
		require.Equal(t, packed.Written, outcome)
		if len(want) == 0 {
			require.Empty(t, dropped)
			return
		}
		require.Equal(t, want.pack("k"), string(dropped), "equal content is equal bytes")
	})
}

func TestDropReplacesWhatIsDamaged(t *testing.T) {
	good := content{1: {Value: value.OfInt(1), Stamp: packed.Stamp{EventTime: 1, IngestID: 1}}, 2: {Value: value.OfString("x"), Stamp: packed.Stamp{EventTime: 2, IngestID: 2}}}.pack("k")
	for cut := 1; cut < len(good); cut++ {
		dropped, outcome, err := packed.Drop(nil, good[:cut], nil, good)
		require.NoError(t, err)
		require.Equal(t, packed.Written, outcome)
		require.Equal(t, good, string(dropped))
		dropped, outcome, err = packed.Drop(nil, good[:cut], nil, "")
		require.NoError(t, err)
		require.Equal(t, packed.Written, outcome)
		require.Empty(t, dropped)
	}
	_, _, err := packed.Drop(nil, good, nil, good[:9])
	require.ErrorIs(t, err, packed.ErrDamaged)
}
