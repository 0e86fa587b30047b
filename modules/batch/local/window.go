package local

import "sort"

// bounds is where a window begins and ends at each tick: its rows are those from low to before high of the series.
type bounds struct{ low, high []int32 }

// until follows the ticks through the times of a series: how many are not after each. Both ascend.
func until(places []int32, times, ticks []int64) []int32 {
	places = places[:0]
	n := 0
	for _, tick := range ticks {
		for n < len(times) && times[n] <= tick {
			n++
		}
		places = append(places, int32(n))
	}
	return places
}

// fill finds where the windows of a length begin that end at high.
func (b *bounds) fill(times, ticks []int64, length int64, high []int32) {
	b.low, b.high = b.low[:0], high
	low := 0
	if length > 0 {
		low = sort.Search(len(times), func(i int) bool { return times[i] > ticks[0]-length })
	}
	for i, tick := range ticks {
		if length > 0 {
			for low < int(high[i]) && times[low] <= tick-length {
				low++
			}
		}
		b.low = append(b.low, int32(low))
	}
}
