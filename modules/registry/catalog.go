package registry

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"featurestore/app/database"
	"featurestore/app/fault"
)

// Catalog is everything that is registered, at one revision. It never changes; reading it takes no lock and no I/O.
type Catalog struct {
	revision int64
	moment   database.Micros // of the last change; 0: unknown
	restored int             // how often the registry was found restored to an earlier moment: revisions of before mean nothing afterwards

	// By name. Entries of deleted definitions stay, without the thing itself.
	types    map[string]*typeEntry
	groups   map[string]*groupEntry
	services map[string]*serviceEntry
	others   map[place]*otherEntry // of kinds that other modules brought

	typesByID  map[int64]*typeEntry
	groupsByID map[int64]*groupEntry

	entityTypeList []*EntityType // by id, as all lists
	groupList      []*Group
	serviceList    []*Service
	otherList      []*Definition
}

type typeEntry struct {
	definition *definition
	entityType *EntityType         // nil: deleted
	short      map[string]*Feature // by short name
	served     []*Feature
}

type groupEntry struct {
	definition  *definition
	group       *Group                 // nil: deleted
	definitions map[string]*definition // of its features, deleted ones too
	features    map[string]*Feature
}

type serviceEntry struct {
	definition *definition
	service    *Service // nil: deleted
}

type otherEntry struct {
	definition *definition
	public     *Definition // nil: deleted
}

// Definition is a definition of a kind that another module brought.
type Definition struct {
	About
	Kind     string
	Document json.RawMessage // an object with its members
}

// Revision is raised by every accepted change.
func (c *Catalog) Revision() int64 { return c.revision }

// EntityType finds one by name.
func (c *Catalog) EntityType(name string) (*EntityType, bool) {
	if entry := c.types[name]; entry != nil && entry.entityType != nil {
		return entry.entityType, true
	}
	return nil, false
}

// EntityTypes are all, in the order in which they were registered.
func (c *Catalog) EntityTypes() []*EntityType { return c.entityTypeList }

// Group finds one by name.
func (c *Catalog) Group(name string) (*Group, bool) {
	if entry := c.groups[name]; entry != nil && entry.group != nil {
		return entry.group, true
	}
	return nil, false
}

// GroupByID finds one by its id, which stays the same for ever.
func (c *Catalog) GroupByID(id int64) (*Group, bool) {
	if entry := c.groupsByID[id]; entry != nil && entry.group != nil {
		return entry.group, true
	}
	return nil, false
}

// Groups are all, in the order in which they were registered.
func (c *Catalog) Groups() []*Group { return c.groupList }

// Service finds one by name; the fault unknown-service names others that are written alike.
func (c *Catalog) Service(name string) (*Service, error) {
	if entry := c.services[name]; entry != nil && entry.service != nil {
		return entry.service, nil
	}
	names := func(yield func(string) bool) {
		for _, s := range c.serviceList {
			if !yield(s.Name) {
				return
			}
		}
	}
	return nil, fault.New(fault.NotFound, "unknown-service", "there is no service %q%s", fault.Shorten(name), DidYouMean(name, names))
}

// Services are all, in the order in which they were registered.
func (c *Catalog) Services() []*Service { return c.serviceList }

// Definition finds a definition of a kind that another module brought.
func (c *Catalog) Definition(kind, name string) (*Definition, bool) {
	if entry := c.others[place{kind: kind, name: name}]; entry != nil && entry.public != nil {
		return entry.public, true
	}
	return nil, false
}

// Definitions are all of such a kind, in the order in which they were registered.
func (c *Catalog) Definitions(kind string) []*Definition {
	var of []*Definition
	for _, d := range c.otherList {
		if d.Kind == kind {
			of = append(of, d)
		}
	}
	return of
}

// Feature finds a feature of the group by its name.
func (c *Catalog) Feature(group *Group, name string) (*Feature, bool) {
	entry := c.groupsByID[group.ID]
	if entry == nil {
		return nil, false
	}
	f, ok := entry.features[name]
	return f, ok
}

