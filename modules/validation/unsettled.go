package validation

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/modules/validation/alerts"
	"featurestore/modules/validation/rules"
)

// What row rules found in rows that are stored stays found until a look at the rule's window says otherwise: that other rows, which come in later, are
// good tells nothing of it. So their results neither resolve alerts nor become what the rule is known by; in their place the rule looks
// at its window after each load and in time, as a set rule does, until nothing bad is left there.
//
// It is otherwise with a rule that looks at the newest load, and with rows that were kept out: then what comes in next tells.

// unsettled is a rule and feature whose newest result is bad and may still be so.
type unsettled struct {
	Rule, Feature string
	Run           int64 // the load that brought it, as far as it was found on the way in
}

// unsettled reads those of a group. Within a transaction that locks them they stay so until its end.
func (r repository) unsettled(tx *gorm.DB, group string, lock bool) (found []unsettled, err error) {
	query := "SELECT n.rule, n.feature, CASE WHEN p.evaluation = 0 THEN p.run ELSE 0 END AS run FROM validation_newest n" +
		" JOIN validation_results r ON r.id = n.result_id JOIN validation_reports p ON p.id = r.report_id" +
		" WHERE n.group_name = ? AND n.ended = ? AND r.status IN ? AND (p.evaluation <> 0 OR r.action = ?)"
	if lock && database.Postgres(tx) {
		query += " FOR UPDATE OF n"
	}
	err = tx.Raw(query, group, false, []rules.Status{rules.Warned, rules.Fail, rules.Failed}, rules.Record).Scan(&found).Error
	if err != nil {
		return nil, unavailable(fmt.Errorf("read what rules have found in %s: %w", group, err))
	}
	return found, nil
}

// looksAgain are the row rules of a group that look at their windows, because of what they found there, but for what the load found that is followed, 0: none.
func (v *Validation) looksAgain(ctx context.Context, group string, load int64) (map[string]bool, error) {
	found, err := v.repository.unsettled(v.repository.db.WithContext(ctx), group, false)
	if err != nil {
		return nil, err
	}
	again := map[string]bool{}
	for _, u := range found {
		rule, err := v.guards.Definitions().Rule(u.Rule)
		if err == nil && rule.Enabled && staysFound(rule) && (load == 0 || u.Run != load) {
			again[u.Rule] = true
		}
	}
	return again, nil
}

// staysFound tells whether what the rule found is not undone by what comes in later.
func staysFound(rule *rules.Definition) bool {
	return rules.IsRow(rule.Kind) && rule.LooksAt() != rules.NewestLoad
}

// leaveFound takes those results of a report that say nothing of what was found before out of what is usual, and the outcomes of the same.
func (v *Validation) leaveFound(tx *gorm.DB, report *Report, told []alerts.Outcome) ([]alerts.Outcome, error) {
	says := func(r *Result) bool {
		if !r.OnTheWay || !r.Usual || ranks[r.Status] > ranks[rules.Pass] {
			return false
		}
		rule, err := v.guards.Definitions().Rule(r.Rule)
		return err == nil && staysFound(rule)
	}
	if !slices.ContainsFunc(report.Results, func(r Result) bool { return says(&r) }) {
		return told, nil
	}
	found, err := v.repository.unsettled(tx, report.Group, true)
	if err != nil {
		return nil, err
	}
	for i := range report.Results {
		r := &report.Results[i]
		if !says(r) || !slices.ContainsFunc(found, func(u unsettled) bool { return u.Rule == r.Rule && u.Feature == r.Feature() }) {
			continue
		}
		r.Usual = false
		told = slices.DeleteFunc(told, func(o alerts.Outcome) bool { return o.Rule == r.Rule && o.Feature == r.Feature() })
	}
	return told, nil
}
