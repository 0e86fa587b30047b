package registry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"featurestore/app/fault"
)

// Members are what a definition says of itself, by name, each value in its canonical JSON form. What was not given is not there.
// In a request, a nil value clears.
type Members map[string]json.RawMessage

// Kind is one sort of definition. The registry reads, merges, versions, plans and exports all kinds alike; a Kind holds what
// its sort alone knows. A module further right that has definitions of its own passes their Kind to New.
type Kind struct {
	Name    string   // of one, as it is stored and shown: "pipeline"
	Plural  string   // its list in an apply file: "pipelines"
	Members []Member // what it can say beside its name, in the order of an export

	// Check says what is wrong with a definition beyond what each member says for itself, above all in what it refers to.
	// after is the catalog as it would be. Locations are names of members, or paths that begin with one. It is asked again when what Reads
	// names changes. Optional.
	Check func(after *Catalog, name string, members Members) []fault.Violation

	// Reads lists the definitions that one of this kind depends on, so that they are not deleted or broken under it; those of the same kind are such
	// as it comes after. A
	// feature's name can be a former one, and end with @version where the older values are read. Optional.
	Reads func(members Members) []Named

	// Computes lists the definitions whose values one of this kind makes. They are protected as those that it reads are; a lineage goes from
	// it to them. Optional.
	Computes func(members Members) []Named

	shown []string // members of answers that no request can set, beside shownAbout; they are ignored, so that an answer can be sent back
	kept  []string // members that a replacement leaves as they are unless it gives them
}

// Member is one thing that a definition can say.
type Member struct {
	Name       string
	Required   bool
	TakesEmpty bool // "" is a value; otherwise it clears, as null does

	// Read checks a value and returns its canonical form, by which two values are compared; nil clears the member. What is wrong goes to wrong; then the result does not count.
	Read func(value json.RawMessage, wrong Wrong) json.RawMessage
}

// Wrong takes one thing that is wrong with a value: within says where inside of it, "" or a path such as "[2].name".
type Wrong func(within string, value, format string, args ...any)

// Named is a definition by its kind and name; a feature's name is its reference, group:feature.
type Named struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

func (n Named) String() string { return n.word() + " " + n.Name }

// word is the kind as a person writes it.
func (n Named) word() string { return strings.ReplaceAll(n.Kind, "_", " ") }

func (k *Kind) member(name string) (Member, bool) {
	i := slices.IndexFunc(k.Members, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return Member{}, false
	}
	return k.Members[i], true
}

// memberNames are all that a definition of the kind can have.
func (k *Kind) memberNames() []string {
	names := []string{"name"}
	switch k {
	case featureKind:
		names = append(names, "entity_type", "group", "renamed_from", generationsMember)
	case groupKind:
		names = append(names, "features")
	}
	for _, m := range k.Members {
		names = append(names, m.Name)
	}
	return names
}

// encode writes members as one JSON object, in the kind's order.
func (k *Kind) encode(members Members) []byte {
	b := []byte{'{'}
	for _, m := range k.Members {
		value := members[m.Name]
		if value == nil {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, m.Name...)
		b = append(b, '"', ':')
		b = append(b, value...)
	}
	return append(b, '}')
}

func decodeMembers(document []byte) (Members, error) {
	members := Members{}
	if err := json.Unmarshal(document, &members); err != nil {
		return nil, fmt.Errorf("read a stored definition: %w", err)
	}
	return members, nil
}

// MemberChange is what a version changed about one member; From is nil if it was not given before, To if it was taken away.
type MemberChange struct {
	Member string          `json:"member"`
	From   json.RawMessage `json:"from"`
	To     json.RawMessage `json:"to"`
}

// compare lists the members in which two definitions of the kind differ.
func (k *Kind) compare(before, after Members) []MemberChange {
	changes := []MemberChange{}
	for _, m := range k.Members {
		if string(before[m.Name]) != string(after[m.Name]) {
			changes = append(changes, MemberChange{Member: m.Name, From: orNull(before[m.Name]), To: orNull(after[m.Name])})
		}
	}
	return changes
}

var null = json.RawMessage("null")

func orNull(value json.RawMessage) json.RawMessage {
	if value == nil {
		return null
	}
	return value
}
