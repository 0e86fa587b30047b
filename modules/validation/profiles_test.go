package validation

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/validation/profile"
)

// Profiles of windows that follow each other are, merged, the profile of all: exact but for rounding, sketches within what they state.
func TestStoredProfilesMerge(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		w := newWorld(t, open(), &rowsInMemory{batch: 7})
		w.apply(shop)
		group := w.named("orders")
		random := rand.New(rand.NewPCG(1, 2))
		for i := range int64(6000) {
			r := order(i%30, i, 1)
			if i%10 != 3 {
				r.values[0] = value.OfFloat(random.ExpFloat64() * 100)
			}
			w.stored.add(group, r)
		}
		for d := int64(0); d < 30; d += 10 {
			w.profile(group, between(d, d+10))
		}
		whole := w.readProfile(w.profile(group, between(0, 31)))
		// The widest one overlaps all others and is left out.
		merged, err := w.merged(t.Context(), group, profileFilter{group: group.ID, within: true}, nil)
		require.NoError(t, err)
		require.Len(t, merged.Merged, 3)
		require.Equal(t, []leftOut{{whole.ID, "it has rows in common with profile 3"}}, merged.LeftOut)
		require.Equal(t, whole.Rows, merged.Rows)
		require.Equal(t, whole.FirstEventTime, merged.FirstEventTime)
		require.Equal(t, whole.LastEventTime, merged.LastEventTime)
		require.Len(t, merged.Features, 6)
		for i, m := range merged.Features {
			f := whole.Features[i]
			require.Equal(t, f.Count, m.Count)
			require.Equal(t, f.Nulls, m.Nulls)
			require.JSONEq(t, string(f.Min), string(m.Min), f.Feature)
			require.JSONEq(t, string(f.Max), string(m.Max), f.Feature)
			require.InDelta(t, *f.Deviation, *m.Deviation, 1e-9**f.Deviation, f.Feature)
			require.InDelta(t, f.Distinct, m.Distinct, 4*profile.DistinctError*float64(f.Distinct)+2, f.Feature)
			require.Equal(t, f.Masked, m.Masked)
		}
		amount, of := merged.Features[0], whole.Features[0]
		require.InDelta(t, numberIn(t, of.Mean), numberIn(t, amount.Mean), 1e-9)
		for i, q := range amount.Quantiles {
			require.InEpsilon(t, numberIn(t, of.Quantiles[i].Value), numberIn(t, q.Value), 2*profile.Accuracy, "quantile %v", q.Q)
		}
		require.Equal(t, whole.Features[1].Top, merged.Features[1].Top, "few values are counted exactly")
	})
}

func numberIn(t *testing.T, raw json.RawMessage) float64 {
	var v float64
	require.NoError(t, json.Unmarshal(raw, &v), string(raw))
	return v
}

// A profile outlives the process; one of the same window or load takes its place.
func TestProfilesAreKept(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		w := newWorld(t, open(), &rowsInMemory{})
		w.apply(shop)
		group := w.named("orders")
		w.days(group, 0, 3)
		first := w.profile(group, between(0, 2))
		load := w.profile(group, Window{Run: 2})
		w.stored.add(group, order(0, 1, 9))
		second := w.profile(group, between(0, 2))
		require.NotEqual(t, first, second)
		_, err := w.read(t.Context(), first, nil)
		require.ErrorContains(t, err, "there is no profile")

		again := newWorld(t, open(), w.stored)
		answer := again.readProfile(second)
		require.EqualValues(t, 201, answer.Rows)
		require.Equal(t, ofWindow, answer.Kind)
		amount := answer.of(t, "amount")
		require.EqualValues(t, 201, amount.Count)
		require.EqualValues(t, 20, amount.Nulls)
		require.InDelta(t, 0.0995, *amount.NullRate, 1e-4)
		require.Equal(t, ofLoad, again.readProfile(load).Kind)
		require.EqualValues(t, 2, again.readProfile(load).Run)
		since := answer.of(t, "since")
		require.Equal(t, `"2026-01-01T00:00:00Z"`, string(since.Min), "times are shown as times")
	})
}

