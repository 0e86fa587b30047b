package registry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"featurestore/app/fault"
)

// wanted is one definition as a request wants it: well-formed, not yet compared with anything.
type wanted struct {
	kind    *Kind
	name    string
	at      string  // where it stands in the request: "groups[0].features[2]", "" for the body itself
	members Members // what was said
	replace bool    // what was not said is cleared; otherwise it stays
	ifMatch string  // the ETag that it must have now; "" if none was asked for

	entityType  string // of a feature; "" if not given
	group       string
	renamedFrom []string          // of a feature: names that it had
	generations []givenGeneration // of a feature, where it was made
	renaming    bool              // by a call of its own, which has new_name
	also        []string          // of a feature that an URL names: other names of it, which the body can repeat
}

// nameMember is the member of the request that gives the name.
func (w *wanted) nameMember() string {
	if w.renaming {
		return "new_name"
	}
	return "name"
}

// reader turns requests into what is wanted and collects all that is wrong with them.
type reader struct {
	kinds    []*Kind
	problems *fault.Error
	found    []*wanted
	given    []givenShortName
}

func newReader(kinds []*Kind) *reader {
	return &reader{kinds: kinds, problems: newProblems()}
}

func newProblems() *fault.Error {
	return fault.New(fault.Unprocessable, "invalid-definition", "the definition is not valid")
}

// maxViolations is how many mistakes of a request are listed.
const maxViolations = 1000

// settled is the fault with all that was found wrong, or nil.
func settled(problems *fault.Error) error {
	switch n := len(problems.Violations); {
	case n == 0:
		return nil
	case n == 1:
		v := problems.Violations[0]
		problems.Detail = strings.TrimPrefix(v.Location+": "+v.Message, ": ")
	case n > maxViolations:
		problems.Detail = fmt.Sprintf("the request has %d mistakes; violations lists the first %d", n, maxViolations)
		problems.Violations = problems.Violations[:maxViolations]
	default:
		problems.Detail = "the request has several mistakes; violations lists them all"
	}
	return problems
}

// file reads what apply takes: an object of lists, one for each kind.
func (r *reader) file(body json.RawMessage) {
	if body[0] != '{' {
		r.problems.At("", string(body), "expected an object with lists of definitions, got %s", form(body))
		return
	}
	plurals := make([]string, len(r.kinds))
	for i, k := range r.kinds {
		plurals[i] = k.Plural
	}
	for _, f := range fieldsOf(body) {
		i := slices.Index(plurals, f.name)
		switch {
		case f.name == shortNamesMember && f.value[0] != 'n':
			r.shortNames(f.value)
		case f.name == shortNamesMember:
		case i < 0:
			r.problems.At(f.name, "", "unknown member; an apply file has %s%s", strings.Join(plurals, ", "),
				DidYouMean(f.name, slices.Values(plurals)))
		case f.value[0] == 'n':
		default:
			r.list(r.kinds[i], f.value, f.name, nil)
		}
	}
}

// list reads a list of definitions of one kind; of a group's features, inside is that group.
func (r *reader) list(kind *Kind, value json.RawMessage, at string, inside *wanted) {
	if value[0] != '[' {
		r.problems.At(at, string(value), "expected a list, got %s", form(value))
		return
	}
	for i, element := range elements(value) {
		w := &wanted{kind: kind, at: at + index(i), members: Members{}}
		if inside != nil {
			w.group, w.entityType, w.replace = inside.name, inside.entityType, inside.replace
		}
		r.definition(w, element)
	}
}

