package registry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"featurestore/app/database/databasetest"
	"featurestore/modules/registry"
)

var registryTables = []string{"registry_versions", "registry_past", "registry_definitions", "registry_state"}

// keep copies the registry's tables; the function that it answers puts them back.
func keep(t *testing.T, db *gorm.DB) (restore func()) {
	for _, table := range registryTables {
		require.NoError(t, db.Exec("CREATE TABLE kept_"+table+" AS SELECT * FROM "+table).Error)
	}
	return func() {
		require.NoError(t, db.Transaction(func(tx *gorm.DB) error {
			var failed error
			for _, table := range registryTables {
				failed = errors.Join(failed, tx.Exec("DELETE FROM "+table).Error)
			}
			for i := range registryTables { // definitions before versions, which refer to them
				table := registryTables[len(registryTables)-1-i]
				failed = errors.Join(failed, tx.Exec("INSERT INTO "+table+" SELECT * FROM kept_"+table).Error)
			}
			return failed
		}))
	}
}

// notPolling is a registry that looks only when it is told to, or changes something.
func notPolling(r *registry.Registry) *registry.Registry {
	r.Stop()
	r.Clock = time.Now
	return r
}

func featureOf(name, valueType string) string {
	return fmt.Sprintf(`{"name": %q, "entity_type": "customer", "value_type": %q}`, name, valueType)
}

func awaitCatalog(t *testing.T, r *registry.Registry, is func(*registry.Catalog) bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(r.Catalog()); time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "the catalog stays at revision %d", r.Catalog().Revision())
	}
}

func typeOf(c *registry.Catalog, name string) string {
	f, err := c.Resolve("customer", name)
	if err != nil {
		return ""
	}
	return f.ValueType.String()
}

// The registry's tables go back to an earlier copy under running processes: by their next poll they have what is there, also where
// others have gone on from there before.
func TestARegistryThatWentBackIsReadAgain(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		for _, further := range []int{0, 1, 3, 5} { // changes after the restore, before the process looks: it had made 3 since the copy
			t.Run(fmt.Sprint(further, " changes since"), func(t *testing.T) {
				db := open()
				require.NoError(t, registry.Migrate(ctx, db))
				other := notPolling(startOn(t, db))
				base := "base_" + fmt.Sprint(further)
				define(t, other, "feature", featureOf(base, "INTEGER"))
				for _, table := range registryTables {
					require.NoError(t, db.Exec("DROP TABLE IF EXISTS kept_"+table).Error)
				}
				restore := keep(t, db)

				var told atomic.Int64
				r := notPolling(startOn(t, open()))
				r.Guards.Restored = func(context.Context) error { told.Add(1); return nil }
				for _, name := range []string{"lost", "both", "third"} {
					define(t, r, "feature", featureOf(name+base, "STRING"))
				}
				require.Equal(t, "STRING", typeOf(r.Catalog(), "lost"+base))
				_, err := other.Refresh(ctx)
				require.NoError(t, err)
				restore()
				third := notPolling(startOn(t, open()))
				for i := range further {
					define(t, third, "feature", featureOf([]string{"both", "fourth", "fifth", "sixth", "seventh"}[i]+base, "FLOAT"))
				}

				for _, process := range []*registry.Registry{r, other} {
					_, err = process.Refresh(ctx)
					require.NoError(t, err)
					require.Equal(t, third.Catalog().Revision(), process.Catalog().Revision())
					require.Equal(t, "INTEGER", typeOf(process.Catalog(), base))
					require.Empty(t, typeOf(process.Catalog(), "lost"+base))
					require.Equal(t, map[bool]string{true: "FLOAT"}[further > 0], typeOf(process.Catalog(), "both"+base))
				}
				require.EqualValues(t, 1, told.Load())
				define(t, r, "feature", featureOf("lost"+base, "BOOLEAN"))
				require.Equal(t, "BOOLEAN", typeOf(r.Catalog(), "lost"+base))
				_, err = other.Refresh(ctx)
				require.NoError(t, err)
				require.Equal(t, "BOOLEAN", typeOf(other.Catalog(), "lost"+base))
				require.EqualValues(t, 1, told.Load(), "what goes on is no restore")
			})
		}
	})
}

// A change that is made by a process that has not looked yet stands on what is there.
func TestAChangeAfterTheRegistryWentBack(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		db := open()
		r := notPolling(startOn(t, db))
		define(t, r, "feature", featureOf("a", "INTEGER"))
		restore := keep(t, db)
		define(t, r, "feature", featureOf("b", "STRING"))
		define(t, r, "service", `{"name": "s", "features": ["customer:b"]}`)
		restore()
		_, err := r.Define(ctx, "service", "", []byte(`{"name": "s", "features": ["customer:b"]}`), registry.Options{})
		require.Error(t, err, "there is no b any more")
		define(t, r, "feature", featureOf("c", "FLOAT"))
		require.Empty(t, typeOf(r.Catalog(), "b"))
		require.Equal(t, "INTEGER", typeOf(r.Catalog(), "a"))
		require.Equal(t, "FLOAT", typeOf(r.Catalog(), "c"))
	})
}

// The poll notices it, and asks again until those who store values have taken note.
func TestThePollNoticesThatTheRegistryWentBack(t *testing.T) {
	db := databasetest.SQLite(t)()
	require.NoError(t, registry.Migrate(ctx, db))
	r, err := registry.New(db, registry.Config{Poll: 10 * time.Millisecond}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	var told atomic.Int64
	r.Guards.Restored = func(context.Context) error {
		if told.Add(1) < 3 {
			return errors.New("the offline store is starting")
		}
		return nil
	}
	require.NoError(t, r.Start(ctx))
	t.Cleanup(r.Stop)
	define(t, r, "feature", featureOf("a", "INTEGER"))
	restore := keep(t, db)
	define(t, r, "feature", featureOf("b", "STRING"))
	restore()
	awaitCatalog(t, r, func(c *registry.Catalog) bool { return typeOf(c, "b") == "" })
	require.Equal(t, "INTEGER", typeOf(r.Catalog(), "a"))
	require.EqualValues(t, 3, told.Load())
}
