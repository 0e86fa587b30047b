package registry

import (
	"slices"

	"featurestore/modules/registry/value"
)

// feature plans one feature.
func (p *planner) feature(w *wanted) {
	group := p.groupOf(w)
	if group == nil {
		return
	}
	of := p.typeNamed(group.text("entity_type"), join(w.at, "entity_type"))
	if of == nil {
		return
	}
	e := p.featureNamed(w, group, of)
	if e == nil {
		return
	}
	p.name(e, w)
	e.merge(w)
	p.settleStatus(e, w)
	if e.creating() {
		p.createFeature(e, group, of, w)
	} else {
		p.changeType(e, group, w.at)
	}
	p.complete(e, w)
	p.checkDefault(e, w.at)
	p.checkRequired(e, w.at)
}

// groupOf finds the group that a feature is wanted in: the one that it names; else, where the entity type has a feature of that
// name already, that one's; else the default group. nil: none, which is reported.
func (p *planner) groupOf(w *wanted) *edit {
	if w.group != "" && w.group != w.entityType {
		group := p.groupNamed(w.group, join(w.at, "group"))
		if group == nil {
			return nil
		}
		// A group without an entity type is reported where it is named.
		if of := group.text("entity_type"); of != "" && w.entityType != "" && of != w.entityType {
			p.problems.At(join(w.at, "entity_type"), w.entityType, "the group %s belongs to the entity type %s", w.group, of)
			return nil
		}
		return group
	}
	if w.entityType == "" {
		p.problems.At(join(w.at, "entity_type"), "", "must be given")
		return nil
	}
	if entry := p.before.types[w.entityType]; w.group == "" && entry != nil && entry.entityType != nil {
		for _, name := range append([]string{w.name}, w.renamedFrom...) {
			if f := entry.short[name]; f != nil && f.Called(name) {
				return p.groupNamed(f.Group.Name, join(w.at, "name"))
			}
		}
	}
	of := p.typeNamed(w.entityType, join(w.at, "entity_type"))
	if of == nil {
		return nil
	}
	return p.defaultGroup(of, w.at)
}

// settleStatus works out where the feature stands in its life: registering makes it active, and a draft that is registered too; one that is
// only renamed stays one.
func (p *planner) settleStatus(e *edit, w *wanted) {
	was := Status(textOf(e.was["status"]))
	if w.members["status"] == nil {
		e.is["status"] = e.was["status"]
		if e.creating() || was == Draft && !w.renaming {
			e.is["status"] = QuoteText(string(Active))
		}
	}
	is := Status(e.text("status"))
	if is == Draft && !e.creating() && was != Draft {
		p.problems.At(join(w.at, "status"), string(Draft), "a feature that is %s does not become a draft again", was)
	}
	if is == Deprecated || is == Archived {
		return
	}
	for _, member := range []string{"reason", "replacement"} {
		if w.members[member] != nil {
			p.problems.At(join(w.at, member), e.text(member), "only a feature that is deprecated or archived has a %s", member)
		}
		delete(e.is, member)
	}
}

// createFeature gives a new feature its place in the group. A name that was deleted and comes back gets a new one.
func (p *planner) createFeature(e, group, of *edit, w *wanted) {
	at := w.at
	if err := checkFeatureName(e.after.name, p.keys(of)); err != nil {
		p.problems.At(join(at, "name"), e.after.name, "%v", err)
	}
	if p.countFeature(group) > MaxFeatures {
		p.problems.At(join(at, "name"), e.after.name, "the group %s has %d features, and more are not possible; use another group", group.label, MaxFeatures)
	}
	e.after.layout.ShortNames = nil
	p.pastGenerations(e, group, w)
	p.newColumn(e, group, w.at)
}

// countFeature adds one to the features that the group will have.
func (p *planner) countFeature(group *edit) int {
	n, known := p.sizes[group.after.id]
	if entry := p.before.groupsByID[group.after.id]; !known && entry != nil && entry.group != nil {
		n = len(entry.group.Features)
	}
	p.sizes[group.after.id] = n + 1
	return n + 1
}

