package storetest

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

const tolerance = 300 * second

// ask compares every way of asking with the oracle.
func (h *telling) ask() {
	var features []*registry.Feature
	for _, group := range h.groups() {
		features = append(features, group.Stored()...)
	}
	if rapid.Bool().Draw(h.T, "some features") {
		features = rapid.SliceOfN(rapid.SampledFrom(features), 1, len(features)+2).Draw(h.T, "features") // in any order, some twice
	}
	keys := slices.Clone(h.keys)
	if rapid.Bool().Draw(h.T, "some entities") {
		keys = rapid.SliceOfN(rapid.SampledFrom(h.keys), 1, 70).Draw(h.T, "entities")
	}
	read := store.Read{Rows: len(keys), Features: features, Keys: map[string][]store.Key{h.entityType: keys}}
	now := make([]int64, len(keys))
	for i := range now {
		now[i] = h.clock
	}
	if !h.pending {
		h.compare("served before the run", Served, read, h.clock+tolerance, now)
	}
	h.compare("offline", Offline, read, h.clock+tolerance, now)
	h.materialize(rapid.SampledFrom([]materialization.Mode{materialization.Incremental, materialization.Full}).Draw(h.T, "mode"))
	h.compare("online", Online, read, h.clock+tolerance, now)
	h.compare("at present", At, read, 0, now)

	past := h.drawTime()
	at := make([]int64, len(keys))
	for i := range at {
		at[i] = past
	}
	h.compare("at", At, read, 0, at)
	for i := range at {
		at[i] = h.drawTime()
	}
	h.compare("training", Training, read, 0, at)
	h.export()
	h.history()
}

func (h *telling) drawTime() int64 {
	return h.clock - rapid.Int64Range(-2, 14).Draw(h.T, "asked hours ago")*unit + rapid.SampledFrom([]int64{0, 0, 0, -1, 1, -60 * second, 300 * second}).Draw(h.T, "asked and")
}

// compare asks in one way. latest is the newest event time that counts; 0: that of each row's time.
func (h *telling) compare(what string, way Way, read store.Read, latest int64, times []int64) {
	var got []store.Cell
	var err error
	if way == Training {
		got, err = h.world.TrainingSet(read, times)
	} else {
		got, err = h.world.Ask(way, read, times[0])
	}
	require.NoError(h, err, what)
	n := len(read.Features)
	require.Len(h, got, n*read.Rows)
	for i := range got {
		row, feature := i/n, read.Features[i%n]
		key, until := read.Keys[h.entityType][row], times[row]
		if latest != 0 {
			until = latest
		}
		wanted := h.oracle.Cell(feature, key, until, times[row])
		if got[i] != wanted {
			h.Fatalf("%s: %s of %q is %s, not %s\n(now %d, asked about %d, TTL %s)\n%s", what, feature.Reference(), key.Encoded, shown(got[i]), shown(wanted),
				h.clock-start, times[row]-start, feature.Group.TTL, h.known(feature, key))
		}
	}
	h.questions += int64(len(got))
}

// known lists what the oracle knows of a feature of an entity.
func (h *telling) known(feature *registry.Feature, key store.Key) (lines string) {
	for _, f := range h.oracle {
		if f.Group == feature.Group.ID && f.Ordinal == feature.Ordinal && f.Key == key.Encoded {
			lines += fmt.Sprintf("  %d (%s) ingested %d: %s\n", f.Stamp.EventTime-start, value.AppendTime(nil, f.Stamp.EventTime), f.Stamp.IngestID, value.AppendJSON(nil, f.Value))
		}
	}
	return lines
}

// export compares the rows of a group: all, and the newest of each entity with the TTL applied.
func (h *telling) export() {
	group := rapid.SampledFrom(h.groups()).Draw(h.T, "exported")
	n, err := 0, error(nil)
	begin := func([]table.Column) (table.Writer, error) { return counter{&n}, nil }
	require.NoError(h, h.world.Store.Export(h.world.ctx, store.ExportRequest{Group: group}, begin))
	require.Equal(h, h.stored[group.Name], n, "every row that was ever stored is there")

	out := &memoryTable{}
	err = h.world.Store.Export(h.world.ctx, store.ExportRequest{Group: group, Latest: true}, func(columns []table.Column) (table.Writer, error) {
		for _, c := range columns {
			out.columns = append(out.columns, c.Name)
		}
		return out, nil
	})
	require.NoError(h, err)
	keyColumns, columns := len(group.EntityType.JoinKeys), len(out.columns)
	rows := map[string][]table.Cell{}
	for at := 0; at < len(out.cells); at += columns {
		key, err := store.KeyOf(group.EntityType.JoinKeys, out.cells[at:at+keyColumns])
		require.NoError(h, err)
		require.NotContains(h, rows, key.Encoded, "each entity once")
		rows[key.Encoded] = out.cells[at : at+columns]
	}
	for _, key := range h.keys {
		row, there := rows[key.Encoded]
		living, newest := false, int64(0)
		for i, f := range group.Features {
			// Current has no limit in time: what lies ahead counts, and is of no age.
			wanted := h.oracle.Cell(f, key, 1<<62, h.clock)
			shows := wanted.Status == store.Present || wanted.Status == store.NullValue
			if shows && (!living || wanted.EventTime > newest) {
				newest = wanted.EventTime
			}
			living = living || shows
			if !there {
				continue
			}
			cell := row[keyColumns+1+i]
			require.Equal(h, !shows, cell.IsMissing(), "%s of %q", f.Name, key.Encoded)
			if shows {
				v, err := cell.Value(f.ValueType, nil)
				require.NoError(h, err)
				require.Equal(h, wanted.Value, v)
			}
		}
		require.Equal(h, living, there, "%q in the export of %s", key.Encoded, group.Name)
		if there {
			at, err := row[keyColumns].Value(value.Timestamp, nil)
			require.NoError(h, err)
			require.Equal(h, newest, at.Time())
		}
	}
}

// history compares all observations of one feature of one entity, newest first.
func (h *telling) history() {
	group := rapid.SampledFrom(h.groups()).Draw(h.T, "group of history")
	feature := rapid.SampledFrom(group.Stored()).Draw(h.T, "feature of history")
	key := rapid.SampledFrom(h.keys).Draw(h.T, "entity of history")
	var wanted []Fact
	for _, f := range h.oracle {
		if f.Group == group.ID && f.Ordinal == feature.Ordinal && f.Key == key.Encoded {
			wanted = append(wanted, f)
		}
	}
	slices.SortFunc(wanted, func(a, b Fact) int {
		if a.Stamp.Newer(b.Stamp) {
			return -1
		}
		return 1
	})
	var got []Fact
	request := store.HistoryRequest{Key: key, Features: []*registry.Feature{feature}}
	require.NoError(h, h.world.Store.History(h.world.ctx, request, func(rows *store.Rows) error {
		for i, at := range rows.EventTimes {
			if v := rows.Row(i)[0]; !v.IsAbsent() {
				got = append(got, Fact{Stamp: store.Stamp{EventTime: at}, Value: v})
			}
		}
		return nil
	}))
	require.Len(h, got, len(wanted))
	for i := range got {
		require.Equal(h, wanted[i].Stamp.EventTime, got[i].Stamp.EventTime)
		want, have := asServed([]*registry.Feature{feature}, []value.Value{wanted[i].Value}), asServed([]*registry.Feature{feature}, []value.Value{got[i].Value})
		require.Equal(h, want, have)
	}
}
