package validation

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/drift"
	"featurestore/modules/validation/rules"
)

const shopBaselines = `
baselines:
  - {name: january, group: orders, source: {window: {from: "2026-01-01T00:00:00Z", to: "2026-01-11T00:00:00Z"}}}
  - {name: second_load, group: orders, features: [amount], source: {run: 2}}
  - {name: training, group: orders, source: {training_set: {}}}
  - {name: week, group: orders, source: {previous: {period: 7d}}}
`

// A version is frozen once, whoever asks and however often; it outlives the process, and another version is another one.
func TestFreezing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		w := newWorld(t, open(), &rowsInMemory{})
		w.apply(shop + shopBaselines)
		group, ctx := w.named("orders"), t.Context()
		w.days(group, 0, 10)
		var wait sync.WaitGroup
		var mu sync.Mutex
		ids, first := map[int64]bool{}, 0
		for range 4 {
			wait.Go(func() {
				row, created, err := w.Freeze(ctx, "january", nil)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					ids[row.ID] = true
				} else {
					t.Error(err)
				}
				if created {
					first++
				}
			})
		}
		wait.Wait()
		require.Len(t, ids, 1)
		require.Equal(t, 1, first)
		w.days(group, 0, 10) // what comes in later changes nothing
		again := newWorld(t, open(), w.stored)
		row, created, err := again.Freeze(ctx, "january", nil)
		require.NoError(t, err)
		require.False(t, created)
		require.EqualValues(t, 1000, row.RowCount)
		w.apply(`baselines: [{name: january, description: with what came in late}]`)
		row, created, err = w.Freeze(ctx, "january", nil)
		require.NoError(t, err)
		require.True(t, created)
		require.Equal(t, 2, row.Version)
		require.EqualValues(t, 2000, row.RowCount)

		row, _, err = w.Freeze(ctx, "second_load", nil)
		require.NoError(t, err)
		features, err := w.repository.frozenFeatures(w.repository.db, row.ID)
		require.NoError(t, err)
		require.Len(t, features, 1, "only the feature that it names")
		_, _, err = w.Freeze(ctx, "week", nil)
		require.ErrorContains(t, err, "never frozen")
		_, _, err = w.Freeze(ctx, "januar", nil)
		require.ErrorContains(t, err, `did you mean "january"`)
	})
}

// A training set is a table that is sent; another one for the same version is refused.
func TestFreezingATrainingSet(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), &rowsInMemory{})
	w.apply(shop + shopBaselines)
	ctx := t.Context()
	table := func(shift float64) Table {
		s := &sentRows{}
		for i := range 200 {
			s.rows = append(s.rows, []value.Value{value.OfFloat(float64(i) + shift), value.OfString("DE"), {}, {}, {}, {}})
		}
		return s
	}
	_, _, err := w.Freeze(ctx, "training", nil)
	require.ErrorContains(t, err, "send the table as the body")
	row, created, err := w.Freeze(ctx, "training", table(0))
	require.NoError(t, err)
	require.True(t, created)
	features, err := w.repository.frozenFeatures(w.repository.db, row.ID)
	require.NoError(t, err)
	require.Len(t, features, 2, "those that the table has columns for")
	same, created, err := w.Freeze(ctx, "training", table(0))
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, row.ID, same.ID)
	_, _, err = w.Freeze(ctx, "training", table(1000))
	require.ErrorContains(t, err, "is frozen already, from another table")
	_, _, err = w.Freeze(ctx, "january", table(0))
	require.ErrorContains(t, err, "send no body")
	_, _, err = w.Freeze(ctx, "january", nil)
	require.ErrorContains(t, err, "there are no rows to freeze")
}

// judge evaluates a rule of kind distribution on a window.
func (w *world) judge(window Window, params string, features ...string) []rules.Outcome {
	rule, found := rules.Read(`{"name": "drift", "group": "orders", "kind": "distribution", "features": ["` + strings.Join(features, `", "`) + `"], "params": ` + params + `}`)
	require.Empty(w.t, found)
	group := w.named("orders")
	set, wrong := rules.Compile([]rules.Definition{rule}, Fields(group))
	require.Empty(w.t, wrong)
	run := set.Begin(rules.Options{Distribution: w.Distributions(w.t.Context(), group, window)})
	require.NoError(w.t, w.stored.Scan(w.t.Context(), group, window, func(b *rules.Batch) error { run.Add(b, nil); return nil }))
	return run.Finish()
}

