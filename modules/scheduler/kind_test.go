package scheduler

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// What is wrong with a schedule is said where it is; what is wrong with a timetable by itself is tested there.
func TestBadSchedules(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	w.apply(`{"schedules": [{"name": "up", "what": "pipeline", "subject": "upstream", "every": "1h", "after": ["other"]}]}`)
	for _, c := range []struct{ body, location, message string }{
		{`{"name": "x", "every": "1h"}`, "what", "must be given"},
		{`{"name": "x", "what": "clean", "every": "1h"}`, "what", "use pipeline, materialize, validate, profile, expire, compact"},
		{`{"name": "x", "what": "compact"}`, "cron", "not given: say when"},
		{`{"name": "x", "what": "compact", "cron": "0 2 * * *", "every": "1h"}`, "every", "stands beside cron"},
		{`{"name": "x", "what": "compact", "cron": "0 2 31 2 *"}`, "cron", "never comes"},
		{`{"name": "x", "what": "compact", "cron": "TZ=Europe/Berlin 0 2 * * *"}`, "cron", "names no time zone"},
		{`{"name": "x", "what": "compact", "cron": "0 2 * * *", "time_zone": "Berlin"}`, "time_zone", "is no time zone"},
		{`{"name": "x", "what": "compact", "every": "1h", "jitter": "2h"}`, "jitter", "longer than the time from one tick to the next"},
		{`{"name": "x", "what": "compact", "every": "1h", "retries": 100}`, "retries", "0 to 20"},
		{`{"name": "x", "what": "compact", "every": "1h", "catch_up": "yes"}`, "catch_up", "use latest, all, none"},
		{`{"name": "x", "what": "pipeline", "every": "1h"}`, "subject", "not given: name the pipeline"},
		{`{"name": "x", "what": "pipeline", "subject": "upstrean", "every": "1h"}`, "subject", `there is no pipeline "upstrean"; did you mean "upstream"?`},
		{`{"name": "x", "what": "pipeline", "subject": "spending", "every": "1h"}`, "subject", `there is no pipeline "spending"`},
		{`{"name": "x", "what": "compact", "subject": "spendings", "every": "1h"}`, "subject", `there is no group "spendings"; did you mean "spending"?`},
		{`{"name": "x", "what": "materialize", "subject": "purchases", "every": "1h"}`, "subject", "is an event group: it has no online copy"},
		{`{"name": "x", "what": "expire", "subject": "spending", "every": "1h"}`, "subject", "is about all that is stored"},
		{`{"name": "x", "what": "validate", "subject": "spending", "every": "1h", "after": ["nobody"]}`, "after[0]", `there is no pipeline "nobody"`},
		{`{"name": "x", "what": "validate", "subject": "spending", "every": "1h", "after": ["other", "other"]}`, "after[1]", "given twice"},
		{`{"name": "x", "what": "validate", "subject": "spending", "every": "1h", "after": "other"}`, "after", "expected a list"},
		{`{"name": "x", "what": "pipeline", "subject": "upstream", "every": "1h", "after": ["upstream"]}`, "after", "for ever: upstream after upstream"},
		{`{"name": "x", "what": "pipeline", "subject": "other", "every": "1h", "after": ["upstream"]}`, "after", "for ever: other after upstream after other"},
		{`{"name": "x", "what": "compact", "every": "1h", "when": "now"}`, "when", "unknown member"},
		{`{"name": "pipeline:x", "what": "compact", "every": "1h"}`, "name", ""},
	} {
		_, err := w.definitions.Define(t.Context(), kindSchedule, "", []byte(c.body), registry.Options{})
		problem, is := fault.As(err)
		require.True(t, is, "%s: %v", c.body, err)
		require.NotEmpty(t, problem.Violations, c.body)
		require.Equal(t, c.location, problem.Violations[0].Location, c.body)
		require.Contains(t, problem.Violations[0].Message, c.message, c.body)
	}
}

// What a schedule reads is neither deleted nor, as long as it is there, forgotten in lineage.
func TestWhatASchedulesReads(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	w.apply(`{"schedules": [{"name": "up", "what": "pipeline", "subject": "upstream", "every": "1h", "after": ["other"]}, {"name": "all", "what": "validate", "every": "1h"},
		{"name": "one", "what": "compact", "subject": "purchases", "every": "1d"}]}`)
	for _, of := range []registry.Named{{Kind: pipelineKind, Name: "upstream"}, {Kind: pipelineKind, Name: "other"}, {Kind: "group", Name: "purchases"}} {
		_, err := w.definitions.Delete(t.Context(), of.Kind, of.Name, registry.Options{})
		problem, is := fault.As(err)
		require.True(t, is, "%v: %v", of, err)
		require.Equal(t, fault.Conflict, problem.Kind)
	}
}
