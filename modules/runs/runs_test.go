package runs

import (
	"context"
	"errors"
	"fmt"
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
)

var (
	quick   = Config{Poll: 20 * time.Millisecond, Lease: time.Second, Keep: time.Hour}
	patient = Config{Poll: 20 * time.Millisecond, Lease: time.Hour, Keep: time.Hour} // a process that is held up is not taken for dead
)

// process is a Runs of its own on a database, as another process would have one. It is stopped with the test.
func process(t *testing.T, db *gorm.DB, handle func(*Runs)) *Runs {
	return processWith(t, db, quick, handle)
}

func processWith(t *testing.T, db *gorm.DB, config Config, handle func(*Runs)) *Runs {
	require.NoError(t, Migrate(t.Context(), db))
	r := New(db, config, time.Now, slog.New(slog.DiscardHandler))
	if handle != nil {
		handle(r)
	}
	require.NoError(t, r.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(r.Stop)
	return r
}

func wait(t *testing.T, r *Runs, id int64) Run {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run, err := r.Wait(ctx, id)
	require.NoError(t, err)
	return run
}

func TestSubmittedWorkIsDone(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		r := process(t, open(), func(r *Runs) {
			r.Handle("double", 1, func(_ context.Context, run *Active) (any, error) {
				run.Progress(map[string]int{"half": 1})
				switch run.Subject() {
				case "fails":
					return nil, errors.New("the disk is full")
				case "refuses":
					return nil, fmt.Errorf("doing it: %w", fault.New(fault.Conflict, "taken", "the name is taken").Because(errors.New("secret")))
				case "panics":
					panic("oh")
				}
				return map[string]string{"of": run.Subject(), "with": string(run.Parameters())}, nil
			})
		})
		submitted, err := r.Submit(t.Context(), "double", "two", map[string]int64{"big": 9007199254740993})
		require.NoError(t, err)
		require.Equal(t, Queued, submitted.State)
		require.NotZero(t, submitted.CreatedAt)
		run := wait(t, r, submitted.ID)
		require.Equal(t, Succeeded, run.State)
		require.JSONEq(t, `{"of":"two","with":"{\"big\":9007199254740993}"}`, string(run.Result))
		require.False(t, run.StartedAt.Before(run.CreatedAt))
		require.False(t, run.FinishedAt.Before(run.StartedAt))
		require.Equal(t, 1, run.Attempts)

		for subject, reason := range map[string]string{"fails": "the disk is full", "refuses": "the name is taken", "panics": "panic: oh"} {
			submitted, err := r.Submit(t.Context(), "double", subject, nil)
			require.NoError(t, err)
			run := wait(t, r, submitted.ID)
			require.Equal(t, Failed, run.State)
			require.Equal(t, reason, run.Reason)
			require.Nil(t, run.Result)
		}
		latest, found, err := r.Latest(t.Context(), "double", "two")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, run, latest)
		_, found, err = r.Latest(t.Context(), "double", "three")
		require.NoError(t, err)
		require.False(t, found)
		_, err = r.Get(t.Context(), 4711)
		require.True(t, fault.Is(err, "unknown-run"), err)
	})
}

func TestEachRunIsDoneOnceByManyProcesses(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		var mu sync.Mutex
		done := map[string]int{}
		var atOnce, most atomic.Int32
		var first *Runs
		for range 4 {
			r := processWith(t, open(), patient, func(r *Runs) {
				r.Handle("count", 2, func(_ context.Context, run *Active) (any, error) {
					most.Store(max(most.Load(), atOnce.Add(1)))
					defer atOnce.Add(-1)
					mu.Lock()
					defer mu.Unlock()
					done[run.Subject()]++
					return nil, nil
				})
			})
			if first == nil {
				first = r
			}
		}
		want := map[string]int{}
		var ids []int64
		for i := range 60 {
			run, err := first.Submit(t.Context(), "count", fmt.Sprint(i), nil)
			require.NoError(t, err)
			ids = append(ids, run.ID)
			want[fmt.Sprint(i)] = 1
		}
		for _, id := range ids {
			require.Equal(t, Succeeded, wait(t, first, id).State)
		}
		require.Equal(t, want, done)
		require.LessOrEqual(t, most.Load(), int32(8))
	})
}

