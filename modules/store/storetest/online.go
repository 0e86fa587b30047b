package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
)

// OpenOnline opens the store at a place, as OfflineEngine.Open does.
type OpenOnline func(t testing.TB, place string) store.Online

// RunOnline holds an engine to the contract of store.Online.
func RunOnline(t *testing.T, open OpenOnline) {
	for _, c := range []struct {
		says string
		run  func(*online)
	}{
		{"a store belongs to the installation that claimed it first", (*online).claim},
		{"what was merged is read, in the order of the questions", (*online).read},
		{"nothing can be concluded while the marker is another", (*online).readMarker},
		{"entities are told apart whatever their keys are", (*online).keys},
		{"many entities of many groups are read at once", (*online).readMany},
		{"Merge: newer wins, feature by feature", (*online).mergeNewer},
		{"Merge does what packed.Merge does, byte for byte", (*online).mergeAsPacked},
		{"Merge takes the same entity twice in a call", (*online).mergeTwice},
		{"Merge takes no row without features, nor a damaged one", (*online).mergeDamaged},
		{"Merge leaves a damaged row that is stored alone, and its neighbours unharmed", (*online).mergeIntoDamaged},
		{"Merge counts what became of the rows", (*online).mergeCounts},
		{"Merge takes thousands of rows, and no row", (*online).mergeMany},
		{"Merge takes 1,500 features and long values", (*online).mergeWide},
		{"Merge under an older fence is refused", (*online).mergeFence},
		{"Merge without a marker is for materialization only", (*online).mergeUnmarked},
		{"Merge never shortens the life of a row", (*online).mergeExpires},
		{"Merge is atomic per row", (*online).mergeConcurrent},
		{"Walk answers every row of one group", (*online).walk},
		{"Walk answers what is there all the while", (*online).walkConcurrent},
		{"Walk begins anywhere", (*online).walkAnywhere},
		{"Drop takes out what came with the ids, and merges", (*online).dropIDs},
		{"Drop does what packed.Drop does, byte for byte", (*online).dropAsPacked},
		{"Drop under an older fence is refused", (*online).dropFence},
		{"Drop takes no damaged row", (*online).dropDamaged},
		{"Drop never shortens the life of a row", (*online).dropExpires},
		{"Drop takes thousands of rows", (*online).dropMany},
		{"Drop is atomic per row", (*online).dropConcurrent},
		{"State of a group that has none", (*online).stateNone},
		{"Swap compares every member", (*online).swapEveryMember},
		{"Swap fails in another run of the server", (*online).swapServer},
		{"Swap lets one of many through", (*online).swapConcurrent},
		{"Swap leaves rows and other groups alone", (*online).swapAlone},
		{"Sweep removes the rows of one group", (*online).sweep},
		{"of two erasures of an entity the later cut-off is kept", (*online).erasures},
		{"everything survives a restart in order", (*online).durable},
		{"Size", (*online).size},
		{"Ping", (*online).ping},
	} {
		t.Run(c.says, func(t *testing.T) {
			o := &online{T: t, ctx: context.Background(), open: open, store: open(t, "store")}
			defer func() { shut(t, o.store) }()
			c.run(o)
		})
	}
}

// online is one test of an engine's newest values.
type online struct {
	*testing.T
	ctx   context.Context
	open  OpenOnline
	store store.Online
}

const marker = "complete"

// mark gives a group a marker and a fence, whatever its state is.
func (o *online) mark(group *registry.Group, fence int64) store.State {
	o.Helper()
	from, err := o.store.State(o.ctx, group)
	require.NoError(o, err)
	server, err := o.store.Run(o.ctx)
	require.NoError(o, err)
	to := store.State{Marker: marker, Watermark: store.Watermark{Store: "offline", Position: "17", TTL: 3}, Fence: fence, Server: server}
	o.swap(group, from, to, true)
	return to
}

func (o *online) swap(group *registry.Group, from, to store.State, wanted bool) {
	o.Helper()
	swapped, err := o.store.Swap(o.ctx, group, from, to)
	require.NoError(o, err)
	require.Equal(o, wanted, swapped)
}

