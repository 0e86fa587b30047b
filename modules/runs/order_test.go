package runs

import (
	"context"
	"errors"
	"fmt"
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

func TestOneRunPerUniqueKey(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		processes := []*Runs{process(t, open(), nil), process(t, open(), nil)}
		const keys, callers = 20, 8
		var created [keys]atomic.Int32
		var ids [keys]sync.Map
		var ordering sync.WaitGroup
		for c := range callers {
			ordering.Go(func() {
				for k := range keys {
					run, made, err := processes[c%2].Order(t.Context(), Order{Kind: "tick", Subject: "a", Unique: fmt.Sprint("nightly ", k), Parameters: c})
					if err != nil {
						t.Error(err)
						return
					}
					if made {
						created[k].Add(1)
					}
					ids[k].Store(run.ID, true)
				}
			})
		}
		ordering.Wait()
		for k := range keys {
			require.EqualValues(t, 1, created[k].Load(), "of %d callers one made the run", callers)
			n := 0
			ids[k].Range(func(any, any) bool { n++; return true })
			require.Equal(t, 1, n, "and all were answered the same")
		}
		_, made, err := processes[0].Order(t.Context(), Order{Kind: "tick"})
		require.NoError(t, err)
		require.True(t, made)
		_, made, err = processes[0].Order(t.Context(), Order{Kind: "tick"})
		require.NoError(t, err)
		require.True(t, made, "without a key each order is a run")

		for _, bad := range []Order{{}, {Kind: "tick", Retries: -1}, {Kind: "tick", Retries: 1000}, {Kind: "tick", Backoff: -1}, {Kind: "tick", Unique: string(make([]byte, 301))}} {
			_, _, err := processes[0].Order(t.Context(), bad)
			require.Error(t, err)
		}
	})
}

func TestNotBeforeAndDeadlines(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		r := process(t, open(), func(r *Runs) {
			r.Handle("work", 2, func(ctx context.Context, run *Active) (any, error) {
				if run.Subject() != "long" {
					return nil, nil
				}
				<-ctx.Done()
				return nil, ctx.Err()
			})
		})
		order := func(o Order) int64 {
			run, created, err := r.Order(t.Context(), o)
			require.NoError(t, err)
			require.True(t, created)
			return run.ID
		}
		at := time.Now().Add(300 * time.Millisecond)
		late := order(Order{Kind: "work", Subject: "long", Deadline: time.Now().Add(5 * time.Second), Retries: 3, Backoff: time.Millisecond})
		soon := order(Order{Kind: "work", NotBefore: at})
		never := order(Order{Kind: "nobody's", Deadline: at})
		past := order(Order{Kind: "work", NotBefore: at.Add(time.Hour), Deadline: time.Now().Add(-time.Hour)})

		run := wait(t, r, soon)
		require.Equal(t, Succeeded, run.State)
		require.False(t, run.StartedAt.Before(at.Truncate(time.Microsecond)), "%s before %s", run.StartedAt, at)
		for _, id := range []int64{never, past} {
			run = wait(t, r, id)
			require.Equal(t, Skipped, run.State)
			require.Contains(t, run.Reason, "it was not started by its deadline, 20")
			require.Zero(t, run.Attempts)
		}
		run = wait(t, r, late)
		require.Equal(t, Failed, run.State, "it is not tried again")
		require.Contains(t, run.Reason, "it was not done by its deadline, 20")
		require.Equal(t, 1, run.Attempts)
	})
}

func TestRetries(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		r := process(t, open(), func(r *Runs) {
			r.Handle("work", 1, func(_ context.Context, run *Active) (any, error) {
				run.Logf("trying %s", run.Subject())
				switch {
				case run.Subject() == "hopeless", run.Run().Attempts < 3:
					return nil, fmt.Errorf("attempt %d came to nothing", run.Run().Attempts)
				}
				return "done", nil
			})
		})
		order := func(subject string, retries int, deadline time.Time) Run {
			run, _, err := r.Order(t.Context(), Order{Kind: "work", Subject: subject, Retries: retries, Backoff: 10 * time.Millisecond, Deadline: deadline})
			require.NoError(t, err)
			return wait(t, r, run.ID)
		}
		run := order("patient", 3, time.Time{})
		require.Equal(t, Succeeded, run.State)
		require.Empty(t, run.Reason)
		require.Equal(t, 3, run.Attempts)
		require.Equal(t, 2, run.Failures)
		require.Len(t, run.Ended, 2)
		require.Equal(t, "attempt 1 came to nothing", run.Ended[0].Reason)
		require.Equal(t, 2, run.Ended[1].Number)
		require.Equal(t, r.process, run.Ended[1].Process)
		require.False(t, run.Ended[1].StartedAt.Before(run.Ended[0].EndedAt.Add(5*time.Millisecond).Truncate(time.Microsecond)), "half the backoff at least")
		log, err := r.Log(t.Context(), run.ID)
		require.NoError(t, err)
		require.Regexp(t, `(?s)^\S+ trying patient\n\S+ attempt 2, in .*\n\S+ trying patient\n\S+ attempt 3, in .*\n\S+ trying patient\n$`, log)

		run = order("hopeless", 2, time.Time{})
		require.Equal(t, Failed, run.State)
		require.Equal(t, "attempt 3 came to nothing", run.Reason)
		require.Len(t, run.Ended, 2)

		require.Equal(t, 1, order("hopeless", 0, time.Time{}).Attempts)
		r.Stop()
	})
}

