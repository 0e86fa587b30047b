package store

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// Field is a named cell, as it came in.
type Field struct {
	Name string
	Cell table.Cell
}

// Entity names an entity as a caller does: by the path segment (see ParseKey) or, where Path is "", by its join keys.
type Entity struct {
	Path    string
	Members []Field
}

// Observation is what one entity was seen to be.
type Observation struct {
	Entity    Entity
	EventTime int64 // µs; value.NoTime: the offline store's clock
	Fields    []Field
	Zone      *time.Location    // of times without an offset; nil refuses them
	Place     string            // where it stands in the request, for messages: "" or "rows[3]"
	Wrong     []fault.Violation // what reading it found: it is refused, with all that is wrong beside
}

func (o *Observation) wrong(place, shown, format string, args ...any) {
	o.Wrong = append(o.Wrong, fault.Violation{Location: place, Message: fmt.Sprintf(format, args...), Value: fault.Shorten(shown)})
}

// place joins the parts of a location.
func (o *Observation) place(member string) string {
	if o.Place == "" {
		return member
	}
	return o.Place + "." + member
}

// checked is what a request comes to: rows to append, each of one group, or what must be registered first.
type checked struct {
	rows         []*Rows // one row each; those of observation i are rows[starts[i]:starts[i+1]]
	starts       []int
	stored       map[string]string
	unregistered []registry.Unregistered
	widen        []*registry.Feature
	resolved     map[string]*registry.Feature // by the names that were sent
	erased       []bool                       // which observations are of erased entities; nil: none
	erasures     int                          // how many
	judgement
}

// checker turns observations of one entity type into rows, collecting everything that is wrong with them.
type checker struct {
	store      *Store
	catalog    *registry.Catalog
	entityType string
	known      *registry.EntityType // nil while nobody registered it
	features   map[string]*registry.Feature
	latest     int64 // the latest event time allowed
	unknown    []*unknownFeature
	out        checked
	at         int // the observation that is looked at
	found      []violation
	room       int          // how many more are noted
	unresolved *fault.Error // of the first name that leads to nothing and cannot be registered; nil: there is none
	scratch    []observed
}

// violation is what is wrong with an observation, by its number.
type violation struct {
	of int
	fault.Violation
}

// unknownFeature is a name that nobody registered, with everything that the request holds for it.
type unknownFeature struct {
	name      string
	inference table.Inference
	cells     []table.Cell
	of        []int // the observation of each cell
}

// observed is one converted field.
type observed struct {
	feature *registry.Feature
	value   value.Value
}

// check converts what can be converted under this catalog. Violations are answered as one problem, in the order of the observations.
func (s *Store) check(catalog *registry.Catalog, entityType string, observations []Observation) (*checked, error) {
	names := 0
	if len(observations) > 0 {
		names = len(observations[0].Fields)
	}
	c := &checker{
		store: s, catalog: catalog, entityType: entityType,
		features: make(map[string]*registry.Feature, names),
		latest:   s.now() + s.config.FutureTolerance.Microseconds(),
	}
	c.out.stored, c.out.resolved = make(map[string]string, names), c.features
	c.known, _ = catalog.EntityType(entityType)
	c.room = s.config.LoadErrors
	for i := range observations {
		if c.room == 0 {
			break
		}
		c.at = i
		c.out.starts = append(c.out.starts, len(c.out.rows))
		if err := c.observation(&observations[i]); err != nil {
			return nil, err
		}
	}
	c.out.starts = append(c.out.starts, len(c.out.rows))
	c.inferTypes(observations)
	c.checkWidened(observations)
	if len(c.found) > 0 {
		return nil, c.problem(len(observations))
	}
	return &c.out, nil
}

// problem lists the first of the violations. Where all of them are names that lead to nothing, it is the problem of the first one.
func (c *checker) problem(observations int) *fault.Error {
	problem := fault.New(fault.Unprocessable, "invalid-observation", "nothing was stored: the observation is not valid")
	if observations > 1 {
		problem.Detail = "nothing was stored: some of the rows are not valid"
	}
	if c.unresolved != nil && len(c.found) == len(c.unresolved.Violations) {
		return c.unresolved
	}
	slices.SortStableFunc(c.found, func(a, b violation) int { return a.of - b.of })
	for _, v := range c.found[:min(len(c.found), c.store.config.LoadErrors)] {
		problem.Violations = append(problem.Violations, v.Violation)
	}
	return problem
}

