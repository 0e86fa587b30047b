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

		values.add(j.group, row{run: 3, values: []value.Value{number(10.5)}})
		j.run(t, evaluationRequest{Way: ByLoad, Load: 3}) // it is judged after a later one
		require.Contains(t, j.openAlerts(t), "steady", "what holds for an earlier load resolves nothing")
		looks(rules.Fail, rules.Fail)

		values.remove(j.group, func(r row) bool { return r.run == 4 })
		require.NoError(t, j.profiles.TakenOut(t.Context(), j.group, 4))
		values.newest = 3
		looks(rules.Pass, rules.Pass)
		load(5, 10)
		looks(rules.Pass, rules.Pass)
		require.NotContains(t, j.openAlerts(t), "steady")
		measured, err := j.repository.measured(t.Context(), "orders", subject{"steady", "amount"}, 5, 10)
		require.NoError(t, err)
		require.Equal(t, []float64{10.5, 11, 10}, measured)
		report, err := j.repository.history(t.Context(), "steady", "", 0, 100)
		require.NoError(t, err)
		require.Len(t, report, 27, "what was found then is still told")
	})
}

// What rules about the newest load found in one that was reverted since is not found any more: in time they look at the one before.
func TestAlertsOfRevertedLoadsAreResolved(t *testing.T) {
	eachJudged(t, func(t *testing.T, open func() *gorm.DB, definitions *registry.Registry) {
		apply(t, definitions, `{"rules": [
			{"name": "whole", "group": "orders", "kind": "mean", "features": ["amount"], "params": {"max": 10}, "window": "load"},
			{"name": "single", "group": "orders", "kind": "range", "features": ["amount"], "params": {"max": 10}, "window": "load"}]}`)
		values := &named{}
		j := judge(t, open(), definitions, values, DefaultConfig())
		require.NoError(t, j.work.Start(t.Context()))
		t.Cleanup(j.work.Stop)
		load := func(run int64, amount float64) {
			values.add(j.group, row{run: run, values: []value.Value{number(amount)}})
			values.newest = run
			j.run(t, evaluationRequest{Way: ByCall})
		}
		inTime := func() []string {
			var names []string
			for _, result := range j.run(t, evaluationRequest{Way: BySchedule}).Results {
				if result.Rule == "whole" || result.Rule == "single" {
					names = append(names, result.Rule+" "+string(result.Status)+", "+result.LookedAt)
				}
			}
			return names
		}
		found := func() (both int) {
			for name := range j.openAlerts(t) {
				if name == "whole" || name == "single" {
					both++
				}
			}
			return both
		}
		revert := func(run, newest int64) {
			values.remove(j.group, func(r row) bool { return r.run == run })
			values.newest = newest
			require.NoError(t, j.profiles.TakenOut(t.Context(), j.group, run))
		}
		load(1, 5)
		load(2, 100)
		require.Equal(t, 2, found())
		require.Empty(t, inTime(), "the load is there")
		require.Equal(t, 2, found())
		revert(2, 1)
		require.ElementsMatch(t, []string{"whole pass, what run 1 brought", "single pass, what run 1 brought"}, inTime())
		require.Zero(t, found())
		require.Empty(t, inTime(), "once")
		load(3, 100)
		require.Equal(t, 2, found())
		revert(3, 1)
		revert(1, 0)
		values.add(j.group, row{values: []value.Value{number(7)}})
		require.ElementsMatch(t, []string{"whole pass, everything that is stored", "single pass, everything that is stored"}, inTime())
		require.Zero(t, found())
	})
}
