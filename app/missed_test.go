package app

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/modules/scheduler"
	"featurestore/modules/validation/alerts"
)

type nobody struct{}

func (nobody) Receivers() []alerts.Receiver { return nil }

// A schedule that is missed has an alert until it is kept again, one of its own.
func TestMissedSchedulesRaiseAlerts(t *testing.T) {
	db := databasetest.SQLite(t)()
	require.NoError(t, alerts.Migrate(t.Context(), db))
	told, err := alerts.New(db, alerts.DefaultConfig(), nobody{}, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	missed := missedSchedules{told}
	at := time.Now().Add(-time.Hour)
	say := func(m scheduler.Missed) { // at one time: a pass may find out both
		m.At = at
		require.NoError(t, missed.Missed(context.Background(), m))
	}
	states := func() map[string]alerts.State {
		all, err := told.List(t.Context(), alerts.Filter{Limit: 100})
		require.NoError(t, err)
		found := map[string]alerts.State{}
		for _, a := range all {
			found[a.Rule+" on "+a.Group+" for "+a.Owner+", "+string(a.Severity)+": "+a.Sentence] = a.State
		}
		return found
	}
	say(scheduler.Missed{Schedule: "nightly", What: scheduler.Compact, Sentence: "nightly was missed"})
	say(scheduler.Missed{Schedule: "pipeline:daily", What: scheduler.Pipeline, Group: "spending", Owner: "data", Sentence: "daily was missed"})
	say(scheduler.Missed{Schedule: "nightly", What: scheduler.Compact, Sentence: "nightly was missed"})
	nightly, daily := "schedule nightly on all groups for , warn: nightly was missed", "schedule pipeline:daily on spending for data, error: daily was missed"
	require.Equal(t, map[string]alerts.State{nightly: alerts.Firing, daily: alerts.Firing}, states())
	say(scheduler.Missed{Schedule: "pipeline:daily", Group: "spending", Kept: true, Sentence: "the schedule pipeline:daily is kept again"})
	require.Equal(t, alerts.Firing, states()[nightly])
	require.Equal(t, alerts.Resolved, states()[daily])
	say(scheduler.Missed{Schedule: "pipeline:daily", What: scheduler.Pipeline, Group: "spending", Owner: "data", Sentence: "daily was missed again"})
	require.Equal(t, alerts.Firing, states()["schedule pipeline:daily on spending for data, error: daily was missed again"])
}
