package validation

import (
	"encoding/json"
	"fmt"
	"time"

	"featurestore/app/database"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/rules"
)

type reportRow struct {
	ID         int64 `gorm:"primaryKey"`
	GroupName  string
	Way        Way
	Run        int64
	Evaluation int64
	WindowFrom *database.Micros
	WindowTo   *database.Micros
	WindowRun  int64
	StartedAt  database.Micros
	TookUs     int64
	RowCount   int64
	Status     rules.Status
	Revision   int64
}

func (reportRow) TableName() string { return "validation_reports" }

type resultRow struct {
	ID          int64 `gorm:"primaryKey"`
	ReportID    int64
	GroupName   string
	Rule        string
	RuleVersion int
	Kind        string
	Feature     string
	Features    string
	LookedAt    string
	At          database.Micros
	Usual       bool
	Status      rules.Status
	Reason      string
	Severity    rules.Severity
	Action      rules.Action
	RowCount    int64
	Considered  int64
	NullCount   int64
	Bad         int64
	Observed    string
	Measured    *float64
	Details     string
	Expected    string
	Examples    string
}

func (resultRow) TableName() string { return "validation_results" }

type newestRow struct {
	GroupName string `gorm:"primaryKey"`
	Rule      string `gorm:"primaryKey"`
	Feature   string `gorm:"primaryKey"`
	ResultID  int64
	Ended     bool
}

func (newestRow) TableName() string { return "validation_newest" }

// row is the report without its results.
func (r *Report) row() *reportRow {
	row := &reportRow{GroupName: r.Group, Way: r.Way, Run: r.Run, Evaluation: r.Evaluation, StartedAt: database.MicrosOf(r.StartedAt),
		TookUs: r.Took.Microseconds(), RowCount: r.Rows, Status: r.Status, Revision: r.Revision}
	if w := r.Window; w != nil {
		row.WindowFrom, row.WindowTo, row.WindowRun = (*database.Micros)(w.From), (*database.Micros)(w.To), w.Run
	}
	return row
}

func (row *reportRow) report() *Report {
	r := &Report{ID: row.ID, Group: row.GroupName, Way: row.Way, Run: row.Run, Evaluation: row.Evaluation, StartedAt: row.StartedAt.Time(),
		Took: time.Duration(row.TookUs) * time.Microsecond, Rows: row.RowCount, Status: row.Status, Revision: row.Revision, Results: []Result{}}
	if row.WindowFrom != nil || row.WindowTo != nil || row.WindowRun != 0 {
		r.Window = &Window{From: (*int64)(row.WindowFrom), To: (*int64)(row.WindowTo), Run: row.WindowRun}
	}
	return r
}

func (r *Result) row(group string) (*resultRow, error) {
	features, err := json.Marshal(r.Features)
	if err != nil {
		return nil, err
	}
	examples, err := examplesOf(r.Examples)
	if err != nil {
		return nil, fmt.Errorf("keep the examples of %s: %w", r.Rule, err)
	}
	row := &resultRow{
		ReportID: r.Report, GroupName: group, Rule: r.Rule, RuleVersion: r.Version, Kind: r.Kind, Feature: r.Feature(), Features: string(features),
		LookedAt: r.LookedAt, At: database.MicrosOf(r.At), Usual: r.Usual, Status: r.Status, Reason: plain(r.Reason), Severity: r.Severity, Action: r.Action,
		RowCount: r.Rows, Considered: r.Considered, NullCount: r.Null, Bad: r.Bad,
		Observed: plain(string(r.Observed)), Details: plain(string(r.Details)), Expected: plain(r.Expected), Examples: examples,
	}
	switch r.Measured.Type() {
	case value.Float, value.Integer:
		measured := r.Measured.AsFloat().Float()
		row.Measured = &measured
	}
	return row, nil
}

func (row *resultRow) result() (Result, error) {
	r := Result{ID: row.ID, Report: row.ReportID, At: row.At.Time(), Usual: row.Usual, LookedAt: row.LookedAt, Outcome: rules.Outcome{
		Rule: row.Rule, Version: row.RuleVersion, Kind: row.Kind, Group: row.GroupName, Status: row.Status, Reason: row.Reason,
		Severity: row.Severity, Action: row.Action, Rows: row.RowCount, Considered: row.Considered, Null: row.NullCount, Bad: row.Bad,
		Observed: rawOf(row.Observed), Details: rawOf(row.Details), Expected: row.Expected,
	}}
	r.BadRate = r.rate()
	if err := json.Unmarshal([]byte(row.Features), &r.Features); err != nil {
		return r, fmt.Errorf("read the features of result %d: %w", row.ID, err)
	}
	if err := json.Unmarshal([]byte(row.Examples), &r.Examples); err != nil {
		return r, fmt.Errorf("read the examples of result %d: %w", row.ID, err)
	}
	return r, nil
}

func (r *Result) rate() *float64 {
	if r.Considered == 0 {
		return nil
	}
	rate := float64(r.Bad) / float64(r.Considered)
	return &rate
}

func rawOf(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}
