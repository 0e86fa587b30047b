package web

import (
	"bytes"
	"encoding/json"
	"strings"
)

// fact is a member of an answer, as a person reads it.
type fact struct{ Name, Value string }

// factsOf are the plain members of a JSON object in their order; those that hold others are left to textOf.
func factsOf(raw json.RawMessage) []fact {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil
	}
	var facts []fact
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return facts
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return facts
		}
		if text, ok := name.(string); ok && len(value) > 0 && value[0] != '{' && value[0] != '[' && !strings.HasSuffix(text, "_id") {
			facts = append(facts, fact{strings.ReplaceAll(text, "_", " "), showJSON(value)})
		}
	}
	return facts
}

// nested tells whether a JSON object holds more than factsOf shows.
func nested(raw json.RawMessage) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return len(raw) > 0
	}
	return len(factsOf(raw)) < len(members)
}
