package scheduler

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"featurestore/modules/runs"
)

// counts is what this process has brought on.
type counts struct {
	ended  *prometheus.CounterVec
	missed *prometheus.CounterVec
	late   *prometheus.HistogramVec
}

func newCounts() counts {
	return counts{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "featurestore_schedule_ticks_total",
			Help: "Ticks of schedules that this process saw end, by what came of their runs: succeeded, failed, held, cancelled, or skipped, which had none too.",
		}, []string{"schedule", "outcome"}),
		missed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "featurestore_schedule_ticks_missed_total",
			Help: "Ticks of schedules that this process found to be missed: nothing began them in time, or what they wait for was not there.",
		}, []string{"schedule"}),
		late: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "featurestore_schedule_lateness_seconds",
			Help:    "How long after a tick was due, jitter included, the first of its runs began. Ticks by hand do not count.",
			Buckets: []float64{1, 5, 15, 60, 300, 900, 3600, 14400, 86400},
		}, []string{"schedule"}),
	}
}

func (c counts) each(do func(prometheus.Collector)) {
	for _, collector := range []prometheus.Collector{c.ended, c.missed, c.late} {
		do(collector)
	}
}

// moved counts what an occurrence has come to.
func (c counts) moved(o *Occurrence) {
	if o.ended() {
		outcome := o.Outcome
		if o.State == Skipped {
			outcome = runs.Skipped
		}
		c.ended.WithLabelValues(o.Schedule, string(outcome)).Inc()
	}
	if o.Missed && !o.missedBefore {
		c.missed.WithLabelValues(o.Schedule).Inc()
		o.missedBefore = true
	}
}

// skipped counts ticks that were skipped together.
func (c counts) skipped(schedule string, n int64) {
	if n > 0 {
		c.ended.WithLabelValues(schedule, string(runs.Skipped)).Add(float64(n))
	}
}

// began counts how late the first run of an occurrence began.
func (c counts) began(o *Occurrence, at time.Time) {
	if !o.ByHand && !at.IsZero() {
		c.late.WithLabelValues(o.Schedule).Observe(max(0, at.Sub(o.DueAt).Seconds()))
	}
}

var (
	nextTick = prometheus.NewDesc("featurestore_schedule_next_timestamp_seconds",
		"When the next tick of a schedule is due, in seconds since 1970: in the past if no process has looked at it yet; absent while the schedule is paused.", []string{"schedule"}, nil)
	lastMissed = prometheus.NewDesc("featurestore_schedule_missed",
		"1 if the last tick of a schedule was missed, 0 if it is kept.", []string{"schedule"}, nil)
	openTicks = prometheus.NewDesc("featurestore_schedule_open_ticks",
		"Ticks of a schedule that have not ended, in all processes, by state: waiting, due, ordered or running.", []string{"schedule", "state"}, nil)
)

// Describe and Collect make this module's metrics; those from the database are left out while it cannot be read.
func (s *Scheduler) Describe(to chan<- *prometheus.Desc) {
	s.counts.each(func(c prometheus.Collector) { c.Describe(to) })
	for _, d := range []*prometheus.Desc{nextTick, lastMissed, openTicks} {
		to <- d
	}
}

func (s *Scheduler) Collect(to chan<- prometheus.Metric) {
	s.counts.each(func(c prometheus.Collector) { c.Collect(to) })
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	known, err := s.repository.known(ctx)
	if err != nil {
		return
	}
	for _, schedule := range s.Schedules() {
		row := known[schedule.Name]
		if row == nil {
			continue // the next pass looks at it for the first time
		}
		missed := 0.0
		if row.Missed != "" {
			missed = 1
		}
		gauge(lastMissed, missed, schedule.Name)
		if row.PausedAt != nil || schedule.Paused {
			continue
		}
		if tick, found := schedule.After(int64(row.DecidedTo)); found {
			gauge(nextTick, float64(schedule.Due(schedule.Name, tick))/1e6, schedule.Name)
		}
	}
	open, err := s.repository.open(s.repository.db.WithContext(ctx), "")
	if err != nil {
		return
	}
	states := map[[2]string]int{}
	for _, o := range open {
		states[[2]string{o.Schedule, string(o.State)}]++
	}
	for of, n := range states {
		gauge(openTicks, float64(n), of[0], of[1])
	}
}
