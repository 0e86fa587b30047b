package validation

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"featurestore/modules/validation/rules"
)

// counts is what rules did in this process.
type counts struct{ rows *prometheus.CounterVec }

func newCounts() *counts {
	return &counts{prometheus.NewCounterVec(prometheus.CounterOpts{Name: "featurestore_rule_bad_rows_total",
		Help: "Rows that broke a rule when they came in, in this process, by what became of them: quarantined, refused (with all that came along), or recorded. " +
			"A row that breaks several rules counts for each."}, []string{"group", "rule", "became"})}
}

// count counts what was found in the write path.
func (c *counts) count(group string, outcomes []rules.Outcome) {
	refused := slices.ContainsFunc(outcomes, refuses)
	for i := range outcomes {
		o := &outcomes[i]
		if o.Bad == 0 {
			continue
		}
		became := "recorded"
		switch {
		case refused:
			became = "refused"
		case o.Action == rules.Quarantine:
			became = "quarantined"
		}
		c.rows.WithLabelValues(group, o.Rule, became).Add(float64(o.Bad))
	}
}

// refuses tells whether an outcome of what was to come in has refused all of it.
func refuses(o rules.Outcome) bool {
	return o.Action == rules.RejectBatch && (o.Status == rules.Fail || o.Status == rules.Failed && o.Bad > 0)
}

// maxShown bounds the rules and features that metrics are of; the ones that were evaluated last are shown.
const maxShown = 2_000

var (
	ruleLabels = []string{"group", "rule", "feature"}
	ruleStatus = prometheus.NewDesc("featurestore_rule_status",
		"1 for the status of the last evaluation of a rule on a feature (empty: on several, or on the rows as a whole), of at most 2,000 rules and features.", append(ruleLabels, "status"), nil)
	ruleBadRate = prometheus.NewDesc("featurestore_rule_bad_rate",
		"Share of the considered rows that were bad at the last evaluation; absent if none were considered.", ruleLabels, nil)
	ruleConsidered = prometheus.NewDesc("featurestore_rule_considered_rows",
		"Rows that were considered at the last evaluation.", ruleLabels, nil)
	ruleEvaluated = prometheus.NewDesc("featurestore_rule_evaluation_timestamp_seconds",
		"When the rule was last evaluated.", ruleLabels, nil)
)

// Counts are what rules did to rows that this process took in.
func (v *Validation) Counts() prometheus.Collector { return v.counts.rows }

// Describe and Collect make the metrics of rules; those from the database are left out while it cannot be read.
func (v *Validation) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{ruleStatus, ruleBadRate, ruleConsidered, ruleEvaluated} {
		to <- d
	}
}

func (v *Validation) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	newest, err := v.repository.newest(ctx, maxShown)
	if err != nil {
		return
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for i := range newest {
		r := &newest[i]
		gauge(ruleStatus, 1, r.Group, r.Rule, r.Feature(), string(r.Status))
		gauge(ruleConsidered, float64(r.Considered), r.Group, r.Rule, r.Feature())
		gauge(ruleEvaluated, float64(r.At.UnixMicro())/1e6, r.Group, r.Rule, r.Feature())
		if r.BadRate != nil {
			gauge(ruleBadRate, *r.BadRate, r.Group, r.Rule, r.Feature())
		}
	}
}
