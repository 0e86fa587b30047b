package runs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/database/databasetest"
)

// listener is a Watcher that fails at first.
type listener struct {
	mu       sync.Mutex
	failures int
	slow     map[int64]time.Duration
	ended    map[int64]State
}

func (l *listener) hear(note func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failures > 0 {
		l.failures--
		return errors.New("not now")
	}
	note()
	return nil
}

func (l *listener) Slow(_ context.Context, run Run, usual time.Duration) error {
	return l.hear(func() { l.slow[run.ID] = usual })
}

func (l *listener) Ended(_ context.Context, run Run) error {
	return l.hear(func() { l.ended[run.ID] = run.State })
}

func (l *listener) heard(id int64) (usual time.Duration, ended State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slow[id], l.ended[id]
}

func newListener(failures int) *listener {
	return &listener{failures: failures, slow: map[int64]time.Duration{}, ended: map[int64]State{}}
}

func TestSlowRunsAreTold(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		require.NoError(t, Migrate(t.Context(), db))
		now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
		var mu sync.Mutex
		clock := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
		pass := func(d time.Duration) {
			mu.Lock()
			now = now.Add(d)
			mu.Unlock()
		}
		config := quick
		config.SlowAfter, config.Lease = 10*time.Second, time.Minute
		told := newListener(1)
		r := New(db, config, clock, slog.New(slog.DiscardHandler))
		r.TellTo(told)
		done := func(subject, form string, took time.Duration) {
			started, finished := database.MicrosOf(clock()), database.MicrosOf(clock().Add(took))
			require.NoError(t, r.repository.insert(t.Context(), &runRow{
				Kind: "work", Subject: subject, Form: form, State: Succeeded, CreatedAt: started, StartedAt: &started, FinishedAt: &finished,
			}))
		}
		for i := range 5 {
			done("usual", "", time.Duration(i+1)*10*time.Second) // the median is 30 s
			done("usual", "back-fill", time.Hour)
			done("short", "", time.Second)
			if i < 4 {
				done("new", "", time.Second)
			}
		}
		release := make(chan struct{})
		r.Handle("work", 10, func(ctx context.Context, _ *Active) (any, error) {
			<-release
			return nil, nil
		})
		ids := map[string]int64{}
		for _, o := range []Order{{Subject: "usual"}, {Subject: "usual", Form: "back-fill"}, {Subject: "short"}, {Subject: "new"}} {
			o.Kind = "work"
			run, _, err := r.Order(t.Context(), o)
			require.NoError(t, err)
			ids[o.Subject+o.Form] = run.ID
		}
		require.NoError(t, r.Start(context.WithoutCancel(t.Context())))
		t.Cleanup(r.Stop)
		begun, err := r.Begin(t.Context(), "work", "short", nil)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return len(r.working()) == 5 }, 30*time.Second, time.Millisecond)
		slow := func(name string) time.Duration { usual, _ := told.heard(ids[name]); return usual }

		pass(9 * time.Second)
		require.NoError(t, r.watch(t.Context()))
		require.Zero(t, slow("short"), "none is slow before 10 s")
		pass(time.Second)
		require.Eventually(t, func() bool { return slow("short") == time.Second }, 30*time.Second, time.Millisecond)
		pass(79 * time.Second)
		require.Zero(t, slow("usual"))
		pass(time.Second)
		require.Eventually(t, func() bool { return slow("usual") == 30*time.Second }, 30*time.Second, time.Millisecond)
		require.Zero(t, slow("new"), "of four nobody knows how long they take")
		require.Zero(t, slow("usualback-fill"))
		usual, _ := told.heard(begun.ID())
		require.Zero(t, usual)
		require.NoError(t, begun.Finish(t.Context(), nil, nil))
		run, err := r.Get(t.Context(), ids["usual"])
		require.NoError(t, err)
		require.True(t, run.Slow)

		close(release)
		for _, name := range []string{"usual", "short"} {
			require.Eventually(t, func() bool { _, state := told.heard(ids[name]); return state == Succeeded }, 30*time.Second, time.Millisecond)
		}
		submitted, err := r.Submit(t.Context(), "work", "a", nil)
		require.NoError(t, err)
		wait(t, r, submitted.ID)
		require.NoError(t, r.tell(t.Context()))
		_, state := told.heard(submitted.ID)
		require.Empty(t, state, "nobody cares")
	})
}

// The ends of runs that were ordered are told, whoever did them and however they ended.
func TestEndsOfOrderedRunsAreTold(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		require.NoError(t, Migrate(t.Context(), db))
		dead := New(db, quick, time.Now, slog.New(slog.DiscardHandler)) // tells nobody
		want := map[int64]State{}
		order := func(o Order, state State) {
			o.Kind, o.Subject = "work", fmt.Sprint(state)
			run, _, err := dead.Order(t.Context(), o)
			require.NoError(t, err)
			want[run.ID] = state
		}
		order(Order{}, Succeeded)
		order(Order{}, Failed)
		order(Order{}, Held)
		order(Order{Deadline: time.Now().Add(-time.Second)}, Skipped)
		order(Order{NotBefore: time.Now().Add(time.Hour)}, Cancelled)
		for id, state := range want {
			if state == Cancelled {
				_, err := dead.Cancel(t.Context(), id)
				require.NoError(t, err)
			}
		}
		order(Order{}, "lost")
		claimed, err := dead.claim(t.Context(), "work", claimant{owner: dead.owner, lease: quick.Lease})
		require.NoError(t, err)
		require.NoError(t, db.Exec("UPDATE runs SET attempts = 5 WHERE id = ?", claimed.ID()).Error)
		want[claimed.ID()] = Failed

		told := newListener(2)
		process(t, open(), func(r *Runs) {
			r.TellTo(told)
			r.Handle("work", 2, func(_ context.Context, run *Active) (any, error) {
				switch State(run.Subject()) {
				case Failed:
					return nil, errors.New("the disk is full")
				case Held:
					return nil, Hold("half of it is missing")
				}
				return nil, nil
			})
		})
		for id, state := range want {
			if state == "lost" {
				state = Succeeded
			}
			require.Eventually(t, func() bool { _, ended := told.heard(id); return ended == state }, 30*time.Second, time.Millisecond, "%d: %s", id, state)
		}
	})
}
