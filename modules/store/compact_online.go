package store

import (
	"context"
	"fmt"
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// minds lets a compaction see what the group's online copy does not have yet. Where a row is removed before what stands for it was brought
// online, and that is taken back, nothing would tell the copy any more that it holds the removed row. So rows that came in before all that is
// still to be brought are settled, and no others. reason says so where that keeps rows; with look false all of them, since the online
// store cannot be asked.
//
// A copy whose watermark does not count needs no care: it is emptied, and made anew of what is left, before it is believed again.
func (s *Store) minds(ctx context.Context, group *registry.Group, what *Compaction) (reason string, look bool, err error) {
	if group.Kind != registry.Features {
		return "", true, nil // there is no online copy
	}
	// The state first: all that is below its watermark is in the snapshot.
	state, err := s.online.State(ctx, group)
	if err != nil {
		if ctx.Err() != nil {
			return "", false, ctx.Err()
		}
		s.log.Warn("a group was not compacted, since the online store could not be asked how far its copy is", "group", group.Name, "error", err)
		return fmt.Sprintf("the online store cannot be asked now how far the copy of %s is, and what it does not have yet must stay: it goes on the next time", group.Name), false, nil
	}
	identity, err := s.Identify(ctx)
	if err != nil {
		return "", false, unavailable("compact "+group.Name, err)
	}
	if state.Watermark.Position == "" || state.Watermark.Store != identity {
		return "", true, nil
	}
	first, found, err := s.firstBehind(ctx, group, state.Watermark.Position)
	if err != nil || !found || first >= what.Settled {
		return "", true, err
	}
	what.Settled = first
	return fmt.Sprintf("the online copy of %s is behind: what came in since %s is still to be brought, and superseded rows stay until it is", group.Name, value.AppendTime(nil, first)),
		true, nil
}

// firstBehind is the ingest time, in µs, of the first row that came in at or above a watermark.
func (s *Store) firstBehind(ctx context.Context, group *registry.Group, watermark Position) (first int64, found bool, err error) {
	snapshot, now, err := s.view(ctx, "compact "+group.Name, []*registry.Group{group})
	if err != nil {
		return 0, false, err
	}
	defer snapshot.Close()
	err = snapshot.Observations(ctx, now[0], nil, Range{After: watermark}, func(rows *Rows) error {
		if least := slices.Min(rows.IngestTimes); !found || least < first {
			first, found = least, true
		}
		return nil
	})
	return first, found, unavailable("compact "+group.Name, err)
}
