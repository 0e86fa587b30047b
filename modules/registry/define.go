package registry

import (
	"context"
	"slices"
	"strings"

	"featurestore/app/fault"
)

// Options say how a definition is to be changed.
type Options struct {
	DryRun  bool   // only answer the plan
	IfMatch string // the ETag that the definition must have now; "": any, or none
	Replace bool   // what the body leaves out is cleared; otherwise it stays as it is

	// AllowBreaking lets value types change that are stored or read: a new generation of values begins beside the old one.
	AllowBreaking bool
}

// Defined is a definition after a change.
type Defined struct {
	Plan    Plan
	Catalog *Catalog
	Created bool
	Name    string // of a feature: its reference
}

// Define makes or changes the definition that a JSON body describes. name is the one of the URL, which the body need not repeat; "":
// the body has it. Not for features that an URL names.
func (r *Registry) Define(ctx context.Context, kind, name string, body []byte, o Options) (*Defined, error) {
	return r.define(ctx, &wanted{kind: r.kind(kind), name: name}, body, o)
}

func (r *Registry) kind(name string) *Kind {
	return r.kinds[slices.IndexFunc(r.kinds, func(k *Kind) bool { return k.Name == name })]
}

func (r *Registry) define(ctx context.Context, w *wanted, body []byte, o Options) (*Defined, error) {
	value, err := parseJSON(body)
	if err != nil {
		return nil, err
	}
	reading := newReader(r.kinds)
	if w.name != "" {
		if err := nameRule(w.kind)(w.name); err != nil {
			return nil, settled(reading.problems.At("name", w.name, "%v", err))
		}
	}
	w.members, w.replace, w.ifMatch = Members{}, o.Replace, o.IfMatch
	reading.definition(w, value)
	if err := settled(reading.problems); err != nil {
		return nil, err
	}
	return r.want(ctx, o, reading.found)
}

// want changes the first of the definitions, and those inside of it.
func (r *Registry) want(ctx context.Context, o Options, all []*wanted) (*Defined, error) {
	var defined *edit
	out, err := r.change(ctx, o.DryRun, func(p *planner) {
		p.allowBreaking = o.AllowBreaking
		p.put(all)
		i := slices.IndexFunc(p.edits, func(e *edit) bool { return e.named && e.kind == all[0].kind && e.at == all[0].at })
		if i >= 0 {
			defined = p.edits[i]
		}
	})
	if err != nil {
		return nil, err
	}
	return &Defined{Plan: out.plan, Catalog: out.after, Created: defined.creating(), Name: defined.label}, nil
}

// Apply makes the definitions of a file so, all or none. What the file does not name stays; the plan lists it. Of the options, DryRun
// and AllowBreaking count.
func (r *Registry) Apply(ctx context.Context, body []byte, contentType string, o Options) (*Plan, error) {
	value, err := parseFile(body, contentType)
	if err != nil {
		return nil, err
	}
	reading := newReader(r.kinds)
	reading.file(value)
	if err := settled(reading.problems); err != nil {
		return nil, err
	}
	var notNamed []Named
	out, err := r.change(ctx, o.DryRun, func(p *planner) {
		p.allowBreaking = o.AllowBreaking
		p.given = reading.given
		p.put(reading.found)
		notNamed = p.notNamed()
	})
	if err != nil {
		return nil, err
	}
	out.plan.NotNamed = notNamed
	return &out.plan, nil
}

// defineFeature changes or makes the feature that an URL names inside an entity type.
func (r *Registry) defineFeature(ctx context.Context, entityType, reference string, body []byte, o Options) (*Defined, error) {
	w, err := r.addressed(ctx, entityType, reference)
	if err != nil {
		return nil, err
	}
	return r.define(ctx, w, body, o)
}

// addressed is the feature that an URL names, which need not exist.
func (r *Registry) addressed(ctx context.Context, entityType, reference string) (*wanted, error) {
	if err := noVersion(reference); err != nil {
		return nil, err
	}
	catalog, err := r.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	w := &wanted{kind: featureKind, entityType: entityType, name: reference}
	if f, err := catalog.Resolve(entityType, reference); err == nil {
		w.name, w.group, w.also = f.Name, f.Group.Name, f.Aliases
	} else if group, name, ok := strings.Cut(reference, ":"); ok {
		w.name, w.group = name, group
	}
	return w, nil
}

func noVersion(reference string) error {
	if strings.Contains(reference, "@") {
		return fault.New(fault.Invalid, "invalid-reference", "a definition is addressed without a version; its versions are under /versions")
	}
	return nil
}

// moveFeature sets the status of a feature that exists; body, an object or empty, can hold the other members named.
func (r *Registry) moveFeature(ctx context.Context, entityType, reference string, to Status, body []byte, o Options) (*Defined, error) {
	w, err := r.addressed(ctx, entityType, reference)
	if err != nil {
		return nil, err
	}
	if _, err := r.Catalog().Resolve(entityType, reference); err != nil {
		return nil, err
	}
	w.ifMatch, w.members = o.IfMatch, Members{"status": QuoteText(string(to))}
	if len(body) > 0 {
		if err := readMove(w, body); err != nil {
			return nil, err
		}
	}
	return r.want(ctx, o, []*wanted{w})
}

