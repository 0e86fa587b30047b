package rules

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/jsonscan"
)

// params reads a rule's params. What is wrong goes to found; what a rule does not give is absent.
type params struct {
	given map[string]string // name → raw JSON, nulls left out
	found *problems
	read  bool // of a definition that is being read: what could never hold is a mistake
}

// paramsOf takes the params of a rule apart and refuses those that its kind does not have; whole is false if it lacks one.
func paramsOf(raw json.RawMessage, kind *Kind, found *problems) (_ *params, whole bool) {
	p := &params{given: map[string]string{}, found: found}
	known := make([]string, 0, len(kind.Params))
	for _, param := range kind.Params {
		known = append(known, param.Name)
	}
	if len(raw) > 0 {
		s := jsonscan.New(string(raw))
		err := s.Object(func(name string) error {
			if !slices.Contains(known, name) {
				found.at("params."+name, "", "%s has no such param%s", kind.Name, registry.DidYouMean(name, slices.Values(known)))
				return nil
			}
			value, err := s.Value()
			if err == nil && value != "null" {
				p.given[name] = value
			}
			return err
		})
		if err != nil {
			found.at("params", "", "%v", err)
		}
	}
	whole = true
	for _, param := range kind.Params {
		if param.Required && p.given[param.Name] == "" {
			whole = false
			found.at("params."+param.Name, "", "must be given: %s", param.Doc)
		}
	}
	return p, whole
}

func (p *params) wrong(name, format string, args ...any) {
	p.found.at("params."+name, fault.Shorten(p.given[name]), format, args...)
}

func (p *params) has(name string) bool { return p.given[name] != "" }

// number is a finite number; ok is false if it is not given.
func (p *params) number(name string) (f float64, ok bool) {
	raw := p.given[name]
	if raw == "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(raw, 64)
	if jsonscan.KindOf(raw) != jsonscan.Number || err != nil {
		p.wrong(name, "expected a number, got %s", form(raw))
		return 0, false
	}
	return f, true
}

// atLeast is a number that is not below least.
func (p *params) atLeast(name string, least float64) (f float64, ok bool) {
	f, ok = p.number(name)
	if ok && f < least {
		p.wrong(name, "is below %v", least)
	}
	return f, ok
}

func (p *params) count(name string) (n int64, ok bool) {
	raw := p.given[name]
	if raw == "" {
		return 0, false
	}
	before := len(*p.found)
	count := countOf(raw, "params."+name, p.found)
	if len(*p.found) > before {
		return 0, false
	}
	return *count, true
}

func (p *params) truth(name string) bool {
	raw := p.given[name]
	if raw != "" && jsonscan.KindOf(raw) != jsonscan.Bool {
		p.wrong(name, "expected true or false, got %s", form(raw))
	}
	return raw == "true"
}

func (p *params) text(name string) string {
	raw := p.given[name]
	if raw == "" {
		return ""
	}
	if jsonscan.KindOf(raw) != jsonscan.String {
		p.wrong(name, "expected a string, got %s", form(raw))
		return ""
	}
	return jsonscan.Unquote(raw)
}

// word is one of some words; not given is the first.
func (p *params) word(name string, words ...string) string {
	if p.given[name] == "" {
		return words[0]
	}
	before := len(*p.found)
	word := p.text(name)
	if len(*p.found) == before && !slices.Contains(words, word) {
		p.wrong(name, "use one of %q%s", words, registry.DidYouMean(word, slices.Values(words)))
	}
	return word
}

// list is the raw elements of a list.
func (p *params) list(name string) []string {
	raw := p.given[name]
	if raw == "" {
		return nil
	}
	if jsonscan.KindOf(raw) != jsonscan.Array {
		p.wrong(name, "expected a list, got %s", form(raw))
		return nil
	}
	var list []string
	elements := jsonscan.ElementsOf(raw)
	for element, ok := elements.Next(); ok; element, ok = elements.Next() {
		list = append(list, element)
	}
	return list
}

func (p *params) texts(name string) []string {
	texts := []string{}
	for i, raw := range p.list(name) {
		if jsonscan.KindOf(raw) != jsonscan.String {
			p.found.at(fmt.Sprintf("params.%s[%d]", name, i), raw, "expected a string, got %s", form(raw))
			continue
		}
		texts = append(texts, jsonscan.Unquote(raw))
	}
	return texts
}

func (p *params) duration(name string) (us int64, ok bool) {
	if p.given[name] == "" {
		return 0, false
	}
	text := p.text(name)
	d, err := registry.ParseDuration(text)
	if err != nil {
		p.wrong(name, "%v", err)
		return 0, false
	}
	return d.Microseconds(), d > 0
}

// values is a list of values that can be compared with those of a feature of type t.
func (p *params) values(name string, t value.Type) []value.Value {
	var values []value.Value
	for i, raw := range p.list(name) {
		if v, err := constant(raw, t); err != nil {
			p.found.at(fmt.Sprintf("params.%s[%d]", name, i), fault.Shorten(raw), "%v", err)
		} else {
			values = append(values, v)
		}
	}
	return values
}

// bound is one value that can be compared with those of a feature of type t.
func (p *params) bound(name string, t value.Type) (value.Value, bool) {
	raw := p.given[name]
	if raw == "" {
		return value.Value{}, false
	}
	v, err := constant(raw, t)
	if err != nil {
		p.wrong(name, "%v", err)
		return v, false
	}
	return v, true
}

// constant reads a value to compare those of a feature with. A number of either sort can be compared with numbers of either; where the
// type is Invalid, which stands for any, a value is of the type that it looks like.
func constant(raw string, t value.Type) (value.Value, error) {
	switch kind := jsonscan.KindOf(raw); {
	case kind == jsonscan.Null:
		return value.Null(), nil
	case kind == jsonscan.Number && (t == value.Integer || t == value.Float || t == value.Boolean || t == value.Invalid):
		if v, err := value.ParseJSON(value.Integer, []byte(raw)); err == nil {
			return v, nil
		}
		f, err := strconv.ParseFloat(raw, 64)
		if math.IsInf(f, 0) && t == value.Invalid {
			return value.OfFloat(f), nil
		}
		if err != nil {
			return value.Value{}, fmt.Errorf("%s is beyond the range of FLOAT", raw)
		}
		return value.OfFloat(f), nil
	case t != value.Invalid:
		return value.ParseJSON(t, []byte(raw))
	case kind == jsonscan.String:
		return value.OfString(jsonscan.Unquote(raw)), nil
	case kind == jsonscan.Bool:
		return value.OfBool(raw == "true"), nil
	}
	return value.ParseJSON(value.JSON, []byte(raw))
}

func rateOf(raw, at string, found *problems) *float64 {
	f, err := strconv.ParseFloat(raw, 64)
	if jsonscan.KindOf(raw) != jsonscan.Number || err != nil || f < 0 || f > 1 {
		found.at(at, fault.Shorten(raw), "expected a share from 0 to 1")
		return nil
	}
	return &f
}

func countOf(raw, at string, found *problems) *int64 {
	v, err := value.ParseJSON(value.Integer, []byte(raw))
	if err != nil || v.IsNull() || v.Int() < 0 {
		found.at(at, fault.Shorten(raw), "expected a whole number, 0 or more")
		return nil
	}
	n := v.Int()
	return &n
}

func durationText(us int64) string {
	return registry.FormatDuration(time.Duration(us) * time.Microsecond)
}