// Of features tagged pii no value is shown, and no text is kept.
func TestProfilesHidePII(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), &rowsInMemory{})
	w.apply(shop)
	group := w.named("orders")
	w.days(group, 0, 1)
	id := w.profile(group, Window{})
	answer := w.readProfile(id)
	email, salary := answer.of(t, "email"), answer.of(t, "salary")
	require.True(t, email.Masked)
	require.Empty(t, email.Top)
	require.Equal(t, "length", email.Measured)
	require.NotEmpty(t, email.Quantiles, "lengths are no values")
	require.True(t, salary.Masked)
	require.Equal(t, "null", string(salary.Min))
	require.Empty(t, salary.Quantiles)
	require.Empty(t, salary.Histogram)
	require.EqualValues(t, 100, salary.Count)

	country := answer.of(t, "country")
	require.Len(t, country.Top, 4)
	w.apply(`groups: [{name: orders, features: [{name: country, tags: [pii]}]}]`)
	require.Empty(t, w.readProfile(id).of(t, "country").Top, "a feature that was tagged since is masked")
	require.NoError(t, w.tidy(t.Context()))
	features, err := w.repository.features(w.repository.db, id, []uint16{group.Features[1].Ordinal})
	require.NoError(t, err)
	kept, err := profile.Decode(features[0].Encoded)
	require.NoError(t, err)
	require.True(t, features[0].Hidden)
	require.Empty(t, kept.Top(10), "and its values go with the next tidying")
}

// When rows are taken out, whatever was made of them holds nothing at once, and is made again of those that are left.
func TestProfilesOfTakenOutRows(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		w := newWorld(t, open(), &rowsInMemory{})
		w.apply(shop)
		w.apply(`baselines: [{name: january, group: orders, source: {window: {from: "2026-01-01T00:00:00Z", to: "2026-01-03T00:00:00Z"}}}]`)
		group, ctx := w.named("orders"), t.Context()
		w.days(group, 0, 4)
		w.stored.add(group, row{"mallory", dayOne + day/2, 1, []value.Value{value.OfFloat(1e9), value.OfString("Atlantis")}})
		one, two, load := w.profile(group, between(0, 2)), w.profile(group, between(2, 4)), w.profile(group, Window{Run: 1})
		_, _, err := w.Freeze(ctx, "january", nil)
		require.NoError(t, err)
		holds := func(id int64) bool {
			for _, top := range w.readProfile(id).of(t, "country").Top {
				if string(top.Value) == `"Atlantis"` {
					return true
				}
			}
			return false
		}
		kept, err := w.repository.frozenFeatures(w.repository.db, 1)
		require.NoError(t, err)
		require.Contains(t, kept[1].Bins, `"DE"`)
		require.NotContains(t, kept[1].Bins, "Atlantis", "what came once has no bin of its own")
		require.True(t, holds(one))
		require.True(t, holds(load))

		w.stored.remove(group, func(r row) bool { return r.entity == "mallory" })
		require.NoError(t, w.TakenOut(ctx, group, 0))
		for _, id := range []int64{one, two, load} {
			answer := w.readProfile(id)
			require.True(t, answer.Outdated)
			require.Empty(t, answer.Features)
		}
		frozen, err := w.getFrozen(ctx, &struct {
			Name    string `path:"name" doc:"The baseline" example:"churn_training"`
			Version int    `query:"version" minimum:"1" doc:"Of the definition; left out: the newest"`
		}{Name: "january"})
		require.NoError(t, err)
		require.Zero(t, frozen.Body.Features[0].Sample, "a frozen baseline loses its sample")
		require.EqualValues(t, 201, frozen.Body.Features[0].Rows, "and keeps its counts")

		scans := w.stored.scans
		w.begin()
		w.settle(ProfileKind)
		require.Equal(t, 2, w.stored.scans-scans, "all windows in one pass, and the load")
		var rows []profileRow
		require.NoError(t, w.repository.db.Order("kind, from_at").Find(&rows).Error)
		require.Len(t, rows, 3)
		for i, n := range []int64{100, 200, 200} {
			require.False(t, rows[i].Outdated)
			require.Equal(t, n, rows[i].RowCount)
			require.False(t, holds(rows[i].ID))
		}

		require.NoError(t, w.TakenOut(ctx, group, 1)) // a revert of the load
		w.settle(ProfileKind)
		require.NoError(t, w.repository.db.Order("kind, from_at").Find(&rows).Error)
		require.Len(t, rows, 2, "its profile goes")
	})
}

