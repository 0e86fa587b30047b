package alerts

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
	"featurestore/modules/store/storetest/servers"
)

func TestWithoutItsDatabase(t *testing.T) {
	server := servers.StartPostgres(t)
	db, err := database.OpenPostgres(t.Context(), server.URL(), "alerts", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { database.Close(db) }) //nolint:errcheck // a test
	c := testConfig(t)
	c.Poll = 20 * time.Millisecond
	a := process(t, db, c, &listed{all: []Receiver{{Name: "ops", Kind: Webhook, URLEnv: "ALERTS_TEST_NOT_SET"}}}, nil, quiet)
	require.NoError(t, a.Start(t.Context()))
	defer a.Stop()
	require.NoError(t, a.Observe(t.Context(), failing("range", epoch)))

	require.NoError(t, server.Kill())
	for what, call := range map[string]func() error{
		"observe":     func() error { return a.Observe(t.Context(), failing("range", epoch.Add(time.Second))) },
		"read":        func() error { _, err := a.Get(t.Context(), 1); return err },
		"list":        func() error { _, err := a.List(t.Context(), Filter{Limit: 1}); return err },
		"acknowledge": func() error { _, err := a.Acknowledge(t.Context(), 1, "ann", "", false); return err },
		"resolve":     func() error { _, err := a.Resolve(t.Context(), 1, "ann", "x", false); return err },
		"gone":        func() error { return a.ResolveRule(t.Context(), "purchases", "range", "deleted") },
		"silence": func() error {
			_, _, err := a.Silence(t.Context(), Silence{Until: time.Now().Add(time.Hour)}, false)
			return err
		},
		"unsilence":  func() error { _, err := a.Unsilence(t.Context(), 1, false); return err },
		"silences":   func() error { _, err := a.Silences(t.Context(), true, 0, 1); return err },
		"deliveries": func() error { _, err := a.Deliveries(t.Context(), "ops", "", 0, 1); return err },
		"resend":     func() error { _, err := a.Resend(t.Context(), "ops", 1); return err },
		"test":       func() error { _, err := a.Test(t.Context(), "ops"); return err },
		"failing":    func() error { _, err := a.Failing(t.Context()); return err },
	} {
		problem, ok := fault.As(call())
		require.True(t, ok, what)
		require.Equal(t, fault.Busy, problem.Kind, what)
		require.Equal(t, "alerts-unavailable", problem.Slug, what)
	}
	gathered, err := registryOf(a).Gather()
	require.NoError(t, err, "a scrape goes on without what the database would say")
	require.Empty(t, gathered)
}

func registryOf(a *Alerts) *prometheus.Registry {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(a)
	return registry
}

func TestMetrics(t *testing.T) {
	sink := newSink(t)
	broken := newSink(t)
	broken.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }
	c := testConfig(t)
	clock := &fakeClock{now: epoch}
	a := process(t, databasetest.SQLite(t)(), c, &listed{all: []Receiver{broken.receiver(t, c, "broken"), sink.receiver(t, c, "ops")}}, clock, quiet)
	warned := failing("nulls", epoch)
	warned.Status = Warned
	require.NoError(t, a.Observe(t.Context(), failing("range", epoch), failing("unique", epoch), warned))
	_, err := a.Acknowledge(t.Context(), 2, "ann", "", false)
	require.NoError(t, err)
	clock.Advance(30 * time.Second)
	a.work(t)
	gathered, err := registryOf(a).Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, family := range gathered {
		for _, metric := range family.Metric {
			name := family.GetName()
			for _, label := range metric.Label {
				name += " " + label.GetValue()
			}
			got[name] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
		}
	}
	require.Equal(t, map[string]float64{
		"featurestore_alerts_open error acknowledged": 1, "featurestore_alerts_open error firing": 1, "featurestore_alerts_open warn firing": 1,
		"featurestore_alert_receiver_failing broken": 1, "featurestore_alert_receiver_failing ops": 0,
		"featurestore_alert_deliveries broken queued": 1, "featurestore_alert_deliveries broken dead": 0,
		"featurestore_alert_deliveries ops queued": 0, "featurestore_alert_deliveries ops dead": 0,
		"featurestore_alert_delivery_tries_total broken failed": 1, "featurestore_alert_delivery_tries_total ops delivered": 1,
	}, got)
	failingNow, err := a.Failing(t.Context())
	require.NoError(t, err)
	require.Len(t, failingNow, 1)
	require.Equal(t, "broken", failingNow[0].Receiver)
}

// What ended is kept for Config.Keep; what is open, and what waits to be sent, for ever.
func TestForget(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		c := testConfig(t)
		clock := &fakeClock{now: epoch}
		a := process(t, db, c, &listed{all: []Receiver{{Name: "ops", Kind: Webhook, URLEnv: "ALERTS_TEST_NOT_SET"}}}, clock, quiet)
		require.NoError(t, a.Observe(t.Context(), failing("ends", epoch), failing("stays", epoch)))
		_, _, err := a.Silence(t.Context(), Silence{Matcher: Matcher{Rule: "none"}, Until: epoch.Add(time.Hour), Author: "a", Reason: "b"}, false)
		require.NoError(t, err)
		clock.Advance(30 * time.Second)
		_, err = a.tell(t.Context())
		require.NoError(t, err)
		require.NoError(t, a.Observe(t.Context(), passing("ends", clock.Now())))
		clock.Advance(30 * time.Second)
		a.work(t) // the first fails, the second waits for it

		rows := func() (n [3]int64) {
			for i, table := range []string{"validation_alerts", "validation_silences", "validation_alert_deliveries"} {
				require.NoError(t, db.Table(table).Count(&n[i]).Error)
			}
			return n
		}
		clock.Advance(c.Keep)
		require.NoError(t, a.forget(t.Context()))
		require.Equal(t, [3]int64{1, 1, 2}, rows(), "the silence ended an hour later than the alert")
		for range 6 {
			a.work(t)
			clock.Advance(time.Hour)
		}
		dead, err := a.Deliveries(t.Context(), "ops", Dead, 0, 10)
		require.NoError(t, err)
		require.NotEmpty(t, dead)
		clock.Advance(c.Keep)
		require.NoError(t, a.forget(t.Context()))
		require.EqualValues(t, 1, rows()[0])
		require.Zero(t, rows()[1])
	})
}
