package app

import (
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is what /metrics shows.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "featurestore_http_request_duration_seconds",
			Help:    "Requests answered, by the form of their path; code is 0 where the connection was broken off.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
		}, []string{"method", "path", "code"}),
	}
	m.registry.MustRegister(m.requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// observe is told of each operation; what it answers is told of each of its requests. A status that was seen before costs no
// allocation.
func (m *metrics) observe(method, path string) func(status int, took time.Duration) {
	var seen sync.Map // status → prometheus.Observer
	return func(status int, took time.Duration) {
		observer, ok := seen.Load(status)
		if !ok {
			observer, _ = seen.LoadOrStore(status, m.requests.WithLabelValues(method, path, strconv.Itoa(status)))
		}
		observer.(prometheus.Observer).Observe(took.Seconds())
	}
}

func (m *metrics) mount(e *echo.Echo) {
	e.GET("/metrics", echo.WrapHandler(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})))
}
