package store

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// layoutOf makes a group with features under these ordinals. Each call makes other pointers, as each catalog does.
func layoutOf(id int64, version int, ordinals ...uint16) *registry.Group {
	g := &registry.Group{About: registry.About{ID: id, Name: fmt.Sprint("group", id)}, SchemaVersion: version, Kind: registry.Features,
		EntityType: &registry.EntityType{About: registry.About{Name: fmt.Sprint("entity", id)}}}
	for _, ordinal := range ordinals {
		g.Features = append(g.Features, &registry.Feature{Group: g, Ordinal: ordinal, ValueType: value.Integer, About: registry.About{Name: fmt.Sprint("f", ordinal)}})
	}
	return g
}

// TestCombineAndSpread puts the rows of random requests together, numbers them as a store would, and hands the numbers back: each
// request must find its own rows behind them, in the order of the requests.
func TestCombineAndSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var requests []*write
		n := int64(0)
		for range rapid.IntRange(1, 6).Draw(t, "requests") {
			layouts := []*registry.Group{layoutOf(1, 1, 1, 2, 3), layoutOf(1, 2, 1, 2, 3, 4), layoutOf(2, 1, 5), layoutOf(3, 7, 1, 9)}
			w := &write{}
			for range rapid.IntRange(1, 4).Draw(t, "rows") {
				g := rapid.SampledFrom(layouts).Draw(t, "layout")
				rows := &Rows{Group: g}
				for _, f := range g.Features {
					if rapid.Bool().Draw(t, "given") || f == g.Features[len(g.Features)-1] && len(rows.Features) == 0 {
						n++
						rows.Features, rows.Values = append(rows.Features, f), append(rows.Values, value.OfInt(n))
					}
				}
				rows.Keys = []Key{NewKey([]value.Value{value.OfString(fmt.Sprint(n))})}
				rows.EventTimes = []int64{rapid.SampledFrom([]int64{value.NoTime, n}).Draw(t, "time")}
				w.rows = append(w.rows, rows)
			}
			requests = append(requests, w)
		}

		combined := combine(requests)
		type stored struct {
			group  int64
			key    string
			at     int64
			values map[uint16]value.Value
		}
		byID := map[int64]stored{}
		id := int64(0)
		for _, rows := range combined {
			require.Len(t, rows.EventTimes, len(rows.Keys))
			require.Len(t, rows.Values, len(rows.Keys)*len(rows.Features))
			rows.IngestIDs = nil
			for i, key := range rows.Keys {
				id++
				if rows.EventTimes[i] == value.NoTime {
					rows.EventTimes[i] = 1_000_000 + id
				}
				rows.IngestIDs = append(rows.IngestIDs, id)
				s := stored{rows.Group.ID*100 + int64(rows.Group.SchemaVersion), key.Encoded, rows.EventTimes[i], map[uint16]value.Value{}}
				for j, v := range rows.Row(i) {
					if j > 0 {
						require.Greater(t, rows.Features[j].Ordinal, rows.Features[j-1].Ordinal)
					}
					if !v.IsAbsent() {
						s.values[rows.Features[j].Ordinal] = v
					}
				}
				byID[id] = s
			}
		}

		spread(requests, combined)
		total, last := 0, map[int64]int64{}
		for _, w := range requests {
			for _, rows := range w.rows {
				require.Len(t, rows.IngestIDs, 1)
				require.Len(t, rows.EventTimes, 1)
				s := byID[rows.IngestIDs[0]]
				require.Equal(t, rows.Group.ID*100+int64(rows.Group.SchemaVersion), s.group)
				require.Equal(t, rows.Keys[0].Encoded, s.key)
				require.Equal(t, rows.EventTimes[0], s.at)
				require.NotEqual(t, int64(value.NoTime), s.at)
				require.Len(t, s.values, len(rows.Features))
				for i, f := range rows.Features {
					require.Equal(t, rows.Values[i], s.values[f.Ordinal])
				}
				require.Greater(t, rows.IngestIDs[0], last[s.group], "in the order of the requests")
				last[s.group] = rows.IngestIDs[0]
				total++
			}
		}
		require.Len(t, byID, total)
	})
}

// A failed commit of several requests is tried again one by one, so combining must leave them as they were.
func TestCombineLeavesTheRequestsAlone(t *testing.T) {
	g := layoutOf(1, 1, 1, 2)
	row := func(i int, at int64) *Rows {
		return &Rows{Group: g, Features: g.Features[i : i+1], Keys: []Key{NewKey([]value.Value{value.OfInt(at)})}, EventTimes: []int64{value.NoTime}, Values: []value.Value{value.OfInt(at)}}
	}
	requests := []*write{{rows: []*Rows{row(0, 1)}}, {rows: []*Rows{row(1, 2)}}}
	for _, rows := range combine(requests) {
		for i := range rows.EventTimes {
			rows.EventTimes[i] = 5
		}
		for i := range rows.Values {
			rows.Values[i] = value.Null()
		}
	}
	for i, w := range requests {
		require.Equal(t, []int64{value.NoTime}, w.rows[0].EventTimes)
		require.Equal(t, []value.Value{value.OfInt(int64(i + 1))}, w.rows[0].Values)
	}
}

func TestWhole(t *testing.T) {
	g := layoutOf(1, 1, 1, 2)
	rows := &Rows{Group: g, Features: g.Features, Values: []value.Value{value.OfInt(1), value.Null(), value.OfInt(1), {}}}
	require.True(t, rows.Whole(0), "a null was observed")
	require.False(t, rows.Whole(1))
	rows = &Rows{Group: g, Features: g.Features[:1], Values: []value.Value{value.OfInt(1)}}
	require.False(t, rows.Whole(0))
}