// normal fills days of amount with normal values around a mean, 500 a day.
func (w *world) normal(group *registry.Group, random *rand.Rand, from, to int64, mean float64) {
	for d := from; d < to; d++ {
		for i := range int64(500) {
			r := order(d, i, d+1)
			r.values[0] = value.OfFloat(mean + random.NormFloat64())
			w.stored.add(group, r)
		}
	}
}

// Rules of kind distribution compare with what is frozen, freeze what can be at their first use, and keep the score when all is well.
func TestDistributionRules(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		w := newWorld(t, open(), &rowsInMemory{})
		w.apply(shop + shopBaselines)
		group := w.named("orders")
		random := rand.New(rand.NewPCG(3, 4))
		w.normal(group, random, 0, 14, 0)
		w.normal(group, random, 14, 16, 3)

		ok := w.judge(between(10, 14), `{"baseline": "january"}`, "amount", "country", "since", "salary")
		for _, o := range ok {
			require.Equal(t, rules.Pass, o.Status, "%s %s %s", o.Features, o.Reason, o.Details)
			require.False(t, o.Measured.IsAbsent(), "the score is kept when nothing is wrong")
			require.Contains(t, string(o.Details), `"psi":`)
			require.Contains(t, string(o.Details), `"null_rate_change":`)
			require.EqualValues(t, 2000, o.Considered)
		}
		drifted := w.judge(between(14, 16), `{"baseline": "january"}`, "amount", "country")
		require.Equal(t, rules.Fail, drifted[0].Status)
		require.Equal(t, rules.Pass, drifted[1].Status)
		require.Equal(t, "psi of amount below 0.1 beside january (version 1)", drifted[0].Expected)
		for metric, status := range map[string]rules.Status{"js_distance": rules.Fail, "hellinger": rules.Fail, "wasserstein": rules.Fail, "ks": rules.Fail, "l_infinity": rules.Fail,
			"null_rate_change": rules.Pass, "new_share": rules.Skipped} {
			o := w.judge(between(14, 16), `{"baseline": "january", "metric": "`+metric+`"}`, "amount")[0]
			require.Equal(t, status, o.Status, "%s: %s %s", metric, o.Reason, o.Details)
			same := w.judge(between(10, 14), `{"baseline": "january", "metric": "`+metric+`"}`, "amount")[0]
			require.NotContains(t, []rules.Status{rules.Fail, rules.Warned}, same.Status, "%s: %s", metric, same.Details)
		}
		require.Equal(t, rules.Warned, w.judge(between(14, 16), `{"baseline": "january", "warn": 0.5, "max": 99}`, "amount")[0].Status)

		missing := w.judge(between(10, 14), `{"baseline": "training"}`, "amount")[0]
		require.Equal(t, rules.Failed, missing.Status)
		require.Contains(t, missing.Reason, "POST /baselines/training/freeze")
		w.apply(`groups: [{name: orders, features: [{name: later, value_type: FLOAT}]}]`)
		without := w.judge(between(10, 14), `{"baseline": "january"}`, "later")[0]
		require.Equal(t, rules.Skipped, without.Status, "nobody observes it")
	})
}

// The period before moves along: with the window, with its own length, or by loads.
func TestPreviousPeriod(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), &rowsInMemory{})
	w.apply(shop + shopBaselines)
	group := w.named("orders")
	random := rand.New(rand.NewPCG(5, 6))
	w.normal(group, random, 0, 5, 0)
	w.normal(group, random, 5, 10, 3)
	status := func(window Window, baseline string) rules.Status {
		o := w.judge(window, `{"baseline": "`+baseline+`"}`, "amount")[0]
		require.NotEqual(t, rules.Failed, o.Status, o.Reason)
		return o.Status
	}
	require.Equal(t, rules.Fail, status(between(5, 7), PreviousPeriod))
	require.Equal(t, rules.Pass, status(between(7, 9), PreviousPeriod))
	require.Equal(t, rules.Skipped, status(between(0, 2), PreviousPeriod), "before it there is nothing")
	require.Equal(t, rules.Skipped, status(Window{}, PreviousPeriod), "it has no beginning")
	require.Equal(t, rules.Fail, status(between(7, 9), "week"), "in the week before are both")
	to := dayOne + 12*day
	open := w.judge(Window{To: &to}, `{"baseline": "week"}`, "amount")[0]
	require.Equal(t, rules.Fail, open.Status)
	require.EqualValues(t, 2500, open.Considered, "only the last week is judged")
	before := w.stored.scans
	require.Equal(t, rules.Skipped, status(Window{Run: 6}, PreviousPeriod), "no load was profiled yet")
	w.profile(group, Window{Run: 4})
	require.Equal(t, rules.Fail, status(Window{Run: 6}, PreviousPeriod))
	w.profile(group, Window{Run: 6})
	require.Equal(t, rules.Pass, status(Window{Run: 7}, PreviousPeriod))
	require.Equal(t, before+5, w.stored.scans, "stored profiles are used")
	kept, err := w.repository.list(w.repository.db, profileFilter{group: group.ID, kinds: []string{ofWindow}})
	require.NoError(t, err)
	require.Empty(t, kept, "windows that move along are not kept")
}

