package materialization

import (
	"context"
	"errors"
	"fmt"
	"time"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

// Standing is how a group's online copy stands beside its history.
type Standing struct {
	Complete  bool           // the copy answers; else it is being rebuilt, or was never made, and reads are answered offline
	Watermark store.Position // everything ingested below it is online; "": nothing is known to be
	Head      store.Position // everything ingested lies below it
	Behind    int64          // rows at the watermark or above it; single writes among them are online already
	More      bool           // there may be more: Behind is as many as are counted
	Since     time.Time      // when the first of them came in; zero: there are none
	Now       time.Time      // of the offline store's clock
}

// Lag is how long the first row behind has waited.
func (s Standing) Lag() time.Duration {
	if s.Since.IsZero() {
		return 0
	}
	return max(0, s.Now.Sub(s.Since))
}

// countedBehind is up to how many rows behind are counted.
const countedBehind = 1000

// Standings tells how the copies of groups stand, in the groups' order. It takes about a millisecond per group, and changes nothing.
func (m *Materialization) Standings(ctx context.Context, groups []*registry.Group) ([]Standing, error) {
	standings := make([]Standing, len(groups))
	if len(groups) == 0 {
		return standings, nil
	}
	identity, err := m.store.Identify(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the offline store: %w", err)
	}
	states := make([]store.State, len(groups)) // before the snapshot: a copy that moves on meanwhile is not ahead of it
	for i, group := range groups {
		if states[i], err = m.store.Online().State(ctx, group); err != nil {
			return nil, fmt.Errorf("read the watermark of %s: %w", group.Name, err)
		}
	}
	snapshot, err := m.store.Offline().Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the offline store: %w", err)
	}
	defer snapshot.Close()
	for i, group := range groups {
		if standings[i], err = standing(ctx, snapshot, identity, group, states[i]); err != nil {
			return nil, fmt.Errorf("read what came into %s: %w", group.Name, err)
		}
	}
	return standings, nil
}

func standing(ctx context.Context, snapshot store.Snapshot, identity string, group *registry.Group, state store.State) (Standing, error) {
	s := Standing{Complete: state.Marker == store.Marker(identity, group), Head: snapshot.Head(), Now: time.UnixMicro(snapshot.Now()).UTC()}
	if state.Watermark.Store == identity && !state.Watermark.Position.After(snapshot.Head()) {
		s.Watermark = state.Watermark.Position
	}
	err := snapshot.Observations(ctx, group, nil, store.Range{After: s.Watermark, Limit: countedBehind + 1}, func(rows *store.Rows) error {
		for _, at := range rows.IngestTimes {
			if s.Behind == countedBehind {
				s.More = true
				break
			}
			s.Behind++
			if came := time.UnixMicro(at).UTC(); s.Since.IsZero() || came.Before(s.Since) {
				s.Since = came
			}
		}
		return nil
	})
	if errors.Is(err, store.ErrOutdated) { // another process has just changed the group, which brings nothing in
		err = nil
	}
	return s, err
}
