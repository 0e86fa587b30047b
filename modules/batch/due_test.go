package batch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A window is (tick − length, tick]: an event shows at its own tick, and no more at the one a length later.
func TestAffectedTicks(t *testing.T) {
	ticks := []int64{10, 20, 30, 40, 50}
	for _, c := range []struct {
		events  []int64
		longest int64
		want    []int64
	}{
		{nil, 10, nil},
		{[]int64{20}, 10, []int64{20}},
		{[]int64{21}, 10, []int64{30}},
		{[]int64{20}, 20, []int64{20, 30}},
		{[]int64{21}, 20, []int64{30, 40}},
		{[]int64{50}, 10, []int64{50}},
		{[]int64{51}, 10, nil},
		{[]int64{45, -100, 11}, 10, []int64{20, 50}},
		{[]int64{-5}, 0, ticks},
		{[]int64{31, 60}, 0, []int64{40, 50}},
	} {
		require.Equal(t, c.want, affected(ticks, c.events, c.longest), "%+v", c)
	}
}

func TestTicksAsSets(t *testing.T) {
	require.Equal(t, []int64{1, 4}, without([]int64{1, 2, 3, 4}, []int64{2, 3, 5}))
	require.Equal(t, []int64{1, 2, 3}, together([]int64{1, 3}, []int64{2, 3}))
}

func TestChunksBringAboutAsManyRows(t *testing.T) {
	ticks := make([]int64, 100)
	for _, c := range []struct {
		perTick, rows int64
		chunks, first int
	}{
		{0, 1000, 4, unknownChunk}, {10, 1000, 1, 100}, {10, 300, 4, 30}, {5000, 1000, 100, 1}, {1, 1 << 60, 1, 100},
	} {
		found := inChunks(ticks, c.perTick, c.rows)
		require.Len(t, found, c.chunks, "%+v", c)
		require.Len(t, found[0], c.first, "%+v", c)
	}
	require.Empty(t, inChunks(nil, 10, 10))
}

// The median of at most seven ticks before it is what is usual; with fewer than three nothing is.
func TestWhatIsUsual(t *testing.T) {
	_, known := usual([]int64{5, 5})
	require.False(t, known)
	for _, c := range []struct {
		before []int64
		want   int64
	}{
		{[]int64{1, 100, 90}, 90}, {[]int64{1000, 1, 2, 3, 4, 5, 6, 7}, 4}, {[]int64{0, 0, 0}, 0},
	} {
		median, known := usual(c.before)
		require.True(t, known)
		require.Equal(t, c.want, median)
	}
	require.True(t, partial(49, 100, 0.5))
	require.False(t, partial(50, 100, 0.5))
	require.False(t, partial(0, 0, 0.5))
	require.False(t, partial(0, 100, 0), "a ratio of 0 holds nothing")
}
