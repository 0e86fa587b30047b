package storetest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// Erase erases an entity and waits until that is done.
func (w *World) Erase(entityType *registry.EntityType, key store.Key) store.Erased {
	w.Helper()
	run, err := w.Store.Erase(w.ctx, entityType, key)
	require.NoError(w, err)
	return w.erased(run.ID)
}

// erased waits for the run of an erasure.
func (w *World) erased(id int64) (erased store.Erased) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 2*time.Minute)
	defer cancel()
	run, err := w.Runs.Wait(ctx, id)
	require.NoError(w, err)
	require.Equal(w, runs.Succeeded, run.State, "%s %s", run.Reason, run.Progress)
	require.NoError(w, json.Unmarshal(run.Result, &erased))
	return erased
}

// RunErasedBesideStalledWriter holds a writer up between its commit and its online write, until the entity has been erased.
func RunErasedBesideStalledWriter(t *testing.T, pair Pair) {
	besideStalledWriter(t, pair, value.Null(), func(w *World, group *registry.Group) {
		erased := w.Erase(group.EntityType, TextKey("x"))
		require.EqualValues(w, 2, erased.Rows)
	})
}

// RunErasedBesideMaterialization holds a run up that has read the entity's rows, until it has been erased.
func RunErasedBesideMaterialization(t *testing.T, pair Pair) {
	for _, mode := range []materialization.Mode{materialization.Incremental, materialization.Full, materialization.Rebuild} {
		t.Run(string(mode), func(t *testing.T) {
			after := func(t *testing.T, fenceless bool) value.Value {
				w, g := gated(t, pair, fenceless)
				group := w.customers("flight", nil)
				require.NoError(t, w.Store.Prepare(w.ctx, group))
				w.writeOne(t, "flight", "y", start-2, Values{"a": value.OfInt(1)})
				w.Materialize(materialization.Incremental, group)
				w.loadSome(group, w.newLoad(group), start-1, 2, "x", "y")
				h := newHold(true)
				g.held.Store(h)
				var flying sync.WaitGroup
				flying.Go(func() { w.try(t, group, mode) })
				<-h.stalled
				asked, err := w.Store.Erase(w.ctx, group.EntityType, TextKey("x"))
				require.NoError(t, err)
				w.until(func() bool { // the run itself goes on until no reader holds what it deleted
					if mode == materialization.Rebuild {
						return w.rowsOfKey(group, "x") == 0 // it is applied after the rebuild
					}
					state, err := w.Store.Online().State(w.ctx, group)
					return err == nil && state.Watermark.Removal == 1
				})
				close(h.free)
				flying.Wait()
				w.Materialize(materialization.Incremental, group)
				w.erased(asked.ID)
				require.Equal(t, value.OfInt(2), w.online(group, "y")[0])
				return w.online(group, "x")[0]
			}
			require.Equal(t, value.Null(), after(t, false))
			if mode == materialization.Rebuild {
				return // what it writes late is taken out by its removal, not kept out by the fence
			}
			t.Run("without fences", func(t *testing.T) {
				require.Equal(t, value.OfInt(2), after(t, true), "the control shows what was erased")
			})
		})
	}
}

// until repeats ask until it is true.
func (w *World) until(ask func() bool) {
	w.Helper()
	require.Eventually(w, ask, time.Minute, 5*time.Millisecond)
}

// rowsOfKey counts an entity's observations.
func (w *World) rowsOfKey(group *registry.Group, id string) (n int) {
	w.Helper()
	snapshot, err := w.Store.Offline().Snapshot(w.ctx)
	require.NoError(w, err)
	key := TextKey(id)
	require.NoError(w, snapshot.Observations(w.ctx, group, group.Features, store.Range{Key: &key}, func(rows *store.Rows) error {
		n += len(rows.Keys)
		return nil
	}))
	require.NoError(w, snapshot.Close())
	return n
}

// ledgerless is an offline store that keeps nothing out: the control.
type ledgerless struct{ store.Offline }

func (l ledgerless) Append(ctx context.Context, rows []*store.Rows) error {
	for _, r := range rows {
		r.Checked = 1 << 62
	}
	return l.Offline.Append(ctx, rows)
}

func (l ledgerless) Load(ctx context.Context, group *registry.Group, run int64) (store.Load, error) {
	load, err := l.Offline.Load(ctx, group, run)
	return uncheckedLoad{load}, err
}

func (l ledgerless) Erasures(ctx context.Context, of store.ErasureRange) ([]store.Erasure, error) {
	if !of.Undone && of.Hash == nil {
		return nil, nil
	}
	return l.Offline.Erasures(ctx, of)
}

type uncheckedLoad struct{ store.Load }

func (l uncheckedLoad) Add(ctx context.Context, rows *store.Rows) error {
	rows.Checked = 1 << 62
	return l.Load.Add(ctx, rows)
}