// settle waits until no run of a kind is left to do.
func (w *world) settle(kind string) {
	for _, state := range []runs.State{runs.Queued, runs.Running} {
		for {
			left, err := w.work.List(w.t.Context(), runs.Filter{Kind: kind, State: state})
			require.NoError(w.t, err)
			if len(left) == 0 {
				break
			}
			run, err := w.work.Wait(w.t.Context(), left[0].ID)
			require.NoError(w.t, err)
			require.Equal(w.t, runs.Succeeded, run.State, run.Reason)
		}
	}
}

// A profile that is in the making while rows are taken out is not stored, since it may hold them. The control has it forget that.
func TestTakenOutWhileProfiling(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		w := newWorld(t, open(), &rowsInMemory{})
		w.apply(shop)
		group, ctx := w.named("orders"), t.Context()
		w.days(group, 0, 1)
		made, err := w.scan(ctx, group, Window{}, nil, func(int64) {})
		require.NoError(t, err)
		require.NoError(t, w.TakenOut(ctx, group, 0))
		finish := func() error {
			return w.repository.atomically(ctx, func(tx *gorm.DB) error {
				_, err := made.Finish(tx)
				return err
			})
		}
		require.ErrorIs(t, finish(), errTakenOut)
		made.removals++
		require.NoError(t, finish(), "the control")

		times := 0
		w.stored.meet = func() {
			if times++; times == 1 {
				require.NoError(t, w.TakenOut(ctx, group, 0))
			}
		}
		w.profile(group, between(0, 1))
		require.Equal(t, 2, times, "it is made anew")
		w.stored.meet = func() { require.NoError(t, w.TakenOut(ctx, group, 0)) }
		_, err = w.Compute(ctx, group, between(0, 1), nil, func(int64) {})
		require.ErrorContains(t, err, "are being taken out")
	})
}

// A baseline that is frozen while an entity is erased keeps its bins and no sample. The control has it forget that.
func TestTakenOutWhileFreezing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		w := newWorld(t, open(), &rowsInMemory{})
		w.apply(shop)
		w.apply(`baselines: [{name: all, group: orders, source: {run: 1}}, {name: control, group: orders, source: {run: 1}}]`)
		group, ctx := w.named("orders"), t.Context()
		w.days(group, 0, 1)
		sample := func(name string) []byte {
			row, _, err := w.Freeze(ctx, name, nil)
			require.NoError(t, err)
			features, err := w.repository.frozenFeatures(w.repository.db, row.ID)
			require.NoError(t, err)
			return features[0].Encoded
		}
		require.NotEmpty(t, sample("control"))
		times := 0
		w.stored.meet = func() {
			if times++; times == 2 {
				require.NoError(t, w.TakenOut(ctx, group, 0))
			}
		}
		require.Empty(t, sample("all"))
	})
}