// keys are the join keys that an entity type will have.
func (p *planner) keys(of *edit) []JoinKey {
	keys, known := p.joinKeys[of.after.id]
	if !known {
		d := definition{place: of.after.place, document: of.kind.encode(of.is)}
		entityType, err := d.entityType()
		if err != nil {
			p.fail(err)
			return nil
		}
		keys = entityType.JoinKeys
		p.joinKeys[of.after.id] = keys
	}
	return keys
}

func (p *planner) checkDefault(e *edit, at string) {
	raw := e.is["default"]
	t, ok := value.ParseType(e.text("value_type"))
	if raw == nil || !ok || !e.differs("default") && !e.differs("value_type") {
		return
	}
	if _, err := value.ParseJSON(t, raw); err != nil {
		p.problems.At(join(at, "default"), string(raw), "%v", err)
	}
}

// checkRequired demands the members that Config.Require names of a feature that is registered or changed.
func (p *planner) checkRequired(e *edit, at string) {
	changed := e.creating() || textOf(e.was["status"]) == string(Draft)
	for _, c := range e.kind.compare(e.was, e.is) {
		changed = changed || c.Member != "status" && c.Member != "reason" && c.Member != "replacement"
	}
	if e.text("status") == string(Draft) || !changed {
		return
	}
	for _, member := range p.require {
		if e.is[member] == nil {
			p.problems.At(join(at, member), "", "must be given: registry.require asks for it")
		}
	}
}

// claim is a short name inside an entity type.
type claim struct {
	entityType int64
	name       string
}

// claimShortNames gives features with new names the short names that are free: their own first, then the one without the entity type's
// name before it, then the same of those that they had.
func (p *planner) claimShortNames() {
	p.giveShortNames()
	own := func(e *edit) []string { return []string{e.after.name} }
	former := func(e *edit) []string { return e.after.layout.Aliases }
	for _, names := range []func(*edit) []string{own, former} {
		for _, strip := range []bool{false, true} {
			for _, e := range p.edits {
				if e.kind != featureKind || e.deleting || !e.creating() && !e.renamed {
					continue
				}
				for _, name := range names(e) {
					p.claimName(e, name, strip)
				}
			}
		}
	}
}

// claimName claims a name for a feature of a group of kind features, or what is left of it without the entity type's.
func (p *planner) claimName(e *edit, name string, strip bool) {
	group := p.byID[e.after.parent]
	if group.text("kind") != string(Features) {
		return
	}
	of := p.byID[group.after.layout.EntityType]
	if name, ok := shortForm(name, strip, of.after.name, p.keys(of)); ok && !slices.Contains(p.kept, claim{of.after.id, name}) {
		p.claim(e, of.after.id, name)
	}
}

// claim gives the feature a short name if nobody has it.
func (p *planner) claim(e *edit, entityType int64, name string) {
	c := claim{entityType, name}
	if p.claimed[c] != nil {
		return
	}
	if entry := p.before.typesByID[entityType]; entry != nil && entry.short[name] != nil {
		return
	}
	p.claimed[c] = e
	e.after.layout.ShortNames = append(e.after.layout.ShortNames, name)
	e.relaid = true
}

// taken lists the features of the request whose own name leads to another feature.
func (p *planner) taken(after *Catalog) []Taken {
	taken := []Taken{}
	for _, e := range p.edits {
		if e.kind != featureKind || !e.named || e.deleting {
			continue
		}
		entry := after.groupsByID[e.after.parent]
		if entry == nil || entry.group == nil || entry.group.Kind != Features {
			continue
		}
		owner := after.types[entry.group.EntityType.Name].short[e.after.name]
		if owner != nil && owner.ID != e.after.id {
			taken = append(taken, Taken{e.after.name, e.label, owner.Reference()})
		}
	}
	return taken
}
