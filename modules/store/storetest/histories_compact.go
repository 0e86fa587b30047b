package storetest

import (
	"math"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/materialization"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// toldMark is a moment of the engine's own clock, and how many observations had been ingested then.
type toldMark struct{ at, ingested int64 }

// compact removes what the oracle says is not needed from a group, as of this moment or an earlier one, with or without a retention. What is
// compacted has long been brought online: a copy that still held a removed row would keep it when what stood for it is taken back.
func (h *telling) compact() {
	group := rapid.SampledFrom(h.groups()).Draw(h.T, "compacted")
	h.world.Materialize(materialization.Incremental, group)
	h.marks = append(h.marks, toldMark{h.world.moment(), h.ingested})
	m := rapid.SampledFrom(h.marks).Draw(h.T, "as of")
	what := store.Compaction{Settled: m.at, Unsettled: store.NoRun, RetainFrom: value.NoTime}
	first := int64(math.MaxInt64) // of the observations that stand for nothing
	if len(h.loads) > 0 && rapid.Bool().Draw(h.T, "loads can be reverted") {
		load := rapid.SampledFrom(h.loads).Draw(h.T, "from")
		what.Unsettled, first = load.run, load.first
	}
	if rapid.Bool().Draw(h.T, "retention") {
		what.RetainFrom = h.clock - rapid.Int64Range(0, 9).Draw(h.T, "retained hours")*unit
	}
	loaded := func(ingested int64) bool {
		return slices.ContainsFunc(h.loads, func(l toldLoad) bool { return l.group.ID == group.ID && l.first <= ingested && ingested <= l.last })
	}
	type feature struct {
		key     string
		ordinal uint16
	}
	observed, rows := map[feature][]Fact{}, map[int64][]Fact{}
	for _, f := range h.oracle {
		if f.Group == group.ID {
			observed[feature{f.Key, f.Ordinal}] = append(observed[feature{f.Key, f.Ordinal}], f)
			rows[f.Stamp.IngestID] = append(rows[f.Stamp.IngestID], f)
		}
	}
	settled := func(id int64) bool { return id <= m.ingested && (id < first || !loaded(id)) }
	stands := func(row Fact, with func(at int64) bool) bool {
		return slices.ContainsFunc(observed[feature{row.Key, row.Ordinal}], func(f Fact) bool {
			return f.Stamp.Newer(row.Stamp) && with(f.Stamp.EventTime) && settled(f.Stamp.IngestID)
		})
	}
	unneeded := map[int64]bool{}
	for id, row := range rows {
		superseded, retired := settled(id), settled(id)
		for _, f := range row {
			at := f.Stamp.EventTime
			superseded = superseded && stands(f, func(other int64) bool { return other == at })
			retired = retired && at < what.RetainFrom && stands(f, func(other int64) bool { return other <= what.RetainFrom })
		}
		if superseded || retired {
			unneeded[id] = true
		}
	}
	compacted, err := h.world.Store.Offline().Compact(h.world.ctx, group, what, func(store.Compacted) error { return nil })
	require.NoError(h, err)
	require.EqualValues(h, len(rows), compacted.Read)
	require.EqualValues(h, len(unneeded), compacted.Removed())
	h.unlearn(func(f Fact) bool { return f.Group == group.ID && unneeded[f.Stamp.IngestID] })
}