// Features yields all features that there are: group by group, in each by ordinal.
func (c *Catalog) Features() iter.Seq[*Feature] {
	return func(yield func(*Feature) bool) {
		for _, g := range c.groupList {
			for _, f := range g.Features {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// Served are the features of the entity type that a read without a list of features answers: those of groups of kind features
// that are not archived, in the order in which they were registered.
func (c *Catalog) Served(entityType string) []*Feature {
	if entry := c.types[entityType]; entry != nil {
		return entry.served
	}
	return nil
}

// ShortNames are the names by which the feature can be reached inside its entity type; none if others had them first.
func (c *Catalog) ShortNames(f *Feature) []string {
	if d := c.at(place{kindFeature, f.Group.ID, f.Name}); d.live() {
		return d.layout.ShortNames
	}
	return nil
}

// Resolve finds the feature that a reference means inside an entity type: a short name, or group:feature, either with @version.
// With a version it is the generation of values that the version had: the newest one, or one of its Older. Former names lead to the
// feature too. Faults: unknown-entity-type, unknown-feature, invalid-version, unknown-version.
func (c *Catalog) Resolve(entityType, reference string) (*Feature, error) {
	entry := c.types[entityType]
	if entry == nil || entry.entityType == nil {
		return nil, c.UnknownEntityType(entityType)
	}
	name, version, pinned := strings.Cut(reference, "@")
	var f *Feature
	if i := strings.IndexByte(name, ':'); i >= 0 {
		if f = c.inGroup(name[:i], name[i+1:]); f != nil && f.Group.EntityType.ID != entry.entityType.ID {
			return nil, fault.New(fault.NotFound, "unknown-feature", "the feature %s belongs to the entity type %s, not to %s",
				name, f.Group.EntityType.Name, entityType)
		}
	} else {
		f = entry.short[name]
	}
	if f == nil {
		return nil, fault.New(fault.NotFound, "unknown-feature", "there is no feature %q of the entity type %s%s",
			fault.Shorten(reference), entityType, DidYouMean(name, entry.names(c, strings.Contains(name, ":"))))
	}
	if pinned {
		return f.at(version)
	}
	return f, nil
}

// ResolveReference finds the feature that a reference means without an entity type: group:feature, or a short name that only
// one entity type has, either with @version. Faults: unknown-feature, ambiguous-feature, unknown-version.
func (c *Catalog) ResolveReference(reference string) (*Feature, error) {
	name, version, pinned := strings.Cut(reference, "@")
	var f *Feature
	if i := strings.IndexByte(name, ':'); i >= 0 {
		f = c.inGroup(name[:i], name[i+1:])
	} else {
		for _, et := range c.entityTypeList {
			found := c.types[et.Name].short[name]
			if found != nil && f != nil {
				return nil, fault.New(fault.Unprocessable, "ambiguous-feature", "%q is a feature of %s and of %s; write group:feature: %s or %s",
					name, f.Group.EntityType.Name, et.Name, f.Reference(), found.Reference())
			}
			if found != nil {
				f = found
			}
		}
	}
	if f == nil {
		names := func(yield func(string) bool) {
			for _, et := range c.entityTypeList {
				for n := range c.types[et.Name].names(c, strings.Contains(name, ":")) {
					if !yield(n) {
						return
					}
				}
			}
		}
		return nil, fault.New(fault.NotFound, "unknown-feature", "there is no feature %q%s", fault.Shorten(reference), DidYouMean(name, names))
	}
	if pinned {
		return f.at(version)
	}
	return f, nil
}

func (c *Catalog) inGroup(group, name string) *Feature {
	if entry := c.groups[group]; entry != nil {
		return entry.features[name]
	}
	return nil
}

// names yields what a reference inside the entity type can be: short names, or else group:feature.
func (e *typeEntry) names(c *Catalog, full bool) iter.Seq[string] {
	if !full {
		return maps.Keys(e.short)
	}
	return func(yield func(string) bool) {
		for _, g := range c.groupList {
			if g.EntityType != e.entityType {
				continue
			}
			for _, f := range g.Features {
				if !yield(f.Reference()) {
					return
				}
			}
		}
	}
}

// at is the generation of the feature's values that a version of its definition had.
func (f *Feature) at(text string) (*Feature, error) {
	version, err := strconv.Atoi(text)
	if err != nil || version < 1 || strconv.Itoa(version) != text {
		return nil, fault.New(fault.Invalid, "invalid-version", "%q is no version of %s: write a number, such as %s@%d",
			fault.Shorten(text), f.Reference(), f.Name, f.Version)
	}
	if version > f.Version {
		return nil, fault.New(fault.NotFound, "unknown-version", "%s has no version %d; the newest is %d", f.Reference(), version, f.Version)
	}
	for _, g := range append([]*Feature{f}, f.Older...) {
		if g.FirstVersion <= version && version <= g.Version {
			return g, nil
		}
	}
	oldest := f
	if len(f.Older) > 0 {
		oldest = f.Older[0]
	}
	return nil, fault.New(fault.NotFound, "unknown-version", "the values of version %d of %s cannot be read any more; the oldest version that can is %d",
		version, f.Reference(), oldest.FirstVersion)
}

// UnknownEntityType is the fault unknown-entity-type, with near names.
func (c *Catalog) UnknownEntityType(name string) error {
	names := func(yield func(string) bool) {
		for _, et := range c.entityTypeList {
			if !yield(et.Name) {
				return
			}
		}
	}
	return fault.New(fault.NotFound, "unknown-entity-type", "there is no entity type %q%s", fault.Shorten(name), DidYouMean(name, names))
}

// UnknownGroup is the fault unknown-group, with near names.
func (c *Catalog) UnknownGroup(name string) error {
	names := func(yield func(string) bool) {
		for _, g := range c.groupList {
			if !yield(g.Name) {
				return
			}
		}
	}
	return fault.New(fault.NotFound, "unknown-group", "there is no group %q%s", fault.Shorten(name), DidYouMean(name, names))
}

// at is the definition of a place, deleted ones too; nil if there never was one.
func (c *Catalog) at(p place) *definition {
	switch p.kind {
	case kindEntityType:
		if entry := c.types[p.name]; entry != nil {
			return entry.definition
		}
	case kindGroup:
		if entry := c.groups[p.name]; entry != nil {
			return entry.definition
		}
	case kindFeature:
		if entry := c.groupsByID[p.parent]; entry != nil {
			return entry.definitions[p.name]
		}
	case kindService:
		if entry := c.services[p.name]; entry != nil {
			return entry.definition
		}
	default:
		if entry := c.others[p]; entry != nil {
			return entry.definition
		}
	}
	return nil
}

// groupsOf are the groups of an entity type.
func (c *Catalog) groupsOf(entityType int64) []*Group {
	return slices.DeleteFunc(slices.Clone(c.groupList), func(g *Group) bool { return g.EntityType.ID != entityType })
}
