package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// echoing is a snapshot that answers each question by what was asked, and counts.
type echoing struct {
	Snapshot
	t     *testing.T
	asked int // questions
}

func (s *echoing) AsOf(_ context.Context, group *registry.Group, features []*registry.Feature, keys []Key, times, since []int64) (*Current, error) {
	require.LessOrEqual(s.t, len(keys)*len(features), max(askedValues, 1024*len(features)))
	current := &Current{Group: group, Features: features, Keys: keys}
	for i, key := range keys {
		s.asked++
		if i > 0 {
			before := strings.Compare(keys[i-1].Encoded, key.Encoded)
			require.True(s.t, before < 0 || before == 0 && times[i-1] <= times[i], "questions %d and %d", i-1, i)
		}
		for _, f := range features {
			v := echoOf(f, key, times[i])
			current.Values, current.Stamps = append(current.Values, v), append(current.Stamps, Stamp{EventTime: times[i] - 5, IngestID: 1})
		}
	}
	return current, nil
}

// echoOf depends on everything that a question says.
func echoOf(f *registry.Feature, key Key, at int64) value.Value {
	sum := at/1000 + int64(f.Ordinal)
	for _, c := range key.Encoded {
		sum = sum*31 + int64(c)
	}
	switch {
	case sum%7 == 0:
		return value.Value{}
	case sum%7 == 1:
		return value.Null()
	case f.ValueType == value.String:
		return value.OfString(fmt.Sprint(f.Name, sum))
	}
	return value.OfInt(sum)
}

// Whatever the size of a chunk, each row gets what its own question finds, and the questions go in the order of their keys.
func TestRowsAreLookedUpInTheOrderOfKeys(t *testing.T) {
	customer := &registry.EntityType{About: registry.About{Name: "customer"}, JoinKeys: []registry.JoinKey{{Name: "customer_id", ValueType: value.String}}}
	shop := &registry.EntityType{About: registry.About{Name: "shop"}, JoinKeys: []registry.JoinKey{{Name: "shop_id", ValueType: value.Integer}}}
	var features []*registry.Feature
	of := func(name string, entityType *registry.EntityType, types ...value.Type) {
		group := &registry.Group{About: registry.About{Name: name}, EntityType: entityType}
		for i, valueType := range types {
			features = append(features, &registry.Feature{About: registry.About{Name: fmt.Sprint(name, i)}, Group: group, ValueType: valueType, Ordinal: uint16(i)})
		}
	}
	of("orders", customer, value.Integer, value.String, value.Integer)
	of("visits", customer, value.Integer)
	of("sales", shop, value.Integer, value.String)
	features = append(features, features[0]) // twice
	var requested []Requested
	for i, f := range features {
		requested = append(requested, Requested{f, fmt.Sprint("column", i)})
	}

	const rows = 60_000
	random := rand.New(rand.NewPCG(1, 2))
	var spine strings.Builder
	spine.WriteString("event_time,customer_id,shop_id\n")
	for range rows {
		fmt.Fprintf(&spine, "2026-01-%02dT%02d:00:00Z,customer %d,%d\n", 1+random.IntN(28), random.IntN(24), random.IntN(3000), random.IntN(50)-25)
	}
	reader, _, err := table.NewReader(strings.NewReader(spine.String()), table.ReadOptions{ContentType: "text/csv"})
	require.NoError(t, err)
	snapshot := &echoing{t: t}
	j := &join{request: TrainingRequest{features: requested, EventTimestamps: true}, snapshot: snapshot, spine: reader, shares: split(features)}
	var sizes []int
	work, ctx := errgroup.WithContext(t.Context())
	read := make(chan *chunk)
	work.Go(func() error { defer close(read); return j.read(ctx, read) })
	work.Go(func() error {
		for c := range read {
			sizes = append(sizes, c.rows)
			if err := j.find(ctx, c); err != nil {
				return err
			}
			for r := range c.rows {
				for i, f := range features {
					key := c.keys[f.Group.EntityType.Name][r]
					require.Equal(t, judge(f, echoOf(f, key, c.times[r]), Stamp{EventTime: c.times[r] - 5}, c.times[r]), c.found[i].at(r), "row %d, %s", r, f.Name)
				}
			}
		}
		return nil
	})
	require.NoError(t, work.Wait())
	total := 0
	for _, size := range sizes {
		total += size
	}
	require.Equal(t, rows, total)
	require.Equal(t, 3*rows, snapshot.asked, "each group is asked once for each row")
	require.Greater(t, len(sizes), 3)
	require.Less(t, sizes[0], sizes[1])
}

// What a chunk takes does not grow with the columns of a spine, or with the number of features.
func TestRowsTogether(t *testing.T) {
	of := func(columns, features int, valueType value.Type) int {
		j := &join{columns: make([]string, columns), keys: make([]keyColumns, 1), request: TrainingRequest{features: make([]Requested, features)}}
		for i := range j.request.features {
			j.request.features[i].Feature = &registry.Feature{ValueType: valueType}
		}
		return j.rowsTogether()
	}
	require.Equal(t, chunkRows, of(2, 1, value.Float))
	require.Greater(t, of(3, 20, value.Float), 65_536)
	require.InDelta(t, of(3, 20, value.Float)/5, of(3, 200, value.Float), 1000)
	require.InDelta(t, 8500, of(100, 20, value.Float), 1000)
	require.InDelta(t, 24_000, of(3, 20, value.String), 1000)
	require.Equal(t, 1024, of(3, 20_000, value.StringArray))
	all := of(3, 20, value.Float)
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(96 << 20))
	require.InDelta(t, all/3, of(3, 20, value.Float), 1, "a sixth of the memory there is")
}

func TestKeyOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var keys []Key
	var times []int64
	for range 5000 {
		key := NewKey([]value.Value{value.OfString(strings.Repeat("same beginning", random.IntN(2)) + fmt.Sprint(random.IntN(300)))})
		keys, times = append(keys, key), append(times, int64(random.IntN(5)))
	}
	for range 2 {
		order := KeyOrder(keys, times)
		seen := map[int32]bool{}
		for i, at := range order {
			require.False(t, seen[at])
			seen[at] = true
			if i > 0 {
				a, b := order[i-1], at
				require.True(t, keys[a].Encoded < keys[b].Encoded || keys[a].Encoded == keys[b].Encoded && times[a] <= times[b])
			}
		}
		require.Len(t, order, len(keys))
		sorted, at := make([]Key, len(keys)), make([]int64, len(keys))
		for i, from := range order {
			sorted[i], at[i] = keys[from], times[from]
		}
		keys, times = sorted, at
	}
	require.Empty(t, KeyOrder(nil, nil))
}
