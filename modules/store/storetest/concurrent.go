package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// RunLateCommits opens a load before each run of materialization and commits it afterwards: the next run must bring all of them online.
func RunLateCommits(t *testing.T, pair Pair, times int) {
	w := NewWorld(t, pair)
	group := w.customers("late", nil)
	found := 0
	for i := range int64(times) {
		load, err := w.Store.Offline().Load(w.ctx, group, i+1)
		require.NoError(t, err)
		require.NoError(t, load.Add(w.ctx, RowsOf(group, Seen{TextKey(fmt.Sprint("late ", i)), start - i, Values{"a": value.OfInt(i)}})))
		w.writeOne(t, "late", fmt.Sprint("early ", i), start+i, Values{"a": value.OfInt(i)}) // moves the head past the open load
		w.Materialize(materialization.Incremental, group)
		require.NoError(t, load.Commit(w.ctx))
		w.Materialize(materialization.Incremental, group)
		cells, err := w.Ask(Online, store.Read{Rows: 1, Keys: map[string][]store.Key{"late": {TextKey(fmt.Sprint("late ", i))}}, Features: group.Features[:1]}, 0)
		require.NoError(t, err)
		if cells[0].Value == value.OfInt(i) {
			found++
		}
	}
	t.Logf("measured: %d of %d transactions that were opened before and committed after a run are in the next one", found, times)
	require.Equal(t, times, found)
}

// RunWriters lets 8 writers store observations out of order, whole and partial, while columns are added and materialization runs. In the
// end the online copy, which nothing has repaired since, must hold what history says. Where the server was too slow to answer in time,
// as on a machine that is short of it, the copy is brought in step first.
func RunWriters(t *testing.T, pair Pair, writes int) {
	w := NewWorld(t, pair)
	w.customers("busy", nil)
	names := []string{"a", "b", "c"}
	var mu sync.Mutex // of names
	var late atomic.Int64
	var all sync.WaitGroup
	for i := range contenders {
		all.Go(func() {
			random := rand.New(rand.NewPCG(16, uint64(i)))
			for n := range writes / contenders {
				mu.Lock()
				known := names
				mu.Unlock()
				values := Values{}
				for _, name := range known {
					if n%2 == 0 || random.IntN(2) == 0 {
						values[name] = value.OfInt(random.Int64N(1000))
					}
				}
				if len(values) == 0 {
					values["a"] = value.Null()
				}
				if w.writeOne(t, "busy", fmt.Sprint(random.IntN(100)), start+random.Int64N(20), values) == store.OnlinePending {
					late.Add(1)
				}
			}
		})
	}
	stop := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if i%10 == 5 && i < 60 {
				name := fmt.Sprintf("added%d", i)
				err := w.Apply(map[string]any{"groups": []any{map[string]any{"name": "busy", "entity_type": "busy", "features": columnsAsJSON([]Column{{name, value.Integer}})}}})
				if err != nil {
					t.Errorf("apply: %v", err)
				}
				mu.Lock()
				names = append(names[:len(names):len(names)], name)
				mu.Unlock()
			}
			if _, err := w.Materialization.Group(w.ctx, w.Group("busy"), materialization.Incremental, nil); errors.Is(err, os.ErrDeadlineExceeded) {
				late.Add(1)
			} else if err != nil {
				t.Errorf("materialize: %v", err)
			}
		}
	})
	all.Wait()
	close(stop)
	beside.Wait()
	if late.Load() > 0 {
		t.Logf("measured: %d times the online store did not answer in time", late.Load())
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			_, err := w.Materialization.Group(w.ctx, w.Group("busy"), materialization.Incremental, nil)
			require.NoError(c, err)
			_, err = w.Ask(Online, store.Read{Rows: 1, Keys: map[string][]store.Key{"busy": {TextKey("0")}}, Features: w.Group("busy").Features}, w.Now().UnixMicro())
			require.NoError(c, err)
		}, time.Minute, time.Second)
	}
	w.compareAll(t, w.Group("busy"), writes/contenders*contenders)
}

// customers registers an entity type and a group of one name with the features a, b and c.
func (w *World) customers(name string, ttl any) *registry.Group {
	w.Helper()
	require.NoError(w, w.Apply(map[string]any{
		"entity_types": []any{map[string]any{"name": name, "join_keys": []map[string]string{{"name": "id", "value_type": "STRING"}}}},
		"groups":       []any{map[string]any{"name": name, "entity_type": name, "ttl": ttl, "features": columnsAsJSON(counts)}},
	}))
	_, err := w.Store.Offline().EnsureLayout(w.ctx, w.Group(name))
	require.NoError(w, err)
	return w.Group(name)
}

// writeOne answers what became of the online half.
func (w *World) writeOne(t *testing.T, entityType, id string, at int64, values Values) string {
	o := store.Observation{Entity: store.Entity{Members: []store.Field{{Name: "id", Cell: table.TextCell(id)}}}, EventTime: at}
	for name, v := range values {
		o.Fields = append(o.Fields, store.Field{Name: name, Cell: table.ValueCell(v)})
	}
	written, err := w.Store.Write(w.ctx, entityType, []store.Observation{o})
	if err != nil {
		t.Errorf("write: %v", err)
		return ""
	}
	return written.Online
}

// compareAll compares the online copy of all entities of a group with the oracle, which is told all rows of history.
func (w *World) compareAll(t *testing.T, group *registry.Group, rows int) {
	snapshot, err := w.Store.Offline().Snapshot(w.ctx)
	require.NoError(t, err)
	defer snapshot.Close()
	var oracle Oracle
	read := store.Read{Keys: map[string][]store.Key{}, Features: group.Features}
	seen, n := map[string]bool{}, 0
	require.NoError(t, snapshot.Observations(w.ctx, group, group.Features, store.Range{}, func(r *store.Rows) error {
		oracle.Learn(r)
		n += len(r.Keys)
		for _, key := range r.Keys {
			if !seen[key.Encoded] {
				seen[key.Encoded] = true
				read.Rows++
				read.Keys[group.EntityType.Name] = append(read.Keys[group.EntityType.Name], key)
			}
		}
		return nil
	}))
	require.Equal(t, rows, n, "every acknowledged row is there once")
	now := w.Now().UnixMicro()
	got, err := w.Ask(Online, read, now)
	require.NoError(t, err)
	wanted := make([]store.Cell, len(got))
	for i := range wanted {
		wanted[i] = oracle.Cell(group.Features[i%len(group.Features)], read.Keys[group.EntityType.Name][i/len(group.Features)], now+tolerance, now)
	}
	require.NoError(t, compare("online", read, got, wanted))
}
