package batch

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value/jsonscan"
)

// reading takes members of a definition in, and tells wrong of what they may not say.
type reading struct{ wrong registry.Wrong }

// field is a member of an object, and what takes its value in; a null is as if the member were not there.
type field struct {
	name string
	read func(raw, at string)
}

// object reads an object that has no members but these; what it is, such as "a source", is for the sentences.
func (r reading) object(raw, at, what string, fields ...field) bool {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].name
	}
	if jsonscan.KindOf(raw) != jsonscan.Object {
		r.wrong(at, raw, "expected an object with %s", strings.Join(names, ", "))
		return false
	}
	r.members(raw, func(name, value string) {
		i := slices.Index(names, name)
		switch {
		case i < 0:
			r.wrong(at+"."+name, "", "unknown member; %s has %s%s", what, strings.Join(names, ", "), registry.DidYouMean(name, slices.Values(names)))
		case value != "null":
			fields[i].read(value, at+"."+name)
		}
	})
	return true
}

// members calls f with those of an object that is well formed.
func (r reading) members(raw string, f func(name, value string)) {
	s := jsonscan.New(raw)
	_ = s.Object(func(name string) error { // the registry has read it already
		value, err := s.Value()
		if err == nil {
			f(name, value)
		}
		return err
	})
}

// text reads one of at most so many bytes; empty is as if it were not there.
func (r reading) text(into *string, most int) func(raw, at string) {
	return func(raw, at string) {
		if jsonscan.KindOf(raw) != jsonscan.String {
			r.wrong(at, raw, "expected a text")
			return
		}
		switch text := jsonscan.Unquote(raw); {
		case len(text) > most:
			r.wrong(at, text, "longer than %d bytes", most)
		case strings.IndexByte(text, 0) >= 0:
			r.wrong(at, text, "NUL is not allowed in a text")
		default:
			*into = text
		}
	}
}

// word reads one of some words.
func (r reading) word(into *string, words ...string) func(raw, at string) {
	return func(raw, at string) {
		var text string
		r.text(&text, maxName)(raw, at)
		if text != "" && !slices.Contains(words, text) {
			r.wrong(at, text, "use %s%s", strings.Join(words, ", "), registry.DidYouMean(text, slices.Values(words)))
			return
		}
		*into = text
	}
}

// duration reads one such as 15m, 24h or 90d, and keeps it as it is written; besides, words that stand for one.
func (r reading) duration(into *string, words ...string) func(raw, at string) {
	return func(raw, at string) {
		var text string
		r.text(&text, maxName)(raw, at)
		if text == "" {
			return
		}
		if _, err := registry.ParseDuration(text); err != nil && !slices.Contains(words, text) {
			or := ""
			if len(words) > 0 {
				or = ", or " + strings.Join(words, ", ")
			}
			r.wrong(at, text, "%v%s", err, or)
			return
		}
		*into = text
	}
}

// whole reads a whole number from least to most.
func (r reading) whole(into **int, least, most int) func(raw, at string) {
	return func(raw, at string) {
		n, err := strconv.Atoi(raw)
		if err != nil || n < least || n > most {
			r.wrong(at, raw, "expected a whole number from %d to %d", least, most)
			return
		}
		*into = &n
	}
}

// share reads a number from 0 to 1.
func (r reading) share(into **float64) func(raw, at string) {
	return func(raw, at string) {
		f, err := strconv.ParseFloat(raw, 64)
		if jsonscan.KindOf(raw) != jsonscan.Number || err != nil || f < 0 || f > 1 {
			r.wrong(at, raw, "expected a share from 0 to 1")
			return
		}
		*into = &f
	}
}

// elements reads a list of at most so many, one after the other.
func (r reading) elements(most int, read func(raw, at string)) func(raw, at string) {
	return func(raw, at string) {
		if jsonscan.KindOf(raw) != jsonscan.Array {
			r.wrong(at, raw, "expected a list")
			return
		}
		elements, n := jsonscan.ElementsOf(raw), 0
		for element, ok := elements.Next(); ok; element, ok = elements.Next() {
			if n == most {
				r.wrong(at, "", "has more than %d entries", most)
				return
			}
			read(element, at+"["+strconv.Itoa(n)+"]")
			n++
		}
	}
}

var (
	sizeForm  = regexp.MustCompile(`^([0-9]{1,6})(MiB|GiB|TiB)$`)
	sizeUnits = map[string]int64{"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
)

func parseSize(text string) (int64, bool) {
	parts := sizeForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	return n * sizeUnits[parts[2]], err == nil
}

// size reads one such as 512MiB, and keeps it as it is written.
func (r reading) size(into *string, least int64) func(raw, at string) {
	return func(raw, at string) {
		var text string
		r.text(&text, maxName)(raw, at)
		n, ok := parseSize(text)
		switch {
		case text == "":
		case !ok:
			r.wrong(at, text, "expected a size, such as 512MiB or 4GiB")
		case n < least:
			r.wrong(at, text, "use at least %dMiB", least>>20)
		default:
			*into = text
		}
	}
}

// canonical writes what was read, for comparing and keeping.
func canonical(of any) json.RawMessage {
	raw, err := json.Marshal(of)
	if err != nil { // no value of a definition is one that JSON cannot write
		panic(fmt.Sprintf("write %T: %v", of, err))
	}
	return raw
}
