package sqlite

import (
	"bytes"
	"cmp"
	"database/sql/driver"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

func TestSorterKeepsTheOrderOfEqualKeys(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		type record struct {
			key []byte
			n   uint32
		}
		var all []record
		s := newSorter(filepath.Join(folder, "offline.db"), rapid.SampledFrom([]int{1, 100, 1000, 1 << 20}).Draw(t, "memory"))
		key := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 'b', 0xff}), 1, 12)
		inOrder := rapid.Bool().Draw(t, "in order")
		keys := rapid.SliceOfN(key, 0, 300).Draw(t, "keys")
		if inOrder {
			slices.SortFunc(keys, bytes.Compare)
		}
		for i, k := range keys {
			all = append(all, record{k, uint32(i)})
			require.NoError(t, s.add(k, binary.LittleEndian.AppendUint32(nil, uint32(i))))
		}
		slices.SortStableFunc(all, func(a, b record) int { return bytes.Compare(a.key, b.key) })
		merged, err := s.merge()
		require.NoError(t, err)
		for _, r := range all {
			k, rest, more, err := merged.next()
			require.NoError(t, err)
			require.True(t, more)
			require.Equal(t, r.key, k)
			require.Equal(t, r.n, binary.LittleEndian.Uint32(rest))
		}
		for range 2 {
			_, _, more, err := merged.next()
			require.NoError(t, err)
			require.False(t, more)
		}
		require.NoError(t, s.close())
		left, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

func TestSortKeysOrderAsColumnsDo(t *testing.T) {
	keys := []registry.JoinKey{{Name: "a", ValueType: value.Integer}, {Name: "b", ValueType: value.String}, {Name: "c", ValueType: value.String}}
	type row struct {
		a    int64
		b, c string
		at   int64
	}
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 'a', 'b', 0xff, 0x10ffff}), 0, 4, -1)
		numbers := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-2, 2))
		draw := rapid.Custom(func(t *rapid.T) row {
			return row{numbers.Draw(t, "a"), texts.Draw(t, "b"), texts.Draw(t, "c"), numbers.Draw(t, "at")}
		})
		one, two := draw.Draw(t, "one"), draw.Draw(t, "two")
		encoded := func(r row) []byte {
			return appendSortKey(nil, []value.Value{value.OfInt(r.a), value.OfString(r.b), value.OfString(r.c)}, r.at)
		}
		wanted := cmp.Or(cmp.Compare(one.a, two.a), cmp.Compare(one.b, two.b), cmp.Compare(one.c, two.c), cmp.Compare(one.at, two.at))
		require.Equal(t, wanted, bytes.Compare(encoded(one), encoded(two)))
		entity, at := cutSortKey(encoded(one))
		require.Equal(t, one.at, at)
		require.Equal(t, []driver.Value{one.a, one.b, one.c}, splitSortKey(nil, entity, keys))
	})
}
