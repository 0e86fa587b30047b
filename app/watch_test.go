package app

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/validation/alerts"
)

func TestAlertsOfRuns(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db, log := open(), slog.New(slog.DiscardHandler)
		require.NoError(t, runs.Migrate(t.Context(), db))
		require.NoError(t, registry.Migrate(t.Context(), db))
		require.NoError(t, alerts.Migrate(t.Context(), db))
		pipelines := &registry.Kind{Name: "pipeline", Plural: "pipelines", Members: []registry.Member{
			{Name: "target", Required: true, Read: registry.Text(100)}, {Name: "owner", Read: registry.Text(100)},
		}}
		definitions, err := registry.New(db, registry.DefaultConfig(), log, alerts.ReceiverKind(), pipelines)
		require.NoError(t, err)
		require.NoError(t, definitions.Start(t.Context()))
		t.Cleanup(definitions.Stop)
		_, err = definitions.Apply(t.Context(), []byte(`{
			"entity_types": [{"name": "customer", "join_keys": [{"name": "customer_id", "value_type": "STRING"}]}],
			"groups": [{"name": "totals", "entity_type": "customer", "owner": "the team", "features": [{"name": "n", "value_type": "INTEGER"}]}],
			"pipelines": [{"name": "daily", "target": "totals"}, {"name": "monthly", "target": "totals", "owner": "somebody"}]}`), "application/json", registry.Options{})
		require.NoError(t, err)
		told, err := alerts.New(db, alerts.DefaultConfig(), alerts.Defined{Registry: definitions}, time.Now, log)
		require.NoError(t, err)
		w := watch{definitions, told}
		at := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
		run := func(id int64, subject string, state runs.State) runs.Run {
			at = at.Add(time.Minute)
			return runs.Run{ID: id, Kind: "pipeline", Subject: subject, State: state, Schedule: "nightly", Reason: "the disk is full", StartedAt: at, FinishedAt: at}
		}
		firingNow := func() map[string]*alerts.Alert {
			all, err := told.List(t.Context(), alerts.Filter{Limit: 100})
			require.NoError(t, err)
			firing := map[string]*alerts.Alert{}
			for _, alert := range all {
				if alert.State != alerts.Resolved {
					firing[alert.Rule] = alert
				}
			}
			return firing
		}

		require.NoError(t, w.Ended(t.Context(), run(1, "daily", runs.Failed)))
		require.NoError(t, w.Ended(t.Context(), run(2, "monthly", runs.Succeeded)))
		firing := firingNow()
		require.Len(t, firing, 1, "another pipeline of the same group has its own")
		failed := firing["failed-run pipeline daily"]
		require.Equal(t, "totals", failed.Group)
		require.Equal(t, "the team", failed.Owner)
		require.EqualValues(t, 1, failed.Run)
		require.Equal(t, "the pipeline of daily (run 1), which the schedule nightly asked for, failed: the disk is full", failed.Sentence)
		for _, state := range []runs.State{runs.Cancelled, runs.Skipped} {
			require.NoError(t, w.Ended(t.Context(), run(3, "daily", state)))
			require.Len(t, firingNow(), 1)
		}
		succeeded := run(4, "daily", runs.Succeeded)
		succeeded.Schedule = ""
		require.NoError(t, w.Ended(t.Context(), succeeded))
		require.Empty(t, firingNow())
		asked := run(5, "daily", runs.Failed)
		asked.Schedule = ""
		require.NoError(t, w.Ended(t.Context(), asked))
		require.Empty(t, firingNow(), "who asked for it sees that it failed")

		require.NoError(t, w.Ended(t.Context(), run(6, "monthly", runs.Held)))
		held := firingNow()["failed-run pipeline monthly"]
		require.Equal(t, "somebody", held.Owner)
		require.Contains(t, held.Sentence, "is held: the disk is full; release it with POST /runs/6/retry?force=true")
		require.NoError(t, w.Ended(t.Context(), run(7, "monthly", runs.Succeeded)))
		require.Empty(t, firingNow())

		slow := runs.Run{ID: 8, Kind: "expiry", StartedAt: time.Now().Add(-time.Minute), Slow: true}
		require.NoError(t, w.Slow(t.Context(), slow, 2*time.Second))
		require.NoError(t, w.Slow(t.Context(), slow, 2*time.Second), "it may be told twice")
		firing = firingNow()
		require.Len(t, firing, 1)
		require.Contains(t, firing["slow-run expiry"].Sentence, "more than three times as long as the last ones that succeeded, which took about 2s")
		slow.State, slow.FinishedAt = runs.Cancelled, time.Now()
		require.NoError(t, w.Ended(t.Context(), slow))
		require.Empty(t, firingNow())
	})
}
