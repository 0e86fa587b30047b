package local

import "sort"

// bounds is where a window begins and ends at each tick: its rows are those from low to before high of the series.
type bounds struct{ low, high []int32 }

// fill follows the ticks through the times of a series. Both ascend.
func (b *bounds) fill(times, ticks []int64, length int64) {
	b.low, b.high = b.low[:0], b.high[:0]
	low, high := 0, 0
	if length > 0 {
		low = sort.Search(len(times), func(i int) bool { return times[i] > ticks[0]-length })
	}
	for _, tick := range ticks {
		for high < len(times) && times[high] <= tick {
			high++
		}
		if length > 0 {
			for low < high && times[low] <= tick-length {
				low++
			}
		}
		b.low, b.high = append(b.low, int32(low)), append(b.high, int32(max(high, low)))
	}
}
