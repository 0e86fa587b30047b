package batch_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"featurestore/modules/batch"
)

// metrics are those of the runner: counters, gauges, and of histograms how much they have counted, by name and labels but that of the pipeline, p.
func (w *world) metrics() map[string]float64 {
	w.Helper()
	all := prometheus.NewPedanticRegistry()
	require.NoError(w, all.Register(w.runner))
	families, err := all.Gather()
	require.NoError(w, err)
	found := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := strings.TrimPrefix(family.GetName(), "featurestore_pipeline_")
			for _, label := range m.GetLabel() {
				if label.GetName() != "pipeline" {
					name += " " + label.GetValue()
				} else {
					require.Equal(w, "p", label.GetValue())
				}
			}
			if n := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount()); n != 0 {
				found[name] = n
			}
		}
	}
	return found
}

// Runs are counted by what came of them, with their ticks and rows.
func TestMetrics(t *testing.T) {
	w := newWorld(t, definitions("1d", ""))
	rows := []string{head}
	for d, entities := range []int{4, 4, 4, 1} {
		for i := range entities {
			rows = append(rows, fmt.Sprintf("e%d,2026-01-%02dT12:00:00Z,1", i, 1+d))
		}
	}
	w.load("ev", rows...)
	require.Equal(t, "held", w.run("backfill?from=2026-01-02&to=2026-01-05&").State)
	wanted := map[string]float64{
		"run_duration_seconds held": 1, "ticks_total published": 3, "ticks_total held": 1, "rows_total stored": 12, "newest_tick_timestamp_seconds": 1767484800, // the 4th
	}
	require.Equal(t, wanted, w.metrics())

	w.load("ev", head, "e4,2026-01-01T12:00:00Z,1", "e1,2026-01-04T12:00:00Z,1", "e2,2026-01-04T12:00:00Z,1")
	w.succeeded("run?until=2026-01-05&")
	wanted["run_duration_seconds succeeded"], wanted["newest_tick_timestamp_seconds"] = 1, 1767571200
	wanted["ticks_total published"], wanted["ticks_total late"] = 4, 1
	wanted["rows_total stored"], wanted["rows_total unchanged"] = 12+1+3, 4
	require.Equal(t, wanted, w.metrics())

	w.before = func(*batch.Job) error { return errors.New("the disk is full") }
	require.Equal(t, "failed", w.run("run?ticks=2026-01-02&").State)
	wanted["run_duration_seconds failed"] = 1
	require.Equal(t, wanted, w.metrics())

	w.before = func(*batch.Job) error {
		var list struct{ Runs []ran }
		w.call(http.StatusOK, "GET /runs?kind=pipeline", "", &list)
		w.call(http.StatusOK, fmt.Sprintf("POST /runs/%d/cancel", list.Runs[0].ID), "", nil)
		return nil
	}
	require.Equal(t, "cancelled", w.run("run?ticks=2026-01-02&").State)
	wanted["run_duration_seconds broken_off"] = 1
	require.Equal(t, wanted, w.metrics())
}
