package runs

import (
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// counts is what /metrics shows of runs.
type counts struct {
	finished       *prometheus.CounterVec
	took           *prometheus.HistogramVec
	taken, refused prometheus.Counter
	waiting        *prometheus.GaugeVec
	waited         *prometheus.GaugeVec
}

func newCounts() counts {
	return counts{
		finished: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "featurestore_runs_finished_total",
			Help: "Attempts of runs that ended in this process, by what came of them; retried: the run is queued again, lost: another process took it over.",
		}, []string{"kind", "state"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "featurestore_run_duration_seconds",
			Help:    "How long attempts of runs took.",
			Buckets: []float64{.01, .1, 1, 10, 60, 300, 1800, 7200, 43200},
		}, []string{"kind"}),
		taken: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "featurestore_runs_taken_back_total",
			Help: "Runs that this process took away from others whose leases had ended.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "featurestore_runs_refused_total",
			Help: "Times that this process was kept from publishing for a run that it no longer held.",
		}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "featurestore_runs_queued",
			Help: "Runs that wait to be started, in all processes.",
		}, []string{"kind"}),
		waited: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "featurestore_runs_queued_since_seconds",
			Help: "When the oldest run that waits was ordered, in seconds since 1970.",
		}, []string{"kind"}),
	}
}

func (c *counts) each(do func(prometheus.Collector)) {
	for _, collector := range []prometheus.Collector{c.finished, c.took, c.taken, c.refused, c.waiting, c.waited} {
		do(collector)
	}
}

// ended counts the end of an attempt.
func (c *counts) ended(run *Run, state string, now time.Time) {
	c.finished.WithLabelValues(run.Kind, state).Inc()
	c.took.WithLabelValues(run.Kind).Observe(now.Sub(run.StartedAt).Seconds())
}

// seen shows what waits.
func (c *counts) seen(waiting []glance) {
	c.waiting.Reset()
	c.waited.Reset()
	for _, w := range waiting {
		c.waiting.WithLabelValues(w.Kind).Set(float64(w.Waiting))
		c.waited.WithLabelValues(w.Kind).Set(float64(w.Oldest) / 1e6)
	}
}

var running = prometheus.NewDesc("featurestore_runs_running", "Runs that this process works on.", nil, nil)

// Describe makes Runs a prometheus.Collector.
func (r *Runs) Describe(to chan<- *prometheus.Desc) {
	to <- running
	r.counts.each(func(c prometheus.Collector) { c.Describe(to) })
}

// Collect makes Runs a prometheus.Collector.
func (r *Runs) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(running, prometheus.GaugeValue, float64(len(r.working())))
	r.counts.each(func(c prometheus.Collector) { c.Collect(to) })
}

// thisProcess names the process for a person.
func thisProcess() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}
