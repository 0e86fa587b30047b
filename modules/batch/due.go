package batch

import (
	"slices"
	"sort"
)

// A run decides from what is published which ticks it computes. Ticks and event times are in µs; lists of ticks ascend.

// affected are those of the ticks in whose answer an event at one of the times may show: T ≥ e, and e > T − longest where windows end. Without
// that (longest 0) all later ones are: a lifetime does not end, and an entity exists from its first event on.
func affected(ticks, events []int64, longest int64) []int64 {
	var found []int64
	events = slices.Clone(events)
	slices.Sort(events)
	for _, tick := range ticks {
		n := sort.Search(len(events), func(i int) bool { return events[i] > tick }) // those at or before the tick
		if n > 0 && (longest == 0 || events[n-1] > tick-longest) {
			found = append(found, tick)
		}
	}
	return found
}

// without are the ticks of all that are not among others, which ascend too.
func without(all, others []int64) []int64 {
	return slices.DeleteFunc(slices.Clone(all), func(tick int64) bool {
		_, found := slices.BinarySearch(others, tick)
		return found
	})
}

// together are the ticks of both lists, each once.
func together(a, b []int64) []int64 {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// inChunks cuts ticks into pieces that bring about so many rows each, and have at least one tick. perTick is how many rows a tick has, as far
// as is known; 0: unknown, and then a piece is small.
func inChunks(ticks []int64, perTick, rows int64) [][]int64 {
	size := unknownChunk
	if perTick > 0 {
		size = int(max(1, min(rows/perTick, int64(len(ticks)))))
	}
	return slices.Collect(slices.Chunk(ticks, max(1, size)))
}

// unknownChunk is how many ticks are computed at once where nothing says how many rows they bring.
const unknownChunk = 32

// A tick is held back if it has far fewer rows than those before it: more likely than that the entities are gone is that its source was not
// complete.
const (
	trailing   = 7 // how many ticks before it a tick is compared with, at most
	comparable = 3 // and at least: with fewer there is nothing usual yet
)

// usual is the median of the last rows before a tick; known is false while there are too few.
func usual(before []int64) (median int64, known bool) {
	if len(before) < comparable {
		return 0, false
	}
	last := slices.Clone(before[max(0, len(before)-trailing):])
	slices.Sort(last)
	return last[len(last)/2], true
}

// partial tells whether so many rows are under a ratio of the usual number.
func partial(rows, usual int64, ratio float64) bool { return float64(rows) < ratio*float64(usual) }
