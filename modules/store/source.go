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

func (s *source) Scan(ctx context.Context, reads []bool, yield func(*rules.Batch) error) error {
	return scanned(ctx, s.snapshot, s.stored, s.group, s.of, reads, yield)
}