// Windows are counted into the baseline's own bins, so that they add up exactly: what is said of two windows together is what is said of all
// of their rows.
func TestWindowsAddUp(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), &rowsInMemory{})
	w.apply(shop + shopBaselines)
	group, ctx := w.named("orders"), t.Context()
	random := rand.New(rand.NewPCG(7, 8))
	w.normal(group, random, 0, 10, 0)
	for d := int64(10); d < 14; d++ {
		w.normal(group, random, d, d+1, float64(d)/10)
	}
	to, err := w.reference(ctx, "january", group, Window{})
	require.NoError(t, err)
	count := func(window Window) []*distribution {
		all, at, err := (&storedDrift{thresholds: drift.DefaultThresholds()}).begin(group, nil, to)
		require.NoError(t, err)
		_, err = w.count(ctx, group, window, all, at)
		require.NoError(t, err)
		return all
	}
	whole, parts := count(between(10, 14)), count(between(10, 11))
	for d := int64(11); d < 14; d++ {
		for i, part := range count(between(d, d+1)) {
			require.NoError(t, parts[i].window.Merge(part.window))
		}
	}
	require.Len(t, whole, 6)
	for i := range whole {
		require.Equal(t, whole[i].window.Counts, parts[i].window.Counts)
		require.Equal(t, whole[i].compared("e").judgement, parts[i].compared("e").judgement)
	}
}

// Nothing divides by nothing, few rows are skipped, and one outlier blinds nobody.
func TestOddDistributions(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), &rowsInMemory{})
	w.apply(shop + shopBaselines)
	group := w.named("orders")
	random := rand.New(rand.NewPCG(9, 10))
	w.normal(group, random, 0, 10, 0)
	values := func(d int64, n int, v func(i int) value.Value) {
		for i := range n {
			r := order(d, int64(i), d+1)
			r.values[0] = v(i)
			w.stored.add(group, r)
		}
	}
	values(20, 500, func(int) value.Value { return value.Null() })
	values(21, 500, func(int) value.Value { return value.OfFloat(0) })
	values(22, 49, func(i int) value.Value { return value.OfFloat(99) })
	values(23, 5000, func(i int) value.Value {
		if i == 17 {
			return value.OfFloat(1e6)
		}
		return value.OfFloat(3 + random.NormFloat64())
	})
	values(24, 500, func(int) value.Value { return value.OfFloat(math.MaxFloat64) })
	for d, status := range map[int64]rules.Status{20: rules.Fail, 21: rules.Fail, 22: rules.Skipped, 23: rules.Fail, 24: rules.Fail, 25: rules.Skipped} {
		for _, metric := range append([]string{"psi"}, "js_distance", "hellinger", "wasserstein", "ks", "null_rate_change") {
			o := w.judge(between(d, d+1), `{"baseline": "january", "metric": "`+metric+`"}`, "amount")[0]
			require.NotEqual(t, rules.Failed, o.Status, "%d %s: %s", d, metric, o.Reason)
			if metric == "psi" {
				require.Equal(t, status, o.Status, "%d: %s", d, o.Reason)
			}
		}
	}
	w.apply(`baselines: [{name: january, source: {window: {from: "2026-01-21T00:00:00Z", to: "2026-01-22T00:00:00Z"}}}]`)
	require.Equal(t, rules.Skipped, w.judge(between(20, 21), `{"baseline": "january"}`, "amount")[0].Status, "nothing but nulls on both sides")
	require.Equal(t, rules.Fail, w.judge(between(21, 22), `{"baseline": "january"}`, "amount")[0].Status)
	w.apply(`baselines: [{name: january, source: {window: {from: "2026-01-22T00:00:00Z", to: "2026-01-23T00:00:00Z"}}}]`)
	require.Equal(t, rules.Pass, w.judge(between(21, 22), `{"baseline": "january"}`, "amount")[0].Status, "constant and constant")
	require.Equal(t, rules.Fail, w.judge(between(0, 1), `{"baseline": "january"}`, "amount")[0].Status)
}
