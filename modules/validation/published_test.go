package validation

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/validation/rules"
)

// What rules say of publications is reported for each of them, refused or not, and told of; what was judged is not judged again.
func TestPublishedIsReportedAndTheRestIsJudged(t *testing.T) {
	eachJudged(t, func(t *testing.T, open func() *gorm.DB, definitions *registry.Registry) {
		apply(t, definitions, `{"rules": [{"name": "enough", "group": "orders", "kind": "row_count", "params": {"min": 2}, "action": "reject_batch"},
			{"name": "spread", "group": "orders", "kind": "stddev", "features": ["amount"], "params": {"max": 9}, "window": "load"},
			{"name": "off", "group": "orders", "kind": "row_count", "params": {"min": 99}, "action": "reject_batch", "enabled": false}]}`)
		j := judge(t, open(), definitions, &named{}, DefaultConfig())
		var of []string
		set, options := j.Audit(t.Context(), j.group, 7)
		for _, rule := range set.Rules() {
			of = append(of, rule.Name)
		}
		require.ElementsMatch(t, []string{"enough", "spread"}, of, "row rules are the guard's, and others look at more than what is published")
		judged := func(rows int) (outcomes []rules.Outcome) {
			for _, s := range []*rules.Set{j.Guard(j.group), set} {
				run := s.Begin(options)
				b := &rules.Batch{Rows: rows, Width: 1, Columns: []int{0}, Entity: func(row int) string { return fmt.Sprint("customer ", row) }}
				for i := range rows {
					b.Values = append(b.Values, number(float64(i)))
				}
				run.Add(b, nil)
				outcomes = append(outcomes, run.Finish()...)
			}
			return outcomes
		}
		evaluation, err := j.Published(t.Context(), j.group, 7, false, judged(1))
		require.NoError(t, err)
		require.Zero(t, evaluation, "it was refused")
		reports, err := j.repository.list(t.Context(), ReportFilter{Limit: 10})
		require.NoError(t, err)
		require.Len(t, reports, 1)
		require.Equal(t, [3]any{ByPipeline, int64(7), rules.Fail}, [3]any{reports[0].Way, reports[0].Run, reports[0].Status})
		require.NoError(t, j.repository.fill(t.Context(), reports[0]))
		require.Equal(t, map[string]rules.Status{"range": rules.Pass, "enough": rules.Fail, "spread": rules.Skipped}, statuses(reports[0]))
		require.Contains(t, j.openAlerts(t), "enough")
		require.Contains(t, j.openAlerts(t)["enough"].Sentence, "It was refused, and not published.")

		for _, more := range []bool{true, false} {
			evaluation, err = j.Published(t.Context(), j.group, 8, !more, judged(3))
			require.NoError(t, err)
			require.Equal(t, more, evaluation == 0)
		}
		reports, err = j.repository.list(t.Context(), ReportFilter{Limit: 10})
		require.NoError(t, err)
		require.Len(t, reports, 3, "each publication of a run has its own")
		require.NotContains(t, j.openAlerts(t), "enough")

		require.NoError(t, j.work.Start(t.Context()))
		t.Cleanup(j.work.Stop)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		run, err := j.work.Wait(ctx, evaluation)
		require.NoError(t, err)
		require.Equal(t, runs.Succeeded, run.State, run.Reason)
		report, err := j.repository.of(t.Context(), evaluation)
		require.NoError(t, err)
		var left []string
		for _, result := range report.Results {
			left = append(left, result.Rule)
		}
		require.ElementsMatch(t, []string{"rows", "mean"}, left)
	})
}
