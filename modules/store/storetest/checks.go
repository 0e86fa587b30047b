package storetest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
	"featurestore/modules/store/table"
)

// RunChecks plants damage of each sort in an online copy: a check finds it, counts it and names it, repair sets it right, and the next check
// is clean.
func RunChecks(t *testing.T, pair Pair) {
	t.Run("damage", func(t *testing.T) { checkDamage(t, pair) })
	t.Run("a sample", func(t *testing.T) { checkSample(t, pair) })
	t.Run("what is no difference", func(t *testing.T) { checkNoDifference(t, pair) })
	t.Run("what only deleted features had", func(t *testing.T) { checkDeleted(t, pair) })
	t.Run("a copy that is not complete", func(t *testing.T) { checkIncomplete(t, pair) })
	t.Run("keys of two parts", func(t *testing.T) { checkTrips(t, pair) })
	t.Run("cancelled", func(t *testing.T) { checkCancelled(t, pair) })
}

// check compares everything.
func (w *World) check(group *registry.Group, repair bool) materialization.Checked {
	w.Helper()
	found, err := w.Materialization.Check(w.ctx, w.Group(group.Name), materialization.CheckRequest{Sample: materialization.All, Repair: repair}, nil)
	require.NoError(w, err)
	require.Equal(w, found.Entities, found.Equal+found.Different+found.Missing+found.Extra)
	return found
}

func (w *World) requireClean(group *registry.Group, entities int) {
	w.Helper()
	require.Equal(w, materialization.Checked{Sample: materialization.All, Entities: int64(entities), Equal: int64(entities),
		Examples: []store.DifferenceAnswer{}}, w.check(group, false))
}

// stored is the rows of a group's online copy, by key.
func (w *World) stored(group *registry.Group) map[string]string {
	w.Helper()
	rows := map[string]string{}
	for from, more := "", true; more; {
		page, next, err := w.Store.Online().Walk(w.ctx, group, from)
		require.NoError(w, err)
		for _, row := range page {
			rows[row.Key] = row.Row
		}
		from, more = next, next != ""
	}
	return rows
}

// plant replaces the rows of a group's online copy, which goes on calling itself complete. It waits until the watermark lies above all rows:
// while another's transaction holds it back, a run brings the rows once more, and mends what was planted.
func (w *World) plant(group *registry.Group, rows map[string]string) {
	w.Helper()
	online := w.Store.Online()
	w.until(func() bool {
		w.Materialize(materialization.Incremental, group)
		snapshot, err := w.Store.Offline().Snapshot(w.ctx)
		require.NoError(w, err)
		head := snapshot.Head()
		require.NoError(w, snapshot.Close())
		state, err := online.State(w.ctx, group)
		require.NoError(w, err)
		return !head.After(state.Watermark.Position)
	})
	sweep(w, online, group)
	state, err := online.State(w.ctx, group)
	require.NoError(w, err)
	var all []store.PackedRow
	for key, row := range rows {
		all = append(all, store.PackedRow{Key: store.Key{Encoded: key}, Row: row})
	}
	merged, err := online.Merge(w.ctx, group, state.Fence, false, all)
	require.NoError(w, err)
	require.Equal(w, len(rows), merged.Written)
}

// fill writes n entities with all features and brings them online.
func (w *World) fill(group *registry.Group, n int) {
	w.Helper()
	rows := make([]store.Observation, n)
	for i := range rows {
		rows[i] = observationOf(fmt.Sprint("entity ", i), start-int64(i%7), Values{"a": value.OfInt(int64(i)), "b": value.Null(), "c": value.OfInt(int64(-i))})
	}
	_, err := w.Store.Write(w.ctx, group.EntityType.Name, rows)
	require.NoError(w, err)
	w.Materialize(materialization.Incremental, group)
}