func TestWaitingRunIsNotQueuedTwice(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		r := process(t, open(), nil)
		one, err := r.Submit(t.Context(), "work", "a", 1)
		require.NoError(t, err)
		same, err := r.Submit(t.Context(), "work", "a", 1)
		require.NoError(t, err)
		require.Equal(t, one.ID, same.ID)
		for _, other := range [][2]any{{"work", 2}, {"rest", 1}} {
			run, err := r.Submit(t.Context(), other[0].(string), "a", other[1])
			require.NoError(t, err)
			require.NotEqual(t, one.ID, run.ID)
		}
		_, found, err := r.repository.claim(t.Context(), "work", claimant{owner: "someone", now: time.Now(), lease: time.Minute})
		require.NoError(t, err)
		require.True(t, found)
		later, err := r.Submit(t.Context(), "work", "a", 1)
		require.NoError(t, err)
		require.NotEqual(t, one.ID, later.ID, "one that has begun may have missed what came since")
	})
}

func TestCancel(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		started := make(chan int64, 1)
		db := open()
		worker := process(t, db, func(r *Runs) {
			r.Handle("long", 1, func(ctx context.Context, run *Active) (any, error) {
				started <- run.ID()
				<-ctx.Done()
				return nil, ctx.Err()
			})
		})
		caller := worker
		if database.Postgres(db) { // cancelled from another process
			caller = process(t, open(), nil)
		}
		first, err := caller.Submit(t.Context(), "long", "first", nil)
		require.NoError(t, err)
		second, err := caller.Submit(t.Context(), "long", "second", nil)
		require.NoError(t, err)
		require.Equal(t, first.ID, <-started)

		run, err := caller.Cancel(t.Context(), second.ID)
		require.NoError(t, err)
		require.Equal(t, Cancelled, run.State)
		require.NotZero(t, run.FinishedAt)
		_, err = caller.Cancel(t.Context(), first.ID)
		require.NoError(t, err)
		run = wait(t, caller, first.ID)
		require.Equal(t, Cancelled, run.State)
		require.Equal(t, "cancelled by a caller", run.Reason)

		third, err := caller.Submit(t.Context(), "done", "x", nil)
		require.NoError(t, err)
		worker.Stop()
		_ = third
		_, err = caller.Cancel(t.Context(), 4711)
		require.True(t, fault.Is(err, "unknown-run"))
	})
}

func TestFinishedRunCannotBeCancelled(t *testing.T) {
	r := process(t, databasetest.SQLite(t)(), nil)
	active, err := r.Begin(t.Context(), "load", "a", nil)
	require.NoError(t, err)
	require.NoError(t, active.Finish(t.Context(), nil, nil))
	_, err = r.Cancel(t.Context(), active.ID())
	require.True(t, fault.Is(err, "run-finished"), err)
	run, err := r.Get(t.Context(), active.ID())
	require.NoError(t, err)
	require.Equal(t, Succeeded, run.State)
	require.False(t, run.CancelRequested)
}

