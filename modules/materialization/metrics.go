package materialization

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// gauges is what this process knows of the copies, by group id.
type gauges struct {
	mu     sync.Mutex
	looks  map[int64]lastLook
	checks map[int64]lastCheck
}

// lastLook is what the last look at a group found.
type lastLook struct {
	rows     int64     // above the watermark
	complete bool      // false while it is being rebuilt, or waits for that
	inStep   time.Time // when the online copy last held all that was committed; zero: not yet
}

type lastCheck struct {
	found Checked
	at    time.Time
}

func newGauges() *gauges { return &gauges{looks: map[int64]lastLook{}, checks: map[int64]lastCheck{}} }

// looked notes what bringing a group in step came to.
func (g *gauges) looked(group *registry.Group, progress Progress, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	look := g.looks[group.ID]
	look.inStep, look.complete, look.rows = now, true, 0
	if progress.Mode == Incremental {
		look.rows = progress.Read
	}
	g.looks[group.ID] = look
}

// voided notes that a group has to be rebuilt.
func (g *gauges) voided(group *registry.Group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	look := g.looks[group.ID]
	look.complete = false
	g.looks[group.ID] = look
}

func (g *gauges) checked(group *registry.Group, found Checked, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.checks[group.ID] = lastCheck{found, now}
}

var (
	rowsBehind = prometheus.NewDesc("featurestore_online_copy_rows_behind",
		"Rows that came in since the watermark, as the last look found and brought online; single writes among them were online already.", []string{"group"}, nil)
	copyAge = prometheus.NewDesc("featurestore_online_copy_age_seconds",
		"How long ago the online copy was last known to hold all that the history holds.", []string{"group"}, nil)
	copyComplete = prometheus.NewDesc("featurestore_online_copy_complete",
		"1 if the online copy answers, 0 while it is being rebuilt and reads are answered by the offline store.", []string{"group"}, nil)
	checkOutcomes = prometheus.NewDesc("featurestore_check_entities",
		"What the last check in this process found.", []string{"group", "outcome"}, nil)
	checkTime = prometheus.NewDesc("featurestore_check_timestamp_seconds",
		"When the last check in this process ended.", []string{"group"}, nil)
)

// Describe and Collect make this module's metrics; groups that were deleted show no more.
func (m *Materialization) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{rowsBehind, copyAge, copyComplete, checkOutcomes, checkTime} {
		to <- d
	}
}

func (m *Materialization) Collect(to chan<- prometheus.Metric) {
	now := m.clock()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	m.gauges.mu.Lock()
	defer m.gauges.mu.Unlock()
	for _, group := range m.catalog.Catalog().Groups() {
		if look, ok := m.gauges.looks[group.ID]; ok {
			gauge(rowsBehind, float64(look.rows), group.Name)
			if !look.inStep.IsZero() {
				gauge(copyAge, now.Sub(look.inStep).Seconds(), group.Name)
			}
			complete := 0.0
			if look.complete {
				complete = 1
			}
			gauge(copyComplete, complete, group.Name)
		}
		if check, ok := m.gauges.checks[group.ID]; ok {
			for outcome, n := range map[store.Agreement]int64{store.Equal: check.found.Equal, store.Different: check.found.Different,
				store.Missing: check.found.Missing, store.Extra: check.found.Extra} {
				gauge(checkOutcomes, float64(n), group.Name, outcome.String())
			}
			gauge(checkTime, float64(check.at.Unix()), group.Name)
		}
	}
}
