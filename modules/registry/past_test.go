package registry_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// at gives a clock that stands where it is put, in seconds after a day.
func at(r *registry.Registry) (set func(second int), moment func(second int) int64) {
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	var seconds atomic.Int64
	r.Clock = func() time.Time { return day.Add(time.Duration(seconds.Load()) * time.Second) }
	return func(second int) { seconds.Store(int64(second)) },
		func(second int) int64 { return day.Add(time.Duration(second) * time.Second).UnixMicro() }
}

func describing(n int) string {
	return fmt.Sprintf(`{"name": "x", "entity_type": "customer", "value_type": "INTEGER", "description": "%d"}`, n)
}

// described is the description of the feature in the catalog of a moment; "": there is none.
func described(t *testing.T, r *registry.Registry, moment int64) string {
	t.Helper()
	c, err := r.AsOf(ctx, moment)
	require.NoError(t, err)
	f, err := c.Resolve("customer", "x")
	if err != nil {
		requireUnknown(t, err)
		return ""
	}
	return f.Description
}

func requireUnknown(t *testing.T, err error) {
	t.Helper()
	f, ok := fault.As(err)
	require.True(t, ok && f.Kind == fault.NotFound, "%v", err)
}

// A moment once asked about stays as it was told, also for processes whose clocks are behind.
func TestDefinitionsAsOfAMoment(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		r, other := startOn(t, open()), startOn(t, open())
		set, moment := at(r)
		behind, _ := at(other)
		for n, second := range []int{10, 20} {
			set(second)
			define(t, r, "feature", describing(n))
		}
		require.Equal(t, "", described(t, r, moment(10)-1))
		require.Equal(t, "0", described(t, r, moment(10)))
		require.Equal(t, "0", described(t, other, moment(20)-1))
		require.Equal(t, "1", described(t, other, moment(20)))

		behind(5) // later than the change before it all the same
		define(t, other, "feature", describing(2))
		require.Equal(t, "0", described(t, r, moment(20)-1))
		require.Equal(t, "2", described(t, r, moment(20)+1))

		require.Equal(t, "2", described(t, r, moment(30)))
		define(t, other, "feature", describing(3))
		require.Equal(t, "2", described(t, r, moment(30)), "it was told, and nothing is dated before it")
		require.Equal(t, "3", described(t, r, moment(30)+1))

		_, err := r.At(ctx, r.Catalog().Revision()+5)
		requireFault(t, err, "unknown-revision")
		none, err := r.At(ctx, 0)
		require.NoError(t, err)
		require.Empty(t, none.Groups())
	})
}

// A change under way is waited for: it may be dated before the moment.
func TestDefinitionsAsOfAMomentWhileTheyChange(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		r, other := startOn(t, open()), startOn(t, open())
		set, moment := at(r)
		asked, asking := make(chan string), int64(0)
		r.Guards.Retire = func(context.Context, *registry.Group) (bool, error) {
			begun := make(chan struct{})
			go func() {
				close(begun)
				c, err := other.AsOf(ctx, asking)
				if err != nil {
					asked <- err.Error()
					return
				}
				asked <- fmt.Sprint(c.Revision())
			}()
			<-begun
			return false, nil
		}
		for n := range 10 {
			set(10 * n)
			asking = moment(10*n + 5)
			define(t, r, "group", fmt.Sprintf(`{"name": "g%d", "entity_type": "customer"}`, n))
			_, err := r.Delete(ctx, "group", fmt.Sprintf("g%d", n), registry.Options{})
			require.NoError(t, err)
			told := <-asked
			then, err := other.AsOf(ctx, asking)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(then.Revision()), told)
		}
	})
}

// What was registered before the registry kept its past counts from when it began to.
func TestThePastBeginsWithTheUpgrade(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		r := startOn(t, db)
		define(t, r, "feature", describing(0))
		define(t, r, "feature", describing(1))
		r.Stop()
		for _, undo := range []string{"DROP TABLE registry_past", "ALTER TABLE registry_state DROP COLUMN clock", "ALTER TABLE registry_state DROP COLUMN thinned", "DELETE FROM registry_migrations WHERE version_id >= 2"} {
			require.NoError(t, db.Exec(undo).Error)
		}
		before := time.Now()
		r = startOn(t, open())
		require.Equal(t, "", described(t, r, before.Add(-time.Minute).UnixMicro()))
		then, err := r.At(ctx, 2)
		require.NoError(t, err)
		define(t, r, "feature", describing(2))
		again, err := startOn(t, open()).At(ctx, 2)
		require.NoError(t, err)
		require.Equal(t, describe(then), describe(again))
	})
}
