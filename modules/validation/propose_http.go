package validation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/validation/profile"
	"featurestore/modules/validation/rules"
)

type proposeInput struct {
	DryRun bool `query:"dry_run" doc:"With apply: change nothing; answer the plan of what would be done"`
	Body   struct {
		Group    string         `json:"group" doc:"The group" example:"customer_purchases"`
		Window   *WindowRequest `json:"window,omitempty" doc:"Which rows; left out: all"`
		Profiles []int64        `json:"profiles,omitempty" doc:"Instead of window: stored profiles, which are merged; they have no row in common"`
		Features []string       `json:"features,omitempty" doc:"Some of the group's; left out: all"`
		Apply    bool           `json:"apply,omitempty" doc:"Register the rules"`
		Only     []string       `json:"only,omitempty" doc:"Of the rules that are proposed only these, by name"`
	}
}

// ProposeAnswer is the answer of POST /rules/propose.
type ProposeAnswer struct {
	Group    string           `json:"group"`
	Rows     int64            `json:"rows" doc:"What the rules were proposed from"`
	Profiles []int64          `json:"profiles" doc:"The profiles that they were proposed from"`
	Rules    []ProposedRule   `json:"rules" doc:"As POST /apply takes them: {\"rules\": [...]}. They warn and record, and keep nothing out"`
	Covered  []CoveredFeature `json:"covered" doc:"What would have been proposed, but the feature has a rule of that kind"`
	Plan     *registry.Plan   `json:"plan,omitempty" doc:"With apply: what was done, or with dry_run would be"`
}

// ProposedRule is a rule as it would be defined; description says why it is proposed.
type ProposedRule struct {
	Name        string           `json:"name"`
	Group       string           `json:"group"`
	Kind        string           `json:"kind"`
	Features    []string         `json:"features"`
	Params      json.RawMessage  `json:"params,omitempty"`
	Tolerance   *rules.Tolerance `json:"tolerance,omitempty"`
	Severity    rules.Severity   `json:"severity" enum:"warn"`
	Action      rules.Action     `json:"action" enum:"record"`
	Description string           `json:"description" doc:"The reason: what was seen"`
}

// CoveredFeature is a feature that has a rule of a kind already.
type CoveredFeature struct {
	Feature string `json:"feature"`
	Kind    string `json:"kind"`
	Rule    string `json:"rule"`
}

type proposeOutput struct{ Body ProposeAnswer }

// propose makes rules of what stored values are like.
func (p *Profiles) propose(ctx context.Context, in *proposeInput) (*proposeOutput, error) {
	group, err := p.group(in.Body.Group, "body.group")
	if err != nil {
		return nil, err
	}
	if len(in.Body.Only) > 0 && !in.Body.Apply || in.DryRun && !in.Body.Apply {
		return nil, fault.New(fault.Unprocessable, "nothing-to-apply", "only and dry_run say what apply does: give apply as well").At("body.apply", "", "must be true")
	}
	window, err := p.asked(ctx, group, in.Body.Window)
	if err != nil {
		return nil, err
	}
	features, err := p.features(group, in.Body.Features, "body.features")
	if err != nil {
		return nil, err
	}
	ids := in.Body.Profiles
	switch {
	case len(ids) > 0 && in.Body.Window != nil:
		return nil, fault.New(fault.Unprocessable, "window-and-profiles", "give window or profiles, not both").At("body.profiles", "", "stands beside window")
	case len(ids) == 0:
		id, err := p.Compute(ctx, group, window, nil, func(int64) {})
		if err != nil {
			return nil, err
		}
		ids = []int64{id}
	}
	answer := ProposeAnswer{Group: group.Name, Profiles: ids, Rules: []ProposedRule{}, Covered: []CoveredFeature{}}
	seen, err := p.mergedOf(ctx, group, ids, &answer.Rows)
	if err != nil {
		return nil, err
	}
	if features == nil {
		features = group.Features
	}
	p.proposals(features, seen, &answer)
	if in.Body.Apply {
		err = p.applyProposed(ctx, in, &answer)
	}
	return &proposeOutput{answer}, err
}

