package validation

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry"
)

// What was frozen for a baseline goes with it, and that of others stays, one too that another process has made just now.
func TestWhatIsFrozenGoesWithItsBaseline(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		w := newWorld(t, db, &rowsInMemory{})
		w.apply(shop)
		w.apply(`baselines: [{name: one, group: orders, source: {run: 1}}, {name: two, group: orders, source: {run: 1}}]`)
		w.days(w.named("orders"), 0, 1)
		ctx := t.Context()
		freeze := func(of *Profiles, name string) {
			_, _, err := of.Freeze(ctx, name, nil)
			require.NoError(t, err)
		}
		freeze(w.Profiles, "one")
		w.apply(`baselines: [{name: one, description: another version}]`)
		freeze(w.Profiles, "one")
		freeze(w.Profiles, "two")

		elsewhere, err := registry.New(db, registry.DefaultConfig(), quiet, RuleKind(), BaselineKind()) // it hears of nothing by itself
		require.NoError(t, err)
		_, err = elsewhere.Refresh(ctx)
		require.NoError(t, err)
		other := NewProfiles(db, DefaultConfig(), elsewhere, w.stored, noTables{}, w.work, w.clock, quiet)
		w.apply(`baselines: [{name: three, group: orders, source: {run: 1}}]`)
		freeze(w.Profiles, "three")

		kept := func() (rows, features int64) {
			require.NoError(t, db.Model(&frozenRow{}).Count(&rows).Error)
			require.NoError(t, db.Model(&frozenFeatureRow{}).Count(&features).Error)
			return rows, features
		}
		rows, features := kept()
		require.EqualValues(t, 4, rows)
		require.NoError(t, other.forgetDeleted(ctx))
		require.Equal(t, [2]int64{rows, features}, func() [2]int64 { r, f := kept(); return [2]int64{r, f} }(), "all of them are there, as a look at the definitions shows")

		_, err = w.registry.Delete(ctx, kindBaseline, "one", registry.Options{})
		require.NoError(t, err)
		_, err = elsewhere.Refresh(ctx)
		require.NoError(t, err)
		require.NoError(t, other.forgetDeleted(ctx))
		left, of := kept()
		require.EqualValues(t, 2, left, "both versions are gone")
		require.Equal(t, features/2, of)
		freeze(w.Profiles, "two")
		require.NoError(t, other.forgetDeleted(ctx))
		left, _ = kept()
		require.EqualValues(t, 2, left)
	})
}
