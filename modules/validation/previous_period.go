package validation

import (
	"context"
	"fmt"

	"featurestore/modules/registry"
	"featurestore/modules/validation/drift"
	"featurestore/modules/validation/profile"
)

// previous is the period before the one that is judged: of a load the load before it; of a window that has a beginning the time before it, as long as
// the window, or as length says; of one that has none the last length is judged, and the one before it is the reference.
func (p *Profiles) previous(ctx context.Context, name string, group *registry.Group, window Window, length int64) (*reference, error) {
	r := &reference{name: name, what: "the period before", of: map[uint16]referenceFeature{}}
	if window.Run != 0 {
		r.what = "the load before"
		return r, p.loadBefore(ctx, group, window.Run, r)
	}
	now, err := p.repository.now(p.repository.db.WithContext(ctx), p.clock)
	if err != nil {
		return nil, profilesUnavailable(err)
	}
	end := int64(now)
	if window.To != nil {
		end = *window.To
	}
	from := end - length
	switch {
	case window.From != nil:
		from = *window.From
	case length == 0:
		r.missing = "the window that is judged has no beginning, so that no period lies before it: name a baseline whose source is previous, with a period"
		return r, nil
	default:
		r.judged = Window{From: &from, To: &end}
	}
	if length == 0 {
		length = end - from
	}
	begin := from - length
	made, err := p.scan(ctx, group, Window{From: &begin, To: &from}, nil, func(int64) {})
	if err != nil {
		return nil, err
	}
	r.rows = made.rows
	for _, c := range made.columns {
		r.take(c.feature.Ordinal, c.Profile)
	}
	return r, nil
}

// loadBefore makes the profile of the last load before a run the reference.
func (p *Profiles) loadBefore(ctx context.Context, group *registry.Group, run int64, r *reference) error {
	var row profileRow
	db := p.repository.db.WithContext(ctx)
	found := db.Where("group_id = ? AND kind = ? AND first_run < ? AND outdated = ? AND row_count > 0", group.ID, ofLoad, run, false).
		Order("first_run DESC").Limit(1).Find(&row)
	if found.Error != nil {
		return profilesUnavailable(fmt.Errorf("look for the load before run %d: %w", run, found.Error))
	}
	if found.RowsAffected == 0 {
		r.missing = "no profile of an earlier load of the group is kept, with which this one could be compared"
		return nil
	}
	features, err := p.repository.features(db, row.ID, nil)
	if err != nil {
		return err
	}
	r.rows = row.RowCount
	for _, f := range features {
		made, err := profile.Decode(f.Encoded)
		if err != nil {
			return fmt.Errorf("read profile %d: %w", row.ID, err)
		}
		r.take(f.Ordinal, made)
	}
	return nil
}

// take makes the reference of a feature from a profile.
func (r *reference) take(ordinal uint16, p *profile.Profile) {
	r.of[ordinal] = referenceFeature{drift.FromProfile(p), p.Sample()}
}
