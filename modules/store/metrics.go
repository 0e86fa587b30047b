package store

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// erasureGauges is what this process knows of erasures.
type erasureGauges struct {
	waiting atomic.Int64 // entries of the ledger that are not done, as it was last seen
	took    atomic.Int64 // ns: the last run in this process that ended well
	ended   atomic.Int64 // µs: when that was; 0: none did
}

// done notes that a run ended.
func (g *erasureGauges) done(took time.Duration, at int64) {
	g.took.Store(int64(took))
	g.ended.Store(at)
}

var (
	erasuresWaiting = prometheus.NewDesc("featurestore_erasures_waiting",
		"Erased entities of which something may still be stored, as this process saw the ledger last.", nil, nil)
	erasureTook = prometheus.NewDesc("featurestore_erasure_duration_seconds",
		"How long the last run of erasures in this process took.", nil, nil)
	erasureTime = prometheus.NewDesc("featurestore_erasure_timestamp_seconds",
		"When the last run of erasures in this process ended.", nil, nil)
)

// Describe and Collect make this module's metrics.
func (s *Store) Describe(to chan<- *prometheus.Desc) {
	s.compacted.Describe(to)
	s.counts.rows.Describe(to)
	s.counts.ended.Describe(to)
	for _, d := range []*prometheus.Desc{erasuresWaiting, erasureTook, erasureTime, quarantineMetric} {
		to <- d
	}
}

func (s *Store) Collect(to chan<- prometheus.Metric) {
	s.compacted.Collect(to)
	s.counts.rows.Collect(to)
	s.counts.ended.Collect(to)
	gauge := func(desc *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	gauge(erasuresWaiting, float64(s.erasures.waiting.Load()))
	if ended := s.erasures.ended.Load(); ended != 0 {
		gauge(erasureTook, time.Duration(s.erasures.took.Load()).Seconds())
		gauge(erasureTime, float64(ended)/1e6)
	}
	s.collectQuarantine(to)
}
