package validation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"featurestore/modules/registry"
	"featurestore/modules/validation/profile"
)

// tidy removes what is older than Config.ProfileKeep, merges the profiles of loads that are older than a week day by day, and takes values out
// of profiles of features that were tagged pii since.
func (p *Profiles) tidy(ctx context.Context) error {
	now, err := p.repository.now(p.repository.db.WithContext(ctx), p.clock)
	if err != nil {
		return profilesUnavailable(err)
	}
	if err := p.forgetBefore(ctx, now.Time().Add(-p.config.ProfileKeep).UnixMicro()); err != nil {
		return err
	}
	var groups []int64
	if err := p.repository.db.WithContext(ctx).Model(&profileRow{}).Distinct("group_id").Pluck("group_id", &groups).Error; err != nil {
		return profilesUnavailable(err)
	}
	for _, id := range groups {
		if err := p.tidyGroup(ctx, id, now.Time().Add(-loadsApart).UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

// forgetBefore removes the profiles that were computed before a time.
func (p *Profiles) forgetBefore(ctx context.Context, before int64) error {
	return p.repository.atomically(ctx, func(tx *gorm.DB) error {
		var ids []int64
		if err := tx.Model(&profileRow{}).Where("computed_at < ?", *microsOf(&before)).Pluck("id", &ids).Error; err != nil {
			return err
		}
		return p.repository.remove(tx, ids)
	})
}

func (p *Profiles) tidyGroup(ctx context.Context, id int64, before int64) error {
	group, known := p.definitions.Catalog().GroupByID(id)
	return p.repository.atomically(ctx, func(tx *gorm.DB) error {
		if _, err := p.repository.removals(tx, id, true); err != nil { // locks the group
			return err
		}
		if !known {
			all, err := p.repository.list(tx, profileFilter{group: id})
			if err != nil {
				return err
			}
			ids := make([]int64, len(all))
			for i := range all {
				ids[i] = all[i].ID
			}
			return p.repository.remove(tx, ids)
		}
		if err := p.hide(tx, group); err != nil {
			return err
		}
		return p.mergeLoads(tx, id, before)
	})
}

// hide takes values out of what was profiled before the feature was tagged pii.
func (p *Profiles) hide(tx *gorm.DB, group *registry.Group) error {
	var ordinals []uint16
	for _, f := range group.Stored() {
		if hidden(f) {
			ordinals = append(ordinals, f.Ordinal)
		}
	}
	if len(ordinals) == 0 {
		return nil
	}
	var rows []profileFeatureRow
	err := tx.Where("ordinal IN ? AND hidden = ? AND profile_id IN (SELECT id FROM validation_profiles WHERE group_id = ?)", ordinals, false, group.ID).Find(&rows).Error
	if err != nil {
		return fmt.Errorf("look for profiles of features tagged pii: %w", err)
	}
	for _, row := range rows {
		made, err := profile.Decode(row.Encoded)
		if err != nil {
			return err
		}
		made.Hide()
		if row.Encoded, err = made.Encode(); err != nil {
			return err
		}
		row.Hidden = true
		if err := tx.Select("*").Updates(&row).Error; err != nil {
			return err
		}
	}
	return nil
}

// loadsApart is how long profiles of loads stand each for itself.
const loadsApart = 7 * 24 * time.Hour

// mergeLoads puts one profile in the place of those of the loads of each day that ended before a time.
func (p *Profiles) mergeLoads(tx *gorm.DB, group int64, before int64) error {
	all, err := p.repository.list(tx, profileFilter{group: group, kinds: []string{ofLoad, ofLoads}})
	if err != nil {
		return err
	}
	const day = 86_400_000_000
	byDay := map[int64][]profileRow{}
	for _, row := range all {
		if d := int64(row.ComputedAt) / day; (d+1)*day <= before && !row.Outdated {
			byDay[d] = append(byDay[d], row)
		}
	}
	for _, rows := range byDay {
		if len(rows) < 2 {
			continue
		}
		slices.Reverse(rows) // the oldest first
		if err := p.mergeDay(tx, rows); err != nil {
			return err
		}
	}
	return nil
}

func (p *Profiles) mergeDay(tx *gorm.DB, rows []profileRow) error {
	merged := rows[0]
	merged.ID, merged.Kind = 0, ofLoads
	ids := []int64{rows[0].ID}
	for _, row := range rows[1:] {
		ids = append(ids, row.ID)
		merged.FirstRun, merged.LastRun = min(merged.FirstRun, row.FirstRun), max(merged.LastRun, row.LastRun)
		merged.Loads += row.Loads
		merged.RowCount += row.RowCount
		merged.ComputedAt = max(merged.ComputedAt, row.ComputedAt)
		if merged.FirstAt == nil || row.FirstAt != nil && *row.FirstAt < *merged.FirstAt {
			merged.FirstAt = row.FirstAt
		}
		if merged.LastAt == nil || row.LastAt != nil && *row.LastAt > *merged.LastAt {
			merged.LastAt = row.LastAt
		}
	}
	m := merger{}
	for _, id := range ids {
		if err := m.add(p.repository, tx, id, nil); err != nil {
			return err
		}
	}
	features, err := m.encode()
	if err != nil {
		return err
	}
	if err := p.repository.remove(tx, ids); err != nil {
		return err
	}
	return p.repository.create(tx, &merged, features)
}
