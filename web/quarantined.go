package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// quarantinedPage is one row in quarantine, with what it observed to be mended.
type quarantinedPage struct {
	quarantined
	Observed []observed
}

func (p quarantinedPage) pageTitle() string { return "Row in quarantine" }

// observed is a feature of a row: what was observed of it, as a person writes it.
type observed struct {
	Name      string
	ValueType string
	Unit      string
	As        string // value, null or absent
	Text      string
	Was       string   // Text as the JSON that was observed; "": there is none
	Broken    []breach // what it breaks
}

// Ways are what can be said of a feature.
func (o observed) Ways() []field {
	return []field{{"value", "a value"}, {"null", "null"}, {"absent", "not observed"}}
}

// Long tells whether it takes more than a line.
func (o observed) Long() bool {
	return len(o.Text) > 60 || o.ValueType == "JSON" || strings.ContainsAny(o.Text, "\r\n")
}

func (w *Web) quarantinedRow(r *http.Request) (any, error) {
	ctx := r.Context()
	p := quarantinedPage{}
	if err := w.api.get(ctx, path("quarantine", r.PathValue("id")), nil, &p.quarantined); err != nil {
		return nil, err
	}
	if !p.Waiting() {
		return p, nil
	}
	var of groupHead
	if err := w.api.get(ctx, path("groups", p.Group), nil, &of); ignoreMissing(err) != nil {
		return nil, err
	}
	given := map[string]json.RawMessage{}
	if err := json.Unmarshal(p.Features, &given); err != nil {
		return nil, fmt.Errorf("read what a row in quarantine observed: %w", err)
	}
	for _, f := range of.Features {
		if f.Status == "archived" {
			continue
		}
		p.observe(f.Name, f.ValueType, f.Unit, given)
		delete(given, f.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) { // an earlier name of a feature, or one that has gone
		p.observe(name, "JSON", "", given)
	}
	return p, nil
}

// observe adds what was observed of a feature.
func (p *quarantinedPage) observe(name, valueType, unit string, given map[string]json.RawMessage) {
	one := observed{Name: name, ValueType: valueType, Unit: unit, As: "absent"}
	if raw, ok := given[name]; ok {
		if one.As, one.Text = writtenAs(valueType, raw); one.As == "value" {
			one.Was = string(raw)
		}
	}
	for _, b := range p.Broken {
		if b.Feature == name {
			one.Broken = append(one.Broken, b)
		}
	}
	p.Observed = append(p.Observed, one)
}

// isText tells whether values of a type are written without quotes.
func isText(valueType string) bool { return valueType == "STRING" || valueType == "TIMESTAMP" }

// writtenAs is how a person writes a value of a type: a text as it is, all else as in JSON.
func writtenAs(valueType string, raw json.RawMessage) (as, text string) {
	switch {
	case string(bytes.TrimSpace(raw)) == "null":
		return "null", ""
	case isText(valueType) && json.Unmarshal(raw, &text) == nil:
		return "value", text
	}
	return "value", string(raw)
}

// valueOf is the JSON of what a person wrote for a feature of a type. What is no JSON is given as a text, of which the API says what is wrong.
func valueOf(valueType, text string) json.RawMessage {
	if !isText(valueType) && json.Valid([]byte(text)) {
		return json.RawMessage(strings.TrimSpace(text))
	}
	quoted, _ := json.Marshal(text) // a text always is
	return quoted
}

// lineBreaks writes all line breaks of a text alike, as browsers do with what a form holds, each in its own way.
func lineBreaks(text string) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
}

// amended is the JSON of the value that a form has for a feature: what was observed, to the letter, where nobody has written anything else.
func amended(form url.Values, name string) json.RawMessage {
	valueType, text := form.Get("type."+name), lineBreaks(form.Get("value."+name))
	if was := json.RawMessage(form.Get("was." + name)); json.Valid(was) {
		if _, before := writtenAs(valueType, was); lineBreaks(before) == text {
			return was
		}
	}
	return valueOf(valueType, text)
}

// amend gives a row other values, or with dry tells what it would break then. A form has for each feature as.NAME, type.NAME, value.NAME and was.NAME.
func amend(title string, dry bool) action {
	return asking(title, func(form url.Values) (string, string, url.Values, any) {
		document := map[string]json.RawMessage{}
		for member := range form {
			name, ok := strings.CutPrefix(member, "as.")
			if !ok {
				continue
			}
			switch form.Get(member) {
			case "null":
				document[name] = json.RawMessage("null")
			case "value":
				document[name] = amended(form, name)
			}
		}
		var query url.Values
		if dry {
			query = url.Values{"dry_run": {"true"}}
		}
		return http.MethodPut, path("quarantine", form.Get("id")), query, document
	}, func(a quarantined, form url.Values) outcome {
		said := outcome{Done: "Saved. It breaks no rule now.", Next: []offer{{Action: "replay", Label: "Replay it", Fields: fieldsOf(form, "id")}}}
		switch {
		case dry && len(a.Broken) == 0:
			said = outcome{Done: "It would break no rule. Nothing was changed."}
		case dry:
			said = outcome{Done: "It would still break rules. Nothing was changed.", Class: "fair"}
		case len(a.Broken) > 0:
			said = outcome{Done: "Saved. It goes on waiting, since it still breaks rules.", Class: "fair"}
		}
		for _, b := range a.Broken {
			said.Lines = append(said.Lines, b.sentence())
		}
		return said
	})
}
