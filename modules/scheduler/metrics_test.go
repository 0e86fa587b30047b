package scheduler

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// metric is what a metric of the module shows, by its name and labels as /metrics writes them; "" if it is not there.
func (w *world) metric(name string) string {
	w.t.Helper()
	metrics := prometheus.NewPedanticRegistry()
	require.NoError(w.t, metrics.Register(w.Scheduler))
	families, err := metrics.Gather()
	require.NoError(w.t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, label := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", label.GetName(), label.GetValue()))
			}
			if name != family.GetName()+"{"+strings.Join(labels, ",")+"}" {
				continue
			}
			if h := m.GetHistogram(); h != nil {
				return fmt.Sprintf("%d:%g", h.GetSampleCount(), h.GetSampleSum())
			}
			return strconv.FormatFloat(m.GetCounter().GetValue()+m.GetGauge().GetValue(), 'f', -1, 64)
		}
	}
	return ""
}
