package registry

import (
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry/value"
)

// refers tells whether any edit says something new of another definition.
func (p *planner) refers() bool {
	return slices.ContainsFunc(p.edits, func(e *edit) bool {
		switch e.kind {
		case featureKind:
			return e.renamed || e.differs("replacement")
		case groupKind:
			return e.differs("id_column")
		case serviceKind:
			return e.differs("features")
		}
		return false
	})
}

// settleReferences checks references against the features as they will be and writes them out as group:feature.
func (p *planner) settleReferences() error {
	after, err := p.tentative()
	if err != nil {
		return err
	}
	renaming := slices.ContainsFunc(p.edits, func(e *edit) bool { return e.renamed })
	refers := func(e *edit, member string) bool {
		return !e.deleting && e.is[member] != nil && (renaming || e.differs(member))
	}
	services := false
	for _, e := range p.edits {
		switch {
		case e.kind == featureKind && refers(e, "replacement"):
			p.settleReplacement(e, after)
		case e.kind == groupKind && refers(e, "id_column"):
			p.settleIDColumn(e, after)
		case e.kind == serviceKind && refers(e, "features"):
			services = true
		}
	}
	if !services {
		return nil
	}
	// Services can name versions, which are known only now that what the features say is written out.
	if after, err = p.tentative(); err != nil {
		return err
	}
	for _, e := range p.edits {
		if e.kind == serviceKind && refers(e, "features") {
			p.settleServiceFeatures(e, after)
		}
	}
	return nil
}

// tentative is the catalog with the entity types, groups and features as they will be by what the edits say now.
func (p *planner) tentative() (*Catalog, error) {
	var changed []*definition
	for _, e := range p.edits {
		switch e.kind {
		case entityTypeKind, groupKind, featureKind:
			d := e.after
			d.version = e.nextVersion()
			d.document = e.kind.encode(e.is)
			if e.newGeneration {
				d.layout.Generation = e.generation()
			}
			if e.deleting {
				d.status = deleted
			}
			changed = append(changed, &d)
		}
	}
	return p.before.with(changed, 0)
}

func (p *planner) settleIDColumn(e *edit, after *Catalog) {
	group, ok := after.Group(e.after.name)
	if !ok {
		return
	}
	name := e.text("id_column")
	f, ok := after.Feature(group, name)
	if !ok {
		p.problems.At(join(e.at, "id_column"), name, "the group has no feature of that name")
		return
	}
	if f.ValueType != value.Integer && f.ValueType != value.String {
		p.problems.At(join(e.at, "id_column"), name, "is of type %s: an id is an INTEGER or a STRING", f.ValueType)
	}
	e.is["id_column"] = QuoteText(f.Name)
}

func (p *planner) settleReplacement(e *edit, after *Catalog) {
	at, reference := join(e.at, "replacement"), e.text("replacement")
	entry := after.groupsByID[e.after.parent]
	f, err := after.Resolve(entry.group.EntityType.Name, reference)
	switch {
	case err != nil:
		p.unresolved(at, reference, err)
	case f.ID == e.after.id:
		p.problems.At(at, reference, "a feature does not replace itself")
	default:
		e.is["replacement"] = QuoteText(f.Reference())
	}
}

func (p *planner) settleServiceFeatures(e *edit, after *Catalog) {
	var canonical []string
	seen := map[*Feature]bool{}
	for i, reference := range textsOf(e.is["features"]) {
		at := join(e.at, "features") + index(i)
		f, err := after.ResolveReference(reference)
		switch {
		case err != nil:
			p.unresolved(at, reference, err)
			continue
		case f.Group.Kind == Events:
			p.problems.At(at, reference, "the group %s is of kind events and has no newest values that a service could read", f.Group.Name)
		case seen[f]:
			p.problems.At(at, reference, "the same values of the feature %s are given twice", f.Reference())
		}
		seen[f] = true
		_, version, pinned := strings.Cut(reference, "@")
		if pinned {
			version = "@" + version
		}
		canonical = append(canonical, f.Reference()+version)
	}
	e.is["features"] = quoteTexts(canonical)
}

// unresolved turns the fault about a reference into one mistake of the request.
func (p *planner) unresolved(at, reference string, err error) {
	if f, ok := fault.As(err); ok {
		p.problems.At(at, reference, "%s", f.Detail)
		return
	}
	p.fail(err)
}

// checkOthers asks the kinds that other modules brought about their definitions: those that change, and those that read what changes.
func (p *planner) checkOthers(after *Catalog) {
	for _, e := range p.edits {
		if e.deleting || e.kind.Check == nil || !e.creating() && len(e.kind.compare(e.was, e.is)) == 0 {
			continue
		}
		for _, v := range e.kind.Check(after, e.after.name, e.is) {
			p.problems.At(join(e.at, v.Location), v.Value, "%s", v.Message)
		}
	}
	if len(p.problems.Violations) == 0 {
		p.checkReaders(after)
	}
}

// checkReaders asks about the definitions of other modules that the request leaves as they are and that read what it changes: a change
// that would make one of them wrong is refused.
func (p *planner) checkReaders(after *Catalog) {
	changed := map[Named]*edit{}
	for _, e := range p.edits {
		if !e.creating() && !e.deleting && len(e.changes()) > 0 {
			changed[Named{e.kind.Name, e.label}] = e
		}
	}
	if len(changed) == 0 {
		return
	}
	asked := map[Named]bool{}
	for r := range after.references(p.kinds) {
		cause := changed[r.of]
		if cause == nil || asked[r.by] || p.byPlace[place{r.by.Kind, 0, r.by.Name}] != nil {
			continue
		}
		reader, ok := after.Definition(r.by.Kind, r.by.Name)
		if !ok { // one of the registry's own
			continue
		}
		asked[r.by] = true
		kind := p.kinds[slices.IndexFunc(p.kinds, func(k *Kind) bool { return k.Name == r.by.Kind })]
		members, err := decodeMembers(reader.Document)
		if err != nil {
			p.fail(err)
			return
		}
		if kind.Check == nil {
			continue
		}
		for _, v := range kind.Check(after, reader.Name, members) {
			p.problems.At(cause.at, "", "the %s would not be valid any more, change it as well: %s", r.by, strings.TrimPrefix(v.Location+": "+v.Message, ": "))
		}
	}
}
