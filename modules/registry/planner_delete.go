package registry

import (
	"cmp"
	"slices"

	"featurestore/app/fault"
)

// drop plans to delete a definition, with what belongs to it. What is in use, or may hold values that somebody wants, is refused.
func (p *planner) drop(e *edit, w *wanted) {
	p.name(e, w)
	switch e.kind {
	case entityTypeKind:
		p.inUseBy(e, append(named(p.before.groupsOf(e.after.id)), p.before.users(Named{kindEntityType, e.label}, p.kinds)...))
	case groupKind:
		p.dropGroup(e)
	case featureKind:
		p.dropFeature(e)
	default:
		p.inUseBy(e, p.before.users(Named{e.kind.Name, e.label}, p.kinds))
	}
	e.deleting = true
}

// inUseBy refuses to delete what others use.
func (p *planner) inUseBy(e *edit, users []Named) {
	if len(users) == 0 {
		return
	}
	refused := fault.New(fault.Conflict, "in-use", "the %s %s is in use by %s", Named{Kind: e.kind.Name}.word(), e.label, sentence(users))
	for _, u := range users {
		refused.At(u.String(), "", "uses it")
	}
	p.fail(refused)
}

func valuesStored(group *Group) error {
	return fault.New(fault.Conflict, "in-use", "values are stored in the group %s; it can be deleted, and its join keys can change, only while nothing is", group.Name)
}

func (p *planner) dropGroup(e *edit) {
	group := p.before.groupsByID[e.after.id].group
	users := p.before.users(Named{kindGroup, group.Name}, p.kinds)
	for _, f := range group.Features {
		for _, user := range p.before.users(Named{kindFeature, f.Reference()}, p.kinds) {
			inside := user.Kind == kindGroup && user.Name == group.Name ||
				user.Kind == kindFeature && slices.ContainsFunc(group.Features, func(g *Feature) bool { return g.Reference() == user.Name })
			if !inside && !slices.Contains(users, user) {
				users = append(users, user)
			}
		}
	}
	p.inUseBy(e, users)
	if p.err == nil && p.inUse(group) {
		p.fail(valuesStored(group))
	}
	for _, f := range group.Features {
		p.remove(f)
	}
}

func (p *planner) dropFeature(e *edit) {
	f := p.before.groupsByID[e.after.parent].features[e.after.name]
	p.inUseBy(e, p.before.users(Named{kindFeature, f.Reference()}, p.kinds))
	if p.err == nil && f.Status != Draft {
		p.fail(fault.New(fault.Conflict, "not-a-draft", "the feature %s is %s; only drafts can be deleted, others are deprecated and archived", e.label, f.Status))
	}
	group := p.begin(groupKind, 0, f.Group.Name, f.Group.Name, "")
	p.relay(group)
	p.remove(f)
}

// remove takes a feature away; its short names go to the features of those names that came next.
func (p *planner) remove(f *Feature) {
	e := p.begin(featureKind, f.Group.ID, f.Name, f.Reference(), "")
	e.deleting = true
	freed := e.after.layout.ShortNames
	e.after.layout.ShortNames = nil
	for _, name := range freed {
		var heirs []*Feature
		for _, g := range p.before.groupsOf(f.Group.EntityType.ID) {
			if heir, ok := p.before.Feature(g, name); ok && g.Kind == Features && g.ID != f.Group.ID {
				heirs = append(heirs, heir)
			}
		}
		if len(heirs) == 0 {
			continue
		}
		heir := slices.MinFunc(heirs, func(a, b *Feature) int { return cmp.Compare(a.ID, b.ID) })
		next := p.begin(featureKind, heir.Group.ID, heir.Name, heir.Reference(), "")
		next.after.layout.ShortNames = append(next.after.layout.ShortNames, name)
		next.relaid = true
	}
}
