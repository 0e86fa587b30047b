package store

import (
	"context"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/packed"
)

// Explanation says how one value comes to be what it is.
type Explanation struct {
	Feature   *registry.Feature
	Offline   *Observed // nil: never observed
	Online    *Observed // nil: not there
	Marked    bool      // the online copy says of itself that it is complete
	State     State
	OnlineErr error // why the online store could not be asked
	Position  Position
	Identity  string
	Now       int64
	Behind    int   // rows of the group that came in since the watermark; at most maxBehind are counted
	Since     int64 // when the first of them came in; value.NoTime if there are none
}

// maxBehind is how many rows behind the watermark are counted.
const maxBehind = 10_000

// Observed is a value and where it comes from.
type Observed struct {
	Value value.Value
	Stamp Stamp
	Cell  Cell // as it reads now
}

// Explain looks one value up in both stores.
func (s *Store) Explain(ctx context.Context, key Key, feature *registry.Feature) (*Explanation, error) {
	if feature.Group.Kind == registry.Events {
		return nil, eventGroup(feature.Group)
	}
	snapshot, shares, err := s.viewOf(ctx, "explain", split([]*registry.Feature{feature}))
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	features := shares[0].features
	feature = features[0]
	e := &Explanation{Feature: feature, Position: snapshot.Position(), Now: snapshot.Now(), Since: value.NoTime}
	if e.Identity, err = s.Identify(ctx); err != nil {
		return nil, unavailable("explain", err)
	}
	current, err := snapshot.AsOf(ctx, feature.Group, features, []Key{key}, []int64{e.Now + s.config.FutureTolerance.Microseconds()}, nil)
	if err != nil {
		return nil, unavailable("explain", err)
	}
	e.Offline = observedAs(feature, current.Values[0], current.Stamps[0], e.Now)
	if e.State, e.OnlineErr = s.online.State(ctx, feature.Group); e.OnlineErr != nil {
		return e, nil
	}
	if err := e.measure(ctx, snapshot); err != nil {
		return nil, unavailable("explain", err)
	}
	rows, marked, err := s.online.Read(ctx, []Question{{Group: feature.Group, Marker: s.markers.of(feature.Group), Keys: []Key{key}}})
	if err != nil {
		e.OnlineErr = err
		return e, nil
	}
	e.Marked = marked[0]
	if rows[0][0] == "" {
		return e, nil
	}
	var cell [1]packed.Cell
	view, err := packed.Open(rows[0][0])
	if err == nil {
		err = view.Pick([]uint16{feature.Ordinal}, cell[:])
	}
	if err != nil {
		e.OnlineErr = err
		return e, nil
	}
	e.Online = observedAs(feature, cell[0].Value, cell[0].Stamp, e.Now)
	return e, nil
}

// measure counts what came in since the watermark.
func (e *Explanation) measure(ctx context.Context, snapshot Snapshot) error {
	group := e.Feature.Group
	if e.State.Watermark.Position == "" || e.State.Watermark.Store != e.Identity {
		return nil // nothing can be said
	}
	since := Range{After: e.State.Watermark.Position, Limit: maxBehind}
	return snapshot.Observations(ctx, group, []*registry.Feature{e.Feature}, since, func(rows *Rows) error {
		e.Behind += len(rows.Keys)
		for _, t := range rows.IngestTimes {
			if e.Since == value.NoTime || t < e.Since {
				e.Since = t
			}
		}
		return nil
	})
}

func observedAs(feature *registry.Feature, v value.Value, stamp Stamp, now int64) *Observed {
	if v.IsAbsent() {
		return nil
	}
	return &Observed{Value: v, Stamp: stamp, Cell: judge(feature, v, stamp, now)}
}
