package runs

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
	"featurestore/modules/store/storetest/servers"
)

// asQuerier is a transaction of another connection, as an engine of the store has one.
type asQuerier struct{ tx *sql.Tx }

func (q asQuerier) QueryRow(ctx context.Context, sql string, args ...any) Row {
	return q.tx.QueryRowContext(ctx, sql, args...)
}

// A process that does not renew its leases, as one that is stopped, and others that do. It wakes up when its run is taken over.
func TestStaleOwnerIsRefused(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		require.NoError(t, Migrate(t.Context(), db))
		asleep := New(db, patient, time.Now, slog.New(slog.DiscardHandler)) // never started
		run, _, err := asleep.Order(t.Context(), Order{Kind: "work"})
		require.NoError(t, err)
		stale, err := asleep.claim(t.Context(), "work", claimant{owner: asleep.owner, process: asleep.process, lease: patient.Lease})
		require.NoError(t, err)
		require.NotNil(t, stale)
		require.EqualValues(t, 1, stale.Token())
		require.NoError(t, stale.StillHeld(t.Context(), nil))
		require.NoError(t, db.Exec("UPDATE runs SET lease_until = ?", asleep.repository.in(-time.Second)).Error)

		claimed := make(chan *Active, 1)
		release := make(chan struct{})
		alive := processWith(t, open(), patient, func(r *Runs) {
			r.Handle("work", 1, func(ctx context.Context, run *Active) (any, error) {
				claimed <- run
				<-release
				return nil, run.StillHeld(ctx, nil)
			})
		})
		next := <-claimed // SQLite: at its start
		require.EqualValues(t, 2, next.Token())
		refused := stale.StillHeld(t.Context(), nil)
		require.True(t, fault.Is(refused, "run-taken"), refused)
		require.ErrorIs(t, refused, errTaken)
		require.ErrorIs(t, context.Cause(stale.Context()), errTaken, "what it does still is ended")
		require.NoError(t, next.StillHeld(t.Context(), nil))

		// Whatever it wrote of the run does not show.
		stale.Logf("I am late")
		stale.Rows(1)
		require.NoError(t, stale.flush(t.Context(), true))
		require.ErrorIs(t, stale.Finish(t.Context(), "wrong", nil), errTaken)
		close(release)
		got := wait(t, alive, run.ID)
		require.Equal(t, Succeeded, got.State)
		require.Nil(t, got.Rows)
		require.Nil(t, got.Result)
		log, err := alive.Log(t.Context(), run.ID)
		require.NoError(t, err)
		require.NotContains(t, log, "late")
	})
}

// A lease that has ended holds nothing, whether somebody took the run or not; one who renews it in time has it again.
func TestEndedLeaseHoldsNothing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		require.NoError(t, Migrate(t.Context(), db))
		r := New(db, patient, time.Now, slog.New(slog.DiscardHandler)) // never started
		active, err := r.Begin(t.Context(), "load", "a", nil)
		require.NoError(t, err)
		require.NoError(t, active.StillHeld(t.Context(), nil))
		require.NoError(t, db.Exec("UPDATE runs SET lease_until = ?", r.repository.in(-time.Second)).Error)
		require.True(t, fault.Is(active.StillHeld(t.Context(), nil), "run-taken"))
		require.NoError(t, r.repository.renew(t.Context(), []int64{active.ID()}, r.owner, time.Minute))
		require.NoError(t, active.StillHeld(t.Context(), nil))
	})
}

