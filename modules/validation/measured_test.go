package validation

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/rules"
)

// A load is compared with those before it, however often it is looked at, and never with itself or one that was reverted.
func TestLoadsAreComparedWithThoseBefore(t *testing.T) {
	eachJudged(t, func(t *testing.T, open func() *gorm.DB, definitions *registry.Registry) {
		apply(t, definitions, `{"rules": [
			{"name": "steady", "group": "orders", "kind": "history", "features": ["amount"], "params": {"metric": "mean", "max_change": 0.2}},
			{"name": "usual", "group": "orders", "kind": "history", "features": ["amount"], "params": {"metric": "mean", "max_deviations": 3}},
			{"name": "growing", "group": "orders", "kind": "history", "params": {"metric": "row_count", "max_change": 0.2}, "window": "all"}]}`)
		values := &named{}
		j := judge(t, open(), definitions, values, DefaultConfig())
		require.NoError(t, j.work.Start(t.Context()))
		t.Cleanup(j.work.Stop)
		load := func(run int64, amount float64) {
			values.add(j.group, row{run: run, values: []value.Value{number(amount)}})
			values.newest = run
			j.run(t, evaluationRequest{Way: ByLoad, Load: run})
		}
		looks := func(steady, usual rules.Status) {
			t.Helper()
			for range 3 {
				found := statuses(j.run(t, evaluationRequest{Way: ByCall, Rules: []string{"steady", "usual"}}))
				require.Equal(t, map[string]rules.Status{"steady": steady, "usual": usual}, found)
			}
		}
		growing := func() rules.Status {
			return statuses(j.run(t, evaluationRequest{Way: ByCall, Rules: []string{"growing"}}))["growing"]
		}
		load(1, 10)
		looks(rules.Skipped, rules.Skipped)
		load(2, 11)
		looks(rules.Pass, rules.Skipped)
		load(3, 10.5)
		looks(rules.Pass, rules.Pass)
		require.Equal(t, rules.Pass, growing(), "as many as at the evaluation before")

		load(4, 100)
		looks(rules.Fail, rules.Fail)
		require.Contains(t, j.openAlerts(t), "steady", "that it is looked at again does not resolve it")

		values.remove(j.group, func(r row) bool { return r.run == 4 })
		require.NoError(t, j.profiles.TakenOut(t.Context(), j.group, 4))
		load(5, 10)
		looks(rules.Pass, rules.Pass)
		require.NotContains(t, j.openAlerts(t), "steady")
		measured, err := j.repository.measured(t.Context(), "orders", subject{"steady", "amount"}, 5, 10)
		require.NoError(t, err)
		require.Equal(t, []float64{10.5, 11, 10}, measured)
		report, err := j.repository.history(t.Context(), "steady", "", 0, 100)
		require.NoError(t, err)
		require.Len(t, report, 20, "what was found then is still told")
	})
}
