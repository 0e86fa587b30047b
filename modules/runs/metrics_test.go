package runs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
)

func TestMetrics(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		started, release := make(chan struct{}), make(chan struct{})
		r := process(t, open(), func(r *Runs) {
			r.Handle("work", 1, func(_ context.Context, run *Active) (any, error) {
				switch {
				case run.Subject() == "long":
					close(started)
					<-release
				case run.Run().Attempts == 1:
					return nil, errors.New("the disk is full")
				}
				return nil, nil
			})
		})
		registry := prometheus.NewPedanticRegistry()
		require.NoError(t, registry.Register(r))
		value := func(name string, labels ...string) float64 {
			families, err := registry.Gather()
			require.NoError(t, err)
			for _, family := range families {
				for _, metric := range family.GetMetric() {
					var of []string
					for _, label := range metric.GetLabel() {
						of = append(of, label.GetValue())
					}
					if family.GetName() != name || len(of) != len(labels) || len(of) > 0 && of[len(of)-1] != labels[len(of)-1] {
						continue
					}
					return metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
				}
			}
			return -1
		}
		again, _, err := r.Order(t.Context(), Order{Kind: "work", Retries: 1, Backoff: time.Millisecond})
		require.NoError(t, err)
		wait(t, r, again.ID)
		// An end is counted just after it can be read.
		require.Eventually(t, func() bool { return value("featurestore_run_duration_seconds", "work") == 2 }, 30*time.Second, time.Millisecond)
		require.EqualValues(t, 1, value("featurestore_runs_finished_total", "work", "retried"))
		require.EqualValues(t, 1, value("featurestore_runs_finished_total", "work", "succeeded"))

		long, err := r.Submit(t.Context(), "work", "long", nil)
		require.NoError(t, err)
		<-started
		_, err = r.Submit(t.Context(), "work", "waits", nil)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return value("featurestore_runs_queued", "work") == 1 }, 30*time.Second, time.Millisecond)
		require.InDelta(t, time.Now().Unix(), value("featurestore_runs_queued_since_seconds", "work"), 60)
		require.EqualValues(t, 1, value("featurestore_runs_running"))
		require.EqualValues(t, 0, value("featurestore_runs_taken_back_total"))
		require.EqualValues(t, 0, value("featurestore_runs_refused_total"))
		close(release)
		wait(t, r, long.ID)
	})
}
