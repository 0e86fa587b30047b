package sqlite

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
)

func barred(group *registry.Group, entity, document string) *store.Quarantined {
	return &store.Quarantined{ID: store.NewQuarantineID(1), Group: group, Key: storetest.TextKey(entity), EventTime: 1, Document: []byte(document), Source: store.Source{Way: store.WayWrite},
		Broken: []store.Breach{{Rule: "text", Value: []byte(document)}}}
}

// Of an erased entity nothing is left in the files, nor of rows that were discarded.
func TestEndedEntriesAreGoneFromTheFiles(t *testing.T) {
	o, group := withPurchases(t, Options{})
	holds := func(trace string) bool {
		files, err := filepath.Glob(o.path + "*")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			if bytes.Contains(content, []byte(trace)) {
				return true
			}
		}
		return false
	}
	erased, discarded := barred(group, "qzerasedxj", `{"text":"qzfirstxj"}`), barred(group, "qzgivenupxj", `{"text":"qzsecondxj"}`)
	entries := []*store.Quarantined{erased, discarded}
	for i := range 200 {
		entries = append(entries, barred(group, fmt.Sprint("other", i), `{"text":"other"}`))
	}
	require.NoError(t, o.AppendTogether(ctx, &store.Together{Entries: entries}))
	traces := []string{"qzerasedxj", "qzfirstxj", "qzgivenupxj", "qzsecondxj"}
	for _, trace := range traces {
		require.True(t, holds(trace), "the control finds %s", trace)
	}
	n, err := o.DiscardQuarantined(ctx, []string{discarded.ID})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	removed, err := o.Remove(ctx, group, store.Selection{Key: &erased.Key, At: 1, UpTo: true})
	require.NoError(t, err)
	require.EqualValues(t, 1, removed.Quarantined)
	require.NoError(t, o.Scrub(ctx, []*registry.Group{group}))
	for _, trace := range traces {
		require.False(t, holds(trace), trace)
	}
}

// The entries of a load come in the order in which they were sent, of one entity also where they are very many, and those that were named before
// keep their ids.
func TestOrderOfALoadsEntries(t *testing.T) {
	for _, many := range []int{2000, manyEntries} {
		o, group := withPurchases(t, Options{})
		load, err := o.Load(ctx, group, 5)
		require.NoError(t, err)
		ids := make([]string, many)
		for i := range many {
			e := barred(group, fmt.Sprintf("%x", i*7919%(many/2)), `{"text":"a"}`)
			ids[i], e.Source.Row = e.ID, int64(i)
			require.NoError(t, load.Quarantine(ctx, []*store.Quarantined{e}))
		}
		require.NoError(t, load.Commit(ctx))
		found, err := o.ListQuarantined(ctx, store.QuarantineFilter{Groups: []*registry.Group{group}})
		require.NoError(t, err)
		require.Len(t, found, many)
		slices.Reverse(found) // the newest come first
		newest := map[string]int64{}
		for i, e := range found {
			if many < manyEntries {
				require.EqualValues(t, i, e.Source.Row)
			} else if i > 0 {
				require.LessOrEqual(t, found[i-1].Key.Encoded, e.Key.Encoded)
			}
			if before, again := newest[e.Key.Encoded]; again {
				require.Less(t, before, e.Source.Row)
			}
			newest[e.Key.Encoded] = e.Source.Row
			require.Equal(t, fmt.Sprintf("%x", e.Source.Row*7919%int64(many/2)), e.Key.Values[0].Text(), "each row has its own entity")
			if many < manyEntries || e.Source.Row < store.NamedEntries {
				require.Equal(t, ids[e.Source.Row], e.ID)
			}
		}
	}
}

// A load of more entries than its memory holds takes no more of it, and is not taken back by halves.
func TestManyEntriesOfALoad(t *testing.T) {
	many := 30_000
	if os.Getenv("FEATURESTORE_TEST_FULL") == "1" {
		many = 1_000_000
	}
	o, group := withPurchases(t, Options{})
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	most, done := atomic.Uint64{}, make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			most.Store(max(most.Load(), now.HeapInuse))
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	began := time.Now()
	load, err := o.Load(ctx, group, 5)
	require.NoError(t, err)
	for i := range many {
		e := barred(group, fmt.Sprintf("%x", i*7919%many), fmt.Sprintf(`{"text":"%0200d"}`, i))
		e.Source.Row = int64(i)
		require.NoError(t, load.Quarantine(ctx, []*store.Quarantined{e}))
	}
	taken := time.Since(began)
	require.NoError(t, load.Commit(ctx))
	close(done)
	<-watched
	grown := int64(most.Load()) - int64(before.HeapInuse)
	t.Logf("measured: %d entries taken in %s, committed in %s more, with %d MB more than before", many, taken.Round(time.Millisecond), (time.Since(began) - taken).Round(time.Millisecond), grown>>20)
	require.Less(t, grown, int64(64<<20))
	before1, found := int64(0), map[int64]bool{}
	for {
		page, err := o.ListQuarantined(ctx, store.QuarantineFilter{Groups: []*registry.Group{group}, State: store.Waiting, Before: before1, Limit: 5000})
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			found[e.Source.Row] = true
		}
		before1 = page[len(page)-1].Number
	}
	require.Len(t, found, many)
	began = time.Now()
	removed, err := o.Remove(ctx, group, store.Selection{Run: 5})
	require.NoError(t, err)
	require.EqualValues(t, many, removed.Quarantined)
	reverted := time.Since(began)
	counts, err := o.CountQuarantined(ctx)
	require.NoError(t, err)
	require.Equal(t, map[store.QuarantineState]int64{store.QuarantineReverted: int64(many)}, counts[group.ID])
	require.NoError(t, o.Close())
	o = open(t, o.path, Options{})
	counts, err = o.CountQuarantined(ctx)
	require.NoError(t, err)
	require.Equal(t, map[store.QuarantineState]int64{store.QuarantineReverted: int64(many)}, counts[group.ID], "what was being removed is counted once")
	require.Eventually(t, func() bool { return raw(t, o, "__quarantine") == 0 && raw(t, o, "__quarantine_reverted") == 0 }, 10*time.Minute, 10*time.Millisecond, "and it goes")
	t.Logf("measured: they were reverted in %s, and removed in %s", reverted.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}
