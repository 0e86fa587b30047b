package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// seen is an observation as the test remembers it.
type seen struct {
	key    string
	stamp  store.Stamp
	values map[uint16]value.Value // by ordinal, of the features observed
}

// newest is rule 1 in plain words: of the observations of that key with lo ≤ event time ≤ hi that observe the feature, the one with the
// greatest stamp.
func newest(history []seen, key string, ordinal uint16, lo, hi int64) (v value.Value, stamp store.Stamp) {
	for _, s := range history {
		observed, ok := s.values[ordinal]
		if ok && s.key == key && s.stamp.EventTime >= lo && s.stamp.EventTime <= hi && (v.IsAbsent() || s.stamp.Newer(stamp)) {
			v, stamp = observed, s.stamp
		}
	}
	return v, stamp
}

// TestReadingAgainstMemory writes random histories, whole and partial, with ties and late rows, while features are added and
// widened, and compares every way of reading with what it remembers.
func TestReadingAgainstMemory(t *testing.T) {
	o := open(t)
	id := int64(0)
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		id++
		g := group(id, fmt.Sprintf("g%d", id), [][]value.Type{{value.String}, {value.Integer}, {value.String, value.Integer}}[rapid.IntRange(0, 2).Draw(t, "key types")],
			value.Integer, value.Float, value.String, value.IntegerArray)
		ensure2(t, o, g)
		keys := make([]store.Key, rapid.IntRange(1, 12).Draw(t, "entities"))
		for i := range keys {
			var values []value.Value
			for _, key := range g.EntityType.JoinKeys {
				if key.ValueType == value.Integer {
					values = append(values, value.OfInt(int64(i-2)*1_000_000_007))
				} else {
					values = append(values, value.OfString([]string{"", "a", "A", "é", "z", "Z", "a b", "_", "10", "9", "ä", "🙂"}[i]))
				}
			}
			keys[i] = store.NewKey(values)
		}
		var history []seen
		var earlier store.Position
		var before int
		for step := range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0: // a feature more
				ordinal := uint16(len(g.Features) + 1)
				g = next(g, feature(g, ordinal, fmt.Sprintf("late%d", ordinal), value.Float, g.SchemaVersion+1))
				ensure2(t, o, g)
			case 1: // a draft is widened
				if f := g.Features[0]; f.ValueType == value.Integer {
					g = next(g)
					g.Features[0].ValueType, g.Features[0].Widened, g.Features[0].Column = value.Float, f.Column, f.Column+"__2"
					ensure2(t, o, g)
					for _, s := range history {
						if v, ok := s.values[g.Features[0].Ordinal]; ok {
							s.values[g.Features[0].Ordinal] = v.AsFloat()
						}
					}
				}
			case 2: // a place to go on from
				s, err := o.Snapshot(ctx)
				require.NoError(t, err)
				earlier, before = s.Position(), len(history)
				require.NoError(t, s.Close())
			default:
				r := drawRows(t, g, keys)
				if step%2 == 0 {
					require.NoError(t, o.Append(ctx, []*store.Rows{r}))
				} else {
					l, err := o.Load(ctx, g, 5)
					require.NoError(t, err)
					require.NoError(t, l.Add(ctx, r))
					require.NoError(t, l.Commit(ctx))
				}
				for i, key := range r.Keys {
					s := seen{key: key.Encoded, stamp: store.Stamp{EventTime: r.EventTimes[i], IngestID: int64(len(history))}, values: map[uint16]value.Value{}}
					for j, v := range r.Row(i) {
						if !v.IsAbsent() {
							s.values[r.Features[j].Ordinal] = v
						}
					}
					history = append(history, s)
				}
			}
		}
		compare(t, o, g, keys, history)
		got := readAll(t, o, g, store.Range{After: earlier})
		require.GreaterOrEqual(t, len(got.Keys), len(history)-before)
		for i, s := range history[before:] {
			require.Equal(t, s.key, got.Keys[len(got.Keys)-(len(history)-before)+i].Encoded)
		}
	})
}

