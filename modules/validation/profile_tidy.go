package validation

import (
	"context"
	"fmt"
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
	if known {
		if err := p.locking(ctx, id, func(tx *gorm.DB) error { return p.hide(tx, group) }); err != nil {
			return err
		}
		return p.mergeLoads(ctx, id, before)
	}
	return p.locking(ctx, id, func(tx *gorm.DB) error {
		all, err := p.repository.list(tx, profileFilter{group: id})
		if err != nil {
			return err
		}
		return p.repository.remove(tx, idsOf(all))
	})
}

// locking changes a group's profiles in a transaction in which nobody else does.
func (p *Profiles) locking(ctx context.Context, group int64, change func(tx *gorm.DB) error) error {
	return p.repository.atomically(ctx, func(tx *gorm.DB) error {
		if _, err := p.repository.removals(tx, group, true); err != nil {
			return err
		}
		return change(tx)
	})
}

func idsOf(rows []profileRow) []int64 {
	ids := make([]int64, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	return ids
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

// mergedAtOnce is how many profiles are merged in one transaction, so that it holds others up for a moment only.
const mergedAtOnce = 50

// mergeLoads puts one profile in the place of those of the loads of each day that ended before a time.
func (p *Profiles) mergeLoads(ctx context.Context, group int64, before int64) error {
	const day = 86_400_000_000
	for more := true; more; {
		all, err := p.repository.list(p.repository.db.WithContext(ctx), profileFilter{group: group, kinds: []string{ofLoad, ofLoads}})
		if err != nil {
			return err
		}
		byDay := map[int64][]profileRow{}
		for _, row := range all {
			if d := int64(row.ComputedAt) / day; (d+1)*day <= before && !row.Outdated {
				byDay[d] = append(byDay[d], row)
			}
		}
		more = false
		for _, rows := range byDay {
			if len(rows) < 2 {
				continue
			}
			more = more || len(rows) > mergedAtOnce
			rows = rows[len(rows)-min(len(rows), mergedAtOnce):]
			if err := p.locking(ctx, group, func(tx *gorm.DB) error { return p.mergeDay(tx, idsOf(rows)) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeDay merges profiles, unless some of them have changed.
func (p *Profiles) mergeDay(tx *gorm.DB, ids []int64) error {
	var rows []profileRow
	if err := tx.Where("id IN ? AND outdated = ?", ids, false).Order("id").Find(&rows).Error; err != nil {
		return fmt.Errorf("read the profiles of a day's loads: %w", err)
	}
	if len(rows) != len(ids) {
		return nil
	}
	merged := rows[0]
	merged.ID, merged.Kind = 0, ofLoads
	for _, row := range rows[1:] {
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
	for _, row := range rows {
		if err := m.add(p.repository, tx, row.ID, nil); err != nil {
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
