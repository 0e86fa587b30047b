package registry_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry"
)

func pastRows(t *testing.T, db *gorm.DB) (n int64) {
	t.Helper()
	require.NoError(t, db.Table("registry_past").Count(&n).Error)
	return n
}

// What is thinned is refused, and all later revisions and moments are told as before, by every process; the registry goes on.
func TestThePastIsThinned(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		r, other := startOn(t, db), startOn(t, open())
		set, moment := at(r)
		const changes = 12
		told := map[int64]string{}
		for n := range changes {
			set(10 * (n + 1))
			define(t, r, "feature", describing(n))
			define(t, r, "feature", fmt.Sprintf(`{"name": "y%d", "entity_type": "customer", "value_type": "FLOAT"}`, n))
		}
		for revision := int64(1); revision <= r.Catalog().Revision(); revision++ {
			c, err := r.At(ctx, revision)
			require.NoError(t, err)
			told[revision] = describe(c)
		}
		before := pastRows(t, db)

		cut := moment(65) // after 6 of the changes
		rows, err := r.Thin(ctx, cut)
		require.NoError(t, err)
		require.Positive(t, rows)
		require.Equal(t, before-rows, pastRows(t, db))
		again, err := other.Thin(ctx, cut)
		require.NoError(t, err)
		require.Zero(t, again)
		earlier, err := other.Thin(ctx, moment(35))
		require.NoError(t, err)
		require.Zero(t, earlier)

		fresh := startOn(t, open())
		kept := 0
		for revision, was := range told {
			c, err := fresh.At(ctx, revision)
			if revision < 12 {
				requireFault(t, err, "beyond-horizon")
				continue
			}
			require.NoError(t, err)
			require.Equal(t, was, describe(c), "revision %d", revision)
			kept++
		}
		require.Equal(t, 2*changes-11, kept)
		require.Equal(t, "5", described(t, fresh, cut))
		require.Equal(t, "11", described(t, fresh, moment(10*changes)))
		for _, before := range []int64{moment(5), moment(15), moment(59)} {
			_, err := fresh.AsOf(ctx, before)
			requireFault(t, err, "beyond-horizon")
		}
		require.Equal(t, told[2*changes], describe(fresh.Catalog()))
		set(1000)
		define(t, r, "feature", describing(99))
		_, err = other.Refresh(ctx)
		require.NoError(t, err)
		require.Equal(t, describe(r.Catalog()), describe(other.Catalog()))
	})
}

// The ticker thins what lies before the horizon, and leaves what lies within it.
func TestThePastIsThinnedOnTime(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
		r := startOn(t, db)
		set, moment := at(r)
		for n, second := range []int{0, 1, 2, 3600, 7200} {
			set(second)
			define(t, r, "feature", describing(n))
		}
		all := pastRows(t, db)
		config := registry.DefaultConfig()
		config.Poll = 10 * time.Millisecond
		keeping, err := registry.New(open(), config, slog.New(slog.DiscardHandler), ruleKind)
		require.NoError(t, err)
		keeping.Clock = func() time.Time { return day.Add(2 * time.Hour) }
		keeping.KeepPast(time.Hour, 10*time.Millisecond)
		require.NoError(t, keeping.Start(ctx))
		t.Cleanup(keeping.Stop)
		require.Eventually(t, func() bool { return pastRows(t, db) == all-2 }, 30*time.Second, 10*time.Millisecond)
		for second, want := range map[int]string{2: "2", 3599: "2", 3600: "3", 7199: "3", 7200: "4"} {
			require.Equal(t, want, described(t, r, moment(second)))
		}
		_, err = r.AsOf(ctx, moment(1))
		requireFault(t, err, "beyond-horizon")
	})
}
