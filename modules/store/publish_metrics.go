package store

import "github.com/prometheus/client_golang/prometheus"

// publishedCounts are what this process has published.
type publishedCounts struct {
	rows  *prometheus.CounterVec // by group and what became of them
	ended *prometheus.CounterVec // publications by group and outcome
}

func newPublishedCounts() publishedCounts {
	return publishedCounts{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "featurestore_published_rows_total",
			Help: "Rows of publications in this process: stored, unchanged (there already), quarantined, erased, and those of earlier publications that were taken_back.",
		}, []string{"group", "outcome"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "featurestore_publications_total",
			Help: "Publications in this process: committed, refused by rules, or failed.",
		}, []string{"group", "outcome"}),
	}
}

// published counts one publication.
func (c publishedCounts) published(group string, p *Published, l *loading, err error) {
	switch {
	case err == nil:
		c.ended.WithLabelValues(group, "committed").Inc()
	case l.publishing.refused || l.judge.refused != nil:
		c.ended.WithLabelValues(group, "refused").Inc()
		return
	default:
		c.ended.WithLabelValues(group, "failed").Inc()
		return
	}
	for outcome, rows := range map[string]int64{"stored": l.loaded.Stored, "unchanged": l.loaded.Duplicate, "quarantined": l.loaded.Quarantined, "erased": l.loaded.Erased, "taken_back": p.TakenBack} {
		c.rows.WithLabelValues(group, outcome).Add(float64(rows))
	}
}
