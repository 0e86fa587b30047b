package registry

import (
	"encoding/json"
	"slices"
	"strings"

	"featurestore/modules/registry/value"
)

// The members of the registry's own kinds. What a request can say is here in full; how definitions depend on each other is in
// the planner.

var entityTypeKind = &Kind{
	Name:    kindEntityType,
	Plural:  "entity_types",
	Members: append(slices.Clone(about), Member{Name: "join_keys", Required: true, Read: readJoinKeys}),
	shown:   []string{"groups", "features"},
	kept:    []string{"join_keys"},
}

var groupKind = &Kind{
	Name:   kindGroup,
	Plural: "groups",
	Members: append([]Member{
		{Name: "entity_type", Required: true, Read: readName},
		{Name: "kind", Required: true, Read: OneOf(string(Features), string(Events))},
		{Name: "ttl", Read: readDuration},
		{Name: "retention", Read: readDuration},
		{Name: "id_column", Read: readName},
	}, about...),
	shown: []string{"schema_version"},
	kept:  []string{"entity_type", "kind"},
}

var featureKind = &Kind{
	Name:   kindFeature,
	Plural: "features",
	Members: slices.Concat([]Member{
		{Name: "value_type", Required: true, Read: readValueType},
		{Name: "status", Required: true, Read: OneOf(string(Draft), string(Active), string(Deprecated), string(Archived))},
		{Name: "reason", Read: Text(maxDescription)},
		{Name: "replacement", Read: Text(maxText)},
	}, about, []Member{
		{Name: "source", Read: Text(maxText)},
		{Name: "category", Read: Text(maxText)},
		{Name: "frequency", Read: OneOf("REAL_TIME", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "ON_DEMAND")},
		{Name: "unit", Read: Text(maxText)},
		{Name: "docs_url", Read: readURL},
		{Name: "default", TakesEmpty: true, Read: ReadFree},
	}),
	shown: []string{"reference", "short_names", "aliases", "older_generations"},
	kept:  lifecycle,
}

var serviceKind = &Kind{
	Name:    kindService,
	Plural:  "services",
	Members: append([]Member{{Name: "features", Required: true, Read: Texts(10_000, maxText)}}, about...),
	shown:   []string{"entity_types"},
}

// requirable are the members of a feature that Config.Require can name.
var requirable = []string{"description", "owner", "tags", "metadata", "source", "category", "frequency", "unit", "docs_url"}

// lifecycle are the members of a feature that say where it stands in its life.
var lifecycle = []string{"status", "reason", "replacement"}

func readName(value json.RawMessage, wrong Wrong) json.RawMessage {
	text, ok := readString(value, "", wrong)
	if !ok {
		return nil
	}
	if err := CheckName(text); err != nil {
		wrong("", text, "%v", err)
		return nil
	}
	return QuoteText(text)
}

func readDuration(value json.RawMessage, wrong Wrong) json.RawMessage {
	if value[0] != '"' {
		wrong("", string(value), "%v", errDuration)
		return nil
	}
	text := unquote(value)
	if text == "none" {
		return nil
	}
	if _, err := ParseDuration(text); err != nil {
		wrong("", text, "%v", err)
		return nil
	}
	return QuoteText(text)
}

func readValueType(from json.RawMessage, wrong Wrong) json.RawMessage {
	text, ok := readString(from, "", wrong)
	if !ok {
		return nil
	}
	var t value.Type
	if err := t.UnmarshalText([]byte(text)); err != nil {
		wrong("", text, "%v", err)
		return nil
	}
	return QuoteText(text)
}

const maxJoinKeys = 16

// readJoinKeys reads [{"name", "value_type"}]; the type is STRING unless given.
func readJoinKeys(from json.RawMessage, wrong Wrong) json.RawMessage {
	if from[0] != '[' {
		wrong("", string(from), "expected a list of join keys, got %s", form(from))
		return nil
	}
	keys := elements(from)
	if len(keys) == 0 || len(keys) > maxJoinKeys {
		wrong("", "", "an entity type has 1 to %d join keys", maxJoinKeys)
		return nil
	}
	var documents []joinKeyDocument
	seen := map[string]bool{}
	for i, key := range keys {
		if key[0] != '{' {
			wrong(index(i), string(key), "expected a join key such as {\"name\": \"customer_id\", \"value_type\": \"STRING\"}, got %s", form(key))
			continue
		}
		document := joinKeyDocument{ValueType: value.String}
		for _, f := range fieldsOf(key) {
			at := index(i) + "." + f.name
			switch f.name {
			case "name":
				document.Name, _ = readString(f.value, at, wrong)
			case "value_type":
				text, ok := readString(f.value, at, wrong)
				if ok && text != "INTEGER" && text != "STRING" {
					wrong(at, text, "a join key is INTEGER or STRING")
				}
				document.ValueType, _ = value.ParseType(text)
			default:
				wrong(at, "", "unknown member; a join key has name and value_type")
			}
		}
		if err := checkJoinKeyName(document.Name); err != nil {
			wrong(index(i)+".name", document.Name, "%v", err)
		}
		if seen[document.Name] {
			wrong(index(i)+".name", document.Name, "given twice")
		}
		seen[document.Name] = true
		documents = append(documents, document)
	}
	return writeJoinKeys(documents)
}

func writeJoinKeys(keys []joinKeyDocument) json.RawMessage {
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = `{"name":"` + k.Name + `","value_type":"` + k.ValueType.String() + `"}`
	}
	return json.RawMessage("[" + strings.Join(parts, ",") + "]")
}
