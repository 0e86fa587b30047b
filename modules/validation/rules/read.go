package rules

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

const (
	maxFeatures    = 500
	maxText        = 500
	maxDescription = 10_000
)

// members are what a definition can say, in the order in which it is written out.
var members = []string{"name", "group", "kind", "features", "params", "where", "null_policy", "tolerance", "severity", "action", "enabled",
	"window", "for", "resolve_after", "owner", "description"}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)

// Read makes a definition of a JSON object that is well formed. All that is wrong with it is listed, whatever its place; what no
// feature's type is needed for is checked to the end (regular expressions, bounds, where). Omitted members take their defaults:
// null_policy ignore, severity error, action record, enabled true.
func Read(raw string) (Definition, []Problem) {
	d := defaults()
	var found problems
	if jsonscan.KindOf(raw) != jsonscan.Object {
		found.at("", raw, "a rule is an object")
		return d, found
	}
	err := jsonscan.New(raw).Object(func(name string) error { return nil })
	if err == nil {
		err = d.members(raw, &found)
	}
	if err != nil {
		found.at("", "", "%v", err)
		return d, found
	}
	if d.Name == "" && !slices.ContainsFunc(found, func(p Problem) bool { return p.At == "name" }) {
		found.at("name", "", "must be given")
	}
	d.judge(&found)
	return d, found
}

// judge says what is wrong with a definition as far as no feature's type is needed for that.
func (d *Definition) judge(found *problems) {
	switch _, known := kindNamed(d.Kind); {
	case d.Kind == "" && !slices.ContainsFunc(*found, func(p Problem) bool { return p.At == "kind" }):
		found.at("kind", "", "must be given: one of %s", strings.Join(kindNames(), ", "))
	case d.Kind != "" && !known:
		found.at("kind", d.Kind, "there is no kind %q%s", d.Kind, registry.DidYouMean(d.Kind, slices.Values(kindNames())))
	case known:
		d.check(found)
		unknown := make([]Field, 0, len(d.Features))
		for _, name := range d.Features {
			unknown = append(unknown, Field{Name: name})
		}
		compileRule(d, unknown, true, found)
	}
}

// defaults is a definition that says nothing.
func defaults() Definition {
	return Definition{NullPolicy: IgnoreNulls, Severity: Error, Action: Record, Enabled: true}
}

// members reads what an object says into the definition. The error is that it is not well formed.
func (d *Definition) members(raw string, found *problems) error {
	s := jsonscan.New(raw)
	return s.Object(func(name string) error {
		r := reader{s: s, at: name, found: found}
		if s.Kind() == jsonscan.Null && slices.Contains(members, name) {
			return nil
		}
		d.member(name, &r)
		return r.err
	})
}

// member reads one member's value into the definition.
func (d *Definition) member(name string, r *reader) {
	switch name {
	case "name":
		d.Name = r.text(maxText)
		if d.Name != "" && !namePattern.MatchString(d.Name) {
			r.found.at(name, d.Name, "use small letters, digits and _, beginning with a letter, at most 100")
		}
	case "group":
		d.Group = r.text(maxText)
	case "kind":
		d.Kind = r.text(maxText)
	case "features":
		d.Features = r.texts(maxFeatures)
	case "params":
		d.Params = r.raw(jsonscan.Object, "an object")
	case "where":
		d.Where = r.text(MaxSource)
	case "null_policy":
		d.NullPolicy = NullPolicy(r.word(string(IgnoreNulls), string(FailNulls)))
	case "tolerance":
		d.Tolerance = r.tolerance()
	case "severity":
		d.Severity = Severity(r.word(string(Info), string(Warn), string(Error)))
	case "action":
		d.Action = Action(r.word(string(Record), string(Quarantine), string(RejectBatch)))
	case "enabled":
		d.Enabled = r.truth()
	case "window":
		d.Window = r.window()
	case "for":
		d.For = r.inARow()
	case "resolve_after":
		d.ResolveAfter = r.inARow()
	case "owner":
		d.Owner = r.text(maxText)
	case "description":
		d.Description = r.text(maxDescription)
	default:
		r.found.at(name, "", "unknown member%s", registry.DidYouMean(name, slices.Values(members)))
	}
}

// reader reads one member's value, whose form it checks; at is its place.
type reader struct {
	s     *jsonscan.Scanner
	at    string
	found *problems
	err   error
}

