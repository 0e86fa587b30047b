package registry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// exported is a definition to be written out: its members in order.
type exported []exportedMember

type exportedMember struct {
	name  string
	value any // json.RawMessage, exported or []exported
}

// export lists all definitions as apply takes them: applied to this registry they change nothing, and applied to an empty one they make it
// say the same: names, former and short names lead to the same features, and references with a version to values of the same type. It does
// not take with it: values, the versions of other definitions than features, what the versions changed and when, and what was deleted. Members that have the value
// that they would get anyway are left out.
func (r *Registry) export() (exported, error) {
	catalog := r.Catalog()
	var file exported
	pinned := catalog.pinned(r.kinds)
	for _, kind := range r.kinds {
		var list []exported
		for _, d := range catalog.definitions(kind) {
			one, err := exportDefinition(kind, d)
			if err != nil {
				return nil, err
			}
			if kind == groupKind {
				entry := catalog.groupsByID[d.id]
				features, err := exportFeatures(entry, pinned)
				if err != nil {
					return nil, err
				}
				one = append(append(one, r.lasting(entry.group)...), features...)
			}
			list = append(list, one)
		}
		if len(list) > 0 {
			file = append(file, exportedMember{kind.Plural, list})
		}
	}
	if names := catalog.exportShortNames(); names != nil {
		file = append(file, exportedMember{shortNamesMember, names})
	}
	return file, nil
}

// definitions of a kind by id; features stand in their groups.
func (c *Catalog) definitions(kind *Kind) []*definition {
	var list []*definition
	switch kind {
	case entityTypeKind:
		for _, et := range c.entityTypeList {
			list = append(list, c.types[et.Name].definition)
		}
	case groupKind:
		for _, g := range c.groupList {
			list = append(list, c.groups[g.Name].definition)
		}
	case featureKind:
	case serviceKind:
		for _, s := range c.serviceList {
			list = append(list, c.services[s.Name].definition)
		}
	default:
		for _, d := range c.Definitions(kind.Name) {
			list = append(list, c.others[place{kind: d.Kind, name: d.Name}].definition)
		}
	}
	return list
}

func exportFeatures(entry *groupEntry, pinned map[string]bool) (exported, error) {
	var list []exported
	for _, f := range entry.group.Features {
		one, err := exportDefinition(featureKind, entry.definitions[f.Name])
		if err != nil {
			return nil, err
		}
		if generations := exportGenerations(f, pinned); generations != nil {
			one = append(one, exportedMember{generationsMember, generations})
		}
		list = append(list, one)
	}
	if list == nil {
		return nil, nil
	}
	return exported{{"features", list}}, nil
}

func exportDefinition(kind *Kind, d *definition) (exported, error) {
	members, err := decodeMembers(d.document)
	if err != nil {
		return nil, err
	}
	one := exported{{"name", QuoteText(d.name)}}
	if former := quoteTexts(d.layout.Aliases); former != nil {
		one = append(one, exportedMember{"renamed_from", former})
	}
	for _, m := range kind.Members {
		value := members[m.Name]
		usual := kind == featureKind && m.Name == "status" && textOf(value) == string(Active) ||
			kind == groupKind && m.Name == "kind" && textOf(value) == string(Features)
		if value != nil && !usual {
			one = append(one, exportedMember{m.Name, value})
		}
	}
	return one, nil
}

// MarshalJSON writes the members in their order.
func (e exported) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range e {
		if i > 0 {
			b = append(b, ',')
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, QuoteText(m.name)...), ':'), value...)
	}
	return append(b, '}'), nil
}

// MarshalYAML writes the members in their order.
func (e exported) MarshalYAML() (any, error) {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, m := range e {
		value := &yaml.Node{}
		switch of := m.value.(type) {
		case json.RawMessage:
			value = yamlNode(of)
		case exported:
			inner, err := of.MarshalYAML()
			if err != nil {
				return nil, err
			}
			value = inner.(*yaml.Node)
		case []exported:
			value.Kind = yaml.SequenceNode
			for _, one := range of {
				element, err := one.MarshalYAML()
				if err != nil {
					return nil, err
				}
				value.Content = append(value.Content, element.(*yaml.Node))
			}
		default:
			return nil, fmt.Errorf("export a %T", m.value)
		}
		node.Content = append(node.Content, textNode(m.name), value)
	}
	return node, nil
}

// yamlNode is a JSON value in YAML; short lists stand in one line.
func yamlNode(value json.RawMessage) *yaml.Node {
	switch value[0] {
	case '"':
		return textNode(unquote(value))
	case '[':
		node := &yaml.Node{Kind: yaml.SequenceNode}
		for _, element := range elements(value) {
			node.Content = append(node.Content, yamlNode(element))
		}
		if len(value) < 100 {
			node.Style = yaml.FlowStyle
		}
		return node
	case '{':
		node := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range fieldsOf(value) {
			node.Content = append(node.Content, textNode(f.name), yamlNode(f.value))
		}
		return node
	case 'n':
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	case 't', 'f':
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: string(value)}
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Value: string(value)} // a number stands as it is
	if _, err := strconv.ParseFloat(node.Value, 64); err != nil {   // beyond FLOAT: YAML would take it for a text
		node.Tag, node.Style = "!!float", yaml.TaggedStyle
	}
	return node
}

// textNode is a text in YAML: plain where that is read back as it is, lines below each other for a description of several lines,
// and otherwise quoted.
func textNode(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	lines := strings.Split(text, "\n")
	printable := !slices.ContainsFunc(lines, func(line string) bool {
		return strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) || r == '\ufeff' })
	})
	switch {
	case !printable || text == "<<":
		node.Style = yaml.DoubleQuotedStyle
	case len(lines) == 1:
	case strings.HasPrefix(text, " ") || lines[0] == "":
		node.Style = yaml.DoubleQuotedStyle
	default:
		node.Style = yaml.LiteralStyle
	}
	return node
}