func (o *online) merge(group *registry.Group, rows ...store.PackedRow) store.Merged {
	o.Helper()
	merged, err := o.store.Merge(o.ctx, group, 0, false, rows)
	require.NoError(o, err)
	return merged
}

// rows reads entities of one marked group.
func (o *online) rows(group *registry.Group, keys ...store.Key) []string {
	o.Helper()
	rows, marked, err := o.store.Read(o.ctx, []store.Question{{Group: group, Marker: marker, Keys: keys}})
	require.NoError(o, err)
	require.Equal(o, []bool{true}, marked)
	require.Len(o, rows, 1)
	require.Len(o, rows[0], len(keys))
	return rows[0]
}

// packRow packs one observation; values by ordinal.
func packRow(key store.Key, stamp store.Stamp, values map[uint16]value.Value) store.PackedRow {
	var ordinals []uint16
	for i := range values {
		ordinals = append(ordinals, i)
	}
	slices.Sort(ordinals)
	row := make([]value.Value, len(ordinals))
	for i, at := range ordinals {
		row[i] = values[at]
	}
	return store.PackedRow{Key: key, Row: string(packed.Append(nil, key.Encoded, ordinals, row, stamp))}
}

// intRow packs feature 1 of one observation.
func intRow(key store.Key, eventTime, id, i int64) store.PackedRow {
	return packRow(key, store.Stamp{EventTime: eventTime, IngestID: id}, map[uint16]value.Value{1: value.OfInt(i)})
}

func (o *online) restart() {
	o.Helper()
	shut(o, o.store)
	o.store = o.open(o, "store")
}