func TestBegunWork(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		r := process(t, open(), nil)
		active, err := r.Begin(t.Context(), "load", "a", map[string]string{"group": "a"})
		require.NoError(t, err)
		run, err := r.Get(t.Context(), active.ID())
		require.NoError(t, err)
		require.Equal(t, Running, run.State)

		active.Progress(map[string]int{"received": 1})
		active.Progress(map[string]int{"received": 2}) // within the same second
		require.Eventually(t, func() bool {
			run, err := r.Get(t.Context(), active.ID())
			return err == nil && string(run.Progress) == `{"received":1}`
		}, 30*time.Second, 5*time.Millisecond)
		time.Sleep(2 * quick.Lease) // it lives on: the lease is renewed

		require.NoError(t, active.Finish(t.Context(), map[string]int{"stored": 2}, nil))
		require.NoError(t, active.Finish(t.Context(), nil, errors.New("too late")))
		run = wait(t, r, active.ID())
		require.Equal(t, Succeeded, run.State)
		require.JSONEq(t, `{"stored":2}`, string(run.Result))
		require.Nil(t, run.Progress, "the same run is told in the same way, however long it took")

		ctx, cancel := context.WithCancel(t.Context())
		active, err = r.Begin(ctx, "load", "a", nil)
		require.NoError(t, err)
		cancel() // the caller's request ended
		<-active.Context().Done()
		require.NoError(t, active.Finish(ctx, nil, ctx.Err()))
		require.Equal(t, Failed, wait(t, r, active.ID()).State)

		active, err = r.Begin(t.Context(), "load", "a", nil)
		require.NoError(t, err)
		require.NoError(t, active.Finish(t.Context(), map[string]int{"bad": 3}, errors.New("three rows are bad")))
		run = wait(t, r, active.ID())
		require.Equal(t, Failed, run.State)
		require.JSONEq(t, `{"bad":3}`, string(run.Result), "what a failed run came to can be told too")

		active, err = r.Begin(t.Context(), "load", "a", nil)
		require.NoError(t, err)
		_, err = r.Cancel(t.Context(), active.ID())
		require.NoError(t, err)
		<-active.Context().Done()
		require.NoError(t, active.Finish(t.Context(), nil, active.Context().Err()))
		require.Equal(t, Cancelled, wait(t, r, active.ID()).State)
	})
}

func TestStopGivesSubmittedWorkBack(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		started := make(chan struct{}, 1)
		first := process(t, open(), func(r *Runs) {
			r.Handle("long", 1, func(ctx context.Context, _ *Active) (any, error) {
				started <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			})
		})
		run, err := first.Submit(t.Context(), "long", "a", nil)
		require.NoError(t, err)
		<-started
		first.Stop()
		run, err = first.Get(t.Context(), run.ID)
		require.NoError(t, err)
		require.Equal(t, Queued, run.State)
		require.Zero(t, run.Attempts)

		second := process(t, open(), func(r *Runs) {
			r.Handle("long", 1, func(context.Context, *Active) (any, error) { return "done", nil })
		})
		require.Equal(t, Succeeded, wait(t, second, run.ID).State)
	})
}

// Processes that are stopped in the middle of looking for work leave nothing behind that has to wait for a lease to end: a claim that is under
// way when its process stops is given back, or was never made.
func TestStopInTheMiddleOfAClaim(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		require.NoError(t, Migrate(t.Context(), db))
		first := New(db, patient, time.Now, slog.New(slog.DiscardHandler))
		var ids []int64
		for i := range 60 {
			run, err := first.Submit(t.Context(), "work", "a", i)
			require.NoError(t, err)
			ids = append(ids, run.ID)
		}
		var ended atomic.Int32
		start := func() *Runs {
			r := New(db, patient, time.Now, slog.New(slog.DiscardHandler))
			r.Handle("work", 3, func(ctx context.Context, _ *Active) (any, error) {
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-time.After(time.Millisecond):
					ended.Add(1)
					return nil, nil
				}
			})
			require.NoError(t, r.Start(context.WithoutCancel(t.Context())))
			return r
		}
		for i := range 40 {
			r := start()
			time.Sleep(time.Duration(i%8) * time.Millisecond)
			r.Stop()
			var left int64
			require.NoError(t, db.Raw("SELECT count(*) FROM runs WHERE state = 'running'").Scan(&left).Error)
			require.Zero(t, left)
		}
		last := start()
		defer last.Stop()
		for _, id := range ids {
			run := wait(t, last, id)
			require.Equal(t, Succeeded, run.State)
			require.Equal(t, 1, run.Attempts)
		}
		require.EqualValues(t, len(ids), ended.Load())
	})
}

