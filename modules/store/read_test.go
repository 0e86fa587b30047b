package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/packed"
)

func TestSplit(t *testing.T) {
	groups := []*registry.Group{layoutOf(1, 1, 1, 2, 3, 9), layoutOf(2, 1, 1, 2), layoutOf(3, 1, 7)}
	var all []*registry.Feature
	for _, g := range groups {
		all = append(all, g.Features...)
	}
	rapid.Check(t, func(t *rapid.T) {
		asked := rapid.SliceOfN(rapid.SampledFrom(all), 0, 20).Draw(t, "features") // in any order, some twice
		answered := make([]*registry.Feature, len(asked))
		first := -1
		for _, sh := range split(asked) {
			require.Len(t, sh.ordinals, len(sh.features))
			for i, f := range sh.features {
				require.Same(t, sh.group, f.Group)
				require.Equal(t, f.Ordinal, sh.ordinals[i])
				if i > 0 {
					require.Greater(t, f.Ordinal, sh.features[i-1].Ordinal, "ascending, each once")
				}
			}
			least := len(asked)
			for _, w := range sh.wanted {
				require.Same(t, w.feature, sh.features[w.index])
				require.Nil(t, answered[w.position], "a column is answered once")
				answered[w.position] = w.feature
				least = min(least, w.position)
			}
			require.Greater(t, least, first, "groups in the order in which they first occur")
			first = least
		}
		for i, f := range asked {
			require.Same(t, f, answered[i])
		}
	})
}

func TestFill(t *testing.T) {
	const now = 1_700_000_000_000_000
	s := &Store{config: Config{FutureTolerance: 5 * time.Minute}}
	g := layoutOf(1, 1, 1, 2, 3)
	g.TTL = time.Second
	one, two, three := g.Features[0], g.Features[1], g.Features[2]
	keys := []Key{NewKey([]value.Value{value.OfString("x")}), NewKey([]value.Value{value.OfString("y")})}
	pack := func(key string, at int64, values ...value.Value) string {
		return string(packed.Append(nil, key, []uint16{1, 2, 3}[:len(values)], values, Stamp{EventTime: at, IngestID: 1}))
	}
	features := []*registry.Feature{two, one, two, three}
	fill := func(rows ...string) ([]Cell, bool) {
		answer := &Answer{Cells: make([]Cell, len(features)*len(keys))}
		ok := s.fill(answer, &split(features)[0], keys, rows, len(features), now)
		return answer.Cells, ok
	}
	missing := Cell{Value: value.Null(), EventTime: value.NoTime, Status: NotFound}
	null := Cell{Value: value.Null(), EventTime: now, Status: NullValue}

	cells, ok := fill(pack("x", now, value.OfInt(5), value.Null()), "")
	require.True(t, ok)
	require.Equal(t, []Cell{null, {Value: value.OfInt(5), EventTime: now, Status: Present}, null, missing, missing, missing, missing, missing}, cells)

	cells, ok = fill("", pack("y", now-1_000_001, value.OfInt(5), value.Null()))
	require.True(t, ok)
	expired := Cell{Value: value.Null(), EventTime: now - 1_000_001, Status: OutsideMaxAge}
	require.Equal(t, []Cell{missing, missing, missing, missing, expired, expired, expired, missing}, cells)

	for name, row := range map[string]string{
		"another entity's":     pack("z", now, value.OfInt(1)),
		"damaged":              "\x01 and no more",
		"cut":                  pack("x", now, value.OfString("text"))[:30],
		"beyond the tolerance": pack("x", now+5*60*1_000_000+1, value.OfInt(1)),
	} {
		_, ok := fill(row, "")
		require.False(t, ok, "%s", name)
	}
	cells, ok = fill(pack("x", now+5*60*1_000_000, value.OfInt(1)), "")
	require.True(t, ok)
	require.Equal(t, Present, cells[1].Status)
}

func TestJudge(t *testing.T) {
	g := layoutOf(1, 1, 1)
	f := *g.Features[0]
	g.TTL = 10 * time.Microsecond
	for _, c := range []struct {
		value  value.Value
		age    int64
		status Status
	}{
		{value.Value{}, 0, NotFound},
		{value.OfInt(1), 0, Present}, {value.OfInt(1), 10, Present}, {value.OfInt(1), 11, OutsideMaxAge}, {value.OfInt(1), -5, Present},
		{value.Null(), 10, NullValue}, {value.Null(), 11, OutsideMaxAge},
	} {
		cell := judge(&f, c.value, Stamp{EventTime: 100}, 100+c.age)
		require.Equal(t, c.status, cell.Status)
		require.Equal(t, c.status == Present, !cell.Value.IsNull())
		if c.status == NotFound {
			require.EqualValues(t, value.NoTime, cell.EventTime)
		} else {
			require.EqualValues(t, 100, cell.EventTime)
		}
	}
	g.TTL = 0
	require.Equal(t, Present, judge(&f, value.OfInt(1), Stamp{EventTime: -62_135_596_800_000_000}, 253_402_300_799_999_999).Status, "no TTL is for ever")
	g.TTL = 90 * 24 * time.Hour
	require.Equal(t, OutsideMaxAge, judge(&f, value.OfInt(1), Stamp{EventTime: -62_135_596_800_000_000}, 253_402_300_799_999_999).Status)
	f.ValueType = value.Float
	require.Equal(t, value.OfFloat(3), judge(&f, value.OfInt(3), Stamp{}, 0).Value, "an integer from before the feature was widened")
}
