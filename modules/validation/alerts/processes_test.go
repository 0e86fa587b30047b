package alerts

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
)

const processes = 3

// Outcomes that three processes hand over at the same time, and notifications that all three look for, are told exactly once.
func TestManyProcessesTellOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		const rounds = 12
		sink := newSink(t)
		c := testConfig(t)
		c.GroupWait = 0
		receivers := &listed{all: []Receiver{sink.receiver(t, c, "ops")}}
		var all []*Alerts
		for range processes {
			all = append(all, process(t, open(), c, receivers, nil, quiet))
		}
		for round := range rounds {
			var outcomes []Outcome
			for i := range 5 {
				o := failing(fmt.Sprint("rule", i), epoch.Add(time.Duration(round)*time.Minute))
				if round%2 == 1 {
					o.Status = Passed
				}
				outcomes = append(outcomes, o)
			}
			var together sync.WaitGroup
			start := make(chan struct{})
			for _, a := range all {
				together.Go(func() {
					<-start
					if err := a.Observe(context.Background(), outcomes...); err != nil {
						t.Error(err)
					}
					if err := a.pass(context.Background()); err != nil {
						t.Error(err)
					}
					a.done.Wait()
				})
			}
			close(start)
			together.Wait()
			all[0].work(t) // what was made out after the others had looked
		}
		keys := map[string]bool{}
		firing, resolved := 0, 0
		for range rounds {
			got := sink.next(t)
			keys[got.body.NotificationID] = true
			require.Len(t, got.body.Alerts, 5)
			if got.body.Status == "firing" {
				firing++
			} else {
				resolved++
			}
		}
		sink.none(t)
		require.Len(t, keys, rounds)
		require.Equal(t, rounds/2, firing)
		require.Equal(t, rounds/2, resolved)
		found, err := all[0].List(t.Context(), Filter{Limit: 1000})
		require.NoError(t, err)
		require.Len(t, found, 5*rounds/2)
	})
}

// meeting are receivers that processes ask for after they have read what is to be told: they wait there for each other.
type meeting struct {
	listed
	arrived sync.WaitGroup
}

func (m *meeting) Receivers() []Receiver {
	m.arrived.Done()
	m.arrived.Wait()
	return m.listed.Receivers()
}

// The control: without the lock and the transaction, three processes that look at the same time each tell.
func TestProcessesWithoutTheLockTellSeveralTimes(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		c := testConfig(t)
		c.GroupWait = 0
		receivers := &meeting{listed: listed{all: []Receiver{{Name: "ops", Kind: Webhook, MinSeverity: Info}}}}
		receivers.arrived.Add(processes)
		var all []*Alerts
		for range processes {
			a := process(t, open(), c, receivers, nil, quiet)
			a.repository.lock = func(*gorm.DB, string) error { return nil }
			a.repository.atomically = func(ctx context.Context, change func(*gorm.DB) error) error {
				return change(a.repository.db.WithContext(ctx))
			}
			all = append(all, a)
		}
		require.NoError(t, all[0].Observe(t.Context(), failing("range", epoch)))
		var together sync.WaitGroup
		for _, a := range all {
			together.Go(func() {
				if _, err := a.tell(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		together.Wait()
		queued, err := all[0].Deliveries(t.Context(), "ops", Queued, 0, 10)
		require.NoError(t, err)
		require.Len(t, queued, processes)
	})
}

// A delivery that a process has under way is nobody else's, until its lease is over: then it is sent again, under the same id, and what the
// first process has to say of it no longer counts.
func TestLeases(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		sink := newSink(t)
		release := make(chan struct{})
		var once sync.Once
		held := make(chan struct{})
		sink.answer = func(w http.ResponseWriter, r *http.Request) {
			first := false
			once.Do(func() { first = true })
			if first {
				close(held)
				<-release
				w.WriteHeader(500)
			}
		}
		c := testConfig(t)
		clock := &fakeClock{now: epoch}
		receivers := &listed{all: []Receiver{sink.receiver(t, c, "ops")}}
		one, two := process(t, open(), c, receivers, clock, quiet), process(t, open(), c, receivers, clock, quiet)
		one.config.Timeout = time.Minute
		require.NoError(t, one.Observe(t.Context(), failing("range", epoch)))
		clock.Advance(30 * time.Second)
		require.NoError(t, one.pass(t.Context()))
		<-held

		clock.Advance(sendLease - time.Microsecond)
		two.work(t)
		require.Len(t, sink.got, 1, "the first process has it")
		clock.Advance(time.Microsecond)
		two.work(t)
		require.Len(t, sink.got, 2)
		require.Equal(t, sink.next(t).body.NotificationID, sink.next(t).body.NotificationID)
		close(release)
		one.done.Wait()
		found, err := two.Deliveries(t.Context(), "ops", "", 0, 10)
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Equal(t, Delivered, found[0].State)
		require.Len(t, found[0].Tries, 1)
		clock.Advance(time.Hour)
		one.work(t)
		two.work(t)
		sink.none(t)
	})
}

// Stop gives back what it had under way, at once.
func TestStopGivesBack(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		sink := newSink(t)
		held := make(chan struct{}, 10)
		sink.answer = func(_ http.ResponseWriter, r *http.Request) {
			held <- struct{}{}
			<-r.Context().Done()
		}
		c := testConfig(t)
		c.GroupWait, c.Poll = 0, 20*time.Millisecond
		receivers := &listed{all: []Receiver{sink.receiver(t, c, "ops")}}
		one := process(t, open(), c, receivers, nil, quiet)
		require.NoError(t, one.Start(t.Context()))
		require.NoError(t, one.Observe(t.Context(), failing("range", epoch)))
		<-held
		one.Stop()
		two := process(t, open(), c, receivers, nil, quiet)
		found, err := two.Deliveries(t.Context(), "ops", Queued, 0, 10)
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Empty(t, found[0].Tries, "it counts as no try")
		first := sink.next(t)
		sink.answer = nil
		two.work(t)
		require.Equal(t, first.body.NotificationID, sink.next(t).body.NotificationID)
	})
}
