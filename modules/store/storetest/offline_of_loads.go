package storetest

import (
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// placedLoad is a load with the position of a snapshot from before it began.
type placedLoad struct {
	run   int64
	since store.Position
	rows  int // that it has brought and were not taken back, those replayed among them
}

// observationsOfLoads compares what is found of runs with and without the position that each began at, while others load and write: of some
// loads entries are replayed long after, and some are removed.
func (o *offline) observationsOfLoads() {
	group := o.events()
	const loaders, each, rows = 3, 8, 5
	var loading, writing sync.WaitGroup
	var done atomic.Bool
	failures := make(chan error, loaders+2)
	writing.Go(func() {
		for i := int64(0); !done.Load(); i++ {
			if err := o.store.Append(o.ctx, []*store.Rows{RowsOf(group, Seen{TextKey("single"), noon + i, Values{"a": value.OfInt(i)}})}); err != nil {
				failures <- err
				return
			}
		}
	})
	all := make([][]placedLoad, loaders)
	for loader := range loaders {
		loading.Go(func() {
			for i := range each {
				one, err := o.placedLoad(group, int64(loader*each+i+1), rows)
				if err != nil {
					failures <- err
					return
				}
				all[loader] = append(all[loader], one)
			}
		})
	}
	loading.Wait()
	done.Store(true)
	writing.Wait()
	select {
	case err := <-failures:
		require.NoError(o, err)
	default:
	}
	for range 2 {
		o.look(func(s store.Snapshot) {
			for _, loads := range all {
				for _, one := range loads {
					whole := o.entries(s, group, store.Range{Run: one.run})
					require.Len(o, whole, one.rows, "of run %d", one.run)
					require.ElementsMatch(o, whole, o.entries(s, group, store.Range{Run: one.run, After: one.since}), "of run %d, since %s", one.run, one.since)
				}
			}
			require.Empty(o, o.entries(s, group, store.Range{Run: all[0][0].run, After: s.Head()}), "the control: a position goes before the run")
		})
		o.restart()
	}
}

// placedLoad loads rows and an entry, which is replayed when the load has ended. Every third load is removed then, and every fourth aborted.
func (o *offline) placedLoad(group *registry.Group, run int64, rows int) (placedLoad, error) {
	one := placedLoad{run: run}
	snapshot, err := o.store.Snapshot(o.ctx)
	if err != nil {
		return one, err
	}
	one.since = snapshot.Position()
	if err := snapshot.Close(); err != nil {
		return one, err
	}
	load, err := o.store.Load(o.ctx, group, run)
	if err != nil {
		return one, err
	}
	some := func(n int) *store.Rows {
		var seen []Seen
		for i := range int64(n) {
			seen = append(seen, Seen{TextKey("loaded"), noon + i, Values{"a": value.OfInt(run)}})
		}
		rows := RowsOf(group, seen...)
		rows.Run = run
		return rows
	}
	err = load.Add(o.ctx, some(rows))
	if err == nil {
		err = load.Quarantine(o.ctx, []*store.Quarantined{fromLoad(group, run)})
	}
	if err == nil && run%4 == 0 {
		return one, load.Abort(o.ctx)
	}
	if err == nil {
		err = load.Commit(o.ctx)
	}
	if err != nil {
		return one, err
	}
	entries, err := o.store.ListQuarantined(o.ctx, store.QuarantineFilter{Groups: []*registry.Group{group}, Run: run})
	if err == nil {
		err = o.store.AppendTogether(o.ctx, &store.Together{Rows: []*store.Rows{some(len(entries))}, Replayed: entries})
	}
	one.rows = rows + len(entries)
	if err == nil && run%3 == 0 {
		one.rows = 0
		_, err = o.store.Remove(o.ctx, group, store.Selection{Run: run})
	}
	return one, err
}

func fromLoad(group *registry.Group, run int64) *store.Quarantined {
	e := barred(group, TextKey("barred"), noon, 11)
	e.Source = store.Source{Way: store.WayLoad, Run: run, Row: 1}
	return e
}
