package validation

import (
	"context"
	"fmt"

	"gorm.io/gorm"
)

// What rules measured before, which those of kind history go by. Of a load a rule may be asked again and again: it counts once, with what was
// measured last, is compared only with loads that were judged before it, and not at all once it is reverted.

// measured reads what a rule usually measured, the newest first, so many at most: of the loads before one, or with load 0 at each evaluation.
func (r repository) measured(ctx context.Context, group string, of subject, load int64, most int) (measured []float64, err error) {
	const results = " FROM validation_results WHERE rule = ? AND group_name = ? AND feature = ?"
	query := "SELECT measured" + results + " AND usual = ? AND measured IS NOT NULL"
	parameters := []any{of.rule, group, of.feature, true}
	if load != 0 {
		query = "SELECT measured FROM validation_results WHERE id IN (SELECT max(id)" + results + " AND usual = ? AND measured IS NOT NULL AND looked_at LIKE ?" +
			" AND id < coalesce((SELECT min(id)" + results + " AND looked_at = ?), ?) GROUP BY looked_at)"
		parameters = append(parameters, broughtByAny, of.rule, group, of.feature, broughtBy(load), int64(1)<<62)
	}
	err = r.db.WithContext(ctx).Raw(query+" ORDER BY id DESC LIMIT ?", append(parameters, most)...).Scan(&measured).Error
	return measured, unavailable(err)
}

// unmeasure takes what was measured of a load that was reverted out of what rules go by. The reports go on saying what was found then.
func unmeasure(tx *gorm.DB, group string, load int64) error {
	err := tx.Exec("UPDATE validation_results SET measured = NULL WHERE group_name = ? AND looked_at = ? AND measured IS NOT NULL", group, broughtBy(load)).Error
	return unavailable(err)
}

// lookedPast are the rules of a group whose newest result is about a load that came after this one, the newest there is (0: there is none): it was
// reverted since.
func (r repository) lookedPast(ctx context.Context, group string, load int64) (map[string]bool, error) {
	var found []struct{ Rule, LookedAt string }
	err := r.db.WithContext(ctx).Raw("SELECT n.rule, r.looked_at FROM validation_newest n JOIN validation_results r ON r.id = n.result_id"+
		" WHERE n.group_name = ? AND n.ended = ? AND r.looked_at LIKE ?", group, false, broughtByAny).Scan(&found).Error
	past := map[string]bool{}
	for _, f := range found {
		var about int64
		if _, err := fmt.Sscanf(f.LookedAt, broughtByForm, &about); err == nil && about > load && f.LookedAt == broughtBy(about) {
			past[f.Rule] = true
		}
	}
	return past, unavailable(err)
}

// broughtBy says of a result that it is about what a load brought, and is how results of one load are found; broughtByAny is the pattern of all.
func broughtBy(load int64) string { return fmt.Sprintf(broughtByForm, load) }

const (
	broughtByForm = "what run %d brought"
	broughtByAny  = "what run % brought"
)
