package validation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// errTakenOut says that rows were taken out of a group while a profile of it was being made: it may hold what is no more.
var errTakenOut = errors.New("rows were taken out of the group meanwhile")

// profileRepository is the tables of profiles and frozen baselines.
type profileRepository struct{ db *gorm.DB }

// atomically runs a change as one transaction.
func (r profileRepository) atomically(ctx context.Context, change func(tx *gorm.DB) error) error {
	return profilesUnavailable(r.db.WithContext(ctx).Transaction(change))
}

// removals is how often rows were taken out of a group. Within a transaction that locks it, it stays so until the end.
func (r profileRepository) removals(tx *gorm.DB, group int64, lock bool) (n int64, err error) {
	if lock {
		err = tx.Exec("INSERT INTO validation_profile_groups (group_id, removals) VALUES (?, 0) ON CONFLICT DO NOTHING", group).Error
	}
	query := "SELECT removals FROM validation_profile_groups WHERE group_id = ?"
	if lock && database.Postgres(tx) {
		query += " FOR UPDATE"
	}
	if err == nil {
		err = tx.Raw(query, group).Scan(&n).Error
	}
	if err != nil {
		return 0, fmt.Errorf("read how often rows were taken out of group %d: %w", group, err)
	}
	return n, nil
}

// tookOut counts that rows were taken out of a group, and locks it.
func (r profileRepository) tookOut(tx *gorm.DB, group int64) error {
	err := tx.Exec("INSERT INTO validation_profile_groups (group_id, removals) VALUES (?, 1) ON CONFLICT (group_id) DO UPDATE SET removals = validation_profile_groups.removals + 1",
		group).Error
	if err != nil {
		return fmt.Errorf("count that rows were taken out of group %d: %w", group, err)
	}
	return nil
}

// create stores a profile, in the place of one of the same window or load.
func (r profileRepository) create(tx *gorm.DB, row *profileRow, features []profileFeatureRow) error {
	var replaced []int64
	same := tx.Model(&profileRow{}).Where("group_id = ? AND kind = ? AND first_run = ? AND last_run = ?", row.GroupID, row.Kind, row.FirstRun, row.LastRun)
	for column, at := range map[string]*database.Micros{"from_at": row.FromAt, "to_at": row.ToAt} {
		if at == nil {
			same = same.Where(column + " IS NULL")
		} else {
			same = same.Where(column+" = ?", *at)
		}
	}
	if err := same.Pluck("id", &replaced).Error; err != nil {
		return fmt.Errorf("look for the profile that is replaced: %w", err)
	}
	if err := r.remove(tx, replaced); err != nil {
		return err
	}
	if err := tx.Create(row).Error; err != nil {
		return fmt.Errorf("store a profile: %w", err)
	}
	for i := range features {
		features[i].ProfileID = row.ID
	}
	return r.createFeatures(tx, features)
}

func (r profileRepository) createFeatures(tx *gorm.DB, features []profileFeatureRow) error {
	if len(features) == 0 {
		return nil
	}
	if err := tx.CreateInBatches(features, 50).Error; err != nil {
		return fmt.Errorf("store the features of a profile: %w", err)
	}
	return nil
}

// remove deletes profiles.
func (r profileRepository) remove(tx *gorm.DB, ids []int64) error {
	return inParts(ids, func(ids []int64) error {
		err := tx.Delete(&profileFeatureRow{}, "profile_id IN ?", ids).Error
		if err == nil {
			err = tx.Delete(&profileRow{}, "id IN ?", ids).Error
		}
		if err != nil {
			return fmt.Errorf("delete profiles: %w", err)
		}
		return nil
	})
}

// outdate deletes what profiles hold, and notes that they are to be computed again.
func (r profileRepository) outdate(tx *gorm.DB, ids []int64) error {
	return inParts(ids, func(ids []int64) error {
		err := tx.Delete(&profileFeatureRow{}, "profile_id IN ?", ids).Error
		if err == nil {
			err = tx.Model(&profileRow{}).Where("id IN ?", ids).Update("outdated", true).Error
		}
		if err != nil {
			return fmt.Errorf("take out what profiles hold: %w", err)
		}
		return nil
	})
}

// inParts does something to so many at a time as a statement takes.
func inParts(ids []int64, do func(ids []int64) error) error {
	for part := range slices.Chunk(ids, 1000) {
		if err := do(part); err != nil {
			return err
		}
	}
	return nil
}