func (o *online) claim() {
	require.NoError(o, o.store.Claim(o.ctx, "installation one"))
	require.NoError(o, o.store.Claim(o.ctx, "installation one"))
	for range 2 {
		err := o.store.Claim(o.ctx, "installation two")
		problem, ok := fault.As(err)
		require.True(o, ok, "%v", err)
		require.Equal(o, fault.Conflict, problem.Kind)
		o.restart()
	}
	require.NoError(o, o.store.Claim(o.ctx, "installation one"), "it was not taken away")
	other := o.open(o, "other")
	require.NoError(o, other.Claim(o.ctx, "installation two"))
	require.NoError(o, other.Close())

	contested := o.open(o, "contested")
	defer func() { require.NoError(o, contested.Close()) }()
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if contested.Claim(o.ctx, fmt.Sprint("installation ", i)) == nil {
				won.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(o, 1, won.Load(), "one of those that come at once gets it")
}

func (o *online) read() {
	one, two := Group(1, "one", Customers, counts...), Group(2, "two", Trips, counts...)
	o.mark(one, 0)
	o.mark(two, 0)
	x, y := intRow(TextKey("x"), noon, 1, 10), intRow(TextKey("y"), noon, 2, 20)
	trip := intRow(TripKey(1, "eu"), noon, 3, 30)
	o.merge(one, x, y)
	o.merge(two, trip)
	rows, marked, err := o.store.Read(o.ctx, []store.Question{
		{Group: two, Marker: marker, Keys: []store.Key{TripKey(2, "eu"), trip.Key}},
		{Group: one, Marker: marker, Keys: []store.Key{y.Key, x.Key, TextKey("z"), y.Key}},
		{Group: one, Marker: marker, Keys: nil},
		{Group: two, Marker: marker, Keys: []store.Key{trip.Key}},
	})
	require.NoError(o, err)
	require.Equal(o, []bool{true, true, true, true}, marked)
	require.Len(o, rows, 4)
	require.Equal(o, []string{"", trip.Row}, rows[0])
	require.Equal(o, []string{y.Row, x.Row, "", y.Row}, rows[1])
	require.Empty(o, rows[2])
	require.Equal(o, []string{trip.Row}, rows[3])
	rows, marked, err = o.store.Read(o.ctx, nil)
	require.NoError(o, err)
	require.Empty(o, rows)
	require.Empty(o, marked)
}

func (o *online) readMarker() {
	one, two := Group(1, "one", Customers, counts...), Group(2, "two", Customers, counts...)
	ask := func(markers ...string) []bool {
		o.Helper()
		key := []store.Key{TextKey("x")}
		_, marked, err := o.store.Read(o.ctx, []store.Question{{Group: one, Marker: markers[0], Keys: key}, {Group: two, Marker: markers[1], Keys: key}})
		require.NoError(o, err)
		return marked
	}
	require.Equal(o, []bool{false, false}, ask(marker, marker))
	state := o.mark(one, 0)
	o.merge(one, intRow(TextKey("x"), noon, 1, 1))
	require.Equal(o, []bool{true, false}, ask(marker, marker))
	require.Equal(o, []bool{false, false}, ask("another", marker))
	require.Equal(o, []bool{false, false}, ask(marker+" ", marker))
	require.Equal(o, []bool{false, false}, ask(marker[1:], marker))
	dropped := state
	dropped.Marker = ""
	o.swap(one, state, dropped, true)
	require.Equal(o, []bool{false, false}, ask(marker, marker))
	o.swap(one, dropped, state, true)
	require.Equal(o, []bool{true, false}, ask(marker, marker))
}

// keys puts entities into groups whose numbers and keys could run into each other when they are joined.
func (o *online) keys() {
	groups := map[*registry.Group][]store.Key{}
	for _, id := range []int64{1, 11, 111} {
		group := Group(id, fmt.Sprintf("group%d", id), Customers, counts...)
		o.mark(group, 0)
		for _, text := range hostileText() {
			groups[group] = append(groups[group], TextKey(text))
		}
	}
	trips := Group(2, "trips", Trips, counts...)
	o.mark(trips, 0)
	for i := int64(-130); i < 130; i++ {
		groups[trips] = append(groups[trips], TripKey(i, "1"), TripKey(i<<8, "s"), TripKey(i, "i\x01"))
	}
	for _, pair := range []string{"1,11", "11,1", "1,1,1"} {
		groups[trips] = append(groups[trips], TripKey(7, pair))
	}
	for group, keys := range groups {
		var rows []store.PackedRow
		for i, key := range keys {
			rows = append(rows, intRow(key, noon, group.ID, int64(i)))
		}
		merged := o.merge(group, rows...)
		require.Equal(o, len(rows), merged.Written, "no two are the same")
	}
	for group, keys := range groups {
		for i, row := range o.rows(group, keys...) {
			require.Equal(o, intRow(keys[i], noon, group.ID, int64(i)).Row, row, "%q in group %d", keys[i].Encoded, group.ID)
		}
	}
}

func (o *online) readMany() {
	const entities = 10_000
	var questions []store.Question
	for id := range int64(5) {
		group := Group(id+1, fmt.Sprintf("group%d", id), Customers, counts...)
		o.mark(group, 0)
		var rows []store.PackedRow
		question := store.Question{Group: group, Marker: marker}
		for i := range int64(entities) {
			key := TextKey(fmt.Sprint(i))
			question.Keys = append(question.Keys, key)
			if i%(id+2) == 0 {
				rows = append(rows, intRow(key, noon+i, id, i))
			}
		}
		o.merge(group, rows...)
		questions = append(questions, question)
	}
	rows, marked, err := o.store.Read(o.ctx, questions)
	require.NoError(o, err)
	require.Equal(o, []bool{true, true, true, true, true}, marked)
	for id := range int64(5) {
		for i := range int64(entities) {
			wanted := ""
			if i%(id+2) == 0 {
				wanted = intRow(TextKey(fmt.Sprint(i)), noon+i, id, i).Row
			}
			require.Equal(o, wanted, rows[id][i])
		}
	}
}

func (o *online) durable() {
	group := Group(1, "one", Customers, counts...)
	state := o.mark(group, 2)
	row := intRow(TextKey("x"), noon, 1, 1)
	_, err := o.store.Merge(o.ctx, group, 2, false, []store.PackedRow{row})
	require.NoError(o, err)
	o.restart()
	require.Equal(o, []string{row.Row}, o.rows(group, row.Key))
	now, err := o.store.State(o.ctx, group)
	require.NoError(o, err)
	require.Equal(o, state, now)
}

func (o *online) ping() { require.NoError(o, o.store.Ping(o.ctx)) }