// RunReimports erases every second of the entities of a file, loads the file 5 times again, in two formats and beside single writes, and
// rebuilds the online copy. None comes back.
func RunReimports(t *testing.T, pair Pair, entities int) {
	back := func(t *testing.T, pair Pair, entities int) (back int) {
		w := NewWorld(t, pair)
		group := w.customers("imported", nil)
		var file strings.Builder
		file.WriteString("id,event_time,a\n")
		for i := range entities {
			for version := range 3 {
				fmt.Fprintf(&file, "e%d,%s,%d\n", i, value.AppendTime(nil, start-int64(10-version)*second), version)
			}
		}
		load := func() *store.Loaded {
			t.Helper()
			source, _, err := table.NewReader(strings.NewReader(file.String()), table.ReadOptions{ContentType: "text/csv"})
			require.NoError(t, err)
			loaded, err := w.Store.Load(w.ctx, store.LoadRequest{Group: group.Name}, source)
			require.NoError(t, err)
			return loaded
		}
		first := load()
		require.EqualValues(t, 3*entities, first.Stored)
		w.Materialize(materialization.Incremental, group)
		began := time.Now()
		var asked []runs.Run
		for i := 0; i < entities; i += 2 {
			run, err := w.Store.Erase(w.ctx, group.EntityType, TextKey(fmt.Sprint("e", i)))
			require.NoError(t, err)
			asked = append(asked, run)
		}
		for _, run := range asked {
			require.EqualValues(t, 3, w.erased(run.ID).Rows)
		}
		took := time.Since(began)
		erased := int64(0)
		for range 5 {
			loaded := load()
			require.Equal(t, loaded.Received, loaded.Stored+loaded.Erased)
			erased += loaded.Erased
			w.writeOne(t, "imported", "e0", start-5*second, Values{"a": value.OfInt(5)})
		}
		w.Materialize(materialization.Rebuild, group)
		w.Materialize(materialization.Incremental, group)
		for first := 0; first < entities; first += 1000 {
			var ids []string
			for i := first; i < min(first+1000, entities); i++ {
				ids = append(ids, fmt.Sprint("e", i))
			}
			for i, v := range w.online(group, ids...) {
				switch {
				case (first+i)%2 == 1:
					require.Equal(t, value.OfInt(2), v, ids[i])
				case v != value.Null():
					back++
				}
			}
		}
		for i := 0; i < entities; i += 2 {
			if w.rowsOfKey(group, fmt.Sprint("e", i)) > 0 {
				back++
			}
		}
		t.Logf("measured: %d entities erased in %s, %d of their rows kept out of 5 imports, %d back", (entities+1)/2, took.Round(time.Millisecond), erased, back)
		return back
	}
	require.Zero(t, back(t, pair, entities))
	t.Run("without a ledger", func(t *testing.T) {
		open := pair.Offline.Open
		pair.Offline.Open = func(t testing.TB, place string) store.Offline { return ledgerless{open(t, place)} }
		require.Positive(t, back(t, pair, 4), "the control brings them back")
	})
}

// impatient is an offline store that waits for nobody: the control.
type impatient struct{ store.Offline }

func (impatient) AwaitWrites(context.Context, []*registry.Group) error { return nil }
func (impatient) Scrub(context.Context, []*registry.Group) error       { return nil }

// RunErasedDuringLoad erases an entity while a load of it is open, which began before.
func RunErasedDuringLoad(t *testing.T, pair Pair) {
	left := func(t *testing.T, pair Pair, waits bool) int {
		w := NewWorld(t, pair)
		group := w.customers("loaded", nil)
		w.writeOne(t, "loaded", "x", start-2, Values{"a": value.OfInt(1)})
		w.Materialize(materialization.Incremental, group)
		load, err := w.Store.Offline().Load(w.ctx, group, w.newLoad(group))
		require.NoError(t, err)
		for _, id := range []string{"x", "y"} {
			require.NoError(t, load.Add(w.ctx, RowsOf(group, Seen{TextKey(id), start - 1, Values{"a": value.OfInt(2)}})))
		}
		asked, err := w.Store.Erase(w.ctx, group.EntityType, TextKey("x"))
		require.NoError(t, err)
		if waits {
			w.until(func() bool { return w.rowsOfKey(group, "x") == 0 })
			run, err := w.Runs.Get(w.ctx, asked.ID)
			require.NoError(t, err)
			require.False(t, run.State.Finished(), "it waits for the load")
		} else {
			w.erased(asked.ID)
		}
		require.NoError(t, load.Commit(w.ctx))
		erased := w.erased(asked.ID)
		require.EqualValues(t, map[bool]int{true: 2, false: 1}[waits], erased.Rows)
		w.Materialize(materialization.Incremental, group)
		require.Equal(t, value.OfInt(2), w.online(group, "y")[0])
		require.Equal(t, w.rowsOfKey(group, "x") == 0, w.online(group, "x")[0] == value.Null())
		return w.rowsOfKey(group, "x")
	}
	require.Zero(t, left(t, pair, true))
	t.Run("without waiting", func(t *testing.T) {
		open := pair.Offline.Open
		pair.Offline.Open = func(t testing.TB, place string) store.Offline { return impatient{open(t, place)} }
		require.Equal(t, 1, left(t, pair, false), "the control keeps what the load brings")
	})
}