// get reads a profile without its features; at is where its id stands.
func (r profileRepository) get(ctx context.Context, id int64, at string) (profileRow, error) {
	var row profileRow
	found := r.db.WithContext(ctx).Limit(1).Find(&row, "id = ?", id)
	if found.Error != nil {
		return row, profilesUnavailable(fmt.Errorf("read profile %d: %w", id, found.Error))
	}
	if found.RowsAffected == 0 {
		return row, fault.New(fault.NotFound, "unknown-profile", "there is no profile %d; they are kept for validation.profile_keep, and those of the same window replace each other", id).
			At(at, fmt.Sprint(id), "is no profile")
	}
	return row, nil
}

// features reads what a profile holds of some generations, by ordinal; nil: of all.
func (r profileRepository) features(tx *gorm.DB, id int64, ordinals []uint16) ([]profileFeatureRow, error) {
	query := tx.Where("profile_id = ?", id).Order("ordinal")
	if ordinals != nil {
		query = query.Where("ordinal IN ?", ordinals)
	}
	var rows []profileFeatureRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, profilesUnavailable(fmt.Errorf("read what profile %d holds: %w", id, err))
	}
	return rows, nil
}

// profileFilter says which profiles of a group; what is zero does not matter.
type profileFilter struct {
	group    int64
	kinds    []string
	ordinal  *uint16 // only those that hold this generation
	from, to *int64  // that may have rows with an event time in [from, to)
	within   bool    // that have no others
	before   int64   // ids below this one
	limit    int
}

// list reads profiles without their features, the newest first.
func (r profileRepository) list(tx *gorm.DB, f profileFilter) ([]profileRow, error) {
	query := tx.Where("group_id = ?", f.group).Order("id DESC")
	if f.limit > 0 {
		query = query.Limit(f.limit)
	}
	if len(f.kinds) > 0 {
		query = query.Where("kind IN ?", f.kinds)
	}
	if f.ordinal != nil {
		query = query.Where("EXISTS (SELECT 1 FROM validation_profile_features f WHERE f.profile_id = validation_profiles.id AND f.ordinal = ?)", *f.ordinal)
	}
	if f.before > 0 {
		query = query.Where("id < ?", f.before)
	}
	// The rows' own times say where a profile lies, not the window that was asked for, which can be open.
	if from := microsOf(f.from); from != nil && f.within {
		query = query.Where("first_at >= ?", *from)
	} else if from != nil {
		query = query.Where("last_at >= ?", *from)
	}
	if to := microsOf(f.to); to != nil && f.within {
		query = query.Where("last_at < ?", *to)
	} else if to != nil {
		query = query.Where("first_at < ?", *to)
	}
	var rows []profileRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, profilesUnavailable(fmt.Errorf("read profiles: %w", err))
	}
	return rows, nil
}

// now is the time that all processes agree on: PostgreSQL's; SQLite's only process has its own.
func (r profileRepository) now(tx *gorm.DB, clock func() time.Time) (database.Micros, error) {
	if !database.Postgres(tx) {
		return database.MicrosOf(clock()), nil
	}
	var now database.Micros
	if err := tx.Raw("SELECT clock_timestamp()").Scan(&now).Error; err != nil {
		return 0, fmt.Errorf("read the database's clock: %w", err)
	}
	return now, nil
}

// frozen finds what was frozen for a version of a baseline.
func (r profileRepository) frozen(tx *gorm.DB, baseline int64, version int) (frozenRow, bool, error) {
	var row frozenRow
	found := tx.Limit(1).Find(&row, "baseline_id = ? AND version = ?", baseline, version)
	if found.Error != nil {
		return row, false, profilesUnavailable(fmt.Errorf("read a frozen baseline: %w", found.Error))
	}
	return row, found.RowsAffected > 0, nil
}

// freeze stores what was frozen; false: another was first.
func (r profileRepository) freeze(tx *gorm.DB, row *frozenRow, features []frozenFeatureRow) (bool, error) {
	created := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(row)
	if created.Error != nil || created.RowsAffected == 0 {
		return false, created.Error
	}
	for i := range features {
		features[i].FrozenID = row.ID
	}
	if len(features) == 0 {
		return true, nil
	}
	return true, tx.CreateInBatches(features, 50).Error
}

func (r profileRepository) frozenFeatures(tx *gorm.DB, frozen int64) ([]frozenFeatureRow, error) {
	var rows []frozenFeatureRow
	if err := tx.Where("frozen_id = ?", frozen).Order("ordinal").Find(&rows).Error; err != nil {
		return nil, profilesUnavailable(fmt.Errorf("read a frozen baseline: %w", err))
	}
	return rows, nil
}

// profilesUnavailable makes a fault of an error that says that the database cannot be used just now.
func profilesUnavailable(err error) error {
	if err == nil || !database.Busy(err) && !database.Unavailable(err) {
		return err
	}
	busy := fault.New(fault.Busy, "profiles-unavailable", "the database of profiles cannot be used just now; try again").Because(err)
	busy.RetryAfter = 2
	return busy
}
