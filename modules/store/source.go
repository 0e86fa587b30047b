package store

import (
	"context"
	"errors"
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/validation"
	"featurestore/modules/validation/rules"
)

// Read keeps a snapshot open for as long as use runs.
func (s values) Read(ctx context.Context, group *registry.Group, window validation.Window, use func(rules.Source) error) error {
	snapshot, groups, err := s.view(ctx, "read "+group.Name, []*registry.Group{group})
	if err != nil {
		return err
	}
	defer snapshot.Close()
	of, err := s.rangeOf(ctx, window)
	if err != nil {
		return unavailable("read "+group.Name, err)
	}
	return use(&source{snapshot, groups[0], group, of})
}

// source is what a window holds of a group, which is defined in the snapshot as stored.
type source struct {
	snapshot Snapshot
	stored   *registry.Group
	group    *registry.Group
	of       Range
}

func (s *source) Measure(ctx context.Context, measures []rules.Measure) ([]rules.Measured, error) {
	stored, features := s.stored.Stored(), make([]*registry.Feature, len(s.group.Features))
	for i, f := range s.group.Features {
		at := slices.IndexFunc(stored, func(g *registry.Feature) bool { return same(f, g) })
		if at < 0 {
			return nil, rules.ErrUnmeasured // it has been deleted meanwhile: a scan does not see it
		}
		features[i] = stored[at]
	}
	measured, err := s.snapshot.Measure(ctx, s.stored, features, s.of, merges(s.group, s.of), measures)
	if errors.Is(err, rules.ErrUnmeasured) {
		return nil, err
	}
	return measured, unavailable("measure "+s.group.Name, err)
}

// Scan reads the group in the order of entities, where the rows of one time have to be put together, and else as its rows came in: those of a run
// from where the run began.
func (s *source) Scan(ctx context.Context, reads []bool, yield func(*rules.Batch) error) error {
	sc := &scan{yield: yield, batch: rules.Batch{Columns: make([]int, len(s.group.Features))}}
	var features []*registry.Feature
	for _, f := range s.stored.Stored() { // a generation that has been followed by another one meanwhile is read nevertheless
		i := slices.IndexFunc(s.group.Features, func(g *registry.Feature) bool { return same(f, g) })
		if i >= 0 && (reads == nil || reads[i]) {
			features = append(features, f)
		}
	}
	for i, f := range s.group.Features {
		sc.batch.Columns[i] = slices.IndexFunc(features, func(g *registry.Feature) bool { return same(f, g) })
	}
	of := s.of
	of.Ordered = merges(s.group, of)
	take := sc.take
	if of.Ordered {
		take = sc.merge
	}
	if err := s.snapshot.Observations(ctx, s.stored, features, of, take); err != nil {
		return unavailable("scan "+s.group.Name, err)
	}
	return sc.flush()
}
