package validation

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"featurestore/app/database"
	"featurestore/app/fault"
	"featurestore/modules/validation/rules"
)

// RuleDays is what a rule came to, day by day.
type RuleDays struct {
	Rule  string    `json:"rule"`
	Group string    `json:"group"`
	Days  []RuleDay `json:"days" doc:"Those on which it was evaluated, the oldest first"`
}

// RuleDay is what a rule came to on one day, whatever features and rows it was about.
type RuleDay struct {
	Day     string       `json:"day" doc:"On which the reports were begun, in UTC" example:"2026-11-27"`
	Status  rules.Status `json:"status" enum:"pass,warn,fail,error,skipped" doc:"The worst of its results"`
	Results int64        `json:"results" doc:"How many there are"`
	Report  int64        `json:"report_id" doc:"The newest with the worst result"`
}

// dayResults are the results of a rule that one day's reports have of one status.
type dayResults struct {
	GroupName string
	Rule      string
	Day       int64 // since 1970
	Status    rules.Status
	Results   int64
	Report    int64 // the newest with one of them
}

// secondsOfDay are in a day of UTC, which knows no leap seconds here.
const secondsOfDay = 24 * 60 * 60

// byDay counts the results in reports that were begun from a time on and before another, by rule, day and status. group "" is any, and rules nil.
func (r repository) byDay(ctx context.Context, group string, names []string, from, to time.Time) (found []dayResults, err error) {
	db := r.db.WithContext(ctx)
	day := fmt.Sprintf("p.started_at / %d", secondsOfDay*1_000_000)
	if database.Postgres(db) {
		day = fmt.Sprintf("floor(extract(epoch FROM p.started_at) / %d)::bigint", secondsOfDay)
	}
	query := db.Table("validation_reports p").Joins("JOIN validation_results r ON r.report_id = p.id").
		Select("r.group_name, r.rule, "+day+" AS day, r.status, count(*) AS results, max(r.report_id) AS report").
		Where("p.started_at >= ? AND p.started_at < ?", database.MicrosOf(from), database.MicrosOf(to)).
		Group("1, 2, 3, 4").Order("1, 2, 3")
	if group != "" {
		query = query.Where("p.group_name = ?", group)
	}
	if names != nil {
		query = query.Where("r.rule IN ?", names)
	}
	if err := query.Scan(&found).Error; err != nil {
		return nil, unavailable(fmt.Errorf("read results by day: %w", err))
	}
	return found, nil
}

// ruleDays puts together what belongs to one rule, and to one day of it, and orders it by group and name. What it is given stands together by rule, and
// there in the order of days.
func ruleDays(found []dayResults) []RuleDays {
	made := []RuleDays{}
	for _, f := range found {
		if n := len(made); n == 0 || made[n-1].Rule != f.Rule || made[n-1].Group != f.GroupName {
			made = append(made, RuleDays{Rule: f.Rule, Group: f.GroupName})
		}
		of := &made[len(made)-1]
		day := time.Unix(f.Day*secondsOfDay, 0).UTC().Format(time.DateOnly)
		if n := len(of.Days); n == 0 || of.Days[n-1].Day != day {
			of.Days = append(of.Days, RuleDay{Day: day})
		}
		at := &of.Days[len(of.Days)-1]
		at.Results += f.Results
		if ranks[f.Status] > ranks[at.Status] {
			at.Status, at.Report = f.Status, f.Report
		}
	}
	slices.SortFunc(made, func(a, b RuleDays) int { return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Rule, b.Rule)) })
	return made
}

type reportDaysInput struct {
	Group string   `query:"group" doc:"Rules of this group; or"`
	Rules []string `query:"rules" maxItems:"1000" doc:"these, with commas between them"`
	Last  string   `query:"last" doc:"The last day, in UTC; left out: today" example:"2026-11-27"`
	Days  int      `query:"days" minimum:"1" maximum:"92" default:"14" doc:"How many"`
}

type reportDaysOutput struct {
	Body struct {
		First string     `json:"first" doc:"The first day"`
		Last  string     `json:"last" doc:"The last day"`
		Rules []RuleDays `json:"rules" doc:"Those that were evaluated in between, by group and name; they may have been deleted since"`
	}
}

// reportDays answers what rules came to day by day.
func (v *Validation) reportDays(ctx context.Context, in *reportDaysInput) (*reportDaysOutput, error) {
	switch {
	case in.Group == "" && len(in.Rules) == 0:
		return nil, fault.New(fault.Invalid, "no-selection", "say of which group, or of which rules").At("query.group", "", "is missing, and so is rules")
	case in.Group != "":
		catalog := v.definitions.Catalog()
		if _, found := catalog.Group(in.Group); !found {
			return nil, catalog.UnknownGroup(in.Group)
		}
	}
	last := v.now().UTC().Truncate(secondsOfDay * time.Second)
	if in.Last != "" {
		var err error
		if last, err = time.Parse(time.DateOnly, in.Last); err != nil {
			return nil, fault.New(fault.Invalid, "invalid-day", "last: write a day as in 2026-11-27").At("query.last", in.Last, "is no day")
		}
	}
	first := last.AddDate(0, 0, 1-in.Days)
	found, err := v.repository.byDay(ctx, in.Group, in.Rules, first, last.AddDate(0, 0, 1))
	if err != nil {
		return nil, err
	}
	out := &reportDaysOutput{}
	out.Body.First, out.Body.Last, out.Body.Rules = first.Format(time.DateOnly), last.Format(time.DateOnly), ruleDays(found)
	return out, nil
}
