package timetable

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// read reads a timetable and answers its canonical form and what is wrong with it, one per line.
func read(object string) (canonical, found string) {
	var wrong []string
	out := Read(json.RawMessage(object), func(within, value, format string, args ...any) {
		wrong = append(wrong, strings.TrimSpace(fmt.Sprintf("%s %q %s", within, value, fmt.Sprintf(format, args...))))
	})
	return string(out), strings.Join(wrong, "\n")
}

func TestBadTimetables(t *testing.T) {
	for _, c := range []struct{ object, wrong string }{
		{`"0 2 * * *"`, `expected an object such as`},
		{`[]`, `expected an object such as`},
		{`{}`, `.cron "" not given: say when, by cron`},
		{`{"cron": ""}`, `.cron "" not given`},
		{`{"cron": null, "jitter": "5m"}`, `.cron "" not given`},
		{`{"cron": "0 2 * * *", "every": "1h"}`, `.every "1h" stands beside cron`},
		{`{"cron": 5}`, `.cron "5" expected a string`},
		{`{"cron": "0 2 * *"}`, `minute, hour, day of month, month and day of week`},
		{`{"cron": "0 0 2 * * *"}`, `minute, hour, day of month, month and day of week`},
		{`{"cron": "60 2 * * *"}`, `above maximum`},
		{`{"cron": "0 24 * * *"}`, `above maximum`},
		{`{"cron": "0 2 * * 7"}`, `above maximum`},
		{`{"cron": "0 2 0 * *"}`, `below minimum`},
		{`{"cron": "0 5-2 * * *"}`, `beyond end of range`},
		{`{"cron": "*/0 * * * *"}`, `step of range should be a positive number`},
		{`{"cron": "-1 * * * *"}`, `failed to parse int`},
		{`{"cron": "a b c d e"}`, `failed to parse int`},
		{`{"cron": "0 2 30 2 *"}`, `.cron "0 2 30 2 *" this never comes`},
		{`{"cron": "0 0 31 4,6,9,11 *"}`, `this never comes`},
		{`{"cron": "TZ=Europe/Berlin 0 2 * * *"}`, `names no time zone`},
		{`{"cron": "CRON_TZ=UTC 0 2 * * *"}`, `names no time zone`},
		{`{"cron": "TZ=0"}`, `.cron "TZ=0"`}, // the library panics
		{`{"cron": "TZ="}`, `.cron "TZ="`},
		{`{"cron": "@every 1h"}`, `@every`},
		{`{"cron": "@reboot"}`, `unrecognized descriptor`},
		{`{"cron": "@"}`, `unrecognized descriptor`},
		{`{"cron": "daily"}`, `write minute, hour`},
		{`{"cron": "month_end"}`, `write minute, hour`},
		{`{"cron": "` + strings.Repeat("0,", 200) + `0 2 * * *"}`, `at most 200`},
		{`{"every": "0s"}`, `longer than nothing`},
		{`{"every": "1.5h"}`, `whole number and s, m, h or d`},
		{`{"every": "-1h"}`, `whole number and s, m, h or d`},
		{`{"every": 3600}`, `.every "3600" expected a string`},
		{`{"every": "100000d"}`, `a hundred years`},
		{`{"every": "1d", "time_zone": "Europe/Berlin"}`, `.time_zone "Europe/Berlin" goes with cron`},
		{`{"cron": "0 2 * * *", "time_zone": "Europe/Atlantis"}`, `.time_zone "Europe/Atlantis" is no time zone`},
		{`{"cron": "0 2 * * *", "time_zone": "Local"}`, `processes may stand in different zones`},
		{`{"cron": "0 2 * * *", "time_zone": "../etc/passwd"}`, `is no time zone`},
		{`{"cron": "0 2 * * *", "time_zone": "+02:00"}`, `is no time zone`},
		{`{"cron": "*/5 * * * *", "jitter": "10m"}`, `.jitter "10m" is longer than the time from one tick to the next, which can be 5m0s`},
		{`{"every": "1m", "jitter": "2m"}`, `which can be 1m0s`},
		{`{"cron": "0 2 * * *", "jitter": "2d"}`, `.jitter "2d" is longer than 1d`},
		{`{"cron": "0 2 * * *", "jitter": "1h", "deadline": "30m"}`, `.deadline "30m" is not longer than jitter`},
		{`{"cron": "0 2 * * *", "deadline": "soon"}`, `.deadline "soon" write a duration`},
		{`{"cron": "0 2 * * *", "retries": -1}`, `.retries "-1" expected a whole number of 0 to 20`},
		{`{"cron": "0 2 * * *", "retries": 21}`, `0 to 20`},
		{`{"cron": "0 2 * * *", "retries": "3"}`, `0 to 20`},
		{`{"cron": "0 2 * * *", "retries": 1.5}`, `0 to 20`},
		{`{"cron": "0 2 * * *", "backoff": "2d"}`, `.backoff "2d" is longer than 1d`},
		{`{"cron": "0 2 * * *", "catch_up": "some"}`, `.catch_up "some" use latest, all, none`},
		{`{"cron": "0 2 * * *", "paused": "yes"}`, `.paused "\"yes\"" expected true or false`},
		{`{"cron": "0 2 * * *", "concurrency_key": "` + strings.Repeat("k", 101) + `"}`, `longer than 100 bytes`},
		{`{"cron": "0 2 * * *", "timezone": "UTC"}`, `.timezone "" unknown member; a timetable has cron, every, time_zone`},
		{`{"cron": "0 2 * * *", "after": ["p"]}`, `.after "" unknown member`},
	} {
		canonical, wrong := read(c.object)
		require.Contains(t, wrong, c.wrong, c.object)
		require.Empty(t, canonical)
	}
}

