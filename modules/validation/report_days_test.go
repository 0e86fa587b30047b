package validation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

// Days are those of UTC, and the worst result of each counts, with the newest report that has it.
func TestResultsByDay(t *testing.T) {
	eachJudged(t, func(t *testing.T, open func() *gorm.DB, definitions *registry.Registry) {
		j := judge(t, open(), definitions, &named{}, DefaultConfig())
		noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		ids := map[string]int64{}
		for i, r := range []struct {
			name, group string
			at          time.Time
			results     map[string]rules.Status // by rule
		}{
			{"eve", "orders", noon.Add(-12*time.Hour - time.Microsecond), map[string]rules.Status{"range": rules.Pass}},
			{"midnight", "orders", noon.Add(-12 * time.Hour), map[string]rules.Status{"range": rules.Fail, "rows": rules.Skipped}},
			{"again", "orders", noon, map[string]rules.Status{"range": rules.Fail}},
			{"better", "orders", noon.Add(12*time.Hour - time.Microsecond), map[string]rules.Status{"range": rules.Failed, "rows": rules.Pass}},
			{"next", "orders", noon.Add(12 * time.Hour), map[string]rules.Status{"range": rules.Warned}},
			{"other", "clicks", noon, map[string]rules.Status{"many": rules.Pass}},
		} {
			report := &Report{Group: r.group, Way: ByCall, Evaluation: int64(i + 1), StartedAt: r.at}
			for rule, status := range r.results {
				report.Results = append(report.Results, Result{At: r.at, Outcome: rules.Outcome{Rule: rule, Group: r.group, Status: status, Features: []string{"amount"}}})
			}
			require.NoError(t, j.repository.insert(j.repository.db, report))
			ids[r.name] = report.ID
		}
		days := func(group string, names []string, first, after time.Time) []RuleDays {
			found, err := j.repository.byDay(t.Context(), group, names, first, after)
			require.NoError(t, err)
			return ruleDays(found)
		}
		first, last := noon.AddDate(0, 0, -1).Truncate(24*time.Hour), noon.AddDate(0, 0, 2).Truncate(24*time.Hour)
		ranges := RuleDays{"range", "orders", []RuleDay{
			{"2026-02-28", rules.Pass, 1, ids["eve"]}, {"2026-03-01", rules.Fail, 3, ids["again"]}, {"2026-03-02", rules.Warned, 1, ids["next"]}}}
		rows := RuleDays{"rows", "orders", []RuleDay{{"2026-03-01", rules.Pass, 2, ids["better"]}}}
		many := RuleDays{"many", "clicks", []RuleDay{{"2026-03-01", rules.Pass, 1, ids["other"]}}}
		require.Equal(t, []RuleDays{ranges, rows}, days("orders", nil, first, last))
		require.Equal(t, []RuleDays{many, rows}, days("", []string{"rows", "many", "nothing"}, first, last))
		ranges.Days = ranges.Days[1:2]
		require.Equal(t, []RuleDays{ranges}, days("orders", []string{"range"}, first.AddDate(0, 0, 1), last.AddDate(0, 0, -1)))
		require.Empty(t, days("orders", nil, last, last.AddDate(0, 0, 1)))
	})
}
