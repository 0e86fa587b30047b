package store

import (
	"context"

	"featurestore/modules/registry"
)

// QuarantineCounts are the rows of a group that rules ever kept out of history, by what became of them.
type QuarantineCounts struct {
	Group     string `json:"group"`
	Waiting   int64  `json:"waiting"`
	Replayed  int64  `json:"replayed"`
	Discarded int64  `json:"discarded"`
	Expired   int64  `json:"expired" doc:"They waited for longer than store.quarantine_keep"`
	Erased    int64  `json:"erased" doc:"With their entities"`
	Reverted  int64  `json:"reverted" doc:"With their loads"`
}

type quarantineCountsAnswer struct {
	Groups []QuarantineCounts `json:"groups" doc:"Those of which a row was ever kept out, in the order in which they were registered"`
}

// countQuarantine answers how many rows rules kept out, by group.
func (s *Store) countQuarantine(ctx context.Context, in *struct {
	Group string `query:"group" doc:"Only that group, whether or not a row of it was kept out"`
}) (*struct{ Body quarantineCountsAnswer }, error) {
	catalog := s.definitions.Catalog()
	groups := catalog.Groups()
	if in.Group != "" {
		group, ok := catalog.Group(in.Group)
		if !ok {
			return nil, located(catalog.UnknownGroup(in.Group), "group", in.Group)
		}
		groups = []*registry.Group{group}
	}
	counts, err := s.offline.CountQuarantined(ctx)
	if err != nil {
		return nil, unavailable("count the rows in quarantine", err)
	}
	out := &struct{ Body quarantineCountsAnswer }{quarantineCountsAnswer{Groups: []QuarantineCounts{}}}
	for _, group := range groups {
		states, ever := counts[group.ID]
		if ever || in.Group != "" {
			out.Body.Groups = append(out.Body.Groups, QuarantineCounts{
				Group: group.Name, Waiting: states[Waiting], Replayed: states[Replayed], Discarded: states[Discarded], Expired: states[Expired],
				Erased: states[QuarantineErased], Reverted: states[QuarantineReverted]})
		}
	}
	return out, nil
}