func ensure2(t *rapid.T, o *Offline, g *registry.Group) {
	_, err := o.EnsureLayout(context.Background(), g)
	require.NoError(t, err)
}

func drawRows(t *rapid.T, g *registry.Group, keys []store.Key) *store.Rows {
	features := g.Features
	if rapid.Bool().Draw(t, "some features") {
		features = nil
		for _, f := range g.Features {
			if rapid.Bool().Draw(t, "this one") {
				features = append(features, f)
			}
		}
	}
	r := &store.Rows{Group: g, Features: features}
	for range rapid.IntRange(1, 20).Draw(t, "rows") {
		r.Keys = append(r.Keys, keys[rapid.IntRange(0, len(keys)-1).Draw(t, "entity")])
		r.EventTimes = append(r.EventTimes, at(rapid.IntRange(0, 6).Draw(t, "time")))
		whole := rapid.Bool().Draw(t, "whole")
		for _, f := range features {
			r.Values = append(r.Values, drawValue(t, f.ValueType, whole))
		}
	}
	return r
}

func drawValue(t *rapid.T, of value.Type, observed bool) value.Value {
	n := rapid.IntRange(-1, 5).Draw(t, "value")
	switch {
	case n == -1 && !observed:
		return value.Value{}
	case n <= 0:
		return value.Null()
	case of == value.Integer:
		return value.OfInt(int64(n))
	case of == value.Float:
		return value.OfFloat(float64(n) / 3)
	case of == value.String:
		return value.OfString(fmt.Sprint("v", n))
	}
	return value.OfInts(of, make([]int64, n-1))
}

func readAll(t *rapid.T, o *Offline, g *registry.Group, of store.Range) *store.Rows {
	s, err := o.Snapshot(context.Background())
	require.NoError(t, err)
	defer s.Close() //nolint:errcheck // a test
	got := &store.Rows{Group: g, Features: g.Features}
	require.NoError(t, s.Observations(context.Background(), g, g.Features, of, func(r *store.Rows) error {
		got.Keys, got.EventTimes, got.IngestIDs = append(got.Keys, r.Keys...), append(got.EventTimes, r.EventTimes...), append(got.IngestIDs, r.IngestIDs...)
		got.Values = append(got.Values, r.Values...)
		return nil
	}))
	if of.Key == nil { // in no particular order
		byID := make([]int, len(got.Keys))
		for i := range byID {
			byID[i] = i
		}
		slices.SortFunc(byID, func(a, b int) int { return cmp.Compare(got.IngestIDs[a], got.IngestIDs[b]) })
		sorted := &store.Rows{Group: g, Features: g.Features}
		for _, i := range byID {
			sorted.Keys, sorted.EventTimes, sorted.IngestIDs = append(sorted.Keys, got.Keys[i]), append(sorted.EventTimes, got.EventTimes[i]), append(sorted.IngestIDs, got.IngestIDs[i])
			sorted.Values = append(sorted.Values, got.Row(i)...)
		}
		return sorted
	}
	return got
}

