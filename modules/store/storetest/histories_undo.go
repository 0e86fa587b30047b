package storetest

import (
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// toldLoad is a load that can be reverted: its observations are those ingested from first to last.
type toldLoad struct {
	run         int64
	group       *registry.Group
	first, last int64
}

// revert takes a load back, perhaps for a second time.
func (h *telling) revert() {
	if len(h.loads) == 0 {
		return
	}
	load := rapid.SampledFrom(h.loads).Draw(h.T, "reverted")
	require.NoError(h, h.world.Revert(load.run))
	h.unlearn(func(f Fact) bool {
		return f.Group == load.group.ID && f.Stamp.IngestID >= load.first && f.Stamp.IngestID <= load.last
	})
}

// retract takes one observation of an entity back, or some features of it; it may not be there.
func (h *telling) retract() {
	if len(h.oracle) == 0 {
		return
	}
	of := rapid.SampledFrom(h.oracle).Draw(h.T, "retracted")
	key := h.keys[slices.IndexFunc(h.keys, func(k store.Key) bool { return k.Encoded == of.Key })]
	entityType, _ := h.world.Registry.Catalog().EntityType(h.entityType)
	request := store.RetractRequest{EntityType: entityType, Key: key, EventTime: of.Stamp.EventTime + rapid.SampledFrom([]int64{0, 0, 0, 1}).Draw(h.T, "or")}
	if rapid.Bool().Draw(h.T, "some features") {
		var features []*registry.Feature
		for _, g := range h.groups() {
			features = append(features, g.Stored()...)
		}
		request.Features = rapid.SliceOfNDistinct(rapid.SampledFrom(features), 1, len(features), func(f *registry.Feature) int64 { return f.Group.ID<<16 | int64(f.Ordinal) }).Draw(h.T, "features")
	}
	_, err := h.world.Store.Retract(h.world.ctx, request)
	before := len(h.oracle)
	h.unlearn(func(f Fact) bool {
		return f.Key == key.Encoded && f.Stamp.EventTime == request.EventTime && (request.Features == nil ||
			slices.ContainsFunc(request.Features, func(w *registry.Feature) bool { return w.Group.ID == f.Group && w.Ordinal == f.Ordinal }))
	})
	if len(h.oracle) == before {
		require.True(h, fault.Is(err, "no-observation"), "%v", err)
	} else {
		require.NoError(h, err)
	}
}

// unlearn tells the oracle what never was. A row of which nothing is left is no row any more.
func (h *telling) unlearn(gone func(Fact) bool) {
	type row struct{ group, ingest int64 }
	rows := func() map[row]bool {
		all := map[row]bool{}
		for _, f := range h.oracle {
			all[row{f.Group, f.Stamp.IngestID}] = true
		}
		return all
	}
	before := rows()
	h.oracle = slices.DeleteFunc(h.oracle, gone)
	after := rows()
	for r := range before {
		if !after[r] {
			group, _ := h.world.Registry.Catalog().GroupByID(r.group)
			h.stored[group.Name]--
		}
	}
}