// What is old goes; loads are merged day by day after a week.
func TestProfilesAreTidied(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		w := newWorld(t, open(), &rowsInMemory{})
		w.apply(shop)
		group, ctx := w.named("orders"), t.Context()
		w.days(group, 0, 8)
		for load := range int64(8) {
			id := w.profile(group, Window{Run: load + 1})
			at := dayOne + load/2*day // two a day
			require.NoError(t, w.repository.db.Exec("UPDATE validation_profiles SET computed_at = ? WHERE id = ?", *microsOf(&at), id).Error)
		}
		w.tidyAt(t, dayOne+10*day)
		rows, err := w.repository.list(w.repository.db.WithContext(ctx), profileFilter{group: group.ID})
		require.NoError(t, err)
		kinds := map[string]int{}
		for _, r := range rows {
			kinds[r.Kind]++
			if r.Kind == ofLoads {
				require.Equal(t, 2, r.Loads)
				require.EqualValues(t, 200, r.RowCount)
				require.EqualValues(t, 200, w.readProfile(r.ID).of(t, "amount").Count)
			}
		}
		require.Equal(t, map[string]int{ofLoads: 3, ofLoad: 2}, kinds)
		merged, err := w.merged(ctx, group, profileFilter{group: group.ID}, nil)
		require.NoError(t, err)
		require.EqualValues(t, 800, merged.Rows)
		w.tidyAt(t, dayOne+91*day)
		rows, err = w.repository.list(w.repository.db.WithContext(ctx), profileFilter{group: group.ID})
		require.NoError(t, err)
		require.Len(t, rows, 3, "the first day was more than 90 days ago")
	})
}

// However many loads a day has, one profile is left of them.
func TestManyLoadsOfADay(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), &rowsInMemory{})
	w.apply(shop)
	group := w.named("orders")
	const loads = 2*mergedAtOnce + 7
	for run := range int64(loads) {
		w.stored.add(group, order(0, run, run+1))
		w.profile(group, Window{Run: run + 1})
	}
	w.tidyAt(t, dayOne+80*day)
	rows, err := w.repository.list(w.repository.db, profileFilter{group: group.ID})
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, loads, rows[0].Loads)
	require.EqualValues(t, loads, w.readProfile(rows[0].ID).of(t, "country").Count)
}

// tidyAt tidies as of a moment.
func (w *world) tidyAt(t *testing.T, now int64) {
	ctx := t.Context()
	require.NoError(t, w.forgetBefore(ctx, now-w.config.ProfileKeep.Microseconds()))
	require.NoError(t, w.tidyGroup(ctx, w.named("orders").ID, now-loadsApart.Microseconds()))
}

// Data on which a formula divides by nothing.
func TestProfilesOfOddData(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), &rowsInMemory{})
	w.apply(shop)
	group := w.named("orders")
	empty := w.readProfile(w.profile(group, between(0, 1)))
	require.Zero(t, empty.Rows)
	require.Nil(t, empty.FirstEventTime)
	require.Nil(t, empty.of(t, "amount").NullRate)
	require.Nil(t, empty.of(t, "amount").Deviation)
	for i := range int64(60) {
		w.stored.add(group, row{fmt.Sprint(i), dayOne + day, 1, []value.Value{value.Null(), value.OfString(""), value.OfInt(math.MaxInt64), value.Value{}}})
	}
	odd := w.readProfile(w.profile(group, between(1, 2)))
	require.Equal(t, "null", string(odd.of(t, "amount").Mean))
	require.EqualValues(t, 60, odd.of(t, "country").Empty)
	require.Equal(t, "9223372036854775807", string(odd.of(t, "count").Min), "exact")
	require.Zero(t, odd.of(t, "since").Count, "what was not observed is not counted")
	_, err := json.Marshal(odd)
	require.NoError(t, err)
	merged, err := w.merged(t.Context(), group, profileFilter{group: group.ID}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 60, merged.Rows)
}

// A batch that has no column for a feature leaves it unobserved.
func TestProfilesOfSomeFeatures(t *testing.T) {
	w := newWorld(t, databasetest.SQLite(t)(), &rowsInMemory{})
	w.apply(shop)
	group := w.named("orders")
	w.days(group, 0, 1)
	id, err := w.Compute(t.Context(), group, Window{}, []*registry.Feature{group.Features[2]}, func(int64) {})
	require.NoError(t, err)
	answer := w.readProfile(id)
	require.Len(t, answer.Features, 1)
	require.Equal(t, "count", answer.Features[0].Feature)
}