// A table's space is used again, so its rows are not read in the order in which they came in without being asked for in it.
func TestObservationsAreInTheOrderOfIngestion(t *testing.T) {
	ctx, o := context.Background(), open(t)
	g := group(1, "visits", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	appendOne := func(key string, n int64) {
		require.NoError(t, o.Append(ctx, []*store.Rows{rows(g, []store.Key{stringKey(key)}, []int64{at(1)}, value.OfInt(n))}))
	}
	appendOne("removed", 0)
	appendOne("x", 1)
	for _, statement := range []string{"DELETE FROM " + o.table("visits") + " WHERE f0 = 0", "VACUUM " + o.table("visits")} {
		_, err := o.writers.Exec(ctx, statement)
		require.NoError(t, err)
	}
	appendOne("x", 2)
	for _, of := range []store.Range{{}, {From: new(at(0)), To: new(at(2))}} {
		require.Equal(t, []value.Value{value.OfInt(1), value.OfInt(2)}, all(t, o, g, of).Values)
	}
}

// compare asks everything. The ingest ids of memory are the place in history, which ascend as the real ones do.
func compare(t *rapid.T, o *Offline, g *registry.Group, keys []store.Key, history []seen) {
	ctx := context.Background()
	got := readAll(t, o, g, store.Range{})
	require.Len(t, got.Keys, len(history))
	real := map[int64]int64{} // ingest ids, of memory to stored
	for i, s := range history {
		require.Equal(t, s.key, got.Keys[i].Encoded)
		require.Equal(t, s.stamp.EventTime, got.EventTimes[i])
		for j, f := range g.Features {
			require.Equal(t, s.values[f.Ordinal], got.Row(i)[j], "row %d, %s", i, f.Name)
		}
		real[s.stamp.IngestID] = got.IngestIDs[i]
	}
	stored := func(stamp store.Stamp, v value.Value) store.Stamp {
		if !v.IsAbsent() {
			stamp.IngestID = real[stamp.IngestID]
		}
		return stamp
	}
	features := g.Features[rapid.IntRange(0, len(g.Features)-1).Draw(t, "from feature"):]
	asked := make([]store.Key, 30)
	times, since := make([]int64, len(asked)), make([]int64, len(asked))
	for i := range asked {
		asked[i] = keys[rapid.IntRange(0, len(keys)-1).Draw(t, "asked")]
		times[i] = at(rapid.IntRange(-1, 7).Draw(t, "until"))
		since[i] = times[i] - int64(rapid.IntRange(0, 8).Draw(t, "ttl"))*1_000_000
	}
	bounded := rapid.Bool().Draw(t, "bounded")
	if !bounded {
		since = nil
	}
	s, err := o.Snapshot(ctx)
	require.NoError(t, err)
	defer s.Close() //nolint:errcheck // a test
	answer, err := s.AsOf(ctx, g, features, asked, times, since)
	require.NoError(t, err)
	for i, key := range asked {
		lo := int64(value.NoTime)
		if bounded {
			lo = since[i]
		}
		for j, f := range features {
			v, stamp := newest(history, key.Encoded, f.Ordinal, lo, times[i])
			require.Equal(t, v, answer.Values[i*len(features)+j], "%s of %q at %d", f.Name, key.Encoded, times[i])
			require.Equal(t, stored(stamp, v), answer.Stamps[i*len(features)+j])
		}
	}
	met := map[string]bool{}
	require.NoError(t, s.Current(ctx, g, features, func(c *store.Current) error {
		for i, key := range c.Keys {
			require.False(t, met[key.Encoded], "%q twice", key.Encoded)
			met[key.Encoded] = true
			for j, f := range features {
				v, stamp := newest(history, key.Encoded, f.Ordinal, value.NoTime, at(100))
				require.Equal(t, v, c.Values[i*len(features)+j], "%s of %q", f.Name, key.Encoded)
				require.Equal(t, stored(stamp, v), c.Stamps[i*len(features)+j])
			}
		}
		return nil
	}))
	for _, key := range keys {
		of := slices.DeleteFunc(slices.Clone(history), func(s seen) bool { return s.key != key.Encoded })
		require.Equal(t, len(of) > 0, met[key.Encoded])
		slices.SortFunc(of, func(a, b seen) int {
			return -cmp.Or(cmp.Compare(a.stamp.EventTime, b.stamp.EventTime), cmp.Compare(a.stamp.IngestID, b.stamp.IngestID))
		})
		got := readAll(t, o, g, store.Range{Key: &key, From: new(at(1)), To: new(at(5)), Limit: 3})
		of = slices.DeleteFunc(of, func(s seen) bool { return s.stamp.EventTime < at(1) || s.stamp.EventTime >= at(5) })
		of = of[:min(3, len(of))]
		require.Len(t, got.Keys, len(of))
		for i, s := range of {
			require.Equal(t, real[s.stamp.IngestID], got.IngestIDs[i])
		}
	}
}

// Small pages, so that the walk changes its way in between.
func TestCurrentWalksDeepAndShallowEntities(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "g", []value.Type{value.String, value.Integer}, value.Integer, value.Integer)
	ensure(t, o, g)
	l, err := o.Load(ctx, g, 1)
	require.NoError(t, err)
	const entities = 3000
	deep := func(i int) bool { return i/1000 == 1 }
	for depth := range 12 {
		r := &store.Rows{Group: g, Features: g.Features}
		for i := range entities {
			if depth > 0 && !deep(i) {
				continue
			}
			second := value.OfInt(int64(depth))
			if depth%3 == 2 || depth > 4 {
				second = value.Value{}
			}
			r.Keys = append(r.Keys, store.NewKey([]value.Value{value.OfString(fmt.Sprintf("k%05d", i/4)), value.OfInt(int64(i%4 - 1))}))
			r.EventTimes = append(r.EventTimes, at(depth))
			r.Values = append(r.Values, value.OfInt(int64(depth)), second)
		}
		require.NoError(t, l.Add(ctx, r))
	}
	require.NoError(t, l.Commit(ctx))
	s := snapshotOf(t, o)
	layout, err := s.layout(ctx, g)
	require.NoError(t, err)
	for _, size := range []int{7, 50, 100_000} {
		w := &walk{snapshot: s, layout: layout, group: g, features: g.Features, size: size}
		ways, met := map[bool]bool{}, 0
		require.NoError(t, w.run(ctx, func(c *store.Current) error {
			ways[w.jump] = true
			for i, key := range c.Keys {
				wanted := store.NewKey([]value.Value{value.OfString(fmt.Sprintf("k%05d", met/4)), value.OfInt(int64(met%4 - 1))})
				require.Equal(t, wanted, key)
				values := []value.Value{value.OfInt(0), value.OfInt(0)}
				if deep(met) {
					values = []value.Value{value.OfInt(11), value.OfInt(4)}
				}
				require.Equal(t, values, c.Values[2*i:2*i+2], "%v", key.Values)
				met++
			}
			return nil
		}))
		require.Equal(t, entities, met)
		if size == 50 {
			require.Len(t, ways, 2, "both ways were gone")
		}
	}
}

