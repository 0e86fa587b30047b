package registry

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// givenShortName is what a file says of a short name: the feature that has it, or that nobody has.
type givenShortName struct {
	entityType, name string
	reference        string // "": nobody
	at               string
}

// shortNamesMember is the member of a file that says whose a short name is where it does not go to the first that claims it.
const shortNamesMember = "short_names"

// shortNames reads {"customer": {"x": "two:x", "y": null}}.
func (r *reader) shortNames(value json.RawMessage) {
	if value[0] != '{' {
		r.problems.At(shortNamesMember, string(value), "expected an object of entity types, got %s", form(value))
		return
	}
	for _, of := range fieldsOf(value) {
		within := join(shortNamesMember, of.name)
		if of.value[0] != '{' {
			r.problems.At(within, string(of.value), "expected an object with a reference, or null, for each short name, got %s", form(of.value))
			continue
		}
		for _, f := range fieldsOf(of.value) {
			given := givenShortName{entityType: of.name, name: f.name, at: join(within, f.name)}
			if f.value[0] != 'n' {
				text, ok := readString(f.value, given.at, func(at, value, format string, args ...any) { r.problems.At(at, value, format, args...) })
				if !ok {
					continue
				}
				given.reference = text
			}
			r.given = append(r.given, given)
		}
	}
}

// exportShortNames lists the short names that would lead elsewhere if the definitions were applied in this order to an empty registry.
func (c *Catalog) exportShortNames() exported {
	var types exported
	for _, et := range c.entityTypeList {
		first, now := c.firstClaims(et), c.types[et.Name].short
		names := slices.AppendSeq(slices.Collect(maps.Keys(first)), maps.Keys(now))
		slices.Sort(names)
		var differ exported
		for _, name := range slices.Compact(names) {
			switch f := now[name]; {
			case f == first[name]:
			case f == nil:
				differ = append(differ, exportedMember{name, null})
			default:
				differ = append(differ, exportedMember{name, QuoteText(f.Reference())})
			}
		}
		if differ != nil {
			types = append(types, exportedMember{et.Name, differ})
		}
	}
	return types
}

// firstClaims is who claims each short name of an entity type first, among its features as they are listed, as claimShortNames goes.
func (c *Catalog) firstClaims(et *EntityType) map[string]*Feature {
	claims := map[string]*Feature{}
	own := func(f *Feature) []string { return []string{f.Name} }
	former := func(f *Feature) []string { return f.Aliases }
	for _, names := range []func(*Feature) []string{own, former} {
		for _, strip := range []bool{false, true} {
			for _, g := range c.groupsOf(et.ID) {
				if g.Kind != Features {
					continue
				}
				for _, f := range g.Features {
					for _, name := range names(f) {
						if name, ok := shortForm(name, strip, et.Name, et.JoinKeys); ok && claims[name] == nil {
							claims[name] = f
						}
					}
				}
			}
		}
	}
	return claims
}

// shortForm is a name of a feature as a short name: as it is, or without the entity type's name before it, where that can be one.
func shortForm(name string, strip bool, entityType string, keys []JoinKey) (string, bool) {
	if !strip {
		return name, true
	}
	name, ok := strings.CutPrefix(name, entityType+"_")
	return name, ok && checkFeatureName(name, keys) == nil
}

// giveShortNames claims what a file says of short names, for the features that are made by it. Names that are taken stay where they are.
func (p *planner) giveShortNames() {
	for _, given := range p.given {
		of := p.byPlace[place{kindEntityType, 0, given.entityType}]
		if of == nil {
			if _, ok := p.before.EntityType(given.entityType); !ok {
				p.problems.At(given.at, given.entityType, "there is no entity type of that name")
			}
			continue // nothing of it is made
		}
		c := claim{of.after.id, given.name}
		if given.reference == "" {
			p.kept = append(p.kept, c)
			continue
		}
		e := p.createdBy(given.reference)
		switch {
		case e == nil:
			if _, err := p.before.ResolveReference(given.reference); err != nil || !strings.Contains(given.reference, ":") {
				p.problems.At(given.at, given.reference, "there is no feature of that reference, group:feature")
			}
		case p.byID[e.after.parent].after.layout.EntityType != of.after.id || !p.canBeCalled(e, of, given.name):
			p.problems.At(given.at, given.reference, "%s is no short name of %s: those are its name and former names, also without the entity type's before them", given.name, e.label)
		default:
			p.claim(e, of.after.id, given.name)
		}
	}
}

// createdBy is the feature that the request makes under a reference; nil if it makes none.
func (p *planner) createdBy(reference string) *edit {
	group, name, ok := strings.Cut(reference, ":")
	g := p.byPlace[place{kindGroup, 0, group}]
	if !ok || g == nil {
		return nil
	}
	e := p.byPlace[place{kindFeature, g.after.id, name}]
	if e == nil || !e.creating() || e.deleting {
		return nil
	}
	return e
}

// canBeCalled tells whether a name is one of those that a new feature can have as short names.
func (p *planner) canBeCalled(e, of *edit, name string) bool {
	if p.byID[e.after.parent].text("kind") != string(Features) {
		return false
	}
	for _, own := range append([]string{e.after.name}, e.after.layout.Aliases...) {
		for _, strip := range []bool{false, true} {
			if short, ok := shortForm(own, strip, of.after.name, p.keys(of)); ok && short == name {
				return true
			}
		}
	}
	return false
}
