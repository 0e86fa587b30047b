package alerts

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/database/databasetest"
)

// fakeClock is the clock of all processes of a test.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// listed are receivers that a test can change.
type listed struct {
	mu  sync.Mutex
	all []Receiver
}

func (l *listed) Receivers() []Receiver {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

func (l *listed) set(all ...Receiver) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = all
}

func testConfig(t testing.TB) Config {
	c := DefaultConfig()
	c.AllowedTargets = []string{"127.0.0.1"}
	c.SecretsFolder = t.TempDir()
	c.Timeout = 20 * time.Second
	return c
}

// process is Alerts of its own on a database, as another process would have them; clock nil: the database's.
func process(t testing.TB, db *gorm.DB, c Config, receivers Receivers, clock *fakeClock, log *slog.Logger) *Alerts {
	require.NoError(t, Migrate(context.Background(), db))
	a, err := New(db, c, receivers, time.Now, log)
	require.NoError(t, err)
	if clock != nil {
		a.now = func(*gorm.DB) (time.Time, error) { return clock.Now(), nil }
	}
	return a
}

var quiet = slog.New(slog.DiscardHandler)

// hasten is for tests of many small transactions, none of which has to survive.
func hasten(t testing.TB, db *gorm.DB) {
	pool, err := db.DB()
	require.NoError(t, err)
	pool.SetMaxOpenConns(1)
	setting := "PRAGMA synchronous = OFF"
	if database.Postgres(db) {
		setting = "SET synchronous_commit = off"
	}
	require.NoError(t, db.Exec(setting).Error)
}

// work does what is due, and waits for it.
func (a *Alerts) work(t testing.TB) {
	require.NoError(t, a.pass(context.Background()))
	a.done.Wait()
}

func failing(rule string, at time.Time) Outcome {
	return Outcome{
		Rule: rule, RuleVersion: 1, Group: "purchases", Feature: "amount", Owner: "data_science", Severity: Error, Status: Failed,
		Observed: "4.2 % outside", Expected: "at most 1 % outside 0 to 10000", Sentence: "4.2 % of amount are outside 0 to 10000.", Run: 17, At: at,
	}
}

func passing(rule string, at time.Time) Outcome {
	o := failing(rule, at)
	o.Status = Passed
	return o
}

// What a started process is told of goes out by itself, by the database's clock, on both databases.
func TestStartedProcessTells(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		sink := newSink(t)
		c := testConfig(t)
		c.GroupWait, c.Poll = 0, 20*time.Millisecond
		a := process(t, open(), c, &listed{all: []Receiver{sink.receiver(t, c, "all")}}, nil, quiet)
		require.NoError(t, a.Start(t.Context()))
		defer a.Stop()
		require.NoError(t, a.Observe(t.Context(), failing("range", time.Now())))
		require.Equal(t, "firing", sink.next(t).body.Status)
		require.NoError(t, a.Observe(t.Context(), passing("range", time.Now().Add(time.Second))))
		require.Equal(t, "resolved", sink.next(t).body.Status)
	})
}

func TestOutcomesAreChecked(t *testing.T) {
	a := process(t, databasetest.SQLite(t)(), testConfig(t), &listed{}, nil, quiet)
	for what, spoil := range map[string]func(*Outcome){
		"the rule is not named":       func(o *Outcome) { o.Rule = "" },
		"the group is not named":      func(o *Outcome) { o.Group = "" },
		"the severity is fatal":       func(o *Outcome) { o.Severity = "fatal" },
		"the status is ok":            func(o *Outcome) { o.Status = "ok" },
		"the class is other":          func(o *Outcome) { o.Class = "other" },
		"for is -1":                   func(o *Outcome) { o.For = -1 },
		"resolve_after is 1001":       func(o *Outcome) { o.ResolveAfter = 1001 },
		"the time is not given":       func(o *Outcome) { o.At = time.Time{} },
		"outcome of rule range on pu": func(o *Outcome) { o.At = time.Time{} },
	} {
		o := failing("range", epoch)
		spoil(&o)
		require.ErrorContains(t, a.Observe(t.Context(), failing("fine", epoch), o), what)
	}
	found, err := a.List(t.Context(), Filter{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, found, "all or none")
}

// Alerts and what their caller writes are kept together.
func TestOutcomesCommitWithTheirCaller(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		a := process(t, db, testConfig(t), &listed{}, nil, quiet)
		err := db.Transaction(func(tx *gorm.DB) error {
			require.NoError(t, a.ObserveIn(tx, failing("range", epoch)))
			return context.Canceled
		})
		require.ErrorIs(t, err, context.Canceled)
		found, err := a.List(t.Context(), Filter{Limit: 10})
		require.NoError(t, err)
		require.Empty(t, found)
		require.NoError(t, db.Transaction(func(tx *gorm.DB) error { return a.ObserveIn(tx, failing("range", epoch)) }))
		found, err = a.List(t.Context(), Filter{Limit: 10})
		require.NoError(t, err)
		require.Len(t, found, 1)
	})
}

// A silence that ends while another process looks is noticed by whoever looks first, be it only to tell something else.
func TestSilenceEndsBetweenLooks(t *testing.T) {
	clock := &fakeClock{now: epoch}
	a := process(t, databasetest.SQLite(t)(), testConfig(t), &listed{all: []Receiver{{Name: "all", MinSeverity: Info}}}, clock, quiet)
	_, _, err := a.Silence(t.Context(), Silence{Matcher: Matcher{Rule: "quiet"}, Until: epoch.Add(30 * time.Second), Author: "a", Reason: "b"}, false)
	require.NoError(t, err)
	quietly, loudly := failing("quiet", epoch), failing("loud", epoch)
	loudly.Run = 18
	require.NoError(t, a.Observe(t.Context(), quietly, loudly))
	clock.Advance(30 * time.Second)
	var last int64
	tell := func() []string {
		for more := true; more; {
			more, err = a.tell(t.Context())
			require.NoError(t, err)
		}
		return madeOut(t, a, &last)
	}
	require.Equal(t, []string{"all run=18: new loud error"}, tell())
	require.NoError(t, a.review(t.Context()))
	clock.Advance(30 * time.Second)
	require.Equal(t, []string{"all run=17: new quiet error"}, tell())
}

// Whatever an outcome says of the data, both databases take it.
func TestOutcomesOfAnyText(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		a := process(t, open(), testConfig(t), &listed{}, nil, quiet)
		o := failing("range", epoch)
		o.Observed, o.Expected, o.Sentence = "\xff\x00a", strings.Repeat("ä", 5000), "'; DROP TABLE validation_alerts; --"
		require.NoError(t, a.Observe(t.Context(), o))
		alert, err := a.Get(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, "\uFFFD\uFFFDa", alert.Observed)
		require.Equal(t, strings.Repeat("ä", 999)+"…", alert.Expected)
		require.Equal(t, o.Sentence, alert.Sentence)
	})
}
