package registry

import (
	"fmt"

	"featurestore/modules/registry/value"
)

// entityType plans one entity type.
func (p *planner) entityType(w *wanted) {
	e := p.begin(entityTypeKind, 0, w.name, w.name, w.at)
	p.name(e, w)
	e.merge(w)
	p.settleEntityType(e, w.at)
}

func (p *planner) settleEntityType(e *edit, at string) {
	if e.is["join_keys"] == nil {
		key := e.after.name + "_id"
		if checkJoinKeyName(key) != nil {
			p.problems.At(join(at, "join_keys"), "", "must be given: the name is too long for the join key %s", key)
			return
		}
		e.is["join_keys"] = writeJoinKeys([]joinKeyDocument{{key, value.String}})
	}
	if group := p.groupEdit(e.after.name); group != nil && (group.text("entity_type") != e.after.name || group.text("kind") != string(Features)) {
		p.problems.At(join(at, "name"), e.after.name, "there is a group of that name for the entity type %s; a group named after an entity type is its default group and of kind features",
			group.text("entity_type"))
	}
	if !e.creating() && e.differs("join_keys") {
		p.changeJoinKeys(e, at)
	}
}

// groupEdit is the edit of a group if there is one, or is the group; nil if not.
func (p *planner) groupEdit(name string) *edit {
	where := place{kindGroup, 0, name}
	if e := p.byPlace[where]; e != nil || !p.before.at(where).live() {
		return e
	}
	return p.begin(groupKind, 0, name, name, "")
}

// changeJoinKeys allows new types of the join keys while nothing is stored, and anything while there are no groups.
func (p *planner) changeJoinKeys(e *edit, at string) {
	was, err := e.before.entityType()
	if err != nil {
		p.fail(err)
		return
	}
	changed := definition{place: e.after.place, document: e.kind.encode(e.is)}
	is, err := changed.entityType()
	if err != nil {
		p.fail(err)
		return
	}
	groups := p.before.groupsOf(e.after.id)
	sameNames := len(was.JoinKeys) == len(is.JoinKeys)
	for i := 0; sameNames && i < len(is.JoinKeys); i++ {
		sameNames = was.JoinKeys[i].Name == is.JoinKeys[i].Name
	}
	if !sameNames && len(groups) > 0 {
		p.refuse(e, at, "join_keys", named(groups), "the join keys of %s cannot be others while it has groups: %s; only their types can change, while nothing is stored",
			e.label, sentence(named(groups)))
		return
	}
	var used []Named
	for _, g := range groups {
		if p.inUse(g) {
			used = append(used, Named{kindGroup, g.Name})
		}
	}
	if len(used) > 0 {
		p.refuse(e, at, "join_keys", used, "the join keys of %s cannot change while values are stored: %s", e.label, sentence(used))
		return
	}
	for _, g := range groups {
		p.relay(p.begin(groupKind, 0, g.Name, g.Name, ""))
	}
}

func named(groups []*Group) []Named {
	var names []Named
	for _, g := range groups {
		names = append(names, Named{kindGroup, g.Name})
	}
	return names
}

func (p *planner) inUse(g *Group) bool {
	if p.guards.InUse == nil {
		return true
	}
	used, err := p.guards.InUse(p.ctx, g)
	if err != nil {
		p.fail(err)
	}
	p.vacant = append(p.vacant, g)
	return used
}

// refuse notes a change that would break something, and takes it out of the plan.
func (p *planner) refuse(e *edit, at, member string, readers []Named, format string, args ...any) {
	p.breaks(e, member, readers, false, format, args...)
	p.breaking.At(join(at, member), string(e.is[member]), format, args...)
	e.is[member], e.refused = e.was[member], true
}

// breaks notes a change that breaks something.
func (p *planner) breaks(e *edit, member string, readers []Named, allowed bool, format string, args ...any) {
	if readers == nil {
		readers = []Named{}
	}
	p.plan.Breaking = append(p.plan.Breaking, Breaking{e.kind.Name, e.label, member, orNull(e.was[member]), orNull(e.is[member]), readers,
		allowed, fmt.Sprintf(format, args...)})
}

// relay raises the group's schema version, once in a change: its columns are others afterwards.
func (p *planner) relay(group *edit) {
	if group.creating() || group.relaid {
		return
	}
	group.relaid = true
	group.after.layout.SchemaVersion++
}

