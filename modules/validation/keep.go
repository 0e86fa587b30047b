package validation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"featurestore/modules/registry"
	"featurestore/modules/validation/alerts"
	"featurestore/modules/validation/rules"
)

// Told is who is told of outcomes.
type Told interface {
	// ObserveIn takes outcomes in, within a transaction on the database of the reports.
	ObserveIn(tx *gorm.DB, outcomes ...alerts.Outcome) error

	// ResolveSubject resolves what is open of a rule on a group and feature; reason says why.
	ResolveSubject(ctx context.Context, group, rule, feature, reason string) error
}

// keep stores a report with what made was found beside it, nil: nothing, and tells of it, in one transaction. Where the run or load has a
// report already, nothing is done, and the id stays 0; so it does after a load of a group without rules to be judged, of which there is no report.
func (v *Validation) keep(ctx context.Context, report *Report, group *registry.Group, made *Profiling) error {
	if _, err := v.withoutErased(ctx, group, report); err != nil {
		return err
	}
	if err := v.leaveOvertaken(ctx, report, group); err != nil {
		return err
	}
	told, err := v.outcomes(ctx, report, group)
	if err != nil {
		return err
	}
	err = v.repository.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		told, err := v.leaveFound(tx, report, told)
		if err != nil {
			return err
		}
		if !report.empty() {
			if err := v.repository.insert(tx, report); err != nil {
				return err
			}
		}
		if made != nil {
			if _, err := made.Finish(tx); err != nil {
				return err
			}
		}
		return v.told.ObserveIn(tx, told...)
	})
	if errors.Is(err, errReported) {
		report.ID = 0
		return nil
	}
	if err != nil {
		return unavailable(fmt.Errorf("keep a report of %s: %w", group.Name, err))
	}
	// An entity that was erased between the look above and the commit may not have been found by those who forget it.
	erased, err := v.withoutErased(ctx, group, report)
	if err == nil && erased {
		err = v.repository.replaceExamples(ctx, report.Results)
	}
	if err != nil {
		v.log.Error("it could not be made sure that a report shows no erased entity", "report", report.ID, "error", err)
	}
	return nil
}

// outcomes are the results that alerts are raised and resolved by. That a row rule holds on what is stored says nothing as long as rows of the
// group wait in quarantine: what it may have broken on is not there.
func (v *Validation) outcomes(ctx context.Context, report *Report, group *registry.Group) ([]alerts.Outcome, error) {
	definitions := v.guards.Definitions()
	withoutWaiting := func(r *Result) bool { return !r.OnTheWay && r.Status == rules.Pass && rules.IsRow(r.Kind) }
	waiting := false
	if slices.ContainsFunc(report.Results, func(r Result) bool { return r.Usual && withoutWaiting(&r) }) {
		var err error
		if waiting, err = v.values.Waiting(ctx, group); err != nil {
			return nil, err
		}
	}
	var told []alerts.Outcome
	for i := range report.Results {
		r := &report.Results[i]
		rule, err := definitions.Rule(r.Rule)
		if !r.Usual || err != nil || definitions.Ended(group.Name, r.Rule, r.Feature()) != "" || waiting && withoutWaiting(r) {
			continue
		}
		run := report.Run
		if run == 0 {
			run = report.Evaluation
		}
		told = append(told, alerts.Outcome{
			Rule: r.Rule, RuleVersion: r.Version, Group: group.Name, Feature: r.Feature(), Class: ClassOf(r.Kind), Owner: ownerOf(rule, group, r.Feature()),
			Severity: alerts.Severity(r.Severity), Status: alerts.Status(r.Status), Observed: r.found(), Expected: r.Expected, Sentence: r.sentence(),
			Run: run, At: r.At, For: rule.For, ResolveAfter: rule.ResolveAfter,
		})
	}
	return told, nil
}

// ownerOf is who should hear of a rule on a feature: the rule's owner, else the feature's, else the group's.
func ownerOf(rule *rules.Definition, group *registry.Group, feature string) string {
	if rule.Owner != "" {
		return rule.Owner
	}
	for _, f := range group.Features {
		if f.Name == feature && f.Owner != "" {
			return f.Owner
		}
	}
	return group.Owner
}
