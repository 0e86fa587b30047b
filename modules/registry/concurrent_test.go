package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"pgregory.net/rapid"

	"featurestore/app/database/databasetest"
	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// TestConcurrentChangesAreNotLost lets two processes apply files at the same time and reads the history: every accepted change is
// a version of its own, and begins where the one before it ended.
func TestConcurrentChangesAreNotLost(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		processes := []*registry.Registry{startOn(t, open()), startOn(t, open())}
		round := 0
		rapid.Check(t, func(rt *rapid.T) {
			round++
			const writers = 6
			files := make([][]string, writers)
			for w := range files {
				files[w] = rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) string {
					member := rapid.SampledFrom([]string{"description", "owner", "unit", "category"}).Draw(rt, "member")
					return fmt.Sprintf(`{"groups": [{"name": "g%d", "entity_type": "e", "features": [
						{"name": "shared", "value_type": "INTEGER", %q: "%d"},
						{"name": "f%d", "value_type": "FLOAT"}]}]}`, round, member, rapid.IntRange(0, 99).Draw(rt, "value"),
						rapid.IntRange(0, 9).Draw(rt, "feature"))
				}), 1, 4).Draw(rt, "files")
			}
			var wg sync.WaitGroup
			var mutex sync.Mutex
			accepted := 0
			var failed error
			for w := range writers {
				wg.Go(func() {
					for _, file := range files[w] {
						plan, err := processes[w%2].Apply(ctx, []byte(file), "", registry.Options{})
						mutex.Lock()
						failed = errors.Join(failed, err)
						if err == nil {
							for _, c := range plan.Changed {
								if c.Name == fmt.Sprintf("g%d:shared", round) {
									accepted++
								}
							}
						}
						mutex.Unlock()
					}
				})
			}
			wg.Wait()
			require.NoError(rt, failed)

			_, err := processes[0].Refresh(ctx)
			require.NoError(rt, err)
			versions, err := registry.FeatureVersions(processes[0], ctx, "e", fmt.Sprintf("g%d:shared", round))
			require.NoError(rt, err)
			require.Len(rt, versions, accepted+1)
			members := map[string]json.RawMessage{}
			for i := len(versions) - 1; i >= 0; i-- {
				v := versions[i]
				require.Equal(rt, len(versions)-i, v.Version)
				for _, change := range v.Changes {
					before := members[change.Member]
					if before == nil {
						before = json.RawMessage("null")
					}
					require.Equal(rt, string(before), string(change.From), "version %d", v.Version)
				}
				members = map[string]json.RawMessage{}
				require.NoError(rt, json.Unmarshal(v.Definition, &members))
			}
			_, err = processes[1].Refresh(ctx)
			require.NoError(rt, err)
			require.Equal(rt, describe(processes[0].Catalog()), describe(processes[1].Catalog()))
		})
	})
}

// TestCountingUnderIfMatch counts in a definition from many places at once; the control without If-Match loses some.
func TestCountingUnderIfMatch(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		const writers, each = 6, 5
		processes := []*registry.Registry{startOn(t, open()), startOn(t, open())}
		count := func(name string, guarded bool) int {
			_, err := processes[0].Define(ctx, "service", name, []byte(`{"features": ["e:f"], "metadata": {"n": 0}}`), registry.Options{})
			require.NoError(t, err)
			var wg sync.WaitGroup
			errs := make([]error, writers)
			for w := range writers {
				r := processes[w%2]
				wg.Go(func() {
					for done := 0; done < each; {
						c, err := r.Refresh(ctx)
						if err != nil {
							errs[w] = err
							return
						}
						s, err := c.Service(name)
						if err != nil {
							errs[w] = err
							return
						}
						var metadata struct{ N int }
						if err := json.Unmarshal(s.Metadata, &metadata); err != nil {
							errs[w] = err
							return
						}
						options := registry.Options{}
						if guarded {
							options.IfMatch = fmt.Sprintf(`"%d"`, s.Version)
						}
						body := fmt.Sprintf(`{"metadata": {"n": %d}}`, metadata.N+1)
						if !guarded {
							time.Sleep(time.Millisecond) // the control's readers overlap for sure
						}
						_, err = r.Define(ctx, "service", name, []byte(body), options)
						switch {
						case err == nil:
							done++
						case !fault.Is(err, "changed-meanwhile"):
							errs[w] = err
							return
						}
					}
				})
			}
			wg.Wait()
			require.NoError(t, errors.Join(errs...))
			c, err := processes[0].Refresh(ctx)
			require.NoError(t, err)
			s, err := c.Service(name)
			require.NoError(t, err)
			var metadata struct{ N int }
			require.NoError(t, json.Unmarshal(s.Metadata, &metadata))
			return metadata.N
		}
		define(t, processes[0], "feature", `{"name": "f", "entity_type": "e", "value_type": "FLOAT"}`)
		require.Equal(t, writers*each, count("guarded", true))
		require.Less(t, count("control", false), writers*each)
	})
}

// TestTheCatalogNeverGoesBack holds up a reader that has asked before a change until after it.
func TestTheCatalogNeverGoesBack(t *testing.T) {
	db := databasetest.SQLite(t)()
	r := notPolling(startOn(t, db)) // else a poll may be what is held up
	var armed atomic.Bool
	asked, goOn := make(chan struct{}), make(chan struct{})
	require.NoError(t, db.Callback().Query().After("gorm:query").Register("hold up", func(*gorm.DB) {
		if armed.CompareAndSwap(true, false) {
			close(asked)
			<-goOn
		}
	}))
	armed.Store(true)
	var refreshed *registry.Catalog
	var failed error
	var reader sync.WaitGroup
	reader.Go(func() { refreshed, failed = r.Refresh(ctx) })
	<-asked
	d := define(t, r, "feature", ownersBody)
	close(goOn)
	reader.Wait()
	require.NoError(t, failed)
	require.Same(t, d.Catalog, r.Catalog())
	require.Same(t, d.Catalog, refreshed)
}

// TestOthersSeeAChangeSoon waits for another process's catalog.
func TestOthersSeeAChangeSoon(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		r, other := startOn(t, open()), startOn(t, open())
		require.Equal(t, r.Installation(), other.Installation())
		require.Len(t, r.Installation(), 32)
		define(t, r, "feature", ownersBody)
		_, err := r.Catalog().Resolve("customer", "purchase_count_30d")
		require.NoError(t, err, "the process that made it has it at once")
		require.Eventually(t, func() bool {
			_, err := other.Catalog().Resolve("customer", "purchase_count_30d")
			return err == nil
		}, 30*time.Second, 10*time.Millisecond)
	})
}