func TestGoodTimetables(t *testing.T) {
	for _, c := range []struct{ object, canonical, times string }{
		{`{"cron": "0 2 * * *"}`, `{"cron":"0 2 * * *"}`, "cron 0 2 * * * UTC"},
		{`{"time_zone": "Europe/Berlin", "cron": "@daily", "every": null, "jitter": ""}`, `{"cron":"@daily","time_zone":"Europe/Berlin"}`, "cron @daily Europe/Berlin"},
		{`{"every": "90m", "jitter": "90m", "deadline": "2h", "retries": 0, "backoff": "10s", "catch_up": "all", "paused": true, "concurrency_key": "k"}`,
			`{"every":"90m","jitter":"90m","deadline":"2h","retries":0,"backoff":"10s","catch_up":"all","paused":true,"concurrency_key":"k"}`, "every 90m"},
		{`{"cron": "0 0 29 2 *", "jitter": "24h"}`, `{"cron":"0 0 29 2 *","jitter":"24h"}`, "cron 0 0 29 2 * UTC"},
	} {
		canonical, wrong := read(c.object)
		require.Empty(t, wrong, c.object)
		require.Equal(t, c.canonical, canonical)
		again, _ := read(canonical)
		require.Equal(t, canonical, again)
		of, err := Of([]byte(canonical))
		require.NoError(t, err)
		require.Equal(t, c.times, of.Times())
	}
	of, err := Of([]byte(`{"name": "x", "what": "compact", "every": "1h"}`))
	require.NoError(t, err)
	require.Equal(t, []any{DefaultRetries, DefaultBackoff, CatchUp(""), time.UTC}, []any{of.Retries, of.Backoff, of.CatchUp, of.Zone})
	_, err = Of([]byte(`{}`))
	require.Error(t, err)
}

// Intervals stand where they stand, whenever they are asked for.
func TestIntervalsAreAnchored(t *testing.T) {
	of, err := Of([]byte(`{"every": "7h"}`))
	require.NoError(t, err)
	every := (7 * time.Hour).Microseconds()
	for _, at := range []int64{-3*every - 1, -every, -1, 0, 1, every - 1, every, 1_800_000_000_000_000} {
		after, _ := of.After(at)
		last, _ := of.Last(at)
		require.Zero(t, after%every)
		require.True(t, last <= at && at < after && after-last == every, "%d: %d %d", at, last, after)
		require.Equal(t, []int64{after, after + every, after + 2*every}, of.Following(at, 3))
	}
	of, err = Of([]byte(`{"cron": "*/7 * * * *"}`))
	require.NoError(t, err)
	at := int64(1_800_000_000_000_000)
	for _, next := range of.Following(at, 20) {
		one, _ := of.After(at)
		require.Equal(t, next, one)
		last, _ := of.Last(next)
		require.Equal(t, next, last)
		at = next
	}
}

// Jitter is the same for the same tick, differs between schedules and ticks, and is spread evenly.
func TestJitter(t *testing.T) {
	of, err := Of([]byte(`{"every": "1h", "jitter": "10m"}`))
	require.NoError(t, err)
	jitter := (10 * time.Minute).Microseconds()
	var tenths [10]int
	for i := range int64(10_000) {
		tick := i * time.Hour.Microseconds()
		late := of.Due("a", tick) - tick
		require.True(t, 0 <= late && late < jitter)
		require.Equal(t, late, of.Due("a", tick)-tick)
		tenths[late*10/jitter]++
	}
	for _, n := range tenths {
		require.InDelta(t, 1000, n, 150)
	}
	require.NotEqual(t, of.Due("a", 0), of.Due("b", 0))
}
