package registry

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// thinSlack is how long before the horizon a moment must lie whose definitions are given up: whoever asks may have begun before, or be a process
// whose clock or catalog is behind.
const thinSlack = 10 * time.Minute

// thinStep is how many rows one transaction gives up.
const thinStep = 1000

// KeepPast says how far back the definitions of a revision, or moment, can be asked for, and how often what lies behind that is given up; every
// 0: never. It is called before Start; without it all of the past is kept.
func (r *Registry) KeepPast(horizon, every time.Duration) { r.horizon, r.thinEvery = horizon, every }

// Thin gives up the definitions of revisions before the one of a moment, in µs, and answers how many rows that were. It can be broken off and
// repeated at any time.
func (r *Registry) Thin(ctx context.Context, moment int64) (rows int64, err error) {
	db := r.db.WithContext(ctx)
	var from int64
	err = db.Model(&pastRow{}).Where("at <= ?", database.Micros(moment)).Select("coalesce(max(revision), 0)").Scan(&from).Error
	if err == nil && from > 0 {
		// First, so that nobody takes for whole what lacks something.
		err = db.Transaction(func(tx *gorm.DB) error {
			if err := waitLess(tx); err != nil {
				return err
			}
			return tx.Model(&stateRow{}).Where("id = 1 AND thinned < ?", from).Update("thinned", from).Error
		})
	}
	for more := from > 0; more && err == nil; {
		gone := db.Exec(`DELETE FROM registry_past WHERE (id, revision) IN (SELECT p.id, p.revision FROM registry_past AS p WHERE p.revision < ? AND EXISTS
			(SELECT 1 FROM registry_past AS n WHERE n.id = p.id AND n.revision > p.revision AND n.revision <= ?) LIMIT ?)`, from, from, thinStep)
		rows, more, err = rows+gone.RowsAffected, gone.RowsAffected == thinStep, gone.Error
	}
	if err != nil {
		return rows, unavailable(fmt.Errorf("give up definitions of the past: %w", err))
	}
	return rows, nil
}

// thinOnTime thins what the horizon has passed, as often as KeepPast says.
func (r *Registry) thinOnTime(ctx context.Context) {
	if r.thinEvery == 0 {
		return
	}
	now := r.Clock()
	if now.Before(r.thinNext) {
		return
	}
	r.thinNext = now.Add(r.thinEvery)
	rows, err := r.Thin(ctx, now.Add(-r.horizon-thinSlack).UnixMicro())
	switch {
	case err != nil && ctx.Err() == nil:
		r.log.Warn("definitions of the past could not be given up; it is tried again", "error", err)
	case rows > 0:
		r.log.Info("gave up definitions of the past", "rows", rows)
	}
}

// told answers a fault of kind Gone where a revision's definitions may have been given up. It is asked after they were read.
func (r *Registry) told(ctx context.Context, revision int64) error {
	var state stateRow
	if err := r.db.WithContext(ctx).Take(&state, 1).Error; err != nil {
		return unavailable(fmt.Errorf("read the state of the registry: %w", err))
	}
	if revision < state.Thinned {
		return fault.New(fault.Gone, "beyond-horizon", "the definitions of that moment lie further back than history.horizon, and can no longer be told")
	}
	return nil
}