func checkDamage(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	const entities = 2500
	group := w.customers("damaged", nil)
	w.fill(group, entities)
	w.requireClean(group, entities)

	good := w.stored(group)
	require.Len(t, good, entities)
	row := func(id string, at, ingest int64, values map[uint16]value.Value) string {
		return packRow(TextKey(id), store.Stamp{EventTime: at, IngestID: ingest}, values).Row
	}
	threeOf := func(a int64) map[uint16]value.Value {
		return map[uint16]value.Value{1: value.OfInt(a), 2: value.Null(), 3: value.OfInt(-a)}
	}
	stampOf := func(id string) store.Stamp {
		view, err := packed.Open(good[id])
		require.NoError(t, err)
		return view.Newest()
	}
	a := group.Features[0].Reference()
	for _, c := range []struct {
		says    string
		rows    map[string]string // "": removed
		wanted  materialization.Checked
		feature string
		rebuilt bool
	}{
		{"a value was changed", map[string]string{"entity 5": row("entity 5", stampOf("entity 5").EventTime, stampOf("entity 5").IngestID, threeOf(6))},
			materialization.Checked{Different: 1}, a, true},
		{"a row is older than history", map[string]string{"entity 6": row("entity 6", start-1000, 1, threeOf(1))},
			materialization.Checked{Different: 1}, a, false},
		{"a stamp is newer than history", map[string]string{"entity 7": row("entity 7", start+1, 1<<40, threeOf(7))},
			materialization.Checked{Different: 1}, a, true},
		{"a feature is absent that was observed as null", map[string]string{"entity 8": row("entity 8", stampOf("entity 8").EventTime, stampOf("entity 8").IngestID,
			map[uint16]value.Value{1: value.OfInt(8), 3: value.OfInt(-8)})}, materialization.Checked{Different: 1}, group.Features[1].Reference(), false},
		{"rows were removed", map[string]string{"entity 9": "", "entity 10": "", "entity 2499": ""}, materialization.Checked{Missing: 3}, a, false},
		{"rows were added", map[string]string{"stranger": row("stranger", start, 1, threeOf(1)), "another": row("another", start, 1, threeOf(1))},
			materialization.Checked{Extra: 2}, a, true},
		{"bytes were cut off", map[string]string{"entity 11": good["entity 11"][:len(good["entity 11"])-1]}, materialization.Checked{Different: 1}, "", true},
		{"bytes were added", map[string]string{"entity 12": good["entity 12"] + "x"}, materialization.Checked{Different: 1}, "", true},
		{"a row is another entity's", map[string]string{"entity 13": good["entity 14"]}, materialization.Checked{Different: 1}, "", true},
		{"a row is of no entity", map[string]string{"\xff\xfe": good["entity 14"]}, materialization.Checked{Extra: 1}, "", true},
		{"everything at once", map[string]string{"entity 1": "", "entity 2": row("entity 2", start-1000, 1, threeOf(1)), "entity 3": good["entity 4"],
			"stranger": row("stranger", start, 1, threeOf(1))}, materialization.Checked{Missing: 1, Different: 2, Extra: 1}, a, true},
	} {
		t.Run(c.says, func(t *testing.T) {
			damaged := maps.Clone(good)
			maps.Copy(damaged, c.rows)
			maps.DeleteFunc(damaged, func(_, row string) bool { return row == "" })
			w.plant(group, damaged)
			c.wanted.Sample, c.wanted.LookedAgain = materialization.All, c.wanted.Different+c.wanted.Missing+c.wanted.Extra
			c.wanted.Entities = entities + c.wanted.Extra
			c.wanted.Equal = c.wanted.Entities - c.wanted.LookedAgain
			found := w.check(group, false)
			require.Len(t, found.Examples, int(c.wanted.LookedAgain))
			named := map[string]bool{}
			for _, example := range found.Examples {
				named[string(example.EntityID)] = true
				require.NotEmpty(t, example.Problem)
				if len(c.rows) == 1 {
					require.Equal(t, c.feature, example.Feature, example.Problem)
				}
			}
			for id := range c.rows {
				if id != "\xff\xfe" {
					require.True(t, named[`"`+id+`"`], "%s is among the examples", id)
				}
			}
			found.Examples, found.LookedAgain = nil, c.wanted.LookedAgain // a row of no entity is not looked at twice
			require.Equal(t, c.wanted, found)

			found = w.check(group, true)
			require.Equal(t, c.wanted.LookedAgain, found.Repaired)
			require.Equal(t, c.rebuilt, found.Rebuilt != "", found.Rebuilt)
			w.requireClean(group, entities)
			require.Equal(t, good, w.stored(group))
		})
	}
}

