package runs

import (
	"log/slog"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/database/databasetest"
)

func TestOldRunsAreThinnedOut(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		require.NoError(t, Migrate(t.Context(), db))
		now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
		config := DefaultConfig()
		config.KeepNewest = 3
		r := New(db, config, func() time.Time { return now }, slog.New(slog.DiscardHandler))
		var ids []int64
		add := func(subject string, state State, age time.Duration) int64 {
			at := database.MicrosOf(now.Add(-age))
			row := &runRow{Kind: "work", Subject: subject, State: state, CreatedAt: at}
			if state.Finished() {
				row.StartedAt, row.FinishedAt = &at, &at
			}
			require.NoError(t, r.repository.insert(t.Context(), row))
			require.NoError(t, db.Exec("INSERT INTO runs_logs (run_id, lines) VALUES (?, 'x')", row.ID).Error)
			ids = append(ids, row.ID)
			return row.ID
		}
		const day = 24 * time.Hour
		gone := map[int64]bool{
			add("a", Succeeded, 200*day): true,
			add("a", Succeeded, 190*day): false, // the newest that succeeded
			add("a", Failed, 180*day):    true,
			add("a", Failed, 170*day):    false, // one of the newest three
			add("a", Failed, 160*day):    false,
			add("a", Queued, 150*day):    false,
			add("b", Failed, 100*day):    true,
			add("b", Failed, 9*day):      false, // not old yet
			add("b", Failed, 3*day):      false,
			add("b", Failed, 2*day):      false,
			add("b", Succeeded, 1*day):   false,
			add("c", Held, 1000*day):     false,
		}
		// To be told yet, and asked for once.
		for _, change := range []string{"to_tell = true", "unique_key = 'x'"} {
			kept := add("d", Failed, 20*day)
			require.NoError(t, db.Exec("UPDATE runs SET "+change+" WHERE id = ?", kept).Error)
		}
		once := add("d", Failed, 40*day)
		require.NoError(t, db.Exec("UPDATE runs SET unique_key = 'y' WHERE id = ?", once).Error)
		gone[once] = true
		for range 3 {
			add("d", Failed, 0)
		}
		config.Keep = 10 * day
		r = New(db, config, func() time.Time { return now }, slog.New(slog.DiscardHandler))
		require.NoError(t, r.forget(t.Context()))
		var left, logs []int64
		require.NoError(t, db.Raw("SELECT id FROM runs").Scan(&left).Error)
		require.NoError(t, db.Raw("SELECT run_id FROM runs_logs").Scan(&logs).Error)
		require.ElementsMatch(t, left, logs, "its log goes with a run")
		for i, id := range ids {
			if gone[id] {
				require.NotContains(t, left, id, "%d", i)
			} else {
				require.Contains(t, left, id, "%d", i)
			}
		}
	})
}

// A database of the release before: its runs are there, what was under way goes on, and its program can go on using the table.
func TestDatabaseOfTheReleaseBefore(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		before := fstest.MapFS{}
		for _, dialect := range []string{"sqlite", "postgres"} {
			name := "migrations/" + dialect + "/00001_runs.sql"
			content, err := migrations.ReadFile(name)
			require.NoError(t, err)
			before[name] = &fstest.MapFile{Data: content}
		}
		require.NoError(t, database.Migrate(t.Context(), db, "runs", before))
		at := database.MicrosOf(time.Now().Add(-time.Hour))
		type oldRow struct {
			Kind, Subject, State, Parameters, Progress, Result, Reason, Owner string
			Submitted, CancelRequested                                        bool
			Attempts                                                          int
			LeaseUntil, CreatedAt                                             database.Micros
			StartedAt, FinishedAt                                             *database.Micros
		}
		insert := func(row oldRow) { require.NoError(t, db.Table("runs").Create(&row).Error) }
		insert(oldRow{Kind: "load", Subject: "a", State: "succeeded", Result: `{"stored":1}`, Attempts: 1, LeaseUntil: at, CreatedAt: at, StartedAt: &at, FinishedAt: &at})
		insert(oldRow{Kind: "work", Subject: "a", State: "queued", Submitted: true, LeaseUntil: at, CreatedAt: at})
		insert(oldRow{Kind: "work", Subject: "b", State: "running", Submitted: true, Attempts: 1, Owner: "gone", LeaseUntil: at, CreatedAt: at, StartedAt: &at})

		r := process(t, db, func(r *Runs) { r.Handle("work", 1, doNothing) })
		insert(oldRow{Kind: "work", Subject: "c", State: "queued", Submitted: true, LeaseUntil: at, CreatedAt: at}) // by a program of that release
		for id := range int64(4) {
			run := wait(t, r, id+1)
			require.Equal(t, Succeeded, run.State)
		}
		run, err := r.Get(t.Context(), 1)
		require.NoError(t, err)
		require.JSONEq(t, `{"stored":1}`, string(run.Result))
		run, err = r.Get(t.Context(), 3)
		require.NoError(t, err)
		require.Equal(t, 2, run.Attempts)
	})
}
