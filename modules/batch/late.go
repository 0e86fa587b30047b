package batch

import (
	"context"
	"math"
	"reflect"
	"slices"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
)

// late are the published ticks within whose windows the source group has got or lost rows since they were computed, as events shows it.
func late(ctx context.Context, plan *Plan, published []store.PublishedTick, events *store.Events) ([]int64, error) {
	type stand struct {
		source store.Place
		ticks  []int64
	}
	var stands []stand // few: what has been looked at together stands together
	for _, p := range published {
		i := slices.IndexFunc(stands, func(s stand) bool { return reflect.DeepEqual(s.source, p.Source) })
		if i < 0 {
			i = len(stands)
			stands = append(stands, stand{source: p.Source})
		}
		stands[i].ticks = append(stands[i].ticks, p.Tick)
	}
	var found []int64
	for _, s := range stands {
		times, err := events.Late(ctx, s.source, s.ticks)
		if err != nil {
			return nil, err
		}
		found = together(found, affected(s.ticks, times, reach(plan)))
	}
	return found, nil
}

// computable is the first time from which ticks can be computed: of a source group that has a retention, events up to some time are gone, and a tick whose
// longest window reaches back to them would come out wrong. What a lifetime is counts from what is retained.
func computable(ctx context.Context, plan *Plan, events *store.Events) (int64, error) {
	from, err := events.RetainedFrom(ctx)
	if err != nil || from == value.NoTime {
		return math.MinInt64, err
	}
	return from + plan.Longest.Microseconds(), nil
}

// reach is how long an event shows in what a plan says, in µs; 0: for ever. Where features say null or zero of an empty window, it shows as long as that: an entity
// exists from its first event on. SQL may look back as far as it likes.
func reach(plan *Plan) int64 {
	if plan.SQL != nil || plan.Lifetime {
		return 0
	}
	for i := range plan.Aggregations {
		if plan.Aggregations[i].Empty != Nothing {
			return 0
		}
	}
	return plan.Longest.Microseconds()
}
