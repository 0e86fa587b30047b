package batch

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"featurestore/modules/store"
)

// counts is what runs of pipelines in this process came to.
type counts struct {
	took   *prometheus.HistogramVec
	parts  *prometheus.CounterVec
	ticks  *prometheus.CounterVec
	rows   *prometheus.CounterVec
	newest *prometheus.GaugeVec
}

func newCounts() counts {
	return counts{
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "featurestore_pipeline_run_duration_seconds",
			Help:    "How long attempts of runs of a pipeline took in this process, by what came of them: succeeded, held (ticks with far fewer rows than usual), failed, or broken_off.",
			Buckets: []float64{.1, .5, 1, 5, 15, 60, 300, 1800, 7200, 43200},
		}, []string{"pipeline", "outcome"}),
		parts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "featurestore_pipeline_seconds_total",
			Help: "Time that runs of a pipeline spent in this process, by what they did: computing or publishing.",
		}, []string{"pipeline", "part"}),
		ticks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "featurestore_pipeline_ticks_total",
			Help: "Ticks of a pipeline that runs in this process dealt with: published, late (published again, since the source had changed), or held.",
		}, []string{"pipeline", "outcome"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "featurestore_pipeline_rows_total",
			Help: "Rows that runs of a pipeline published in this process, by what became of them: stored, unchanged (there already), rejected, quarantined, erased, and those of earlier runs that were taken_back.",
		}, []string{"pipeline", "outcome"}),
		newest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "featurestore_pipeline_newest_tick_timestamp_seconds",
			Help: "The newest tick of a pipeline that is published, as the last run in this process saw it, in seconds since 1970.",
		}, []string{"pipeline"}),
	}
}

func (c counts) each(do func(prometheus.Collector)) {
	for _, collector := range []prometheus.Collector{c.took, c.parts, c.ticks, c.rows, c.newest} {
		do(collector)
	}
}

// ended counts an attempt of a run, and ticks that it holds back.
func (c counts) ended(ctx context.Context, pipeline string, took time.Duration, held int, err error) {
	outcome := "failed"
	switch {
	case err == nil && held > 0:
		outcome = "held"
		c.ticks.WithLabelValues(pipeline, outcome).Add(float64(held))
	case err == nil:
		outcome = "succeeded"
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		outcome = "broken_off"
	}
	c.took.WithLabelValues(pipeline, outcome).Observe(took.Seconds())
}

// spent counts time.
func (c counts) spent(pipeline, part string, took time.Duration) {
	c.parts.WithLabelValues(pipeline, part).Add(took.Seconds())
}

// published counts what was published of some ticks, late of them again; newest is the newest tick that is published now.
func (c counts) published(pipeline string, ticks, late int, newest int64, of *store.Published) {
	c.stands(pipeline, newest)
	c.counted(c.ticks, pipeline, map[string]int64{"published": int64(ticks - late), "late": int64(late)})
	c.counted(c.rows, pipeline, map[string]int64{
		"stored": of.Stored, "unchanged": of.Duplicate, "rejected": of.Rejected, "quarantined": of.Quarantined, "erased": of.Erased, "taken_back": of.TakenBack,
	})
}

func (c counts) counted(in *prometheus.CounterVec, pipeline string, numbers map[string]int64) {
	for outcome, n := range numbers {
		in.WithLabelValues(pipeline, outcome).Add(float64(n))
	}
}

// stands shows the newest tick that is published.
func (c counts) stands(pipeline string, newest int64) {
	c.newest.WithLabelValues(pipeline).Set(float64(newest) / 1e6)
}

// Describe makes Runner a prometheus.Collector.
func (r *Runner) Describe(to chan<- *prometheus.Desc) {
	r.counts.each(func(c prometheus.Collector) { c.Describe(to) })
}

// Collect makes Runner a prometheus.Collector.
func (r *Runner) Collect(to chan<- prometheus.Metric) {
	r.counts.each(func(c prometheus.Collector) { c.Collect(to) })
}