// Who asks in its transaction keeps the run until that has ended: nobody waits for it, and nobody takes the run, although its lease ends.
func TestFenceKeepsTheRunUntilTheTransactionEnds(t *testing.T) {
	t.Parallel()
	url, schema := servers.Postgres(t)
	db, err := database.OpenPostgres(t.Context(), url, schema, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, database.Close(db)) })
	require.NoError(t, Migrate(t.Context(), db))
	elsewhere, err := sql.Open("pgx", url) // with no search path
	require.NoError(t, err)
	defer elsewhere.Close() //nolint:errcheck // a test
	tx, err := elsewhere.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	config := patient
	config.Lease = 5 * time.Second                                // it ends while it is kept, and not before
	r := New(db, config, time.Now, slog.New(slog.DiscardHandler)) // never started
	active, err := r.Begin(t.Context(), "load", "a", nil)
	require.NoError(t, err)
	require.NoError(t, active.StillHeld(t.Context(), asQuerier{tx}))
	// The control is another such transaction, of a run that it does not ask for.
	unasked, err := r.Begin(t.Context(), "load", "b", nil)
	require.NoError(t, err)
	require.NoError(t, db.Exec("UPDATE runs SET lease_until = ? WHERE id = ?", r.repository.in(-time.Second), unasked.ID()).Error)

	require.Eventually(t, func() bool {
		var ended bool
		require.NoError(t, db.Raw("SELECT lease_until < now() FROM runs WHERE id = ?", active.ID()).Scan(&ended).Error)
		return ended
	}, 30*time.Second, 10*time.Millisecond)
	taken, err := r.repository.takeBack(t.Context(), false, time.Now(), maxDeaths)
	require.NoError(t, err)
	require.EqualValues(t, 1, taken)
	require.NoError(t, r.repository.renew(t.Context(), []int64{active.ID()}, r.owner, time.Minute), "it does not wait either")
	run, err := r.Get(t.Context(), unasked.ID())
	require.NoError(t, err)
	require.Equal(t, Failed, run.State)
	run, err = r.Get(t.Context(), active.ID())
	require.NoError(t, err)
	require.Equal(t, Running, run.State)

	require.NoError(t, tx.Commit())
	taken, err = r.repository.takeBack(t.Context(), false, time.Now(), maxDeaths)
	require.NoError(t, err)
	require.EqualValues(t, 1, taken)
	tx, err = elsewhere.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, fault.Is(active.StillHeld(t.Context(), asQuerier{tx}), "run-taken"))
	require.NoError(t, tx.Rollback())
}

// Processes whose clocks are hours apart take nothing from each other, and take back what a dead one left, whichever clock it had.
func TestClocksHoursApart(t *testing.T) {
	t.Parallel()
	url, schema := servers.Postgres(t)
	start := func(ahead time.Duration, handle func(*Runs)) *Runs {
		db, err := database.OpenPostgres(context.Background(), url, schema, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, database.Close(db)) })
		require.NoError(t, Migrate(t.Context(), db))
		config := quick
		config.Lease = 8 * time.Second // of those that live; they may be held up
		r := New(db, config, func() time.Time { return time.Now().Add(ahead) }, slog.New(slog.DiscardHandler))
		if handle != nil {
			handle(r)
			require.NoError(t, r.Start(context.Background()))
			t.Cleanup(r.Stop)
		}
		return r
	}
	dead := start(6*time.Hour, nil) // renews nothing
	left, _, err := dead.Order(t.Context(), Order{Kind: "work"})
	require.NoError(t, err)
	stale, err := dead.claim(t.Context(), "work", claimant{owner: dead.owner, lease: time.Second})
	require.NoError(t, err)
	require.NotNil(t, stale)

	var taken atomic.Int32
	work := func(r *Runs) {
		r.Handle("work", 3, func(ctx context.Context, run *Active) (any, error) {
			if run.Subject() != "long" {
				return nil, nil
			}
			select {
			case <-ctx.Done():
				taken.Add(1)
				return nil, ctx.Err()
			case <-time.After(8500 * time.Millisecond): // longer than the lease
				return nil, run.StillHeld(ctx, nil)
			}
		})
	}
	behind, ahead := start(-6*time.Hour, work), start(6*time.Hour, work)
	var long []int64
	for _, r := range []*Runs{behind, ahead} {
		run, _, err := r.Order(t.Context(), Order{Kind: "work", Subject: "long", Parameters: r.process})
		require.NoError(t, err)
		long = append(long, run.ID)
	}
	require.Equal(t, Succeeded, wait(t, behind, left.ID).State, "the lease of the dead one ended in time")
	for _, id := range long {
		run := wait(t, ahead, id)
		require.Equal(t, Succeeded, run.State)
		require.Equal(t, 1, run.Attempts)
	}
	require.Zero(t, taken.Load())
	soon, _, err := ahead.Order(t.Context(), Order{Kind: "work", NotBefore: time.Now().Add(100 * time.Millisecond), Deadline: time.Now().Add(time.Minute)})
	require.NoError(t, err)
	require.Equal(t, Succeeded, wait(t, behind, soon.ID).State, "times that are asked for are of the database's clock too")
}