// renameFeature gives a feature that exists another name; body is an object with new_name.
func (r *Registry) renameFeature(ctx context.Context, entityType, reference string, body []byte, o Options) (*Defined, error) {
	w, err := r.addressed(ctx, entityType, reference)
	if err != nil {
		return nil, err
	}
	if _, err := r.Catalog().Resolve(entityType, reference); err != nil {
		return nil, err
	}
	value, err := parseJSON(body)
	if err != nil {
		return nil, err
	}
	reading := newReader(nil)
	w.renamedFrom, w.name = []string{w.name}, ""
	w.renaming, w.ifMatch, w.members = true, o.IfMatch, Members{}
	if value[0] != '{' {
		reading.problems.At("", string(value), "expected an object, got %s", form(value))
		return nil, settled(reading.problems)
	}
	for _, f := range fieldsOf(value) {
		if f.name != "new_name" {
			reading.problems.At(f.name, "", "unknown member; this call takes new_name")
			continue
		}
		reading.name(&w.name, f.value, f.name, nameRule(featureKind))
	}
	if w.name == "" && len(reading.problems.Violations) == 0 {
		reading.problems.At("new_name", "", "must be given")
	}
	if err := settled(reading.problems); err != nil {
		return nil, err
	}
	return r.want(ctx, o, []*wanted{w})
}

// readMove reads the reason and the replacement.
func readMove(w *wanted, body []byte) error {
	value, err := parseJSON(body)
	if err != nil {
		return err
	}
	reading := newReader(nil)
	if value[0] != '{' {
		reading.problems.At("", string(value), "expected an object, got %s", form(value))
		return settled(reading.problems)
	}
	for _, f := range fieldsOf(value) {
		if f.name != "reason" && f.name != "replacement" {
			reading.problems.At(f.name, "", "unknown member; this call takes reason and replacement")
			continue
		}
		member, _ := featureKind.member(f.name)
		w.members[f.name] = reading.member(member, f.value, f.name)
	}
	return settled(reading.problems)
}

// Delete removes a definition that nothing uses. Its name can come back later, and then goes on with its history.
func (r *Registry) Delete(ctx context.Context, kind, name string, o Options) (*Plan, error) {
	return r.delete(ctx, o, &wanted{kind: r.kind(kind), name: name}, func(c *Catalog) (*Kind, int64, string, error) {
		k := r.kind(kind)
		if c.at(place{kind, 0, name}).live() {
			return k, 0, name, nil
		}
		return nil, 0, "", c.unknown(k, name)
	})
}

func (r *Registry) deleteFeature(ctx context.Context, entityType, reference string, o Options) (*Plan, error) {
	if err := noVersion(reference); err != nil {
		return nil, err
	}
	return r.delete(ctx, o, &wanted{kind: featureKind, name: reference}, func(c *Catalog) (*Kind, int64, string, error) {
		f, err := c.Resolve(entityType, reference)
		if err != nil {
			return nil, 0, "", err
		}
		return featureKind, f.Group.ID, f.Name, nil
	})
}

func (r *Registry) delete(ctx context.Context, o Options, w *wanted, find func(*Catalog) (*Kind, int64, string, error)) (*Plan, error) {
	w.ifMatch = o.IfMatch
	out, err := r.change(ctx, o.DryRun, func(p *planner) {
		kind, parent, name, err := find(p.before)
		if err != nil {
			p.fail(err)
			return
		}
		label := name
		if kind == featureKind {
			label = p.before.groupsByID[parent].group.Name + ":" + name
		}
		p.drop(p.begin(kind, parent, name, label, ""), w)
	})
	if err != nil {
		return nil, err
	}
	return &out.plan, nil
}

// unknown is the fault that there is no such definition.
func (c *Catalog) unknown(kind *Kind, name string) error {
	switch kind {
	case entityTypeKind:
		return c.UnknownEntityType(name)
	case groupKind:
		return c.UnknownGroup(name)
	case serviceKind:
		_, err := c.Service(name)
		return err
	}
	all := func(yield func(string) bool) {
		for _, d := range c.Definitions(kind.Name) {
			if !yield(d.Name) {
				return
			}
		}
	}
	return fault.New(fault.NotFound, "unknown-"+strings.ReplaceAll(kind.Name, "_", "-"), "there is no %s %q%s",
		Named{Kind: kind.Name}.word(), fault.Shorten(name), DidYouMean(name, all))
}

// Versions are those of a definition, newest first, of versions below one (0: from the newest on).
func (r *Registry) Versions(ctx context.Context, kind, name string, below, limit int) ([]Version, error) {
	d := r.Catalog().at(place{kind, 0, name})
	if d == nil {
		return nil, r.Catalog().unknown(r.kind(kind), name)
	}
	return readVersions(ctx, r.db, d.id, below, limit)
}

// featureVersions are those of a feature, which may be deleted.
func (r *Registry) featureVersions(ctx context.Context, entityType, reference string, below, limit int) ([]Version, error) {
	if err := noVersion(reference); err != nil {
		return nil, err
	}
	c := r.Catalog()
	f, err := c.Resolve(entityType, reference)
	if err == nil {
		return readVersions(ctx, r.db, f.ID, below, limit)
	}
	group, name, full := strings.Cut(reference, ":")
	if !full {
		group, name = entityType, reference
	}
	if entry := c.groups[group]; entry != nil && entry.definitions[name] != nil {
		return readVersions(ctx, r.db, entry.definitions[name].id, below, limit)
	}
	return nil, err
}
