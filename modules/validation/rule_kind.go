package validation

import (
	"encoding/json"
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/rules"
)

// Kinds of definitions that the module brings.
const (
	kindRule     = "rule"
	kindBaseline = "baseline"
)

// PreviousPeriod is what a rule of kind distribution names instead of a baseline, to compare with the period before the judged window.
const PreviousPeriod = "previous_period"

// callNames are what stands behind /rules beside the names of rules.
var callNames = []string{"kinds", "import", "propose"}

// RuleKind is the definition of rules, for the registry: it is passed to registry.New.
func RuleKind() *registry.Kind {
	kind := &registry.Kind{Name: kindRule, Plural: "rules", Check: checkRule, Reads: ruleReads}
	for _, name := range rules.Members() {
		kind.Members = append(kind.Members, registry.Member{
			Name:     name,
			Required: name == "group" || name == "kind",
			Read: func(raw json.RawMessage, wrong registry.Wrong) json.RawMessage {
				canonical, found := rules.ReadMember(name, string(raw))
				for _, p := range found {
					wrong(p.At[min(len(name), len(p.At)):], p.Value, "%s", p.Message)
				}
				return canonical
			},
		})
	}
	return kind
}

// checkRule says what is wrong with a rule beyond its members one by one: what these say together, and what it says of the group and all
// else that it reads. One that is switched off may read features whose types no longer fit it.
func checkRule(after *registry.Catalog, name string, members registry.Members) []fault.Violation {
	d, err := rules.Kept(name, 0, members)
	if err != nil {
		return []fault.Violation{{Message: err.Error()}}
	}
	c := &checker{after: after}
	if slices.Contains(callNames, name) {
		c.wrong("name", name, "is the name of a call, /rules/%s: use another", name)
	}
	for _, p := range d.Judge() {
		c.wrong(p.At, p.Value, "%s", p.Message)
	}
	group := c.group("group", d.Group)
	if group == nil || len(c.found) > 0 {
		return c.found
	}
	fields := Fields(group)
	if !d.Enabled {
		for i := range fields {
			fields[i].Type, fields[i].Frequency = value.Invalid, 1
		}
	}
	_, violations := rules.Compile([]rules.Definition{enabled(d)}, fields)
	for _, v := range violations {
		c.wrong(v.At, v.Value, "%s", v.Message)
	}
	if len(c.found) == 0 {
		c.reference(&d, group)
		c.baseline(&d, group)
	}
	return c.found
}

func enabled(d rules.Definition) rules.Definition {
	d.Enabled = true
	return d
}

// ruleReads lists what a rule depends on.
func ruleReads(members registry.Members) []registry.Named {
	d, err := rules.Kept("", 0, members)
	if err != nil {
		return nil
	}
	reads := []registry.Named{{Kind: "group", Name: d.Group}}
	for _, name := range d.Reads() {
		reads = append(reads, registry.Named{Kind: "feature", Name: d.Group + ":" + name})
	}
	switch target, is := d.Reference(); {
	case !is:
	case target.EntityType != "":
		reads = append(reads, registry.Named{Kind: "entity_type", Name: target.EntityType})
	default:
		reads = append(reads, registry.Named{Kind: "group", Name: target.Group}, registry.Named{Kind: "feature", Name: target.Group + ":" + target.Feature})
	}
	if baseline := d.Baseline(); baseline != "" && baseline != PreviousPeriod {
		reads = append(reads, registry.Named{Kind: kindBaseline, Name: baseline})
	}
	return reads
}

// checker collects what is wrong with a definition beside a catalog.
type checker struct {
	after *registry.Catalog
	found []fault.Violation
}

func (c *checker) wrong(at, value, format string, args ...any) {
	c.found = append(c.found, violation(at, value, format, args...))
}

// group finds a group; nil: there is none, which is noted.
func (c *checker) group(at, name string) *registry.Group {
	group, found := c.after.Group(name)
	if !found {
		c.wrong(at, name, "%s", sentenceOf(c.after.UnknownGroup(name)))
		return nil
	}
	return group
}

// reference checks where the values of a rule of kind reference are looked up.
func (c *checker) reference(d *rules.Definition, group *registry.Group) {
	target, is := d.Reference()
	if !is {
		return
	}
	at, of := "params.entity_type", "the join key of "+target.EntityType
	var wanted value.Type
	if target.EntityType != "" {
		entityType, found := c.after.EntityType(target.EntityType)
		switch {
		case !found:
			c.wrong(at, target.EntityType, "%s", sentenceOf(c.after.UnknownEntityType(target.EntityType)))
			return
		case len(entityType.JoinKeys) > 1:
			c.wrong(at, target.EntityType, "has %d join keys, so that one value names no entity of it", len(entityType.JoinKeys))
			return
		}
		wanted = entityType.JoinKeys[0].ValueType
	} else {
		in := c.group("params.group", target.Group)
		if in == nil {
			return
		}
		feature, found := c.after.Feature(in, target.Feature)
		if !found {
			c.wrong("params.feature", target.Feature, "there is no feature %q in the group %s%s", fault.Shorten(target.Feature), in.Name,
				registry.DidYouMean(target.Feature, featureNames(in)))
			return
		}
		at, of, wanted = "params.feature", feature.Reference(), feature.ValueType
	}
	if !d.Enabled {
		return
	}
	for i, name := range d.Features {
		f, found := c.after.Feature(group, name)
		if found && f.ValueType != wanted && !(target.EntityType != "" && f.ValueType == value.Integer && wanted == value.String) {
			c.wrong(at, "", "%s is %s and %s is %s: no value of features[%d] could exist there", f.Reference(), f.ValueType, of, wanted, i)
		}
	}
}

// baseline checks what a rule of kind distribution compares with.
func (c *checker) baseline(d *rules.Definition, group *registry.Group) {
	name := d.Baseline()
	if name == "" || name == PreviousPeriod {
		return
	}
	const at = "params.baseline"
	definition, found := c.after.Definition(kindBaseline, name)
	if !found {
		c.wrong(at, name, "there is no baseline %q%s", fault.Shorten(name), registry.DidYouMean(name, definitionNames(c.after, kindBaseline)))
		return
	}
	b, err := baselineOf(c.after, definition)
	switch {
	case err != nil:
		c.wrong(at, name, "%v", err)
		return
	case b.Group != group.Name:
		c.wrong(at, name, "is a baseline of the group %s, and the rule is about %s", b.Group, group.Name)
		return
	}
	for i, name := range d.Features {
		if f, found := c.after.Feature(group, name); found && !b.Has(f.Name) {
			c.wrong(at, b.Name, "the baseline leaves out %s, which features[%d] names", f.Name, i)
		}
	}
}
