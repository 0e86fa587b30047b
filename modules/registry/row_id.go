package registry

import (
	"featurestore/app/fault"
)

// RowID is the feature by which a repeated row of an event group is known; nil if the group has declared none.
func (g *Group) RowID() *Feature {
	if g.IDColumn == "" {
		return nil
	}
	for _, f := range g.Features {
		if f.Name == g.IDColumn {
			return f
		}
	}
	return nil
}

// declareIDColumn lets an event group's id column change while nothing is stored: rows that are would not be unique by it. It can be
// given up at any time.
func (p *planner) declareIDColumn(e *edit, at string) {
	if e.creating() || !e.differs("id_column") {
		return
	}
	group, ok := p.before.Group(e.after.name)
	if !ok {
		return
	}
	if f, ok := p.before.Feature(group, e.text("id_column")); ok && f.Name == group.IDColumn { // by a former name
		return
	}
	if e.is["id_column"] != nil && p.inUse(group) {
		p.problems.At(join(at, "id_column"), e.text("id_column"), "rows are stored in %s, which may repeat an id: an id column is declared before the first row; make another group", e.label)
		return
	}
	p.relay(e)
}

// keepsID refuses that an id column gets another type.
func (p *planner) keepsID(f *Feature) bool {
	if f.Group.IDColumn != f.Name {
		return true
	}
	p.fail(fault.New(fault.Conflict, "value-type-conflict", "%s is the id column of its group and stays %s", f.Reference(), f.ValueType))
	return false
}
