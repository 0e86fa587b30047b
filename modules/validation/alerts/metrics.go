package alerts

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// counts is what this process has tried, by receiver.
type counts struct {
	mu    sync.Mutex
	tries map[[2]string]float64 // receiver and result
}

func newCounts() *counts { return &counts{tries: map[[2]string]float64{}} }

func (c *counts) count(receiver string, failure error) {
	result := "delivered"
	if failure != nil {
		result = "failed"
	}
	c.mu.Lock()
	c.tries[[2]string{receiver, result}]++
	c.mu.Unlock()
}

var (
	openAlerts = prometheus.NewDesc("featurestore_alerts_open",
		"Alerts that are not resolved.", []string{"severity", "state"}, nil)
	receiverFailing = prometheus.NewDesc("featurestore_alert_receiver_failing",
		"1 if the last try to reach the receiver failed, in whichever process.", []string{"receiver"}, nil)
	deliveriesLeft = prometheus.NewDesc("featurestore_alert_deliveries",
		"Notifications that wait to be sent (queued), or were given up (dead).", []string{"receiver", "state"}, nil)
	deliveryTries = prometheus.NewDesc("featurestore_alert_delivery_tries_total",
		"Tries of this process to reach a receiver.", []string{"receiver", "result"}, nil)
)

// Describe and Collect make the metrics of alerts; those from the database are left out while it cannot be read.
func (a *Alerts) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{openAlerts, receiverFailing, deliveriesLeft, deliveryTries} {
		to <- d
	}
}

func (a *Alerts) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	var open []struct {
		Severity, State string
		N               int64
	}
	err := a.repository.db.WithContext(ctx).
		Raw("SELECT severity, state, count(*) AS n FROM validation_alerts WHERE state <> 'resolved' GROUP BY severity, state").Scan(&open).Error
	if err == nil {
		for _, o := range open {
			gauge(openAlerts, float64(o.N), o.Severity, o.State)
		}
	}
	if health, err := a.health(ctx); err == nil {
		for _, r := range a.receivers.Receivers() {
			h, failing := health[r.Name], 0.0
			if !h.FailingSince.IsZero() {
				failing = 1
			}
			gauge(receiverFailing, failing, r.Name)
			gauge(deliveriesLeft, float64(h.Queued), r.Name, string(Queued))
			gauge(deliveriesLeft, float64(h.Dead), r.Name, string(Dead))
		}
	}
	a.counts.mu.Lock()
	defer a.counts.mu.Unlock()
	for labels, n := range a.counts.tries {
		to <- prometheus.MustNewConstMetric(deliveryTries, prometheus.CounterValue, n, labels[0], labels[1])
	}
}
