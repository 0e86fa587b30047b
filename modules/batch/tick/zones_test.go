package tick

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/stretchr/testify/require"
)

// twenty are zones in which clocks do what clocks do: by an hour, by half an hour (Lord Howe), back in Ramadan (Casablanca), over a whole day (Apia,
// Kwajalein), at midnight (Santiago, Beirut, Havana), by quarters (Chatham, Kathmandu), for good (Caracas, Istanbul, Pyongyang), or nothing.
var twenty = []string{
	"UTC", "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "America/Santiago", "America/Havana", "America/Caracas",
	"Asia/Kolkata", "Asia/Kathmandu", "Asia/Beirut", "Asia/Gaza", "Asia/Pyongyang", "Europe/Istanbul", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Chatham",
	"Pacific/Apia", "Antarctica/Troll",
}

// specs are tested in each.
var specs = []string{"30 2 * * *", "0 0 * * *", "*/15 * * * *", "15,45 1-3 * * *", "0 12 * * 5", "59 23 30 * *", "0 0 1 * *", "7 * 31 12 *", "0 1 * 3,10 0"}

// Each local time that a spec names is a tick once: a skipped one at the gap's end, a repeated one when it is shown first. The oracle goes minute by
// minute, sees what the clock on the wall shows, and notes what it shows for the first time.
func TestTicksInZonesAgainstEachMinute(t *testing.T) {
	from := time.Date(2010, 7, 1, 0, 0, 0, 0, time.UTC)
	to := from.AddDate(10, 0, 0)
	full := os.Getenv("FEATURESTORE_TEST_FULL") == "1"
	for _, name := range twenty {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(name)
			require.NoError(t, err)
			windows := [][2]time.Time{{from, to}}
			if !full { // a day and a half on either side of each change of clocks, and a plain day a year
				windows = aroundChanges(zone, from, to)
			}
			for _, w := range windows {
				all := eachMinute(t, zone, w[0], w[1])
				for i, spec := range specs {
					ticks, err := New(spec, zone)
					require.NoError(t, err)
					wanted := all[i]
					got := slices.Collect(ticks.Between(w[0].UnixMicro(), w[1].UnixMicro()))
					require.Equal(t, wanted, got, "%s in %s from %s to %s", spec, name, w[0], w[1])
					at := w[0].UnixMicro() - 1 // one by one they are the same
					for _, tick := range wanted[:min(len(wanted), 3)] {
						next, found := ticks.After(at)
						require.True(t, found)
						require.Equal(t, tick, next, "%s in %s after %s", spec, name, time.UnixMicro(at).UTC())
						last, found := ticks.Last(tick)
						require.True(t, found)
						require.Equal(t, tick, last)
						at = next
					}
				}
			}
		})
	}
}

func aroundChanges(zone *time.Location, from, to time.Time) (windows [][2]time.Time) {
	for at := from; at.Before(to); {
		_, end := at.In(zone).ZoneBounds()
		if end.IsZero() || end.After(to) {
			break
		}
		windows = append(windows, [2]time.Time{end.UTC().Add(-36 * time.Hour).Truncate(time.Minute), end.UTC().Add(36 * time.Hour).Truncate(time.Minute)})
		at = end
	}
	for at := from; at.Before(to); at = at.AddDate(1, 0, 0) {
		windows = append(windows, [2]time.Time{at.AddDate(0, 5, 30), at.AddDate(0, 6, 0)})
	}
	return windows
}

// eachMinute is the oracle: the ticks of each of specs.
func eachMinute(t *testing.T, zone *time.Location, from, to time.Time) [][]int64 {
	parsed := make([]*cron.SpecSchedule, len(specs))
	for i, spec := range specs {
		s, err := cron.ParseStandard(spec)
		require.NoError(t, err)
		parsed[i] = s.(*cron.SpecSchedule)
	}
	names := func(s *cron.SpecSchedule, wall time.Time) bool { // wall is what the clock shows, written as UTC
		if s.Minute&(1<<uint(wall.Minute())) == 0 || s.Hour&(1<<uint(wall.Hour())) == 0 || s.Month&(1<<uint(wall.Month())) == 0 {
			return false
		}
		day, week := s.Dom&(1<<uint(wall.Day())) != 0, s.Dow&(1<<uint(wall.Weekday())) != 0
		if s.Dom&(1<<63) == 0 && s.Dow&(1<<63) == 0 { // both are given: one is enough
			return day || week
		}
		return day && week
	}
	shown := func(at time.Time) time.Time {
		_, offset := at.In(zone).Zone()
		return at.Add(time.Duration(offset) * time.Second)
	}
	ticks := make([][]int64, len(specs))
	most := shown(from.Add(-26 * time.Hour)) // what the clock has shown at the most
	for at := from.Add(-26 * time.Hour); !at.After(to); at = at.Add(time.Minute) {
		before := most
		if now := shown(at); now.After(most) {
			most = now
		}
		for i, s := range parsed {
			due := false
			for wall := before.Add(time.Minute); !due && !wall.After(most); wall = wall.Add(time.Minute) {
				due = names(s, wall)
			}
			if due && !at.Before(from) {
				ticks[i] = append(ticks[i], at.UnixMicro())
			}
		}
	}
	return ticks
}

// What the rule says, by examples.
func TestTicksWhereClocksChange(t *testing.T) {
	for _, c := range []struct{ zone, spec, from, ticks string }{
		{"Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z", "[2026-03-29T03:00:00+02:00 2026-03-30T02:30:00+02:00]"},
		{"Europe/Berlin", "*/20 2 * * *", "2026-03-28T12:00:00Z", "[2026-03-29T03:00:00+02:00 2026-03-30T02:00:00+02:00]"},
		{"Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", "[2026-10-25T02:30:00+02:00 2026-10-26T02:30:00+01:00]"},
		{"Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00:00Z", "[2026-10-04T02:30:00+11:00 2026-10-05T02:15:00+11:00]"},
		{"Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00:00Z", "[2026-04-05T01:45:00+11:00 2026-04-06T01:45:00+10:30]"},
		{"Pacific/Apia", "0 12 * * *", "2011-12-29T12:00:00Z", "[2011-12-29T12:00:00-10:00 2011-12-31T00:00:00+14:00]"},
		{"Africa/Casablanca", "30 2 * * *", "2026-02-14T12:00:00Z", "[2026-02-15T02:30:00+01:00 2026-02-16T02:30:00Z]"},
		{"America/Havana", "0 0 * * *", "2026-03-07T12:00:00Z", "[2026-03-08T01:00:00-04:00 2026-03-09T00:00:00-04:00]"},
		{"UTC", "0 0 29 2 *", "2096-03-01T00:00:00Z", "[2104-02-29T00:00:00Z 2108-02-29T00:00:00Z]"},
	} {
		zone, err := time.LoadLocation(c.zone)
		require.NoError(t, err)
		ticks, err := New(c.spec, zone)
		require.NoError(t, err)
		from, err := time.Parse(time.RFC3339, c.from)
		require.NoError(t, err)
		var got []string
		at := from.UnixMicro()
		for range 2 {
			next, found := ticks.After(at)
			require.True(t, found)
			got, at = append(got, time.UnixMicro(next).In(zone).Format(time.RFC3339)), next
		}
		require.Equal(t, c.ticks, fmt.Sprint(got), "%s in %s", c.spec, c.zone)
	}
}
