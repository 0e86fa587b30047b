package validation

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"featurestore/modules/registry"
)

// forgetDeleted removes what was frozen for baselines that are no more. Whoever froze one has known it: so the definitions are read after what is
// frozen, and one that is among them was there all the time.
func (p *Profiles) forgetDeleted(ctx context.Context) error {
	db := p.repository.db.WithContext(ctx)
	var deleted []int64
	if err := db.Model(&frozenRow{}).Distinct("baseline_id").Pluck("baseline_id", &deleted).Error; err != nil {
		return profilesUnavailable(fmt.Errorf("look for what is frozen of deleted baselines: %w", err))
	}
	if deleted = withoutBaselines(deleted, p.definitions.Catalog()); len(deleted) == 0 {
		return nil
	}
	catalog, err := p.definitions.Refresh(ctx) // another process may have made them
	if err != nil {
		return err
	}
	return p.repository.atomically(ctx, func(tx *gorm.DB) error {
		return p.repository.removeFrozen(tx, withoutBaselines(deleted, catalog))
	})
}

// withoutBaselines are those of the ids that are of no baseline in a catalog.
func withoutBaselines(ids []int64, catalog *registry.Catalog) []int64 {
	known := map[int64]bool{}
	for _, d := range catalog.Definitions(kindBaseline) {
		known[d.ID] = true
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return known[id] })
}

// removeFrozen deletes what was frozen for all versions of some baselines.
func (r profileRepository) removeFrozen(tx *gorm.DB, baselines []int64) error {
	return inParts(baselines, func(ids []int64) error {
		err := tx.Exec("DELETE FROM validation_baseline_features WHERE frozen_id IN (SELECT id FROM validation_baselines WHERE baseline_id IN ?)", ids).Error
		if err == nil {
			err = tx.Delete(&frozenRow{}, "baseline_id IN ?", ids).Error
		}
		if err != nil {
			return fmt.Errorf("delete what was frozen: %w", err)
		}
		return nil
	})
}
