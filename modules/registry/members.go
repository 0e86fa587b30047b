package registry

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of what a definition can hold.
const (
	maxDescription = 10_000 // bytes
	maxText        = 500
	maxURL         = 2_000
	maxTags        = 50
	maxFree        = 64 << 10
)

// about are the members that all kinds have.
var about = []Member{
	{Name: "description", Read: Text(maxDescription)},
	{Name: "owner", Read: Text(maxText)},
	{Name: "tags", Read: readTags},
	{Name: "metadata", Read: readMetadata},
}

// shownAbout are members of the answers of all kinds.
var shownAbout = []string{"version", "created_at", "updated_at"}

// Text reads a string of at most so many bytes.
func Text(limit int) func(json.RawMessage, Wrong) json.RawMessage {
	return func(value json.RawMessage, wrong Wrong) json.RawMessage {
		text, ok := readString(value, "", wrong)
		if !ok {
			return nil
		}
		if len(text) > limit {
			wrong("", text, "longer than %d bytes", limit)
		}
		return QuoteText(text)
	}
}

// OneOf reads one of some words.
func OneOf(words ...string) func(json.RawMessage, Wrong) json.RawMessage {
	return func(value json.RawMessage, wrong Wrong) json.RawMessage {
		text, ok := readString(value, "", wrong)
		if !ok {
			return nil
		}
		if !slices.Contains(words, text) {
			wrong("", text, "use %s", strings.Join(words, ", "))
		}
		return QuoteText(text)
	}
}

// Texts reads a list of strings, none empty and none twice.
func Texts(most, limit int) func(json.RawMessage, Wrong) json.RawMessage {
	return func(value json.RawMessage, wrong Wrong) json.RawMessage {
		texts, ok := readTexts(value, wrong)
		if !ok {
			return nil
		}
		if len(texts) > most {
			wrong("", "", "%d entries; at most %d are possible", len(texts), most)
		}
		seen := map[string]bool{}
		for i, text := range texts {
			switch {
			case text == "":
				wrong(index(i), text, "empty")
			case len(text) > limit:
				wrong(index(i), text, "longer than %d bytes", limit)
			case seen[text]:
				wrong(index(i), text, "given twice")
			}
			seen[text] = true
		}
		return quoteTexts(texts)
	}
}

func readTags(value json.RawMessage, wrong Wrong) json.RawMessage {
	return Texts(maxTags, 100)(value, wrong)
}

// readTexts reads a list of strings; ok is false if it is none.
func readTexts(value json.RawMessage, wrong Wrong) (texts []string, ok bool) {
	if value[0] != '[' {
		wrong("", string(value), "expected a list of strings, got %s", form(value))
		return nil, false
	}
	ok = true
	for i, element := range elements(value) {
		text, isText := readString(element, index(i), wrong)
		ok = ok && isText
		texts = append(texts, text)
	}
	return texts, ok
}

func readString(value json.RawMessage, within string, wrong Wrong) (string, bool) {
	if value[0] != '"' {
		wrong(within, string(value), "expected a string, got %s", form(value))
		return "", false
	}
	text := unquote(value)
	if strings.IndexByte(text, 0) >= 0 {
		wrong(within, text, "NUL is not allowed in a text")
		return "", false
	}
	return text, true
}

func readURL(value json.RawMessage, wrong Wrong) json.RawMessage {
	text, ok := readString(value, "", wrong)
	if !ok {
		return nil
	}
	if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(text) > maxURL {
		wrong("", text, "expected an http or https address of at most %d bytes", maxURL)
	}
	return QuoteText(text)
}

// readMetadata reads an object of any members.
func readMetadata(value json.RawMessage, wrong Wrong) json.RawMessage {
	if value[0] != '{' {
		wrong("", string(value), "expected an object, got %s", form(value))
		return nil
	}
	if len(value) <= maxFree && len(fieldsOf(value)) == 0 {
		return nil
	}
	return ReadFree(value, wrong)
}

// ReadFree reads any value, of at most 64 KiB, and orders the members of its objects.
func ReadFree(value json.RawMessage, wrong Wrong) json.RawMessage {
	if len(value) > maxFree {
		wrong("", "", "larger than %d bytes", maxFree)
		return nil
	}
	canonical := jsontext.Value(slices.Clone(value))
	err := canonical.Format(jsontext.ReorderRawObjects(true), jsontext.PreserveRawStrings(false))
	if err != nil {
		wrong("", string(value), "%v", err)
		return nil
	}
	for decoder := jsontext.NewDecoder(strings.NewReader(string(canonical))); ; {
		token, err := decoder.ReadToken()
		if err != nil {
			return json.RawMessage(canonical)
		}
		switch token.Kind() {
		case '"':
			if strings.IndexByte(token.String(), 0) >= 0 {
				wrong("", "", "NUL is not allowed in a text")
				return nil
			}
		case '0':
			if _, err := strconv.ParseFloat(token.String(), 64); err != nil {
				wrong("", token.String(), "the number is out of range")
				return nil
			}
		}
	}
}

// QuoteText writes a string as JSON, in canonical form.
func QuoteText(text string) json.RawMessage {
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil { // invalid UTF-8, which every request is checked for
		quoted, _ = jsontext.AppendQuote(nil, strings.ToValidUTF8(text, "\uFFFD"))
	}
	return quoted
}

func quoteTexts(texts []string) json.RawMessage {
	if len(texts) == 0 {
		return nil
	}
	b := []byte{'['}
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, QuoteText(text)...)
	}
	return append(b, ']')
}

func unquote(value json.RawMessage) string {
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return ""
	}
	return string(text)
}

// textOf is a member that is a string, "" if it was not given.
func textOf(value json.RawMessage) string {
	if value == nil {
		return ""
	}
	return unquote(value)
}

// textsOf is a member that is a list of strings.
func textsOf(value json.RawMessage) []string {
	if value == nil {
		return nil
	}
	var texts []string
	for _, element := range elements(value) {
		texts = append(texts, unquote(element))
	}
	return texts
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// form names the sort of a JSON value in a person's words.
func form(value json.RawMessage) string {
	switch value[0] {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return "a number"
}
