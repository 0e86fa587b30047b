package validation

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/rules"
)

// comesIn has the guard look at rows as they come in, and reports it as of a load.
func (j *bench) comesIn(t *testing.T, load int64, amounts ...float64) {
	t.Helper()
	_, err := j.Loaded(t.Context(), j.group, load, false, j.judged(amounts...))
	require.NoError(t, err)
}

func (j *bench) judged(amounts ...float64) []rules.Outcome {
	run := j.Guard(j.group).Begin(rules.Options{})
	b := &rules.Batch{Rows: len(amounts), Width: 1, Columns: []int{0}, Entity: func(int) string { return "customer" }}
	for _, f := range amounts {
		b.Values = append(b.Values, number(f))
	}
	run.Add(b, nil)
	return run.Finish()
}

// That what comes in is good does not undo what was found before and is stored: a look at the rule's window does.
func TestWhatRowRulesFoundStays(t *testing.T) {
	eachJudged(t, func(t *testing.T, open func() *gorm.DB, definitions *registry.Registry) {
		values := &named{}
		j := judge(t, open(), definitions, values, DefaultConfig())
		require.NoError(t, j.work.Start(t.Context()))
		t.Cleanup(j.work.Stop)
		again := func(load int64) map[string]bool {
			found, err := j.looksAgain(t.Context(), "orders", load)
			require.NoError(t, err)
			return found
		}
		stored := func(amounts ...float64) {
			values.remove(j.group, func(row) bool { return true })
			for _, f := range amounts {
				values.add(j.group, row{values: []value.Value{number(f)}})
			}
		}

		j.comesIn(t, 1, 1)
		require.Empty(t, again(0))
		j.comesIn(t, 2, -1, -1, 1)
		alert := j.openAlerts(t)["range"]
		require.NotNil(t, alert)
		require.Empty(t, again(2), "the load has been judged")
		require.Equal(t, map[string]bool{"range": true}, again(3))
		j.comesIn(t, 3, 1, 1, 1)
		j.Written(j.group, j.judged(1))
		require.NoError(t, j.reportWritten(t.Context()))
		require.Equal(t, alert.ID, j.openAlerts(t)["range"].ID)
		require.Contains(t, again(0), "range")

		stored(-1, -1, 1)
		report := j.run(t, evaluationRequest{Way: ByLoad, Load: 3})
		require.Equal(t, rules.Fail, statuses(report)["range"])
		require.Equal(t, alert.ID, j.openAlerts(t)["range"].ID)
		j.comesIn(t, 4, 1)
		require.Contains(t, j.openAlerts(t), "range", "found by a look, it stays too")
		stored(-1, 1)
		report = j.run(t, evaluationRequest{Way: BySchedule})
		require.Equal(t, rules.Pass, statuses(report)["range"], "half of the rows may be bad")
		require.NotContains(t, j.openAlerts(t), "range")
		require.Empty(t, again(0))
		require.NotContains(t, statuses(j.run(t, evaluationRequest{Way: ByLoad, Load: 4})), "range", "it has been judged on its way in")
		require.NotContains(t, statuses(j.run(t, evaluationRequest{Way: BySchedule})), "range")

		// Of the newest load the next one tells; of rows that were kept out the next ones do, but not of rows that are stored.
		apply(t, definitions, `{"rules": [{"name": "range", "window": "load"}]}`)
		j.comesIn(t, 5, -1)
		require.Contains(t, j.openAlerts(t), "range")
		require.Empty(t, again(0))
		j.comesIn(t, 6, 1)
		require.NotContains(t, j.openAlerts(t), "range")
		apply(t, definitions, `{"rules": [{"name": "range", "window": "all", "action": "quarantine", "severity": "error"}]}`)
		j.comesIn(t, 7, -1)
		require.Contains(t, j.openAlerts(t), "range")
		j.comesIn(t, 8, 1)
		require.NotContains(t, j.openAlerts(t), "range")
		stored(-1)
		j.run(t, evaluationRequest{Way: ByCall})
		j.comesIn(t, 9, 1)
		require.Contains(t, j.openAlerts(t), "range")
	})
}
