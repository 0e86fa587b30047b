package scheduler

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/modules/runs"
)

// beside is another scheduler on the world's database, as another process has it.
func (w *world) beside(db *gorm.DB) *Scheduler {
	s := New(DefaultConfig(), Parts{DB: db, Definitions: w.definitions, Runs: w.work, Pipelines: w, Told: w, Clock: w.clock, Log: quiet})
	s.repository.now = w.repository.now
	return s
}

// However many look at the same moment, a tick has one occurrence and one run; with catch_up latest there is none for a tick that another stands for.
func TestSchedulersAtOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		w := newWorld(t, open(), begin)
		schedulers := []*Scheduler{w.Scheduler}
		for range 3 {
			schedulers = append(schedulers, w.beside(open()))
		}
		w.apply(`{"schedules": [{"name": "all", "what": "expire", "every": "1m", "catch_up": "all"}, {"name": "latest", "what": "compact", "subject": "spending", "every": "1m"}]}`)
		const rounds = 12
		for round := range rounds {
			w.mu.Lock()
			w.now = begin.Add(time.Duration(round+1) * 2 * time.Minute)
			w.mu.Unlock()
			var at sync.WaitGroup
			errs := make([]error, len(schedulers))
			for i, s := range schedulers {
				at.Go(func() { errs[i] = s.pass(context.Background()) })
			}
			at.Wait()
			for _, err := range errs {
				require.NoError(t, err)
			}
			w.settle()
		}
		for name, wanted := range map[string]int{"all": 2 * rounds, "latest": rounds} {
			occurrences, err := w.repository.of(t.Context(), name, 0, 1000)
			require.NoError(t, err)
			require.Len(t, occurrences, wanted, name)
			for _, o := range occurrences {
				require.Equal(t, Done, o.State, "%s %s: %s", name, o.Tick, o.Reason)
				require.Len(t, o.Runs, 1)
			}
			ordered, err := w.work.List(t.Context(), runs.Filter{Kind: map[string]string{"all": "expiry", "latest": "compaction"}[name], Limit: 1000})
			require.NoError(t, err)
			require.Len(t, ordered, wanted, name)
		}
	})
}

// Whoever wakes up in the middle of a pass finds what he was about to do done: of the ticks that he saw none is left, and what he orders is there.
func TestASchedulerThatSlept(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		w := newWorld(t, open(), begin)
		w.apply(`{"schedules": [{"name": "latest", "what": "compact", "subject": "spending", "every": "1h"}]}`)
		slept, schedule := w.beside(open()), w.Schedules()[0]
		tick := begin.Add(time.Hour)
		w.at(tick.Add(3 * time.Hour))
		require.NoError(t, slept.decide(t.Context(), schedule, tick))
		require.NoError(t, slept.decide(t.Context(), schedule, tick.Add(2*time.Hour)))
		occurrences, err := w.repository.of(t.Context(), "latest", 0, 10)
		require.NoError(t, err)
		require.Len(t, occurrences, 1)

		o := *occurrences[0]
		o.State, o.Runs = Due, nil
		require.ErrorIs(t, slept.order(t.Context(), schedule, &o, tick), errMoved)
		require.Equal(t, occurrences[0].Runs, o.Runs, "the same run")
		o.State = Waiting
		require.ErrorIs(t, slept.skip(t.Context(), schedule, &o, tick, "it is too late", ""), errMoved)
		again, err := w.repository.of(t.Context(), "latest", 0, 10)
		require.NoError(t, err)
		require.Equal(t, occurrences, again)

		o.State, o.Tick = Due, tick // the control: another tick has a run of its own
		require.ErrorIs(t, slept.order(t.Context(), schedule, &o, tick), errMoved)
		require.NotEqual(t, occurrences[0].Runs, o.Runs)
	})
}

// What is known to be missed is told by whoever is there, once, though the one who found out has ended; and a failure to tell is made up for.
func TestWhatIsMissedIsTold(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	w.apply(`{"schedules": [{"name": "daily", "what": "compact", "subject": "spending", "every": "1d"}]}`)
	schedule := w.Schedules()[0]
	require.NoError(t, w.decide(t.Context(), schedule, w.now))
	require.NoError(t, w.missed(t.Context(), schedule, "it was missed"))
	other := w.beside(w.repository.db)
	failing := &unheard{}
	other.told = failing
	for range 2 {
		require.ErrorContains(t, other.tell(t.Context(), other.Schedules(), w.now), "nobody hears")
	}
	other.told = w
	for range 3 {
		require.NoError(t, other.tell(t.Context(), other.Schedules(), w.now))
	}
	require.Equal(t, 2, failing.n)
	require.Equal(t, []Missed{{Schedule: "daily", What: Compact, Group: "spending", Sentence: "it was missed", At: w.now}}, w.told)
	require.NoError(t, w.missed(t.Context(), schedule, ""))
	for range 3 {
		require.NoError(t, w.tell(t.Context(), w.Schedules(), w.now))
	}
	require.Len(t, w.told, 2)
	require.True(t, w.told[1].Kept)
}

type unheard struct{ n int }

func (u *unheard) Missed(context.Context, Missed) error {
	u.n++
	return fmt.Errorf("nobody hears")
}

// One schedule whose turn panics leaves the others alone.
func TestAPanicLeavesTheOthersAlone(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	w.apply(`{"schedules": [{"name": "broken", "what": "compact", "subject": "spending", "every": "1m"}, {"name": "sound", "what": "expire", "every": "1m"}]}`)
	w.Schedules()[0].Timetable = nil
	w.mu.Lock()
	w.now = w.now.Add(time.Minute)
	w.mu.Unlock()
	for range 3 {
		require.ErrorContains(t, w.pass(t.Context()), "panic")
	}
	occurrences, err := w.repository.of(t.Context(), "sound", 0, 10)
	require.NoError(t, err)
	require.Len(t, occurrences, 1)
}
