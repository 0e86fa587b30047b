package registry

import (
	"slices"

	"featurestore/modules/registry/value"
)

// changeType handles another value type. A draft of INTEGER widens to FLOAT, and other drafts begin anew while nothing reads them. All
// else breaks what is stored or reads it: it is refused, unless the request allows it; then a new generation of values begins.
func (p *planner) changeType(e, group *edit, at string) {
	if !e.differs("value_type") || e.is["value_type"] == nil {
		return
	}
	was, _ := value.ParseType(textOf(e.was["value_type"]))
	is, _ := value.ParseType(e.text("value_type"))
	f, ok := p.before.Feature(p.before.groupsByID[group.after.id].group, e.before.name)
	if !ok {
		return
	}
	const allow = "register a feature of another name, or pass allow_breaking=true: then a new generation of values begins, and what is stored stays readable as %s@%d"
	switch readers := p.broken(f, e); {
	case f.Status == Draft && was == value.Integer && is == value.Float:
		p.widen(e, group, f)
	case f.Status == Draft && len(readers) == 0:
		p.newColumn(e, group, at)
	case p.allowBreaking && !p.keepsID(f):
	case p.allowBreaking:
		p.breaks(e, "value_type", readers, true, "a new generation of values begins: what was observed as %s until now stays readable as %s@%d, and %s is NOT_FOUND until it is observed as %s",
			was, e.label, f.Version, e.label, is)
		p.newColumn(e, group, at)
	case len(readers) == 0:
		p.refuse(e, at, "value_type", nil, "the value type of %s is %s and cannot become %s: what is stored could no longer be read under its name; "+allow,
			e.label, was, is, e.label, f.Version)
	default:
		p.refuse(e, at, "value_type", readers, "the value type of %s is %s and cannot become %s: that would break %s; "+allow,
			e.label, was, is, sentence(readers), e.label, f.Version)
	}
}

// broken are the definitions that another value type of a feature would break: those that read its newest values now, and still do
// after the request. Those that name a version go on reading what that version had.
func (p *planner) broken(f *Feature, e *edit) []Named {
	restated := map[Named]bool{}
	var readers []Named
	add := func(reader Named) {
		if !slices.Contains(readers, reader) {
			readers = append(readers, reader)
		}
	}
	for _, w := range p.all {
		service := Named{kindService, w.name}
		if w.kind != serviceKind || w.members["features"] == nil || !p.before.at(place{kindService, 0, w.name}).live() {
			continue
		}
		restated[service] = true
		for _, reference := range textsOf(w.members["features"]) {
			if found, err := p.before.ResolveReference(reference); err == nil && found.ID == f.ID && !isPinned(reference) || reference == e.label {
				add(service)
			}
		}
	}
	for r := range p.before.references(p.kinds) {
		if r.of == (Named{kindFeature, f.Reference()}) && r.version == "" && !restated[r.by] {
			add(r.by)
		}
	}
	return readers
}

// maxColumns is how many columns of features a group's table can ever have had: PostgreSQL's tables have at most 1,600 columns, those
// of join keys and the store's own among them, and none is ever used again.
const maxColumns = 1500

// newColumn lets the feature's values begin anew, where there never were any. Those that it had until now stay where they are.
func (p *planner) newColumn(e, group *edit, at string) {
	p.relay(group)
	layout := &group.after.layout
	if p.countColumn(group) > maxColumns {
		p.problems.At(join(at, "name"), e.after.name, "the group %s has had %d features and value types, and more are not possible; use another group", group.label, maxColumns)
		return
	}
	group.relaid = true
	after := &e.after.layout
	switch {
	case e.elsewhere != nil: // they are laid out already
	case e.creating():
		after.Older = nil
	default:
		was, _ := value.ParseType(textOf(e.was["value_type"]))
		after.Older = append(slices.Clone(after.Older), generation{First: after.Generation, ValueType: was,
			Ordinal: after.Ordinal, Column: e.before.columnOf(), Widened: after.Widened, Since: after.Since, Until: layout.SchemaVersion})
	}
	after.Ordinal = uint16(layout.NextOrdinal)
	layout.NextOrdinal++
	after.Columns++
	after.Widened = ""
	after.Since = layout.SchemaVersion
	e.newGeneration, e.relaid = true, true
}

// countColumn adds one to the columns of features that the group's table will have.
func (p *planner) countColumn(group *edit) int {
	n, known := p.columns[group.after.id]
	if entry := p.before.groupsByID[group.after.id]; !known && entry != nil {
		for name, d := range entry.definitions {
			if name == d.name { // not a former one
				n += d.layout.Columns
			}
		}
	}
	p.columns[group.after.id] = n + 1
	return n + 1
}

// widen makes FLOAT of a draft of INTEGER: new values go to a new column, under the same ordinal, and older ones are read as
// FLOAT.
func (p *planner) widen(e, group *edit, f *Feature) {
	if !p.keepsID(f) {
		return
	}
	if p.guards.Exact != nil {
		if err := p.guards.Exact(p.ctx, f); err != nil {
			p.fail(err)
			return
		}
	}
	if p.countColumn(group) > maxColumns {
		p.problems.At("value_type", value.Float.String(), "the group %s has had %d features and value types, and more are not possible; use another group", group.label, maxColumns)
		return
	}
	p.relay(group)
	e.is["value_type"] = QuoteText(value.Float.String())
	e.after.layout.Widened = f.Column
	e.after.layout.Columns++
	e.relaid = true
}