func (c *checker) observation(o *Observation) error {
	for _, v := range o.Wrong {
		c.note(v)
	}
	if len(o.Wrong) > 0 && o.Entity.Path == "" && len(o.Entity.Members) == 0 && len(o.Fields) == 0 {
		return nil // it could not be read at all
	}
	key, err := c.key(o)
	if err != nil {
		c.violate(o, "entity_id", "", err)
	}
	if o.EventTime != value.NoTime && o.EventTime > c.latest {
		c.wrong(o, "event_time", string(value.AppendTime(nil, o.EventTime)), "is more than %s in the future", c.store.config.FutureTolerance)
	}
	if !slices.ContainsFunc(o.Fields, func(f Field) bool { return !f.Cell.IsMissing() }) {
		c.wrong(o, "features", "", "has no feature: give at least one")
		return nil
	}
	fields := c.scratch[:0]
	for i := range o.Fields {
		feature, v, ok, err := c.field(o, &o.Fields[i])
		if err != nil {
			return err
		}
		if ok {
			fields = append(fields, observed{feature, v})
		}
	}
	c.scratch = fields
	slices.SortFunc(fields, func(a, b observed) int {
		if a.feature.Group.ID != b.feature.Group.ID {
			return int(a.feature.Group.ID - b.feature.Group.ID)
		}
		return int(a.feature.Ordinal) - int(b.feature.Ordinal)
	})
	c.cut(o, key, fields)
	return nil
}

// cut makes one row of each group's share of the sorted fields.
func (c *checker) cut(o *Observation, key Key, fields []observed) {
	for len(fields) > 0 {
		group := fields[0].feature.Group
		n := 1
		for n < len(fields) && fields[n].feature.Group == group {
			n++
		}
		row := &Rows{Group: group, Keys: []Key{key}, EventTimes: []int64{o.EventTime},
			Features: make([]*registry.Feature, n), Values: make([]value.Value, n)}
		for i, f := range fields[:n] {
			if i > 0 && f.feature == row.Features[i-1] {
				c.wrong(o, f.feature.Name, "", "is given twice, by two of its names")
			}
			row.Features[i], row.Values[i] = f.feature, f.value
		}
		if err := row.checkID(0); err != nil {
			c.wrong(o, group.IDColumn, "", "%s", err)
		}
		c.out.rows = append(c.out.rows, row)
		fields = fields[n:]
	}
}

func (c *checker) key(o *Observation) (Key, error) {
	entityType := c.known
	if entityType == nil {
		entityType = &registry.EntityType{JoinKeys: []registry.JoinKey{{Name: c.entityType + "_id", ValueType: value.String}}}
	}
	if o.Entity.Path != "" || len(o.Entity.Members) == 0 {
		return ParseKey(entityType, o.Entity.Path)
	}
	return keyOf(entityType, o.Entity.Members)
}

// field resolves and converts one field; ok is false where it was noted as wrong or to be registered.
func (c *checker) field(o *Observation, f *Field) (*registry.Feature, value.Value, bool, error) {
	feature, err := c.resolve(f.Name)
	if err != nil {
		unknown := fault.Is(err, "unknown-feature") || fault.Is(err, "unknown-entity-type")
		reference := strings.ContainsAny(f.Name, ":@") // no name that could be registered
		if !unknown || reference || c.store.config.Unregistered != "register" {
			return nil, value.Value{}, false, c.leadsNowhere(o, f.Name, err)
		}
		if c.known != nil {
			for _, k := range c.known.JoinKeys {
				if k.Name == f.Name {
					c.wrong(o, f.Name, "", "is a join key, no feature: it belongs in the path or in entity_id")
					return nil, value.Value{}, false, nil
				}
			}
		}
		c.register(o, f)
		return nil, value.Value{}, false, nil
	}
	switch {
	case feature.Status == registry.Archived:
		c.wrong(o, f.Name, "", "is archived: restore it before storing values")
		return nil, value.Value{}, false, nil
	case feature.Until != 0:
		c.wrong(o, f.Name, "", "%s", onlyRead(feature))
		return nil, value.Value{}, false, nil
	}
	v, err := f.Cell.Value(feature.ValueType, o.Zone)
	if err != nil {
		if feature.Status == registry.Draft && feature.ValueType == value.Integer {
			if t, inferErr := f.Cell.Infer(); inferErr == nil && t == value.Float {
				c.widen(feature)
				return nil, value.Value{}, false, nil
			}
		}
		c.violate(o, f.Name, f.Cell.Display(), err)
		return nil, value.Value{}, false, nil
	}
	if v.IsAbsent() {
		return nil, value.Value{}, false, nil
	}
	c.out.stored[f.Name] = feature.Name
	return feature, v, true, nil
}

