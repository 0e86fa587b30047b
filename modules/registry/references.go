package registry

import (
	"iter"
	"slices"
	"strings"
)

// reference is that one definition needs another: by reads, or names, of.
type reference struct {
	of, by  Named
	version string // of a feature, that by names; "": its newest values
	why     string
	makes   bool // by makes of: it comes before it
}

func isPinned(reference string) bool { return strings.Contains(reference, "@") }

// references yields what definitions say of others: the registry's own kinds first, and those of other modules by Kind.Reads. That
// features belong to groups, and these to entity types, is not among them.
func (c *Catalog) references(kinds []*Kind) iter.Seq[reference] {
	return func(yield func(reference) bool) {
		for _, g := range c.groupList {
			if g.IDColumn != "" && !yield(reference{of: Named{kindFeature, g.Name + ":" + g.IDColumn}, by: Named{kindGroup, g.Name}, why: "knows repeated rows by it"}) {
				return
			}
		}
		for f := range c.Features() {
			if f.Replacement != "" && !yield(reference{of: Named{kindFeature, f.Replacement}, by: Named{kindFeature, f.Reference()}, why: "names it as its replacement"}) {
				return
			}
		}
		for _, s := range c.serviceList {
			for i, f := range s.Features {
				_, version, _ := strings.Cut(s.References[i], "@")
				if !yield(reference{of: Named{kindFeature, f.Reference()}, by: Named{kindService, s.Name}, version: version, why: "reads it"}) {
					return
				}
			}
		}
		for _, d := range c.otherList {
			for r := range d.refers(kinds) {
				if r.of.Kind == kindFeature {
					r.of.Name, r.version, _ = strings.Cut(r.of.Name, "@")
					group, name, _ := strings.Cut(r.of.Name, ":")
					if f := c.inGroup(group, name); f != nil {
						r.of.Name = f.Reference() // not a former name
					}
				}
				if !yield(r) {
					return
				}
			}
		}
	}
}

// refers yields the definitions that one of another module's kind says it depends on, or makes, by the names that it has for them.
func (d *Definition) refers(kinds []*Kind) iter.Seq[reference] {
	return func(yield func(reference) bool) {
		i := slices.IndexFunc(kinds, func(k *Kind) bool { return k.Name == d.Kind })
		if i < 0 || kinds[i].Reads == nil && kinds[i].Computes == nil {
			return
		}
		members, err := decodeMembers(d.Document)
		if err != nil {
			return
		}
		by := Named{d.Kind, d.Name}
		if kinds[i].Reads != nil {
			for _, of := range kinds[i].Reads(members) {
				why := "reads it"
				if of.Kind == by.Kind {
					why = "comes after it"
				}
				if !yield(reference{of: of, by: by, why: why}) {
					return
				}
			}
		}
		if kinds[i].Computes != nil {
			for _, of := range kinds[i].Computes(members) {
				if !yield(reference{of: of, by: by, why: "computes it", makes: true}) {
					return
				}
			}
		}
	}
}

// users are the definitions that refer to one, whatever version they name.
func (c *Catalog) users(of Named, kinds []*Kind) []Named {
	var users []Named
	for r := range c.references(kinds) {
		if r.of == of && !slices.Contains(users, r.by) {
			users = append(users, r.by)
		}
	}
	return users
}

func sentence(names []Named) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = n.String()
	}
	return strings.Join(texts, ", ")
}