// typeNamed is the entity type that a definition names, which is made if it is new. nil: the name cannot be one.
func (p *planner) typeNamed(name, at string) *edit {
	if name == "" { // reported as missing where it is a member
		return nil
	}
	where := place{kindEntityType, 0, name}
	if e := p.byPlace[where]; e != nil {
		return e
	}
	if !p.before.at(where).live() {
		if err := CheckName(name); err != nil {
			p.problems.At(at, name, "%v", err)
			return nil
		}
	}
	e := p.begin(entityTypeKind, 0, name, name, at)
	if e.creating() {
		p.settleEntityType(e, at)
	}
	return e
}

// group plans one group, without its features.
func (p *planner) group(w *wanted) {
	if w.entityType != "" {
		p.typeNamed(w.entityType, join(w.at, "entity_type"))
	}
	e := p.begin(groupKind, 0, w.name, w.name, w.at)
	p.name(e, w)
	e.merge(w)
	if _, said := w.members["ttl"]; !said && (e.creating() || w.replace) {
		p.expire(e)
	}
	p.settleGroup(e, w.at)
	p.complete(e, w)
}

func (p *planner) settleGroup(e *edit, at string) {
	if e.is["kind"] == nil {
		e.is["kind"] = QuoteText(string(Features))
	}
	if of := e.text("entity_type"); of != "" && (e.creating() || e.differs("entity_type")) {
		p.placeGroup(e, of, at)
	}
	if !e.creating() {
		for _, member := range []string{"entity_type", "kind"} {
			if e.differs(member) {
				p.refuse(e, at, member, nil, "the %s of the group %s is %s and cannot change; make another group", member, e.label, textOf(e.was[member]))
			}
		}
	}
	p.retained(e, at)
	if e.text("kind") == string(Events) {
		if e.is["ttl"] != nil {
			p.problems.At(join(at, "ttl"), e.text("ttl"), "every row of a group of kind events counts; it has no ttl")
		}
		if _, ok := p.before.EntityType(e.after.name); ok || p.byPlace[place{kindEntityType, 0, e.after.name}] != nil {
			p.problems.At(join(at, "kind"), string(Events), "a group named after an entity type is its default group and of kind features")
		}
		p.declareIDColumn(e, at)
	} else if e.is["id_column"] != nil {
		p.problems.At(join(at, "id_column"), e.text("id_column"), "only a group of kind events has an id column")
	}
}

// retained refuses that values go which still count.
func (p *planner) retained(e *edit, at string) {
	retention, err := ParseDuration(e.text("retention"))
	if err != nil { // none, or reported
		return
	}
	if ttl, err := ParseDuration(e.text("ttl")); err == nil && retention < ttl {
		p.problems.At(join(at, "retention"), e.text("retention"), "shorter than the ttl, %s: values would go that still count; keep observations at least as long", e.text("ttl"))
	}
}

// placeGroup gives a new group its entity type.
func (p *planner) placeGroup(e *edit, entityType, at string) {
	of := p.typeNamed(entityType, join(at, "entity_type"))
	if of == nil || !e.creating() {
		return
	}
	if owner := p.byPlace[place{kindEntityType, 0, e.after.name}]; owner != nil && owner != of || owner == nil && p.otherType(e.after.name, entityType) {
		p.problems.At(join(at, "name"), e.after.name, "the group named after the entity type %s is its default group and belongs to it", e.after.name)
	}
	e.after.layout.EntityType = of.after.id
	e.after.layout.SchemaVersion++
	e.after.layout.NextOrdinal = max(1, e.after.layout.NextOrdinal)
}

func (p *planner) otherType(name, than string) bool {
	_, ok := p.before.EntityType(name)
	return ok && name != than
}

// groupNamed is the group that a feature names. nil: there is none, which is reported.
func (p *planner) groupNamed(name, at string) *edit {
	e := p.groupEdit(name)
	if e == nil {
		p.unresolved(at, name, p.before.UnknownGroup(name))
	}
	return e
}

// defaultGroup is the group for features that name none; it is made if it is new.
func (p *planner) defaultGroup(of *edit, at string) *edit {
	e := p.begin(groupKind, 0, of.after.name, of.after.name, at)
	if e.creating() && e.is["entity_type"] == nil {
		e.is["entity_type"] = QuoteText(of.after.name)
		p.expire(e)
		p.settleGroup(e, at)
	}
	return e
}