// RunLedgersJoined gives entries to one of the two copies of the ledger only. The other one gets them, and the entities are erased, of which
// only the hashes are known.
func RunLedgersJoined(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	group := w.customers("joined", nil)
	other := w.customers("bystander", nil)
	for _, id := range []string{"x", "y", "z"} {
		w.writeOne(t, "joined", id, start-2, Values{"a": value.OfInt(1)})
		w.writeOne(t, "bystander", id, start-2, Values{"a": value.OfInt(1)})
	}
	w.Materialize(materialization.Incremental, group, other)
	erased := w.Erase(group.EntityType, TextKey("x"))
	all, err := w.Store.Offline().Erasures(w.ctx, store.ErasureRange{})
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, erased.Hash, fmt.Sprintf("%x", all[0].Hash))
	require.Empty(t, all[0].Entity)
	entry := func(id string) store.Erasure {
		mac := hmac.New(sha256.New, all[0].Secret[:])
		mac.Write(append([]byte{0, byte(len(id))}, id...))
		e := store.Erasure{EntityType: group.EntityType.ID, Secret: all[0].Secret, CutOff: start, At: start}
		copy(e.Hash[:], mac.Sum(nil))
		return e
	}
	require.Equal(t, entry("x").Hash, all[0].Hash)
	online, offline := w.Store.Online(), w.Store.Offline()
	require.NoError(t, online.KeepErasures(w.ctx, []store.Erasure{entry("y")}))
	before, err := online.State(w.ctx, group)
	require.NoError(t, err)
	require.NotEmpty(t, before.Marker)
	require.NoError(t, w.Store.TendLedger(w.ctx))
	w.until(func() bool { // the run waits for the copy that is given up
		w.try(t, group, materialization.Incremental)
		w.try(t, other, materialization.Incremental)
		state, err := offline.LedgerState(w.ctx)
		require.NoError(t, err)
		return state.Entries == 2 && state.Undone == 0
	})
	require.Zero(t, w.rowsOfKey(group, "y"))
	_, err = offline.Enter(w.ctx, []store.Erasure{entry("z")})
	require.NoError(t, err)
	require.NoError(t, w.Store.TendLedger(w.ctx))
	w.until(func() bool {
		state, err := offline.LedgerState(w.ctx)
		require.NoError(t, err)
		return state.Undone == 0
	})
	kept, err := online.CountErasures(w.ctx)
	require.NoError(t, err)
	require.EqualValues(t, 3, kept)
	require.Equal(t, []value.Value{value.Null(), value.Null(), value.Null()}, w.online(group, "x", "y", "z"))
	require.Equal(t, []value.Value{value.OfInt(1), value.OfInt(1), value.OfInt(1)}, w.online(other, "x", "y", "z"), "the same keys of another entity type")
	w.writeOne(t, "joined", "z", start-1, Values{"a": value.OfInt(2)})
	require.Zero(t, w.rowsOfKey(group, "z"))
}

// RunErasedFromRuns erases entities that the result of a check shows, as another encoder of JSON may have spelled them.
func RunErasedFromRuns(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	group := w.customers("shown", nil)
	hard := "R&D <\"é\">\u2028\t\x7f\\"
	encoded, err := json.Marshal(hard)
	require.NoError(t, err)
	require.Contains(t, string(encoded), `\u0026`)
	run, err := w.Runs.Begin(w.ctx, "check", group.Name, nil)
	require.NoError(t, err)
	result := `{"examples": [{"entity_id": "x", "online": {"value": 9007199254740993}}, {"entity_id": "a&b", "online": {"value": 9007199254740993}}, {"entity_id": ` + string(encoded) + `}], "different": 3}`
	require.NoError(t, run.Finish(w.ctx, json.RawMessage(result), nil))
	require.Zero(t, w.Erase(group.EntityType, TextKey("x")).Rows)
	require.Zero(t, w.Erase(group.EntityType, TextKey(hard)).Rows)
	require.Zero(t, w.Erase(group.EntityType, TextKey("a&c")).Rows)
	found, err := w.Runs.Get(w.ctx, run.ID())
	require.NoError(t, err)
	require.JSONEq(t, `{"examples": [{"entity_id": "a&b", "online": {"value": 9007199254740993}}], "different": 3}`, string(found.Result))
	require.Contains(t, string(found.Result), "9007199254740993")
}
