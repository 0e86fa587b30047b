// Package tick says when: it yields the moments that a cycle names (hourly, daily, month_end, a cron spec) on the clock of a time zone.
//
// A cycle names times of day as a clock on the wall shows them. Where clocks are put forward, a time that they skip is at the end of the gap, once,
// however many were skipped; where they are put back, a time that they show twice is at the first. Hourly alone counts hours, not times of day: both
// of a repeated hour are ticks.
package tick

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Words that name a cycle; anything else is a cron spec.
const (
	Hourly   = "hourly"
	Daily    = "daily"     // 00:00
	MonthEnd = "month_end" // 00:00 of the next month's first day
	Monthly  = "monthly"   // the same
)

// Ticks are a cycle in a zone. They never change.
type Ticks struct {
	next func(wall time.Time) time.Time // the first time after wall that the cycle names; both are wall clocks written as UTC; zero: none
	zone *time.Location
	both bool // both of a repeated time count
}

// Ends of the time that ticks are looked for in, in µs: the years 1 to 9999, short of two days at either end.
const (
	first = -62_135_596_800_000_000 + 2*day
	last  = 253_402_300_800_000_000 - 2*day
	day   = 86_400_000_000
)

// New makes the ticks of a cycle: one of the words, or a cron spec of five fields, which may be one of the descriptors @hourly to @yearly.
// Its errors are sentences about the cycle: one that cannot be read, or that never comes.
func New(cycle string, zone *time.Location) (*Ticks, error) {
	t := &Ticks{zone: zone}
	switch cycle {
	case Hourly:
		t.both = true
		t.next = func(wall time.Time) time.Time { return wall.Truncate(time.Hour).Add(time.Hour) }
	case Daily:
		t.next = func(wall time.Time) time.Time {
			return time.Date(wall.Year(), wall.Month(), wall.Day()+1, 0, 0, 0, 0, time.UTC)
		}
	case MonthEnd, Monthly:
		t.next = func(wall time.Time) time.Time { return time.Date(wall.Year(), wall.Month()+1, 1, 0, 0, 0, 0, time.UTC) }
	default:
		schedule, err := parse(cycle)
		if err != nil {
			return nil, err
		}
		t.next = func(wall time.Time) time.Time { return following(schedule, wall) }
	}
	return t, nil
}

// longestPause is more than any two times of a spec lie apart: eight years around 1900 and the like, for a 29 February.
const longestPause = 12

// parse reads a cron spec.
func parse(spec string) (schedule *cron.SpecSchedule, err error) {
	defer func() {
		if broken := recover(); broken != nil { // the reader of specs is not ours
			schedule, err = nil, fmt.Errorf("%q cannot be read as a cron spec", spec)
		}
	}()
	switch {
	case len(spec) > 200:
		return nil, errors.New("a cron spec has at most 200 letters")
	case strings.Contains(spec, "TZ="):
		return nil, errors.New("a cron spec names no time zone: that is a member of its own")
	case strings.HasPrefix(spec, "@every"):
		return nil, errors.New("@every has no fixed times: write five fields, such as 0 2 * * *")
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor).Parse(spec)
	if err != nil {
		return nil, fmt.Errorf("%w: write minute, hour, day of month, month and day of week, such as 0 2 * * *", err)
	}
	schedule, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("write five fields, such as 0 2 * * *")
	}
	schedule.Location = time.UTC
	if following(schedule, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, errors.New("this never comes: no such day exists")
	}
	return schedule, nil
}

// following is the first time of a schedule after wall. The library looks no further than five years.
func following(schedule *cron.SpecSchedule, wall time.Time) time.Time {
	for years := 0; years < longestPause; years += 4 {
		if next := schedule.Next(wall.AddDate(years, 0, 0)); !next.IsZero() {
			return next
		}
	}
	return time.Time{}
}

// Between yields the ticks from from to to, both inclusive, in µs, ascending.
func (t *Ticks) Between(from, to int64) iter.Seq[int64] {
	from, to = max(from, first), min(to, last)
	return func(yield func(int64) bool) {
		if from > to {
			return
		}
		// A day before by the wall is before from in any zone: clocks are never put by more.
		wall := time.UnixMicro(from).In(t.zone)
		wall = written(wall).Add(-48 * time.Hour)
		var pending []int64 // of repeated times, the second ones, which come after the next first ones
		before := int64(first - 1)
		tell := func(at int64) bool {
			if at <= before || at < from {
				return true
			}
			before = at
			return yield(at)
		}
		for {
			wall = t.next(wall)
			var once, again int64 = last + 1, 0
			if !wall.IsZero() {
				once, again = instants(wall, t.zone)
			}
			for len(pending) > 0 && pending[0] < once && pending[0] <= to {
				if !tell(pending[0]) {
					return
				}
				pending = pending[1:]
			}
			if once > to || !tell(once) {
				return
			}
			if t.both && again != once {
				pending = append(pending, again)
			}
		}
	}
}

// After is the first tick after at; false: none before the year 9999 ends.
func (t *Ticks) After(at int64) (int64, bool) {
	for next := range t.Between(min(max(at, first-1), last)+1, last) {
		return next, true
	}
	return 0, false
}

// Last is the newest tick that is not after at; false: none since the year 1 began.
func (t *Ticks) Last(at int64) (int64, bool) {
	at = min(at, last)
	for span := int64(day / 24); at >= first; span *= 8 {
		newest, found := int64(0), false
		for tick := range t.Between(at-span, at) {
			newest, found = tick, true
		}
		if found || at-span < first {
			return newest, found
		}
	}
	return 0, false
}

// Before is the newest tick before at; false: none.
func (t *Ticks) Before(at int64) (int64, bool) { return t.Last(max(at, first) - 1) }

// Is tells whether a moment is a tick.
func (t *Ticks) Is(at int64) bool {
	for range t.Between(at, at) {
		return true
	}
	return false
}

// Zone is where the clock hangs.
func (t *Ticks) Zone() *time.Location { return t.zone }

// written is what a clock shows, as UTC.
func written(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// instants are the moments, in µs, at which the clocks of a zone show wall: once and again, the same moment where they show it once. Where they never
// do, both are the moment when they were put forward past it.
func instants(wall time.Time, zone *time.Location) (once, again int64) {
	guess := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	begin, end := guess.ZoneBounds()
	near := []time.Time{guess}
	if !begin.IsZero() {
		near = append(near, begin.Add(-1))
	}
	if !end.IsZero() {
		near = append(near, end)
	}
	found := false
	for _, other := range near {
		_, offset := other.Zone()
		at := wall.Add(-time.Duration(offset) * time.Second)
		if !written(at.In(zone)).Equal(wall) {
			continue
		}
		us := at.UnixMicro()
		if !found {
			once, again, found = us, us, true
		}
		once, again = min(once, us), max(again, us)
	}
	if found {
		return once, again
	}
	for _, change := range []time.Time{begin, end} {
		if !change.IsZero() && written(change.Add(-1).In(zone)).Before(wall) && !written(change.In(zone)).Before(wall) {
			return change.UnixMicro(), change.UnixMicro()
		}
	}
	return guess.UnixMicro(), guess.UnixMicro()
}