// onlyRead says that values of an older generation are not written.
func onlyRead(f *registry.Feature) string {
	return fmt.Sprintf("names the values that %s had up to version %d, of type %s, which are only read: store new ones as %s", f.Reference(), f.Version, f.ValueType, f.Name)
}

func (c *checker) resolve(name string) (*registry.Feature, error) {
	if feature, ok := c.features[name]; ok {
		return feature, nil
	}
	feature, err := c.catalog.Resolve(c.entityType, name)
	if err != nil {
		return nil, err
	}
	c.features[name] = feature
	return feature, nil
}

// register notes a name that nobody registered.
func (c *checker) register(o *Observation, f *Field) {
	i := slices.IndexFunc(c.unknown, func(u *unknownFeature) bool { return u.name == f.Name })
	if i < 0 {
		i = len(c.unknown)
		c.unknown = append(c.unknown, &unknownFeature{name: f.Name, inference: table.Inference{Zone: o.Zone}})
	}
	u := c.unknown[i]
	if err := u.inference.Add(f.Cell); err != nil {
		c.violate(o, f.Name, f.Cell.Display(), fmt.Errorf("is not registered, and its type cannot be told: %w", err))
		return
	}
	u.cells, u.of = append(u.cells, f.Cell), append(u.of, c.at)
}

// inferTypes decides the types of what is to be registered. All of the request must fit them: nothing is registered for a request that
// is refused.
func (c *checker) inferTypes(observations []Observation) {
	for _, u := range c.unknown {
		if len(u.cells) == 0 {
			continue
		}
		c.room = c.store.config.LoadErrors
		wrong := func(i int, err error) {
			c.at = u.of[i]
			c.violate(&observations[c.at], u.name, u.cells[i].Display(), err)
		}
		t, err := u.inference.Type()
		if err != nil {
			wrong(0, fmt.Errorf("is not registered, and its type cannot be told: %w", err))
			continue
		}
		for i, cell := range u.cells {
			if _, err := cell.Value(t, u.inference.Zone); err != nil {
				wrong(i, err)
			}
		}
		c.out.unregistered = append(c.out.unregistered, registry.Unregistered{Name: u.name, ValueType: t})
	}
}

// checkWidened makes sure that all the request holds for a draft that becomes FLOAT fits.
func (c *checker) checkWidened(observations []Observation) {
	if len(c.out.widen) == 0 {
		return
	}
	c.room = c.store.config.LoadErrors
	for i := range observations {
		o := &observations[i]
		c.at = i
		for _, f := range o.Fields {
			if !slices.Contains(c.out.widen, c.features[f.Name]) {
				continue
			}
			if _, err := f.Cell.Value(value.Float, o.Zone); err != nil {
				c.violate(o, f.Name, f.Cell.Display(), err)
			}
		}
	}
}

func (c *checker) widen(feature *registry.Feature) {
	if !slices.Contains(c.out.widen, feature) {
		c.out.widen = append(c.out.widen, feature)
	}
}

// leadsNowhere notes a name that cannot be resolved.
func (c *checker) leadsNowhere(o *Observation, name string, err error) error {
	problem, ok := fault.As(err)
	if !ok {
		return err
	}
	if c.unresolved == nil {
		c.unresolved = fault.New(problem.Kind, problem.Slug, "%s", problem.Detail)
	}
	if c.room > 0 {
		c.unresolved.At(o.place(name), name, "%s", problem.Detail)
	}
	c.wrong(o, name, name, "%s", problem.Detail)
	return nil
}

// violate notes an error; a fault's own violations are taken over.
func (c *checker) violate(o *Observation, member, shown string, err error) {
	if f, ok := fault.As(err); ok && len(f.Violations) > 0 {
		for _, v := range f.Violations {
			c.wrong(o, member, v.Value, "%s", v.Message)
		}
		return
	}
	c.wrong(o, member, shown, "%s", err.Error())
}

// wrong notes what is wrong with a member, unless reading it said so already.
func (c *checker) wrong(o *Observation, member, shown, format string, args ...any) {
	place := o.place(member)
	if slices.ContainsFunc(o.Wrong, func(v fault.Violation) bool { return v.Location == place }) {
		return
	}
	c.note(fault.Violation{Location: place, Message: fmt.Sprintf(format, args...), Value: fault.Shorten(shown)})
}

func (c *checker) note(v fault.Violation) {
	if c.room > 0 {
		c.found = append(c.found, violation{c.at, v})
		c.room--
	}
}
