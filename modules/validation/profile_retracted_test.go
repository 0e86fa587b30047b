package validation

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry/value"
)

// A retracted observation is in no profile any more: those that may have seen it hold nothing until they are made again, and only those.
func TestProfilesOfRetractedRows(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		w := newWorld(t, open(), &rowsInMemory{})
		w.apply(shop)
		group, ctx := w.named("orders"), t.Context()
		w.days(group, 0, 4)
		at := dayOne + day/2
		w.stored.add(group, row{"mallory", at, 1, []value.Value{value.OfFloat(1e9)}})
		seen := map[string]int64{"window": w.profile(group, between(0, 2)), "load": w.profile(group, Window{Run: 1})}
		others := map[string]int64{"window": w.profile(group, between(2, 4)), "load": w.profile(group, Window{Run: 2})}
		merged := func(first, last int64) int64 {
			row := &profileRow{GroupID: group.ID, Kind: ofLoads, FirstRun: first, LastRun: last, Loads: 2}
			require.NoError(t, w.repository.create(w.repository.db, row, nil))
			return row.ID
		}
		merged(1, 2)
		others["merged"] = merged(2, 3)

		w.stored.remove(group, func(r row) bool { return r.entity == "mallory" })
		require.NoError(t, w.Retracted(ctx, group, at, []int64{1}))
		for what, id := range seen {
			require.True(t, w.readProfile(id).Outdated, what)
			require.Empty(t, w.readProfile(id).Features, what)
		}
		for what, id := range others {
			require.False(t, w.readProfile(id).Outdated, what)
		}
		w.begin()
		w.settle(ProfileKind)
		var rows []profileRow
		require.NoError(t, w.repository.db.Order("kind, from_at, first_run").Find(&rows).Error)
		require.Len(t, rows, 5, "loads that are merged cannot be made again")
		for i, n := range []int64{100, 100, 0, 200, 200} {
			require.False(t, rows[i].Outdated)
			require.Equal(t, n, rows[i].RowCount)
			if n > 0 {
				require.Less(t, string(w.readProfile(rows[i].ID).of(t, "amount").Max), "5")
			}
		}

		scans := w.stored.scans
		require.NoError(t, w.Retracted(ctx, group, dayOne+9*day, nil))
		w.settle(ProfileKind)
		require.Equal(t, scans, w.stored.scans, "what no profile has seen changes none")
	})
}

// While observations are retracted all the time, profiles wait for the end of that, and no run of theirs fails.
func TestRetractedAllTheTime(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		w := newWorld(t, open(), &rowsInMemory{})
		w.apply(shop)
		group, ctx := w.named("orders"), t.Context()
		w.days(group, 0, 1)
		id := w.profile(group, between(0, 1))
		left := 3 * maxTries
		w.stored.meet = func() {
			if left--; left >= 0 {
				require.NoError(t, w.Retracted(ctx, group, dayOne+9*day, nil)) // of which nothing is outdated
			}
		}
		require.NoError(t, w.Retracted(ctx, group, dayOne, nil))
		require.True(t, w.readProfile(id).Outdated)
		w.begin()
		var row profileRow
		eventually(t, func() bool {
			row = profileRow{}
			require.NoError(t, w.repository.db.First(&row).Error)
			return !row.Outdated
		})
		w.settle(ProfileKind)
		require.EqualValues(t, 100, row.RowCount)
		var failed int64
		require.NoError(t, w.repository.db.Table("runs").Where("state <> 'succeeded'").Count(&failed).Error)
		require.Zero(t, failed)
	})
}
