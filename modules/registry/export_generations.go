package registry

import (
	"encoding/json"
	"strconv"

	"featurestore/modules/registry/value"
)

// givenGeneration is what a file says of one generation of a feature's values: which versions of the definition had it.
type givenGeneration struct {
	first, last int
	valueType   value.Type
}

// generationsMember is the member by which a file takes a feature's past with it, so that references with a version mean the same elsewhere.
const generationsMember = "generations"

// Limits of a feature's past.
const (
	maxGenerations = 100
	maxVersion     = 1_000_000_000
)

// generations reads [{"first_version": 1, "last_version": 2, "value_type": "INTEGER"}, …], the oldest first.
func (r *reader) generations(w *wanted, from json.RawMessage, at string) {
	if from[0] == 'n' {
		return
	}
	if from[0] != '[' {
		r.problems.At(at, string(from), "expected a list of generations, got %s", form(from))
		return
	}
	all := elements(from)
	if len(all) == 0 || len(all) > maxGenerations {
		r.problems.At(at, "", "a feature has 1 to %d generations of values", maxGenerations)
		return
	}
	for i, one := range all {
		g, ok := r.generation(one, at+index(i))
		if !ok {
			return
		}
		if i > 0 && g.first != w.generations[i-1].last+1 || g.first < 1 || g.last < g.first || g.last > maxVersion {
			r.problems.At(at+index(i), string(one), "the versions do not go on from each other: each generation begins with the version after the last one of that before it")
			return
		}
		w.generations = append(w.generations, g)
	}
}

func (r *reader) generation(one json.RawMessage, at string) (g givenGeneration, ok bool) {
	ok = true
	wrong := func(within, value, format string, args ...any) {
		ok = false
		r.problems.At(at+within, value, format, args...)
	}
	if one[0] != '{' {
		wrong("", string(one), "expected an object, got %s", form(one))
		return g, false
	}
	for _, f := range fieldsOf(one) {
		var err error
		switch f.name {
		case "first_version":
			g.first, err = strconv.Atoi(string(f.value))
		case "last_version":
			g.last, err = strconv.Atoi(string(f.value))
		case "value_type":
			if text := readValueType(f.value, func(within, value, format string, args ...any) { wrong(".value_type"+within, value, format, args...) }); text != nil {
				g.valueType, _ = value.ParseType(textOf(text))
			}
		default:
			wrong("."+f.name, "", "unknown member; a generation has first_version, last_version and value_type")
		}
		if err != nil {
			wrong("."+f.name, string(f.value), "expected the number of a version")
		}
	}
	if ok && (g.first == 0 || g.last == 0 || g.valueType == value.Invalid) {
		wrong("", string(one), "first_version, last_version and value_type must be given")
	}
	return g, ok
}

// pastGenerations lays out what a new feature has been through elsewhere: its versions go on from there, and values of earlier types have
// their places, though none are there. A name that there was here before goes on from what it was here.
func (p *planner) pastGenerations(e, group *edit, w *wanted) {
	if w.generations == nil || e.before != nil {
		return
	}
	newest := w.generations[len(w.generations)-1]
	if is, ok := value.ParseType(e.text("value_type")); ok && is != newest.valueType {
		p.problems.At(join(w.at, generationsMember)+index(len(w.generations)-1), newest.valueType.String(), "the newest generation has the feature's value type, %s", is)
		return
	}
	e.elsewhere = w.generations
	p.relay(group)
	for _, g := range w.generations[:len(w.generations)-1] {
		if p.countColumn(group) > maxColumns {
			return // newColumn says so
		}
		layout, after := &group.after.layout, &e.after.layout
		after.Columns++
		after.Older = append(after.Older, generation{First: g.first, ValueType: g.valueType, Ordinal: uint16(layout.NextOrdinal),
			Column: e.after.columnOf(), Since: layout.SchemaVersion, Until: layout.SchemaVersion})
		layout.NextOrdinal++
	}
}

// exportGenerations is a feature's past, where something can name it; nil where it would be the same elsewhere anyway.
func exportGenerations(f *Feature, pinned map[string]bool) []exported {
	if len(f.Older) == 0 && !pinned[f.Reference()] {
		return nil
	}
	var list []exported
	for _, g := range append(f.Older[:len(f.Older):len(f.Older)], f) {
		list = append(list, exported{
			{"first_version", json.RawMessage(strconv.Itoa(g.FirstVersion))},
			{"last_version", json.RawMessage(strconv.Itoa(g.Version))},
			{"value_type", QuoteText(g.ValueType.String())},
		})
	}
	return list
}

// pinned are the features of which something names a version above 1, which a feature that is made does not have.
func (c *Catalog) pinned(kinds []*Kind) map[string]bool {
	pinned := map[string]bool{}
	for r := range c.references(kinds) {
		if version, err := strconv.Atoi(r.version); err == nil && version > 1 {
			pinned[r.of.Name] = true
		}
	}
	return pinned
}
