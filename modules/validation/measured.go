package validation

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"

	"featurestore/modules/registry"
)

// What rules measured before, which those of kind history go by. Of a load a rule may be asked again and again: it counts once, with what was
// measured last, is compared only with loads that came before it, and counts not at all once it is reverted.

// measured reads what a rule usually measured, the newest first, so many at most: of the loads before one, or with load 0 at each evaluation.
func (r repository) measured(ctx context.Context, group string, of subject, load int64, most int) (measured []float64, err error) {
	const results = " FROM validation_results WHERE rule = ? AND group_name = ? AND feature = ? AND measured IS NOT NULL"
	db, parameters := r.db.WithContext(ctx), []any{of.rule, group, of.feature}
	if load == 0 {
		err = db.Raw("SELECT measured"+results+" AND usual = ? ORDER BY id DESC LIMIT ?", append(parameters, true, most)...).Scan(&measured).Error
		return measured, unavailable(err)
	}
	var found []struct {
		LookedAt string
		Measured float64
	}
	err = db.Raw("SELECT looked_at, measured FROM validation_results WHERE id IN (SELECT max(id)"+results+" AND looked_at LIKE ? GROUP BY looked_at)",
		append(parameters, broughtByAny)...).Scan(&found).Error
	byLoad := map[int64]float64{}
	for _, f := range found {
		if about := loadOf(f.LookedAt); about != 0 && about < load { // loads are judged side by side: a later one may be judged first
			byLoad[about] = f.Measured
		}
	}
	loads := slices.Sorted(maps.Keys(byLoad))
	slices.Reverse(loads)
	for _, about := range loads[:min(most, len(loads))] {
		measured = append(measured, byLoad[about])
	}
	return measured, unavailable(err)
}

// unmeasure takes what was measured of a load that was reverted out of what rules go by. The reports go on saying what was found then.
func unmeasure(tx *gorm.DB, group string, load int64) error {
	err := tx.Exec("UPDATE validation_results SET measured = NULL WHERE group_name = ? AND looked_at = ? AND measured IS NOT NULL", group, broughtBy(load)).Error
	return unavailable(err)
}

// lookedAtLoads is which load the newest result of each rule and feature is about, where it is about one.
func (r repository) lookedAtLoads(ctx context.Context, group string) (map[subject]int64, error) {
	var found []struct{ Rule, Feature, LookedAt string }
	err := r.db.WithContext(ctx).Raw("SELECT n.rule, n.feature, r.looked_at FROM validation_newest n JOIN validation_results r ON r.id = n.result_id"+
		" WHERE n.group_name = ? AND n.ended = ? AND r.looked_at LIKE ?", group, false, broughtByAny).Scan(&found).Error
	loads := map[subject]int64{}
	for _, f := range found {
		loads[subject{f.Rule, f.Feature}] = loadOf(f.LookedAt)
	}
	return loads, unavailable(err)
}

// lookedPast are the rules of a group whose newest result is about a load that came after this one, the newest there is (0: there is none): it was
// reverted since.
func (r repository) lookedPast(ctx context.Context, group string, load int64) (map[string]bool, error) {
	loads, err := r.lookedAtLoads(ctx, group)
	past := map[string]bool{}
	for of, about := range loads {
		past[of.rule] = past[of.rule] || about > load
	}
	return past, err
}

// leaveOvertaken takes those results of a report out of what is usual that are about a load, while the newest ones are about a later load that is
// still there: loads are judged side by side, and what holds for an earlier one resolves nothing.
func (v *Validation) leaveOvertaken(ctx context.Context, report *Report, group *registry.Group) error {
	asked := func(r *Result) bool { return r.Usual && !r.OnTheWay && loadOf(r.LookedAt) != 0 }
	if !slices.ContainsFunc(report.Results, func(r Result) bool { return asked(&r) }) {
		return nil
	}
	loads, err := v.repository.lookedAtLoads(ctx, group.Name)
	if err != nil {
		return err
	}
	for i := range report.Results {
		r := &report.Results[i]
		if about := loadOf(r.LookedAt); asked(r) && loads[subject{r.Rule, r.Feature()}] > about {
			newest, err := v.values.NewestLoad(ctx, group)
			if err != nil {
				return err
			}
			r.Usual = newest <= about
		}
	}
	return nil
}

// broughtBy says of a result that it is about what a load brought, and is how results of one load are found; broughtByAny is the pattern of all.
func broughtBy(load int64) string { return fmt.Sprintf(broughtByForm, load) }

// loadOf is the load that a result is about; 0: it is about other rows, or a part of a load.
func loadOf(lookedAt string) int64 {
	var load int64
	if _, err := fmt.Sscanf(lookedAt, broughtByForm, &load); err != nil || lookedAt != broughtBy(load) {
		return 0
	}
	return load
}

const (
	broughtByForm = "what run %d brought"
	broughtByAny  = "what run % brought"
)
