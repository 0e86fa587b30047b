package validation

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

// RuleAnswer is a rule as the API shows it, with what it does not say as it is then.
type RuleAnswer struct {
	Name         string           `json:"name"`
	Group        string           `json:"group"`
	Kind         string           `json:"kind" doc:"See GET /rules/kinds"`
	Features     []string         `json:"features" doc:"As they were called when it was written: former names lead to them"`
	Params       json.RawMessage  `json:"params" doc:"The kind's own members; null if none"`
	Where        string           `json:"where" doc:"Only rows for which it is true are looked at; empty: all"`
	NullPolicy   rules.NullPolicy `json:"null_policy" enum:"ignore,fail"`
	Tolerance    *rules.Tolerance `json:"tolerance" doc:"null: no bad row is tolerated"`
	Severity     rules.Severity   `json:"severity" enum:"info,warn,error"`
	Action       rules.Action     `json:"action" enum:"record,quarantine,reject_batch"`
	Enabled      bool             `json:"enabled"`
	Window       string           `json:"window" doc:"Which rows it is evaluated on: all, load (what the newest load brought), or the last ones by event time, such as 7d; empty: load for kinds distribution and history, all for the others"`
	For          *int             `json:"for" doc:"So many bad evaluations in a row open an alert; null: as alerts.for says"`
	ResolveAfter *int             `json:"resolve_after" doc:"So many good ones in a row resolve it; null: as alerts.resolve_after says"`
	Owner        string           `json:"owner"`
	Description  string           `json:"description"`
	Version      int              `json:"version" doc:"Of the definition; every accepted change makes the next"`
	CreatedAt    time.Time        `json:"created_at"`
	UpdatedAt    time.Time        `json:"updated_at"`
}

// ruleAnswer shows a rule that the registry keeps.
func ruleAnswer(_ *registry.Catalog, definition *registry.Definition) RuleAnswer {
	d, _ := ruleOf(definition) // of one that cannot be read, what could
	answer := RuleAnswer{
		Name: definition.Name, Group: d.Group, Kind: d.Kind, Features: d.Features, Params: d.Params, Where: d.Where, NullPolicy: d.NullPolicy,
		Tolerance: d.Tolerance, Severity: d.Severity, Action: d.Action, Enabled: d.Enabled, Window: d.Window, Owner: d.Owner, Description: d.Description,
		Version: definition.Version, CreatedAt: definition.CreatedAt, UpdatedAt: definition.UpdatedAt,
	}
	if answer.Params == nil {
		answer.Params = json.RawMessage("null")
	}
	if d.For != 0 {
		answer.For = &d.For
	}
	if d.ResolveAfter != 0 {
		answer.ResolveAfter = &d.ResolveAfter
	}
	return answer
}

type listRulesInput struct {
	httpapi.Page
	Group   string `query:"group" doc:"About this group"`
	Feature string `query:"feature" doc:"That look at a feature of this name, in features, where or an expression"`
	Kind    string `query:"kind" doc:"Of this kind; see GET /rules/kinds"`
	Enabled string `query:"enabled" enum:"true,false" doc:"Only those that are switched on, or off"`
	Owner   string `query:"owner"`
}

type listRulesOutput struct {
	Body struct {
		Rules         []RuleAnswer `json:"rules" doc:"In the order in which they were registered"`
		NextPageToken string       `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (v *Validation) listRules(_ context.Context, in *listRulesInput) (*listRulesOutput, error) {
	definitions := v.guards.Definitions()
	catalog := definitions.Catalog()
	if _, found := catalog.Group(in.Group); in.Group != "" && !found {
		return nil, catalog.UnknownGroup(in.Group)
	}
	last, err := in.Last()
	if err != nil {
		return nil, err
	}
	var found []*registry.Definition
	for _, d := range catalog.Definitions(kindRule) {
		rule, err := definitions.Rule(d.Name)
		if err != nil || d.ID <= last || !in.fits(rule, catalog) {
			continue
		}
		if found = append(found, d); len(found) > in.Limit {
			break
		}
	}
	out := &listRulesOutput{}
	found, out.Body.NextPageToken = httpapi.CutPage(&in.Page, found, func(d *registry.Definition) int64 { return d.ID })
	for _, d := range found {
		out.Body.Rules = append(out.Body.Rules, ruleAnswer(catalog, d))
	}
	return out, nil
}

// fits tells whether a rule is among those that are asked for.
func (in *listRulesInput) fits(rule *rules.Definition, catalog *registry.Catalog) bool {
	switch {
	case in.Group != "" && rule.Group != in.Group,
		in.Kind != "" && rule.Kind != in.Kind,
		in.Owner != "" && rule.Owner != in.Owner,
		in.Enabled != "" && rule.Enabled != (in.Enabled == "true"):
		return false
	case in.Feature == "":
		return true
	}
	group, found := catalog.Group(rule.Group)
	if !found {
		return false
	}
	f, found := catalog.Feature(group, in.Feature)
	return found && slices.ContainsFunc(rule.Reads(), f.Called)
}
