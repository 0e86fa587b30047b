package tick

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "America/St_Johns", "Asia/Tehran"}

var cronSpecs = []string{"0 * * * *", "*/20 * * * *", "30 2 * * *", "0 0 * * 1", "15 1,2,3 * * *", "0 0 29 2 *", "59 23 31 * *", "@daily", "0 0 1 */3 *", "45 0 * 3,10,11 0"}

func load(t require.TestingT, name string) *time.Location {
	zone, err := time.LoadLocation(name)
	require.NoError(t, err)
	return zone
}

func at(t require.TestingT, text string) int64 {
	moment, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return moment.UnixMicro()
}

func texts(ticks []int64, zone *time.Location) (texts []string) {
	for _, tick := range ticks {
		texts = append(texts, time.UnixMicro(tick).In(zone).Format("01-02T15:04:05Z07:00"))
	}
	return texts
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		cycle, zone, from, to string
		wanted                []string
	}{
		{Hourly, "UTC", "2026-01-01T00:00:00Z", "2026-01-01T02:59:59Z", []string{"01-01T00:00:00Z", "01-01T01:00:00Z", "01-01T02:00:00Z"}},
		{Hourly, "Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z", []string{"01-01T06:00:00+05:45", "01-01T07:00:00+05:45"}},
		{Daily, "America/New_York", "2026-03-07T00:00:00Z", "2026-03-10T00:00:00Z", []string{"03-07T00:00:00-05:00", "03-08T00:00:00-05:00", "03-09T00:00:00-04:00"}},
		{MonthEnd, "Europe/Berlin", "2026-01-31T23:00:00Z", "2026-04-30T22:00:00Z", []string{"02-01T00:00:00+01:00", "03-01T00:00:00+01:00", "04-01T00:00:00+02:00", "05-01T00:00:00+02:00"}},
		{Monthly, "UTC", "2025-12-31T00:00:00Z", "2026-01-01T00:00:00Z", []string{"01-01T00:00:00Z"}},
		// Clocks of Berlin go from 02:00 to 03:00, and back from 03:00 to 02:00.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z", []string{"03-29T03:00:00+02:00", "03-30T02:30:00+02:00"}},
		{"*/15 2-3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:20:00Z", []string{"03-29T03:00:00+02:00", "03-29T03:15:00+02:00"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", []string{"10-25T02:30:00+02:00", "10-26T02:30:00+01:00"}},
		{"0 * * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z", []string{"10-25T01:00:00+02:00", "10-25T02:00:00+02:00", "10-25T03:00:00+01:00", "10-25T04:00:00+01:00"}},
		{Hourly, "Europe/Berlin", "2026-10-24T23:00:00Z", "2026-10-25T02:00:00Z", []string{"10-25T01:00:00+02:00", "10-25T02:00:00+02:00", "10-25T02:00:00+01:00", "10-25T03:00:00+01:00"}},
		{Hourly, "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z", []string{"03-29T01:00:00+01:00", "03-29T03:00:00+02:00", "03-29T04:00:00+02:00"}},
		// Midnight that does not exist, and a whole day that does not.
		{Daily, "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z", []string{"11-04T01:00:00-02:00", "11-05T00:00:00-02:00"}},
		{Daily, "Pacific/Apia", "2011-12-29T12:00:00Z", "2012-01-01T12:00:00Z", []string{"12-31T00:00:00+14:00", "01-01T00:00:00+14:00", "01-02T00:00:00+14:00"}},
	} {
		zone := load(t, c.zone)
		ticks, err := New(c.cycle, zone)
		require.NoError(t, err)
		require.Equal(t, c.wanted, texts(slices.Collect(ticks.Between(at(t, c.from), at(t, c.to))), zone), "%s in %s", c.cycle, c.zone)
	}
}

func TestBadSpecs(t *testing.T) {
	for spec, wanted := range map[string]string{
		"":                             "empty spec string",
		"daily at noon":                "expected exactly 5 fields",
		"0 2 * *":                      "expected exactly 5 fields",
		"0 0 2 * * *":                  "expected exactly 5 fields",
		"60 2 * * *":                   "above maximum",
		"0 25 * * *":                   "above maximum",
		"0 2 0 * *":                    "below minimum",
		"0 2 30 2 *":                   "never comes",
		"0 2 31 4,6,9,11 *":            "never comes",
		"@every 1h":                    "no fixed times",
		"@fortnightly":                 "unrecognized descriptor",
		"CRON_TZ=UTC 0 2 * * *":        "names no time zone",
		"TZ=UTC 0 2 * * *":             "names no time zone",
		"TZ=":                          "names no time zone",
		"*/0 * * * *":                  "step",
		"5-1 * * * *":                  "beyond end of range",
		"1-2-3 * * * *":                "hyphens",
		"0 2 * * 8":                    "above maximum",
		"0 2 * foo *":                  "failed to parse int",
		"18446744073709551616 * * * *": "failed to parse int",
	} {
		_, err := New(spec, time.UTC)
		require.ErrorContains(t, err, wanted, spec)
	}
}

// shown lists the moments from from to to, minute by minute, at which a cycle is due: clocks show one of its times for the first time, or have
// just gone past one. It is slow and says the rule as it stands.
func shown(cycle string, zone *time.Location, from, to int64) (due []int64) {
	const minute = int64(time.Minute / time.Microsecond)
	wall, err := New(cycle, time.UTC) // what the cycle names, on a clock that is never put
	if err != nil {
		panic(err)
	}
	seen, named := map[int64]bool{}, map[int64]bool{}
	for tick := range wall.Between(from-5*day, to+2*day) {
		named[tick] = true
	}
	reading := func(us int64) int64 { return written(time.UnixMicro(us).In(zone)).UnixMicro() }
	begin := from - 2*day
	for us := begin - begin%minute; us <= to; us += minute {
		before, now := reading(us-minute), reading(us)
		hit := false
		switch {
		case now-before > minute: // put forward: all that is skipped, and now
			for range wall.Between(before+1, now) {
				hit = true
			}
		default:
			hit = named[now] && (!seen[now] || cycle == Hourly)
		}
		seen[now] = true
		if hit && us >= from {
			due = append(due, us)
		}
	}
	return due
}

// Between says what a clock says that is watched minute by minute; the other questions agree with it.
func TestTicksAreWhatAClockShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := load(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		cycle := rapid.SampledFrom(append([]string{Hourly, Daily, MonthEnd}, cronSpecs...)).Draw(t, "cycle")
		ticks, err := New(cycle, zone)
		require.NoError(t, err)
		// Half of the time around a change of clocks.
		begin := time.Date(rapid.IntRange(1995, 2037).Draw(t, "year"), 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 365*24*60).Draw(t, "minute")) * time.Minute)
		if rapid.Bool().Draw(t, "change") {
			if _, end := begin.In(zone).ZoneBounds(); !end.IsZero() && end.Year() < 2038 {
				begin = end.Add(-time.Duration(rapid.IntRange(0, 30*60).Draw(t, "before")) * time.Minute)
			}
		}
		from := begin.UnixMicro() + rapid.Int64Range(0, 1).Draw(t, "a little later")
		to := from + rapid.Int64Range(0, 3*day).Draw(t, "length")
		wanted := shown(cycle, zone, from, to)
		found := slices.Collect(ticks.Between(from, to))
		require.Equal(t, texts(wanted, zone), texts(found, zone))

		last, ok := ticks.Last(to)
		require.True(t, ok)
		next, ok := ticks.After(to)
		require.True(t, ok)
		require.LessOrEqual(t, last, to)
		require.Greater(t, next, to)
		require.True(t, ticks.Is(last))
		if len(found) > 0 {
			require.Equal(t, found[len(found)-1], last)
			before, ok := ticks.Before(found[0])
			require.True(t, ok)
			require.Empty(t, slices.Collect(ticks.Between(before+1, found[0]-1)))
			first, _ := ticks.After(before)
			require.Equal(t, found[0], first)
		}
	})
}

// Days that are rare are found over the ends of centuries, and questions at the ends of time end.
func TestFarApart(t *testing.T) {
	ticks, err := New("0 0 29 2 *", time.UTC)
	require.NoError(t, err)
	next, ok := ticks.After(at(t, "2096-03-01T00:00:00Z"))
	require.True(t, ok)
	require.Equal(t, at(t, "2104-02-29T00:00:00Z"), next)
	last, ok := ticks.Last(at(t, "1904-02-28T00:00:00Z"))
	require.True(t, ok)
	require.Equal(t, at(t, "1896-02-29T00:00:00Z"), last)
	for _, cycle := range []string{Hourly, Daily, MonthEnd, "0 0 29 2 *"} {
		ticks, err := New(cycle, load(t, "America/New_York"))
		require.NoError(t, err)
		_, ok := ticks.After(1 << 62)
		require.False(t, ok, cycle)
		_, ok = ticks.Last(-1 << 62)
		require.False(t, ok, cycle)
		_, ok = ticks.Last(1 << 62)
		require.True(t, ok, cycle)
	}
}
