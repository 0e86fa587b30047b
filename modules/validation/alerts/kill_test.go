package alerts

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/modules/store/storetest/servers"
)

// Variables by which a test starts this test program as a process that ends itself with SIGKILL.
const (
	killAt       = "ALERTS_TEST_KILL_AT"
	killFile     = "ALERTS_TEST_SQLITE"
	killURL      = "ALERTS_TEST_POSTGRES"
	killSchema   = "ALERTS_TEST_SCHEMA"
	killReceiver = "ALERTS_TEST_RECEIVER"
)

func TestMain(m *testing.M) {
	if point := os.Getenv(killAt); point != "" {
		doomed(point)
		os.Exit(3) // it lived
	}
	os.Exit(m.Run())
}

func openNamed(ctx context.Context, file, url, schema string) (*gorm.DB, error) {
	if file != "" {
		return database.OpenSQLite(ctx, file, quiet)
	}
	return database.OpenPostgres(ctx, url, schema, quiet)
}

func killed() { syscall.Kill(os.Getpid(), syscall.SIGKILL) } //nolint:errcheck // it is dead

// afterAnswer kills the process once a request was answered.
type afterAnswer struct{ http.RoundTripper }

func (a afterAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := a.RoundTripper.RoundTrip(r)
	killed()
	return response, err
}

// doomed takes in a bad outcome, tells it and sends it, and is killed at the point.
func doomed(point string) {
	ctx := context.Background()
	db, err := openNamed(ctx, os.Getenv(killFile), os.Getenv(killURL), os.Getenv(killSchema))
	if err == nil {
		err = Migrate(ctx, db)
	}
	c := DefaultConfig()
	c.GroupWait, c.AllowedTargets = 0, []string{"127.0.0.1"}
	a, newErr := New(db, c, &listed{all: []Receiver{{Name: "ops", Kind: Webhook, URLEnv: killReceiver, MinSeverity: Info}}}, time.Now, quiet)
	if err != nil || newErr != nil {
		os.Exit(4)
	}
	at := func(here string, err error) {
		if err != nil {
			os.Exit(5)
		}
		if here == point {
			killed()
		}
	}
	at("before the outcome is committed", db.Transaction(func(tx *gorm.DB) error {
		err := a.ObserveIn(tx, failing("range", epoch))
		at("before the outcome is committed", err)
		return err
	}))
	at("after the outcome is committed", nil)
	_, err = a.tell(ctx)
	if point == "with the notification in memory only" {
		err = db.Exec("DELETE FROM validation_alert_deliveries").Error
		at(point, err)
	}
	at("after the notification is made out", err)
	if point == "after it is sent" {
		a.sender.client.Transport = afterAnswer{a.sender.client.Transport}
	}
	if point == "after it is claimed" {
		_, _, err := a.repository.claim(ctx, a.now, a.holder)
		at(point, err)
	}
	at("", a.dispatch(ctx))
	a.done.Wait()
}

// A process that is killed anywhere between taking an outcome in and having noted that it was sent loses nothing: the next one tells, once
// unless the first had sent it, and then under the same id. The control keeps the notification in memory only, as a program without
// a queue of deliveries would: then nothing is ever sent.
func TestKilledProcessLosesNothing(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		for point, want := range map[string]int{
			"before the outcome is committed":      1, // by the next process, which the outcome is handed to again
			"after the outcome is committed":       1,
			"after the notification is made out":   1,
			"after it is claimed":                  1,
			"after it is sent":                     2,
			"with the notification in memory only": 0,
		} {
			t.Run(engine+"/"+point, func(t *testing.T) {
				sink := newSink(t)
				var file, url, schema string
				if engine == "sqlite" {
					file = filepath.Join(t.TempDir(), "registry.db")
				} else {
					url, schema = servers.Postgres(t)
				}
				child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
				child.Env = append(os.Environ(), killAt+"="+point, killFile+"="+file, killURL+"="+url, killSchema+"="+schema, killReceiver+"="+sink.URL)
				output, err := child.CombinedOutput()
				var exit *exec.ExitError
				require.ErrorAs(t, err, &exit, "%s", output)
				status, ok := exit.Sys().(syscall.WaitStatus)
				require.True(t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%v: %s", err, output)

				db, err := openNamed(t.Context(), file, url, schema)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, database.Close(db)) })
				c := testConfig(t)
				c.GroupWait = 0
				clock := &fakeClock{now: time.Now().Add(sendLease + time.Minute)}
				next := process(t, db, c, &listed{all: []Receiver{sink.receiver(t, c, "ops")}}, clock, quiet)
				require.NoError(t, next.Observe(t.Context(), failing("range", epoch)))
				for range 3 {
					next.work(t)
					clock.Advance(time.Minute)
				}
				require.Len(t, sink.got, want)
				ids := map[string]bool{}
				for range want {
					ids[sink.next(t).body.NotificationID] = true
				}
				require.Len(t, ids, min(want, 1))
				left, err := next.Deliveries(t.Context(), "ops", Queued, 0, 10)
				require.NoError(t, err)
				require.Empty(t, left)
				found, err := next.List(t.Context(), Filter{Limit: 10})
				require.NoError(t, err)
				require.Len(t, found, 1)
				require.Equal(t, []string{"ops"}, found[0].ToldTo)
			})
		}
	}
}

// Where no other process can be there, a start need not wait for the lease of the one before.
func TestStartTakesUpWhatWasLeft(t *testing.T) {
	sink := newSink(t)
	file := filepath.Join(t.TempDir(), "registry.db")
	db, err := openNamed(t.Context(), file, "", "")
	require.NoError(t, err)
	defer database.Close(db) //nolint:errcheck // a test
	c := testConfig(t)
	c.GroupWait, c.Poll = 0, 20*time.Millisecond
	receivers := &listed{all: []Receiver{sink.receiver(t, c, "ops")}}
	dead := process(t, db, c, receivers, nil, quiet)
	require.NoError(t, dead.Observe(t.Context(), failing("range", epoch)))
	_, err = dead.tell(t.Context())
	require.NoError(t, err)
	_, found, err := dead.repository.claim(t.Context(), dead.now, dead.holder)
	require.NoError(t, err)
	require.True(t, found)

	next := process(t, db, c, receivers, nil, quiet)
	require.NoError(t, next.Start(t.Context()))
	defer next.Stop()
	sink.next(t)
}