// mergedOf merges stored profiles of a group that have no row in common.
func (p *Profiles) mergedOf(ctx context.Context, group *registry.Group, ids []int64, rows *int64) (*merger, error) {
	return p.steady(ctx, nil, func(*gorm.DB) ([]profileRow, error) {
		var all []profileRow
		*rows = 0
		for i, id := range ids {
			at := fmt.Sprintf("body.profiles[%d]", i)
			row, err := p.repository.get(ctx, id, at)
			if err != nil {
				return nil, err
			}
			if row.GroupID != group.ID {
				return nil, fault.New(fault.Unprocessable, "profile-of-another-group", "profile %d is not of %s", id, group.Name).
					At(at, fmt.Sprint(id), "is of another group")
			}
			all = append(all, row)
			*rows += row.RowCount
		}
		if _, left := apart(all); len(left) > 0 {
			return nil, fault.New(fault.Unprocessable, "profiles-overlap", "profile %d cannot be merged with the others: %s", left[0].ID, left[0].Reason).
				At("body.profiles", fmt.Sprint(left[0].ID), "%s", left[0].Reason)
		}
		return all, nil
	})
}

// proposals makes definitions of what profiles propose.
func (p *Profiles) proposals(features []*registry.Feature, seen *merger, answer *ProposeAnswer) {
	catalog := p.definitions.Catalog()
	defined := DefinitionsOf(catalog, nil)
	taken := map[string]bool{}
	for _, d := range defined.Rules() {
		taken[d.Name] = true
	}
	for _, f := range features {
		made := seen.of[f.Ordinal]
		if made == nil || f.Status == registry.Archived {
			continue
		}
		if hidden(f) {
			made.Hide()
		}
		for _, found := range profile.Propose(made) {
			if hidden(f) && shows(found.Kind, made) {
				continue
			}
			if i := slices.IndexFunc(defined.RulesOf(f.Group.Name), func(d *rules.Definition) bool {
				return d.Kind == found.Kind && len(d.Features) > 0 && slices.ContainsFunc(d.Features, f.Called)
			}); i >= 0 {
				answer.Covered = append(answer.Covered, CoveredFeature{f.Name, found.Kind, defined.RulesOf(f.Group.Name)[i].Name})
				continue
			}
			rule := ProposedRule{
				Name: proposedName(f, found.Kind, taken), Group: f.Group.Name, Kind: found.Kind, Features: []string{f.Name}, Params: found.Params,
				Severity: rules.Warn, Action: rules.Record, Description: "Proposed: " + found.Reason + ".",
			}
			if found.MaxBadRate != nil {
				rule.Tolerance = &rules.Tolerance{MaxBadRate: found.MaxBadRate}
			}
			answer.Rules = append(answer.Rules, rule)
		}
	}
}

// shows tells whether a proposed rule holds values of the profile as they are.
func shows(kind string, p *profile.Profile) bool {
	return kind == "in_set" || kind == "range" && measured(p.Kind()) == "value"
}

// proposedName is a name that no rule has: group, feature and kind, as far as they fit.
func proposedName(f *registry.Feature, kind string, taken map[string]bool) string {
	name := keptName("", f.Group.Name+"_"+f.Name+"_"+kind)
	for n := 2; taken[name]; n++ {
		name = keptName("", fmt.Sprintf("%s_%s_%s_%d", f.Group.Name, f.Name, kind, n))
	}
	taken[name] = true
	return name
}

// applyProposed registers the rules, or those of them that were asked for.
func (p *Profiles) applyProposed(ctx context.Context, in *proposeInput, answer *ProposeAnswer) error {
	chosen := answer.Rules
	if only := in.Body.Only; len(only) > 0 {
		chosen = nil
		for i, name := range only {
			at := slices.IndexFunc(answer.Rules, func(r ProposedRule) bool { return r.Name == name })
			if at < 0 {
				names := func(yield func(string) bool) {
					for _, r := range answer.Rules {
						if !yield(r.Name) {
							return
						}
					}
				}
				return fault.New(fault.Unprocessable, "not-proposed", "no rule %q is proposed%s", fault.Shorten(name), registry.DidYouMean(name, names)).
					At(fmt.Sprintf("body.only[%d]", i), name, "is not proposed")
			}
			chosen = append(chosen, answer.Rules[at])
		}
		answer.Rules = chosen
	}
	body, err := json.Marshal(map[string]any{"rules": append([]ProposedRule{}, chosen...)})
	if err != nil {
		return err
	}
	if answer.Plan, err = p.definitions.Apply(ctx, body, "application/json", registry.Options{DryRun: in.DryRun}); err != nil {
		return err
	}
	answer.Plan.NotNamed = nil
	filled(answer.Plan)
	return nil
}
