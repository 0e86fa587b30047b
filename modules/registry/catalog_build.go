package registry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"featurestore/app/database"
)

// with is the catalog after some definitions changed, the last of them at that moment; c itself stays as it is. What did not change is shared, so that the work
// goes by the groups and entity types touched: a group and its features point at each other, so that a change of one feature makes
// the group anew, and then the services that read it.
func (c *Catalog) with(changed []*definition, at database.Micros) (*Catalog, error) {
	if len(changed) == 0 {
		return c, nil
	}
	b := builder{
		next:     *c,
		types:    map[int64]*typeEntry{},
		groups:   map[int64]*groupEntry{},
		services: map[int64]*serviceEntry{},
	}
	b.next.moment = at
	b.next.types = orEmpty(maps.Clone(c.types))
	b.next.groups = orEmpty(maps.Clone(c.groups))
	b.next.services = orEmpty(maps.Clone(c.services))
	b.next.others = orEmpty(maps.Clone(c.others))
	b.next.typesByID = orEmpty(maps.Clone(c.typesByID))
	b.next.groupsByID = orEmpty(maps.Clone(c.groupsByID))

	byKind := map[string][]*definition{}
	for _, d := range changed {
		b.next.revision = max(b.next.revision, d.revision)
		byKind[d.kind] = append(byKind[d.kind], d)
	}
	var others []*definition
	for kind, of := range byKind {
		switch kind {
		case kindEntityType, kindGroup, kindFeature, kindService:
		default:
			others = append(others, of...)
		}
	}
	for _, step := range []func() error{
		func() error { return b.putTypes(byKind[kindEntityType]) },
		func() error { return b.putGroups(byKind[kindGroup], byKind[kindFeature]) },
		func() error { b.nameFeatures(); return nil },
		func() error { return b.putServices(byKind[kindService]) },
		func() error { return b.putOthers(others) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &b.next, nil
}

// builder is a catalog in the making, with the entries that it made anew and may change.
type builder struct {
	next     Catalog
	types    map[int64]*typeEntry
	groups   map[int64]*groupEntry
	services map[int64]*serviceEntry
}

func orEmpty[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return m
}

// typeEntry is a copy of the entity type's entry that may be changed.
func (b *builder) typeEntry(id int64) *typeEntry {
	if entry := b.types[id]; entry != nil {
		return entry
	}
	entry := &typeEntry{}
	if old := b.next.typesByID[id]; old != nil {
		*entry = *old
		b.next.types[old.definition.name] = entry
	}
	b.next.typesByID[id] = entry
	b.types[id] = entry
	return entry
}

// groupEntry is a copy of the group's entry that may be changed.
func (b *builder) groupEntry(id int64) *groupEntry {
	if entry := b.groups[id]; entry != nil {
		return entry
	}
	entry := &groupEntry{}
	if old := b.next.groupsByID[id]; old != nil {
		*entry = *old
		b.next.groups[old.definition.name] = entry
	}
	b.next.groupsByID[id] = entry
	b.groups[id] = entry
	return entry
}

func (b *builder) putTypes(changed []*definition) error {
	for _, d := range changed {
		entry := b.typeEntry(d.id)
		entry.definition, entry.entityType = d, nil
		b.next.types[d.name] = entry
		if !d.live() {
			continue
		}
		var err error
		if entry.entityType, err = d.entityType(); err != nil {
			return err
		}
		for id, group := range b.next.groupsByID { // they point at it
			if group.definition.layout.EntityType == d.id {
				b.groupEntry(id)
			}
		}
	}
	if len(changed) > 0 {
		b.next.entityTypeList = nil
		for _, entry := range b.next.typesByID {
			if entry.entityType != nil {
				b.next.entityTypeList = append(b.next.entityTypeList, entry.entityType)
			}
		}
		slices.SortFunc(b.next.entityTypeList, func(x, y *EntityType) int { return cmp.Compare(x.ID, y.ID) })
	}
	return nil
}

func (b *builder) putGroups(groups, features []*definition) error {
	for _, d := range groups {
		entry := b.groupEntry(d.id)
		if entry.definition != nil && entry.definition.layout.EntityType != d.layout.EntityType {
			b.typeEntry(entry.definition.layout.EntityType)
		}
		entry.definition = d
		b.next.groups[d.name] = entry
	}
	byGroup := map[int64][]*definition{}
	for _, d := range features {
		byGroup[d.parent] = append(byGroup[d.parent], d)
		b.groupEntry(d.parent)
	}
	for id, entry := range b.groups {
		b.typeEntry(entry.definition.layout.EntityType)
		if err := b.makeGroup(entry, byGroup[id]); err != nil {
			return err
		}
	}
	if len(b.groups) > 0 {
		b.next.groupList = nil
		for _, entry := range b.next.groupsByID {
			if entry.group != nil {
				b.next.groupList = append(b.next.groupList, entry.group)
			}
		}
		slices.SortFunc(b.next.groupList, func(x, y *Group) int { return cmp.Compare(x.ID, y.ID) })
	}
	return nil
}

// makeGroup makes the group and its features anew; those that did not change are copied.
func (b *builder) makeGroup(entry *groupEntry, changed []*definition) error {
	old := entry.features
	entry.group, entry.features = nil, map[string]*Feature{}
	entry.definitions = orEmpty(maps.Clone(entry.definitions))
	for _, d := range changed {
		entry.definitions[d.name] = d
		for _, alias := range d.layout.Aliases {
			entry.definitions[alias] = d
		}
	}
	if !entry.definition.live() {
		return nil
	}
	group, err := entry.definition.group(b.next.typesByID[entry.definition.layout.EntityType].entityType)
	if err != nil {
		return err
	}
	put := func(f *Feature) {
		entry.features[f.Name] = f
		for _, alias := range f.Aliases {
			entry.features[alias] = f
		}
		group.Features = append(group.Features, f)
		group.Older = append(group.Older, f.Older...)
	}
	for _, d := range changed {
		if !d.live() {
			continue
		}
		f, err := d.feature(group)
		if err != nil {
			return err
		}
		put(f)
	}
	for name, f := range old {
		if name == f.Name && entry.features[name] == nil && entry.definitions[name].live() {
			put(f.in(group))
		}
	}
	byOrdinal := func(x, y *Feature) int { return cmp.Compare(x.Ordinal, y.Ordinal) }
	slices.SortFunc(group.Features, byOrdinal)
	slices.SortFunc(group.Older, byOrdinal)
	entry.group = group
	return nil
}

// nameFeatures makes the short names and the served features of the entity types that were touched.
func (b *builder) nameFeatures() {
	for id, entry := range b.types {
		size := len(entry.short)
		entry.short, entry.served = make(map[string]*Feature, size), make([]*Feature, 0, size)
		for _, g := range b.next.groupList {
			if g.EntityType.ID != id || g.Kind != Features {
				continue
			}
			definitions := b.next.groupsByID[g.ID].definitions
			for _, f := range g.Features {
				for _, name := range definitions[f.Name].layout.ShortNames {
					entry.short[name] = f
				}
				if f.Status != Archived {
					entry.served = append(entry.served, f)
				}
			}
		}
		slices.SortFunc(entry.served, func(x, y *Feature) int { return cmp.Compare(x.ID, y.ID) })
	}
}

func (b *builder) putServices(changed []*definition) error {
	for _, d := range changed {
		entry := &serviceEntry{definition: d}
		b.next.services[d.name] = entry
		b.services[d.id] = entry
	}
	for name, entry := range b.next.services { // those that read a group made anew
		if entry.service != nil && slices.ContainsFunc(entry.service.Features, func(f *Feature) bool { return b.groups[f.Group.ID] != nil }) {
			entry = &serviceEntry{definition: entry.definition}
			b.next.services[name] = entry
			b.services[entry.definition.id] = entry
		}
	}
	for _, entry := range b.services {
		if !entry.definition.live() {
			continue
		}
		var document serviceDocument
		if err := entry.definition.read(&document); err != nil {
			return err
		}
		service := &Service{About: entry.definition.about(document.aboutDocument)}
		for _, reference := range document.Features {
			f, err := b.next.ResolveReference(reference)
			if err != nil {
				return fmt.Errorf("read the stored service %s: %w", entry.definition.name, err)
			}
			service.Features, service.References = append(service.Features, f), append(service.References, reference)
		}
		entry.service = service
	}
	if len(b.services) > 0 {
		b.next.serviceList = nil
		for _, entry := range b.next.services {
			if entry.service != nil {
				b.next.serviceList = append(b.next.serviceList, entry.service)
			}
		}
		slices.SortFunc(b.next.serviceList, func(x, y *Service) int { return cmp.Compare(x.ID, y.ID) })
	}
	return nil
}

func (b *builder) putOthers(changed []*definition) error {
	if len(changed) == 0 {
		return nil
	}
	for _, d := range changed {
		entry := &otherEntry{definition: d}
		b.next.others[d.place] = entry
		if !d.live() {
			continue
		}
		var document aboutDocument
		if err := d.read(&document); err != nil {
			return err
		}
		entry.public = &Definition{About: d.about(document), Kind: d.kind, Document: d.document}
	}
	b.next.otherList = nil
	for _, entry := range b.next.others {
		if entry.public != nil {
			b.next.otherList = append(b.next.otherList, entry.public)
		}
	}
	slices.SortFunc(b.next.otherList, func(x, y *Definition) int { return cmp.Compare(x.ID, y.ID) })
	return nil
}
