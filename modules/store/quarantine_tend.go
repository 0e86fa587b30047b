package store

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ExpireQuarantine ends waiting of all entries that came in longer than the set time ago, and removes what is left of those that ended waiting
// as long ago, a step at a time.
func (s *Store) ExpireQuarantine(ctx context.Context) error {
	for _, step := range []func(context.Context, time.Duration, int) (int, error){s.offline.ExpireQuarantined, s.offline.ForgetQuarantined} {
		for {
			done, err := step(ctx, s.config.QuarantineKeep, quarantineStep)
			if err != nil {
				return err
			}
			if done < quarantineStep {
				break
			}
		}
	}
	return nil
}

// quarantineStates are all that can become of an entry.
var quarantineStates = [...]QuarantineState{Waiting, Replayed, Discarded, Expired, QuarantineErased, QuarantineReverted}

// quarantineMetric is read from the offline store each time it is asked for.
var quarantineMetric = prometheus.NewDesc("featurestore_quarantine_entries",
	"Rows that rules kept out of history since the group was made, by what became of them: waiting, replayed, discarded, expired, erased, reverted.", []string{"group", "state"}, nil)

// metricsTime is how long the offline store is asked for what a metric tells.
const metricsTime = 5 * time.Second

// collectQuarantine gives what stands in quarantine. While the offline store cannot be asked, that is left out.
func (s *Store) collectQuarantine(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(s.background, metricsTime)
	defer cancel()
	counts, err := s.offline.CountQuarantined(ctx)
	if err != nil {
		s.log.Warn("the rows in quarantine could not be counted for the metrics", "error", err)
		return
	}
	catalog := s.definitions.Catalog()
	for id, states := range counts {
		group, ok := catalog.GroupByID(id)
		if !ok {
			continue // it has been deleted
		}
		for _, state := range quarantineStates {
			to <- prometheus.MustNewConstMetric(quarantineMetric, prometheus.GaugeValue, float64(states[state]), group.Name, string(state))
		}
	}
}