// Several processes, some of which fall asleep for longer than their leases between their work and what they publish of it. With the fence
// each run has one effect; the control, without it, shows doubles.
func TestOneEffectPerRun(t *testing.T) {
	t.Parallel()
	for name, fenced := range map[string]bool{"fenced": true, "control": false} {
		t.Run(name, func(t *testing.T) {
			effects, refused := publishAsleep(t, fenced)
			doubles := 0
			for _, n := range effects {
				require.GreaterOrEqual(t, n, 1)
				if n > 1 {
					doubles++
				}
			}
			if fenced {
				require.Zero(t, doubles)
				require.Positive(t, refused)
			} else {
				require.Positive(t, doubles)
			}
			t.Logf("measured: %d runs, %d of them with more than one effect, %d stale owners refused", len(effects), doubles, refused)
		})
	}
}

func publishAsleep(t *testing.T, fenced bool) (effects map[int64]int, refused int64) {
	url, schema := servers.Postgres(t)
	db, err := database.OpenPostgres(t.Context(), url, schema, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, database.Close(db)) })
	require.NoError(t, Migrate(t.Context(), db))
	require.NoError(t, db.Exec("CREATE TABLE effects (run bigint)").Error)
	pool, err := db.DB()
	require.NoError(t, err)
	publish := func(run *Active) error { // with a context of its own: the run's tells a process that is not asleep
		ctx := context.WithoutCancel(t.Context())
		tx, err := pool.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
		if _, err := tx.ExecContext(ctx, "INSERT INTO effects VALUES ($1)", run.ID()); err != nil {
			return err
		}
		if fenced {
			if err := run.StillHeld(ctx, asQuerier{tx}); err != nil {
				return err
			}
		}
		return tx.Commit()
	}

	const count = 12
	var asleep []*Active
	for range 4 { // they take a run each, and fall asleep
		r := New(db, quick, time.Now, slog.New(slog.DiscardHandler))
		_, _, err := r.Order(t.Context(), Order{Kind: "work"})
		require.NoError(t, err)
		active, err := r.claim(t.Context(), "work", claimant{owner: r.owner, lease: quick.Lease})
		require.NoError(t, err)
		asleep = append(asleep, active)
	}
	var alive *Runs
	for range 2 {
		alive = process(t, db, func(r *Runs) {
			r.Handle("work", 2, func(_ context.Context, run *Active) (any, error) { return nil, publish(run) })
		})
	}
	for range count - len(asleep) {
		_, _, err := alive.Order(t.Context(), Order{Kind: "work"})
		require.NoError(t, err)
	}
	found, err := alive.List(t.Context(), Filter{})
	require.NoError(t, err)
	require.Len(t, found, count)
	for _, run := range found {
		require.Equal(t, Succeeded, wait(t, alive, run.ID).State)
	}
	var waking sync.WaitGroup
	var no atomic.Int64
	for _, active := range asleep {
		waking.Go(func() {
			if publish(active) != nil {
				no.Add(1)
			}
		})
	}
	waking.Wait()
	effects = map[int64]int{}
	var ids []int64
	require.NoError(t, db.Raw("SELECT run FROM effects").Scan(&ids).Error)
	for _, id := range ids {
		effects[id]++
	}
	require.Len(t, effects, count)
	return effects, no.Load()
}