// checkSample takes samples of a damaged group until one finds the damage, on either side.
func checkSample(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	const entities = 3000
	group := w.customers("sampled", nil)
	w.fill(group, entities)
	sample := func() materialization.Checked {
		found, err := w.Materialization.Check(w.ctx, group, materialization.CheckRequest{Sample: 200}, nil)
		require.NoError(t, err)
		require.LessOrEqual(t, found.Entities, int64(400))
		require.GreaterOrEqual(t, found.Entities, int64(150))
		return found
	}
	require.Equal(t, sample().Equal, sample().Entities)

	rows := w.stored(group)
	good := maps.Clone(rows)
	for i := range 300 {
		delete(rows, fmt.Sprint("entity ", i*10))
	}
	w.plant(group, rows)
	require.Positive(t, sample().Missing)
	for i := range 1000 {
		key := TextKey(fmt.Sprint("stranger ", i))
		good[key.Encoded] = packRow(key, store.Stamp{EventTime: start, IngestID: 1}, map[uint16]value.Value{1: value.OfInt(1)}).Row
	}
	w.plant(group, good)
	extra := int64(0)
	for tried := 0; tried < 50 && extra == 0; tried++ { // a server that holds much else needs more tries
		extra = sample().Extra
	}
	require.Positive(t, extra)
}

// checkNoDifference has what rule 2 permits, a widened feature, one that was deleted, and rows that the online copy does not have yet.
func checkNoDifference(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	group := w.customers("permitted", "1d")
	day := int64(24 * time.Hour / time.Microsecond)
	write := func(id string, at int64, values Values) { w.writeOne(t, group.Name, id, at, values) }
	write("fresh", start, Values{"a": value.OfInt(1)})
	write("expired", start-day-1, Values{"a": value.OfInt(1)})
	write("reclaimed", start-3*day, Values{"a": value.OfInt(1), "b": value.OfInt(1)})
	write("partly", start-3*day, Values{"a": value.OfInt(1)})
	write("partly", start, Values{"b": value.OfInt(2)})
	w.Materialize(materialization.Incremental, group)
	w.requireClean(group, 4)
	rows := w.stored(group)
	delete(rows, "reclaimed")
	view, err := packed.Open(rows["partly"])
	require.NoError(t, err)
	rows["partly"] = packRow(TextKey("partly"), view.Newest(), map[uint16]value.Value{2: value.OfInt(2)}).Row
	w.plant(group, rows)
	w.requireClean(group, 4)

	delete(rows, "expired") // too early: a reader would be told NOT_FOUND
	w.plant(group, rows)
	found := w.check(group, true)
	require.EqualValues(t, 1, found.Missing)
	require.EqualValues(t, 1, found.Repaired)
	w.requireClean(group, 4)

	load, err := w.Store.Offline().Load(w.ctx, group, 1)
	require.NoError(t, err)
	require.NoError(t, load.Add(w.ctx, RowsOf(group, Seen{TextKey("loaded"), start, Values{"a": value.OfInt(1)}}, Seen{TextKey("fresh"), start + 1, Values{"c": value.Null()}})))
	w.requireClean(group, 4)
	require.NoError(t, load.Commit(w.ctx))
	found = w.check(group, false)
	require.EqualValues(t, 5, found.Equal)
	require.EqualValues(t, 5, found.Entities)
	require.EqualValues(t, 2, found.LookedAgain, "a load that is not online yet")
}

func checkIncomplete(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	group := w.customers("incomplete", nil)
	w.fill(group, 10)
	require.NoError(t, w.Lose(group))
	_, err := w.Materialization.Check(w.ctx, group, materialization.CheckRequest{Sample: materialization.All}, nil)
	require.ErrorContains(t, err, "is not complete")
	w.Materialize(materialization.Incremental, group)
	w.requireClean(group, 10)
}