func (r *reader) wrong(expected string) {
	raw, err := r.s.Value()
	if err != nil {
		r.err = err
		return
	}
	r.found.at(r.at, fault.Shorten(raw), "expected %s, got %s", expected, form(raw))
}

func (r *reader) text(most int) string {
	if r.s.Kind() != jsonscan.String {
		r.wrong("a string")
		return ""
	}
	text, err := r.s.Text()
	if err != nil {
		r.err = err
		return ""
	}
	if len(text) > most {
		r.found.at(r.at, fault.Shorten(text), "has %d bytes, more than %d", len(text), most)
		return ""
	}
	return strings.Clone(text)
}

func (r *reader) word(words ...string) string {
	before := len(*r.found)
	word := r.text(maxText)
	if len(*r.found) == before && r.err == nil && !slices.Contains(words, word) {
		r.found.at(r.at, word, "use %s%s", strings.Join(words, ", "), registry.DidYouMean(word, slices.Values(words)))
	}
	if !slices.Contains(words, word) {
		return words[0]
	}
	return word
}

func (r *reader) truth() bool {
	if r.s.Kind() != jsonscan.Bool {
		r.wrong("true or false")
		return false
	}
	b, err := r.s.Bool()
	r.err = err
	return b
}

// maxInARow is how many evaluations in a row a rule can ask for.
const maxInARow = 1000

// window reads which rows a rule is evaluated on.
func (r *reader) window() string {
	text := r.text(maxText)
	if text == "" || text == All || text == NewestLoad || r.err != nil {
		return text
	}
	if _, err := registry.ParseDuration(text); err != nil {
		r.found.at(r.at, text, "use all, load, or a duration such as 7d")
	}
	return text
}

func (r *reader) inARow() int {
	raw, err := r.s.Value()
	if err != nil {
		r.err = err
		return 0
	}
	v, err := value.ParseJSON(value.Integer, []byte(raw))
	if jsonscan.KindOf(raw) != jsonscan.Number || err != nil || v.Int() < 1 || v.Int() > maxInARow {
		r.found.at(r.at, fault.Shorten(raw), "expected how many evaluations in a row, 1 to %d", maxInARow)
		return 0
	}
	return int(v.Int())
}

func (r *reader) texts(most int) []string {
	if r.s.Kind() != jsonscan.Array {
		r.wrong("a list of names")
		return nil
	}
	var texts []string
	r.err = r.s.Array(func(i int) error {
		inner := reader{s: r.s, at: fmt.Sprintf("%s[%d]", r.at, i), found: r.found}
		texts = append(texts, inner.text(maxText))
		return inner.err
	})
	if len(texts) > most {
		r.found.at(r.at, "", "has %d entries, more than %d", len(texts), most)
		return nil
	}
	return texts
}

func (r *reader) raw(kind jsonscan.Kind, expected string) json.RawMessage {
	if r.s.Kind() != kind {
		r.wrong(expected)
		return nil
	}
	raw, err := r.s.Value()
	if err != nil {
		r.err = err
		return nil
	}
	return json.RawMessage(jsonscan.Minify(raw))
}

func (r *reader) tolerance() *Tolerance {
	if r.s.Kind() != jsonscan.Object {
		r.wrong("an object")
		return nil
	}
	t := &Tolerance{}
	known := []string{"max_bad_rate", "max_bad_count", "warn_bad_rate", "warn_bad_count"}
	r.err = r.s.Object(func(name string) error {
		at := r.at + "." + name
		raw, err := r.s.Value()
		if err != nil {
			return err
		}
		if raw == "null" {
			return nil
		}
		switch name {
		case "max_bad_rate":
			t.MaxBadRate = rateOf(raw, at, r.found)
		case "warn_bad_rate":
			t.WarnBadRate = rateOf(raw, at, r.found)
		case "max_bad_count":
			t.MaxBadCount = countOf(raw, at, r.found)
		case "warn_bad_count":
			t.WarnBadCount = countOf(raw, at, r.found)
		default:
			r.found.at(at, "", "unknown member%s", registry.DidYouMean(name, slices.Values(known)))
		}
		return nil
	})
	return t
}

// form names the sort of a JSON value in a person's words.
func form(raw string) string {
	switch jsonscan.KindOf(raw) {
	case jsonscan.Null:
		return "null"
	case jsonscan.Bool:
		return "a boolean"
	case jsonscan.String:
		return "a string"
	case jsonscan.Object:
		return "an object"
	case jsonscan.Array:
		return "a list"
	}
	return "a number"
}