func TestRetryIsNotWaitedForBeyondTheDeadline(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		r := process(t, open(), func(r *Runs) {
			r.Handle("work", 1, func(context.Context, *Active) (any, error) { return nil, errors.New("the disk is full") })
		})
		run, _, err := r.Order(t.Context(), Order{Kind: "work", Retries: 5, Backoff: time.Hour, Deadline: time.Now().Add(20 * time.Minute)})
		require.NoError(t, err)
		run = wait(t, r, run.ID)
		require.Equal(t, Failed, run.State)
		require.Equal(t, "the disk is full", run.Reason)
	})
}

func TestDelaysDouble(t *testing.T) {
	for failures, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour} {
		require.Equal(t, want, delay(time.Minute, failures, 0))
		require.Equal(t, want*3/4, delay(time.Minute, failures, 0.5))
	}
	require.Equal(t, time.Hour, delay(48*time.Hour, 0, 0))
	require.Equal(t, time.Hour, delay(time.Nanosecond, 1000, 0))
}

func TestOneRunPerKeyAtATime(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		most := atOnce(t, open, DefaultConfig(), func(i int) Order { return Order{Kind: "work", Key: fmt.Sprint(i % 2)} })
		require.Equal(t, map[string]int{"0": 1, "1": 1}, most)
	})
}

func TestPlacesForHeavyRuns(t *testing.T) {
	for _, places := range []int{1, 2} {
		t.Run(fmt.Sprint(places), func(t *testing.T) {
			databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
				config := DefaultConfig()
				config.Heavy = places
				most := atOnce(t, open, config, func(int) Order { return Order{Kind: "work", Heavy: true} })
				require.LessOrEqual(t, most[""], places)
			})
		})
	}
}

// atOnce has 24 orders done by three processes of four workers each, and counts for each key how many ran at a time.
func atOnce(t *testing.T, open func() *gorm.DB, config Config, order func(i int) Order) map[string]int {
	t.Helper()
	config.Poll, config.Lease = quick.Poll, time.Minute
	var mu sync.Mutex
	now, most := map[string]int{}, map[string]int{}
	count := func(key string, n int) {
		mu.Lock()
		now[key] += n
		most[key] = max(most[key], now[key])
		mu.Unlock()
	}
	db := open()
	var processes []*Runs
	for range 3 {
		if database.Postgres(db) {
			db = open()
		}
		processes = append(processes, processWith(t, db, config, func(r *Runs) {
			r.Handle("work", 4, func(_ context.Context, run *Active) (any, error) {
				count(run.Run().Key, 1)
				time.Sleep(time.Millisecond) // others have a chance
				count(run.Run().Key, -1)
				return nil, nil
			})
		}))
	}
	var ids []int64
	for i := range 24 {
		run, _, err := processes[i%3].Order(t.Context(), order(i))
		require.NoError(t, err)
		ids = append(ids, run.ID)
	}
	for _, id := range ids {
		require.Equal(t, Succeeded, wait(t, processes[0], id).State)
	}
	return most
}

func TestHeavyRunsWaitForTheEndOfQuietHours(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		config := quick
		config.QuietHours = "00:00-12:00,12:00-00:00" // always
		r := processWith(t, open(), config, func(r *Runs) {
			r.Handle("work", 4, func(context.Context, *Active) (any, error) { return nil, nil })
		})
		heavy, _, err := r.Order(t.Context(), Order{Kind: "work", Heavy: true})
		require.NoError(t, err)
		for _, o := range []Order{{Kind: "work"}, {Kind: "work", Heavy: true, Now: true}} { // both are ordered later
			run, _, err := r.Order(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, Succeeded, wait(t, r, run.ID).State)
		}
		run, err := r.Get(t.Context(), heavy.ID)
		require.NoError(t, err)
		require.Equal(t, Queued, run.State)
	})
}