func checkTrips(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	require.NoError(t, w.Apply(map[string]any{
		"entity_types": []any{map[string]any{"name": "trip", "join_keys": []map[string]string{{"name": "driver_id", "value_type": "INTEGER"}, {"name": "region", "value_type": "STRING"}}}},
		"groups":       []any{map[string]any{"name": "trips", "entity_type": "trip", "features": columnsAsJSON(counts)}},
	}))
	group := w.Group("trips")
	load := func(keys ...store.Key) {
		_, err := w.Store.Offline().EnsureLayout(w.ctx, group)
		require.NoError(t, err)
		l, err := w.Store.Offline().Load(w.ctx, group, 1)
		require.NoError(t, err)
		for _, key := range keys {
			require.NoError(t, l.Add(w.ctx, RowsOf(group, Seen{key, start, Values{"a": value.OfInt(1)}})))
		}
		require.NoError(t, l.Commit(w.ctx))
		w.Materialize(materialization.Incremental, group)
	}
	load(TripKey(-1, "eu"), TripKey(1<<40, "sé"), TripKey(0, "s\x01i"))
	w.requireClean(group, 3)
	rows := w.stored(group)
	stranger := packRow(TripKey(7, "eu"), store.Stamp{EventTime: start, IngestID: 1}, map[uint16]value.Value{1: value.OfInt(1)})
	rows[stranger.Key.Encoded] = stranger.Row
	rows["i1234567"] = stranger.Row
	delete(rows, TripKey(-1, "eu").Encoded)
	w.plant(group, rows)
	found := w.check(group, true)
	require.Equal(t, []int64{2, 1, 2, 0}, []int64{found.Equal, found.Missing, found.Extra, found.Different})
	var named []string
	for _, example := range found.Examples {
		named = append(named, string(example.EntityID))
	}
	require.Contains(t, named, `"driver_id=-1,region=eu"`)
	require.Contains(t, named, `"driver_id=7,region=eu"`)
	w.requireClean(group, 3)
}

func checkCancelled(t *testing.T, pair Pair) {
	w := NewWorld(t, pair)
	group := w.customers("cancelled", nil)
	w.fill(group, 2500)
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	looked := int64(0)
	_, err := w.Materialization.Check(ctx, group, materialization.CheckRequest{Sample: materialization.All}, func(c materialization.Checked) {
		looked = c.Entities
		cancel()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, looked, int64(2500))
	w.requireClean(group, 2500)
}

// RunChecksBesideWriters checks a group that 8 writers write to, whole and partial rows, in and out of order: there are no differences. The
// control is the first look alone, which each check makes too: it must have seen some, or else the writers did not get in its way.
func RunChecksBesideWriters(t *testing.T, pair Pair, checks int) {
	w := NewWorld(t, pair)
	group := w.customers("watched", nil)
	w.fill(group, 300)
	stop := make(chan struct{})
	var all sync.WaitGroup
	end := sync.OnceFunc(func() { close(stop); all.Wait() })
	defer end()
	for i := range contenders {
		all.Go(func() {
			random := rand.New(rand.NewPCG(17, uint64(i)))
			for n := int64(0); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				values := Values{"a": value.OfInt(random.Int64N(1000))}
				if random.IntN(2) == 0 {
					values["b"], values["c"] = value.Null(), value.OfInt(n)
				}
				w.writeOne(t, group.Name, fmt.Sprint("entity ", random.IntN(320)), start+random.Int64N(20)-10*int64(random.IntN(2)), values)
			}
		})
	}
	naive := int64(0)
	for tried := 0; tried < checks || naive == 0 && tried < 20*checks; tried++ {
		found := w.check(group, false)
		require.Zero(t, found.Different+found.Missing+found.Extra, "%v", found.Examples)
		naive += found.LookedAgain
	}
	end()
	require.Positive(t, naive)
	t.Logf("measured: no difference in the checks beside 8 writers; one look alone would have reported %d", naive)
	found := w.check(group, false)
	require.Equal(t, found.Entities, found.Equal)
}

// observationOf is one entity's, of a group made by customers.
func observationOf(id string, at int64, values Values) store.Observation {
	o := store.Observation{Entity: store.Entity{Members: []store.Field{{Name: "id", Cell: table.TextCell(id)}}}, EventTime: at}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		o.Fields = append(o.Fields, store.Field{Name: name, Cell: table.ValueCell(values[name])})
	}
	return o
}
