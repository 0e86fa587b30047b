package store_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// gauges are the values of this module's metrics that have no labels.
func (s *served) gauges(t *testing.T) map[string]float64 {
	t.Helper()
	all := prometheus.NewRegistry()
	require.NoError(t, all.Register(s.values))
	families, err := all.Gather()
	require.NoError(t, err)
	gauges := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if len(m.GetLabel()) == 0 {
				gauges[family.GetName()] = m.GetGauge().GetValue()
			}
		}
	}
	return gauges
}

func TestErasuresHaveMetrics(t *testing.T) {
	s := serve(t)
	s.Run(t, "testdata/http/1_storing.txt")
	require.Equal(t, map[string]float64{"featurestore_erasures_waiting": 0}, s.gauges(t))
	online := "online"
	s.down.Store(&online)
	s.must(t, "DELETE /store/customer/12345", "")
	require.Equal(t, map[string]float64{"featurestore_erasures_waiting": 1}, s.gauges(t), "it waits for the online store")
	s.down.Store(nil)
	await(t, func() bool { return s.gauges(t)["featurestore_erasure_timestamp_seconds"] > 0 })
	gauges := s.gauges(t)
	require.Zero(t, gauges["featurestore_erasures_waiting"])
	require.Positive(t, gauges["featurestore_erasure_duration_seconds"])
	require.InDelta(t, float64(noon.Unix()), gauges["featurestore_erasure_timestamp_seconds"], 1)
}