// A process that died holds runs until its lease ends, or, where no other process can be there, until the next start.
func TestDeadProcess(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		require.NoError(t, Migrate(t.Context(), db))
		dead := New(db, quick, time.Now, slog.New(slog.DiscardHandler)) // never started: renews nothing
		load, err := dead.Begin(t.Context(), "load", "a", nil)
		require.NoError(t, err)
		submit := func(subject string) Run {
			run, err := dead.Submit(t.Context(), "work", subject, nil)
			require.NoError(t, err)
			claimed, found, err := dead.repository.claim(t.Context(), "work", claimant{owner: dead.owner, process: dead.process, now: time.Now(), lease: quick.Lease})
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, run.ID, claimed.ID)
			return run
		}
		work, hopeless, cancelled := submit("a"), submit("hopeless"), submit("cancelled")
		require.NoError(t, db.Exec("UPDATE runs SET attempts = 5 WHERE id = ?", hopeless.ID).Error)
		_, err = dead.Cancel(t.Context(), cancelled.ID)
		require.NoError(t, err)

		alive := process(t, open(), func(r *Runs) {
			r.Handle("work", 1, func(context.Context, *Active) (any, error) { return nil, nil })
		})
		run := wait(t, alive, work.ID)
		require.Equal(t, Succeeded, run.State)
		require.Equal(t, 2, run.Attempts)
		run = wait(t, alive, load.ID())
		require.Equal(t, Failed, run.State)
		require.Equal(t, "the process that did it ended before it was finished", run.Reason)
		require.Contains(t, wait(t, alive, hopeless.ID).Reason, "5 processes")
		require.Equal(t, Cancelled, wait(t, alive, cancelled.ID).State)

		// It was only asleep, and hears that its run is gone.
		require.ErrorIs(t, load.Finish(t.Context(), nil, nil), errTaken)
		require.Equal(t, Failed, wait(t, alive, load.ID()).State)
	})
}

func TestIdsAreNeverUsedAgain(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		r := process(t, open(), nil)
		var last int64
		for range 3 {
			active, err := r.Begin(t.Context(), "load", "a", nil)
			require.NoError(t, err)
			require.Greater(t, active.ID(), last)
			last = active.ID()
			require.NoError(t, active.Finish(t.Context(), nil, errors.New("nothing came in")))
			require.NoError(t, r.repository.forget(t.Context(), time.Now().Add(time.Minute), time.Now(), 0))
			_, err = r.Get(t.Context(), last)
			require.True(t, fault.Is(err, "unknown-run"))
		}
	})
}

func TestEarliestOfThoseThatAreUnfinishedOrFinishedSince(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db, now := open(), time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
		require.NoError(t, Migrate(t.Context(), db))
		r := New(db, DefaultConfig(), func() time.Time { return now }, slog.New(slog.DiscardHandler))
		began := now
		var begun []*Active
		for _, subject := range []string{"a", "b", "a", "a"} {
			active, err := r.Begin(t.Context(), "load", subject, nil)
			require.NoError(t, err)
			begun = append(begun, active)
		}
		earliest := func(since time.Time) int64 {
			id, found, err := r.Earliest(t.Context(), "load", "a", since)
			require.NoError(t, err)
			require.Equal(t, found, id != 0)
			return id
		}
		require.Equal(t, begun[0].ID(), earliest(began.Add(time.Hour)), "none has finished")
		require.NoError(t, begun[0].Finish(t.Context(), nil, nil))
		require.Equal(t, begun[0].ID(), earliest(began))
		require.Equal(t, begun[2].ID(), earliest(began.Add(time.Microsecond)))
		now = now.Add(time.Minute)
		require.NoError(t, begun[3].Finish(t.Context(), nil, nil))
		require.NoError(t, begun[2].Finish(t.Context(), nil, nil))
		require.Equal(t, begun[2].ID(), earliest(now))
		require.Zero(t, earliest(now.Add(time.Microsecond)))
	})
}

func doNothing(context.Context, *Active) (any, error) { return nil, nil }