func TestQuietHours(t *testing.T) {
	for _, c := range []struct{ text, zone, at, want string }{
		{"", "UTC", "2026-06-01T03:00:00Z", "no"},
		{"22:00-06:00", "UTC", "2026-06-01T22:00:00Z", "yes"},
		{"22:00-06:00", "UTC", "2026-06-01T05:59:59Z", "yes"},
		{"22:00-06:00", "UTC", "2026-06-01T06:00:00Z", "no"},
		{"22:00-06:00", "Europe/Berlin", "2026-06-01T20:00:00Z", "yes"},
		{"22:00-06:00", "Europe/Berlin", "2026-12-01T20:00:00Z", "no"},
		{"08:00-12:00, 13:00-18:00", "UTC", "2026-06-01T12:30:00Z", "no"},
		{"08:00-12:00, 13:00-18:00", "UTC", "2026-06-01T13:30:00Z", "yes"},
		{"08:00", "UTC", "2026-06-01T13:30:00Z", "error"},
		{"08:00-08:00", "UTC", "2026-06-01T13:30:00Z", "error"},
		{"08:00-24:00", "UTC", "2026-06-01T13:30:00Z", "error"},
		{"08:00-18:00", "Mars/Base", "2026-06-01T13:30:00Z", "error"},
		{"08:00-18:00", "Local", "2026-06-01T13:30:00Z", "error"},
	} {
		q, err := readQuietHours(c.text, c.zone)
		at, parseErr := time.Parse(time.RFC3339, c.at)
		require.NoError(t, parseErr)
		got := map[bool]string{true: "yes", false: "no"}[q.at(at)]
		if err != nil {
			got = "error"
		}
		require.Equal(t, c.want, got, c)
	}
}

func TestHoldAndSkip(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		r := process(t, open(), func(r *Runs) {
			r.Handle("work", 1, func(_ context.Context, run *Active) (any, error) {
				run.Rows(3)
				if run.Forced() {
					return "published", nil
				}
				if run.Subject() == "idle" {
					return nil, fmt.Errorf("looking: %w", Skip("no tick is due"))
				}
				return map[string]int{"rows": 3}, Hold("there are 3 rows, under half of the 10 that are usual")
			})
		})
		order := func(subject string) Run {
			run, _, err := r.Order(t.Context(), Order{Kind: "work", Subject: subject, Retries: 3, Schedule: "nightly", Tick: time.Unix(0, 0), Key: "k", Heavy: true,
				Parameters: map[string]int{"a": 1}})
			require.NoError(t, err)
			return wait(t, r, run.ID)
		}
		run := order("idle")
		require.Equal(t, Skipped, run.State)
		require.Equal(t, "no tick is due", run.Reason)

		run = order("partial")
		require.Equal(t, Held, run.State)
		require.Contains(t, run.Reason, "under half")
		require.JSONEq(t, `{"rows":3}`, string(run.Result))
		require.EqualValues(t, 3, *run.Rows)
		require.Equal(t, 1, run.Attempts, "it is not tried again by itself")

		again, err := r.Retry(t.Context(), run.ID, false, false)
		require.NoError(t, err)
		again = wait(t, r, again.ID)
		require.Equal(t, Held, again.State)
		require.Equal(t, run.ID, again.RetryOf)
		_, err = r.Retry(t.Context(), run.ID, true, false)
		require.True(t, fault.Is(err, "run-retried"), err)

		released, err := r.Retry(t.Context(), again.ID, true, true)
		require.NoError(t, err)
		released = wait(t, r, released.ID)
		require.Equal(t, Succeeded, released.State)
		require.True(t, released.Forced)
		require.JSONEq(t, `{"a":1}`, string(released.Parameters))
		require.Equal(t, "nightly", released.Schedule)
		require.Equal(t, time.Unix(0, 0).UTC(), released.Tick)
		require.Equal(t, "k", released.Key)
		require.True(t, released.Heavy)

		begun, err := r.Begin(t.Context(), "load", "a", nil)
		require.NoError(t, err)
		require.NoError(t, begun.Finish(t.Context(), nil, errors.New("bad rows")))
		_, err = r.Retry(t.Context(), begun.ID(), false, false)
		require.True(t, fault.Is(err, "run-not-repeatable"), err)
	})
}