// definition reads one definition into w. A name, entity type or group that w has already, from the URL or from the group
// around it, can be repeated but not contradicted.
func (r *reader) definition(w *wanted, value json.RawMessage) {
	if value[0] != '{' {
		r.problems.At(w.at, string(value), "expected an object, got %s", form(value))
		return
	}
	r.found = append(r.found, w)
	named := w.name != ""
	var features json.RawMessage
	for _, f := range fieldsOf(value) {
		at := join(w.at, f.name)
		member, isMember := w.kind.member(f.name)
		switch {
		case f.name == "name":
			named = named || f.value[0] != 'n'
			if f.value[0] != '"' || !slices.Contains(w.also, unquote(f.value)) {
				r.name(&w.name, f.value, at, nameRule(w.kind))
			}
		case f.name == "renamed_from" && w.kind == featureKind:
			r.formerNames(w, f.value, at)
		case f.name == generationsMember && w.kind == featureKind:
			r.generations(w, f.value, at)
		case f.name == "entity_type" && w.kind == featureKind:
			r.name(&w.entityType, f.value, at, CheckName)
		case f.name == "group" && w.kind == featureKind:
			r.name(&w.group, f.value, at, CheckName)
		case f.name == "features" && w.kind == groupKind:
			features = f.value
		case isMember:
			w.members[f.name] = r.member(member, f.value, at)
		case w.kind == entityTypeKind && w.at != "" && (f.name == "groups" || f.name == "features") && definesSome(f.value):
			r.problems.At(at, "", "unknown member of an entity type; groups and features have lists of their own beside entity_types")
		case slices.Contains(w.kind.shown, f.name), slices.Contains(shownAbout, f.name):
		default:
			r.problems.At(at, "", "unknown member%s", DidYouMean(f.name, slices.Values(w.kind.memberNames())))
		}
	}
	if !named {
		r.problems.At(join(w.at, "name"), "", "must be given")
	}
	if w.kind == groupKind {
		w.entityType = textOf(w.members["entity_type"])
	}
	if features != nil && features[0] != 'n' {
		r.list(featureKind, features, join(w.at, "features"), w)
	}
}

// definesSome tells whether a list holds definitions, and not only names.
func definesSome(list json.RawMessage) bool {
	return list[0] == '[' && slices.ContainsFunc(elements(list), func(e json.RawMessage) bool { return e[0] == '{' })
}

func nameRule(kind *Kind) func(string) error {
	switch kind {
	case groupKind:
		return checkGroupName
	case featureKind:
		return func(name string) error { return checkFeatureName(name, nil) }
	}
	return CheckName
}

// name reads a name into is, which may hold it already.
func (r *reader) name(is *string, value json.RawMessage, at string, rule func(string) error) {
	if value[0] == 'n' {
		return
	}
	text, ok := readString(value, at, func(at, value, format string, args ...any) { r.problems.At(at, value, format, args...) })
	if !ok {
		return
	}
	if *is != "" && text != *is {
		r.problems.At(at, text, "%q is expected here, by where it stands", *is)
		return
	}
	if err := rule(text); err != nil {
		r.problems.At(at, text, "%v", err)
		return
	}
	*is = text
}

// formerNames reads renamed_from: a name, or a list of them.
func (r *reader) formerNames(w *wanted, value json.RawMessage, at string) {
	wrong := func(within, value, format string, args ...any) { r.problems.At(at+within, value, format, args...) }
	switch value[0] {
	case 'n':
	case '[':
		if texts, ok := readTexts(value, wrong); ok {
			w.renamedFrom = texts
		}
	default:
		if text, ok := readString(value, "", wrong); ok {
			w.renamedFrom = []string{text}
		}
	}
	for _, name := range w.renamedFrom {
		if err := CheckName(name); err != nil {
			wrong("", name, "%v", err)
		}
	}
}

func (r *reader) member(m Member, value json.RawMessage, at string) json.RawMessage {
	if value[0] == 'n' || string(value) == `""` && !m.TakesEmpty {
		return nil
	}
	return m.Read(value, func(within, value, format string, args ...any) {
		r.problems.At(at+within, value, format, args...)
	})
}

func join(at, member string) string {
	if at == "" {
		return member
	}
	return at + "." + member
}
