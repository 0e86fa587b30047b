package validation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// repository is the tables of reports and results.
type repository struct{ db *gorm.DB }

// errReported says that the run, or the load, has its report already.
var errReported = errors.New("there is a report of it")

// insert stores a report with its results, and fills in the ids; errReported if its run, or its load, has one already.
func (r repository) insert(tx *gorm.DB, report *Report) error {
	row := report.row()
	stored := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(row)
	if stored.Error != nil {
		return fmt.Errorf("store a report of %s: %w", report.Group, stored.Error)
	}
	if stored.RowsAffected == 0 {
		return errReported
	}
	report.ID = row.ID
	if len(report.Results) == 0 {
		return nil
	}
	rows, newest := make([]*resultRow, len(report.Results)), []newestRow{}
	for i := range report.Results {
		result := &report.Results[i]
		result.Report = report.ID
		var err error
		if rows[i], err = result.row(report.Group); err != nil {
			return err
		}
	}
	if err := tx.CreateInBatches(rows, 100).Error; err != nil {
		return fmt.Errorf("store the results of a report of %s: %w", report.Group, err)
	}
	for i, row := range rows {
		report.Results[i].ID = row.ID
		if row.Usual {
			newest = append(newest, newestRow{row.GroupName, row.Rule, row.Feature, row.ID, false})
		}
	}
	if len(newest) == 0 {
		return nil
	}
	if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(newest, 200).Error; err != nil {
		return fmt.Errorf("note the newest results of %s: %w", report.Group, err)
	}
	return nil
}

// get reads a report with its results; an unknown one is a fault of kind NotFound.
func (r repository) get(ctx context.Context, id int64) (*Report, error) {
	found, err := r.reports(ctx, r.db.WithContext(ctx).Where("id = ?", id))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fault.New(fault.NotFound, "unknown-report", "there is no report %d; old ones are kept for a while only", id).At("path.id", fmt.Sprint(id), "is no report")
	}
	return found[0], r.fill(ctx, found[0])
}

// of reads the report that a run made, with its results; nil if there is none.
func (r repository) of(ctx context.Context, evaluation int64) (*Report, error) {
	found, err := r.reports(ctx, r.db.WithContext(ctx).Where("evaluation = ?", evaluation))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], r.fill(ctx, found[0])
}

// reports reads what a query finds, without results.
func (r repository) reports(_ context.Context, query *gorm.DB) ([]*Report, error) {
	var rows []reportRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, unavailable(fmt.Errorf("read reports: %w", err))
	}
	reports := make([]*Report, len(rows))
	for i := range rows {
		reports[i] = rows[i].report()
	}
	return reports, nil
}

// fill reads the results of a report.
func (r repository) fill(ctx context.Context, report *Report) (err error) {
	report.Results, err = r.results(r.db.WithContext(ctx).Where("report_id = ?", report.ID).Order("id"))
	if report.Evaluation == 0 {
		report.onTheWay()
	}
	return err
}

func (r repository) results(query *gorm.DB) ([]Result, error) {
	var rows []resultRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, unavailable(fmt.Errorf("read results: %w", err))
	}
	results := make([]Result, len(rows))
	for i := range rows {
		var err error
		if results[i], err = rows[i].result(); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// ReportFilter says which reports are listed; what is empty or zero does not matter.
type ReportFilter struct {
	Group  string
	Rule   string // with a result of this rule
	Status string
	Way    string
	Since  time.Time
	Before int64 // ids below this one
	Limit  int
}

// list reads reports without results, the newest first.
func (r repository) list(ctx context.Context, f ReportFilter) ([]*Report, error) {
	query := r.db.WithContext(ctx).Order("id DESC").Limit(f.Limit)
	where := func(given bool, text string, value any) {
		if given {
			query = query.Where(text, value)
		}
	}
	where(f.Group != "", "group_name = ?", f.Group)
	where(f.Status != "", "status = ?", f.Status)
	where(f.Way != "", "way = ?", f.Way)
	where(!f.Since.IsZero(), "started_at >= ?", database.MicrosOf(f.Since))
	where(f.Before != 0, "id < ?", f.Before)
	where(f.Rule != "", "id IN (SELECT report_id FROM validation_results WHERE rule = ?)", f.Rule)
	return r.reports(ctx, query)
}

// history reads the results of a rule, the newest first.
func (r repository) history(ctx context.Context, rule, feature string, before int64, limit int) ([]Result, error) {
	query := r.db.WithContext(ctx).Where("rule = ?", rule).Order("id DESC").Limit(limit)
	if feature != "" {
		query = query.Where("feature = ?", feature)
	}
	if before != 0 {
		query = query.Where("id < ?", before)
	}
	return r.results(query)
}

// newest reads the newest usual result of every rule and feature that has not ended, so many at most.
func (r repository) newest(ctx context.Context, most int) ([]Result, error) {
	return r.results(r.db.WithContext(ctx).Where("id IN (SELECT result_id FROM validation_newest WHERE ended = ?)", false).Order("id DESC").Limit(most))
}

// scheduled is when the ticker last had a group evaluated; zero: never.
func (r repository) scheduled(ctx context.Context, group string) (time.Time, error) {
	found, err := r.reports(ctx, r.db.WithContext(ctx).Where("group_name = ? AND way = ?", group, BySchedule).Order("id DESC").Limit(1))
	if err != nil || len(found) == 0 {
		return time.Time{}, err
	}
	return found[0].StartedAt, nil
}

// standing lists the rules and features that have not ended.
func (r repository) standing(ctx context.Context) (standing []newestRow, err error) {
	err = r.db.WithContext(ctx).Find(&standing, "ended = ?", false).Error
	return standing, unavailable(err)
}

// end notes that nothing more will be heard of a rule and feature. Where something came in since they were read, it does not, and answers false.
func (r repository) end(ctx context.Context, s newestRow) (bool, error) {
	done := r.db.WithContext(ctx).Exec("UPDATE validation_newest SET ended = ? WHERE group_name = ? AND rule = ? AND feature = ? AND result_id = ?",
		true, s.GroupName, s.Rule, s.Feature, s.ResultID)
	return done.RowsAffected > 0, unavailable(done.Error)
}

// forget removes results from before a time, but for the newest of each rule and feature, and the reports that are left without any.
func (r repository) forget(ctx context.Context, before time.Time) error {
	db, micros := r.db.WithContext(ctx), database.MicrosOf(before)
	err := db.Exec("DELETE FROM validation_results WHERE at < ? AND id NOT IN (SELECT result_id FROM validation_newest)"+
		" AND report_id IN (SELECT id FROM validation_reports WHERE started_at < ?)", micros, micros).Error
	if err == nil {
		err = db.Exec("DELETE FROM validation_reports WHERE started_at < ? AND NOT EXISTS (SELECT 1 FROM validation_results WHERE report_id = validation_reports.id)", micros).Error
	}
	if err != nil {
		return unavailable(fmt.Errorf("forget old reports: %w", err))
	}
	return nil
}

// unavailable makes a fault of an error that says that the database cannot be used just now.
func unavailable(err error) error {
	if err == nil || !database.Busy(err) && !database.Unavailable(err) {
		return err
	}
	busy := fault.New(fault.Busy, "reports-unavailable", "the database of reports cannot be used just now; try again").Because(err)
	busy.RetryAfter = 2
	return busy
}
