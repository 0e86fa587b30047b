package validation

import (
	"encoding/json"
	"fmt"
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

// Definitions are the rules and baselines of one catalog. They never change, and neither does what they hand out.
type Definitions struct {
	catalog    *registry.Catalog
	rules      []*rules.Definition
	byGroup    map[string][]*rules.Definition
	byName     map[string]*rules.Definition
	read       map[*registry.Definition]*rules.Definition
	unreadable []error
}

// DefinitionsOf reads the rules of a catalog; those that an earlier one had already, before may be nil, are not read again.
func DefinitionsOf(catalog *registry.Catalog, before *Definitions) *Definitions {
	d := &Definitions{catalog: catalog, byGroup: map[string][]*rules.Definition{}, byName: map[string]*rules.Definition{},
		read: map[*registry.Definition]*rules.Definition{}}
	for _, definition := range catalog.Definitions(kindRule) {
		var rule *rules.Definition
		if before != nil {
			rule = before.read[definition]
		}
		if rule == nil {
			read, err := ruleOf(definition)
			if err != nil {
				d.unreadable = append(d.unreadable, err)
				continue
			}
			rule = &read
		}
		d.read[definition], d.byName[rule.Name] = rule, rule
		d.rules, d.byGroup[rule.Group] = append(d.rules, rule), append(d.byGroup[rule.Group], rule)
	}
	return d
}

// ruleOf reads a rule that the registry keeps. Its features are called as it was written.
func ruleOf(definition *registry.Definition) (rules.Definition, error) {
	members := registry.Members{}
	if err := json.Unmarshal(definition.Document, &members); err != nil {
		return rules.Definition{}, fmt.Errorf("read the kept rule %s: %w", definition.Name, err)
	}
	return rules.Kept(definition.Name, definition.Version, members)
}

// Catalog is where the definitions are from.
func (d *Definitions) Catalog() *registry.Catalog { return d.catalog }

// Rules are all rules, in the order in which they were registered, those that are switched off too.
func (d *Definitions) Rules() []*rules.Definition { return d.rules }

// RulesOf are the rules of a group, in the same order.
func (d *Definitions) RulesOf(group string) []*rules.Definition { return d.byGroup[group] }

// Rule finds a rule by its name; the fault unknown-rule names others that are written alike.
func (d *Definitions) Rule(name string) (*rules.Definition, error) {
	if rule := d.byName[name]; rule != nil {
		return rule, nil
	}
	return nil, fault.New(fault.NotFound, "unknown-rule", "there is no rule %q%s", fault.Shorten(name), registry.DidYouMean(name, definitionNames(d.catalog, kindRule)))
}

// Baselines are all baselines, in the order in which they were registered.
func (d *Definitions) Baselines() []*Baseline {
	var all []*Baseline
	for _, definition := range d.catalog.Definitions(kindBaseline) {
		if b, err := baselineOf(d.catalog, definition); err == nil {
			all = append(all, b)
		}
	}
	return all
}

// Baseline finds a baseline by its name; the fault unknown-baseline names others that are written alike.
func (d *Definitions) Baseline(name string) (*Baseline, error) {
	definition, found := d.catalog.Definition(kindBaseline, name)
	if !found {
		return nil, fault.New(fault.NotFound, "unknown-baseline", "there is no baseline %q%s", fault.Shorten(name),
			registry.DidYouMean(name, definitionNames(d.catalog, kindBaseline)))
	}
	return baselineOf(d.catalog, definition)
}

// FeatureOf is the feature that an outcome's alert and history are known by: its only one, "" where it is about none or several.
func FeatureOf(o *rules.Outcome) string {
	if len(o.Features) == 1 {
		return o.Features[0]
	}
	return ""
}

// Ended says why nothing will be heard any more of a rule on a group and a feature (as FeatureOf has it): it was deleted or switched off, is
// about something else, or the feature has another name. "": it is judged as before.
func (d *Definitions) Ended(group, rule, feature string) string {
	r := d.byName[rule]
	switch {
	case r == nil:
		return "the rule was deleted"
	case !r.Enabled:
		return "the rule was switched off"
	case r.Group != group:
		return "the rule is about the group " + r.Group + " now"
	}
	in, found := d.catalog.Group(group)
	if !found || feature == "" {
		return ""
	}
	f, found := d.catalog.Feature(in, feature)
	switch {
	case found && f.Name != feature:
		return "the feature is called " + f.Name + " now"
	case found && slices.ContainsFunc(r.Reads(), f.Called):
		return ""
	}
	return "the rule no longer looks at the feature"
}