func TestAGroupWithoutATableReadsAsEmpty(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	s := snapshotOf(t, o)
	answer, err := s.AsOf(ctx, g, g.Features, []store.Key{stringKey("a")}, []int64{at(0)}, nil)
	require.NoError(t, err)
	require.Equal(t, []value.Value{{}}, answer.Values)
	require.NoError(t, s.Current(ctx, g, g.Features, func(*store.Current) error { t.Fatal("there is nothing"); return nil }))
	require.NoError(t, s.Observations(ctx, g, g.Features, store.Range{}, func(*store.Rows) error { t.Fatal("there is nothing"); return nil }))
	_, _, found, err := s.IntegerBounds(ctx, g.Features[0])
	require.NoError(t, err)
	require.False(t, found)
	// Nor does a table show that was made after the snapshot.
	ensure(t, o, g)
	require.NoError(t, o.Append(ctx, []*store.Rows{rows(g, []store.Key{stringKey("a")}, []int64{at(0)}, value.OfInt(1))}))
	answer, err = s.AsOf(ctx, g, g.Features, []store.Key{stringKey("a")}, []int64{at(0)}, nil)
	require.NoError(t, err)
	require.Equal(t, []value.Value{{}}, answer.Values)
}

func TestIntegerBounds(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := group(1, "g", []value.Type{value.String}, value.Integer)
	ensure(t, o, g)
	s := snapshotOf(t, o)
	_, _, found, err := s.IntegerBounds(ctx, g.Features[0])
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, s.Close())
	require.NoError(t, o.Append(ctx, []*store.Rows{rows(g, []store.Key{stringKey("a"), stringKey("b"), stringKey("c")}, []int64{at(0), at(0), at(0)},
		value.OfInt(1<<53+1), value.OfInt(-9), value.Null())}))
	least, greatest, found, err := snapshotOf(t, o).IntegerBounds(ctx, g.Features[0])
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, []int64{-9, 1<<53 + 1}, []int64{least, greatest})
}
