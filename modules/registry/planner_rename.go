package registry

import (
	"fmt"
	"slices"
)

// rename gives the definition another name. Its former ones lead to it for ever, and its columns are still called by its first one.
func (e *edit) rename(to string) {
	layout := &e.after.layout
	if layout.FirstName == "" {
		layout.FirstName = e.after.name
	}
	layout.Aliases = append(slices.DeleteFunc(slices.Clone(layout.Aliases), func(alias string) bool { return alias == to }), e.after.name)
	e.after.name = to
	e.renamed, e.relaid = true, true
}

// featureNamed is the edit of the feature that is wanted in a group, under its new name if the request renames it. A feature that the
// request calls by a former name, or says was renamed when it has been already, keeps the name it has. nil: it cannot be, which
// is reported.
func (p *planner) featureNamed(w *wanted, group, of *edit) *edit {
	in := func(name string) place { return place{kindFeature, group.after.id, name} }
	now := p.before.at(in(w.name))
	for _, former := range w.renamedFrom {
		was := p.before.at(in(former))
		if was.live() && was.name != w.name && (now != was || was.name == former) {
			return p.renamed(w, group, of, now, was)
		}
	}
	e := p.begin(featureKind, group.after.id, w.name, group.label+":"+w.name, w.at)
	for _, former := range w.renamedFrom { // elsewhere, as where this file was exported
		if e.creating() && former != w.name && p.before.at(in(former)) == nil && p.byPlace[in(former)] == nil && checkFeatureName(former, p.keys(of)) == nil {
			e.after.layout.Aliases = append(slices.Clone(e.after.layout.Aliases), former)
			p.byPlace[in(former)] = e
		}
	}
	return e
}

// renamed is the edit that gives the feature was the name that is wanted, which now has, if anybody.
func (p *planner) renamed(w *wanted, group, of *edit, now, was *definition) *edit {
	where, at := place{kindFeature, group.after.id, w.name}, join(w.at, w.nameMember())
	err := checkFeatureName(w.name, p.keys(of))
	switch {
	case now == was:
	case now.live() && now.name == w.name || p.byPlace[where] != nil:
		err = fmt.Errorf("the group %s has a feature %s already", group.label, w.name)
	case now.live():
		err = fmt.Errorf("%s is a former name of the feature %s:%s, and stays with it", w.name, group.label, now.name)
	case now != nil:
		err = fmt.Errorf("%s is the name of a draft of the group %s that was deleted, and comes back with its history only; use another name", w.name, group.label)
	}
	if err != nil {
		p.problems.At(at, w.name, "%v", err)
		return nil
	}
	e := p.begin(featureKind, group.after.id, was.name, group.label+":"+was.name, w.at)
	p.refer(Named{kindFeature, e.label})
	e.rename(w.name)
	e.label = group.label + ":" + w.name
	p.byPlace[where] = e
	return e
}

// refer begins the edits of what refers to a definition in members that the registry knows; settleReferences writes the new name into
// them.
func (p *planner) refer(to Named) {
	for r := range p.before.references(p.kinds) {
		if r.of != to {
			continue
		}
		switch r.by.Kind {
		case kindGroup:
			p.begin(groupKind, 0, r.by.Name, r.by.Name, "")
		case kindService:
			p.begin(serviceKind, 0, r.by.Name, r.by.Name, "")
		case kindFeature:
			f, err := p.before.ResolveReference(r.by.Name)
			if err != nil {
				p.fail(err)
				return
			}
			p.begin(featureKind, f.Group.ID, f.Name, r.by.Name, "")
		}
	}
}
