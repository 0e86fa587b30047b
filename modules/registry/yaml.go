package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"gopkg.in/yaml.v3"

	"featurestore/app/fault"
)

// parseFile reads an apply file, JSON or YAML, into JSON. The content type decides; where it says neither, what begins with {
// is JSON.
func parseFile(body []byte, contentType string) (json.RawMessage, error) {
	saysYAML := strings.HasSuffix(contentType, "yaml") || strings.HasSuffix(contentType, "yml")
	saysJSON := strings.HasSuffix(contentType, "json")
	begins := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	switch {
	case saysJSON, !saysYAML && (len(begins) == 0 || begins[0] == '{' || begins[0] == '['):
		return parseJSON(body)
	case len(begins) > 0 && begins[0] == '{' && jsontext.Value(begins).IsValid():
		return parseJSON(body) // YAML reads the escapes of JSON strings otherwise
	}
	return parseYAML(body)
}

// yamlParts is how many lines and commas a YAML file can have. Its values are that many at most, twice over, and are all held at once; so they
// are not counted when it is too late.
const yamlParts = maxValues / 2

func parseYAML(body []byte) (json.RawMessage, error) {
	if bytes.Count(body, []byte{'\n'})+bytes.Count(body, []byte{','}) > yamlParts {
		return nil, tooManyValues("lines and commas", yamlParts)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(body))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, fault.New(fault.Invalid, "empty-body", "this call needs a body")
	case err != nil:
		return nil, invalidYAML("", 0, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, invalidYAML("", 0, "only one document is possible")
	}
	w := yamlWriter{nodes: maxValues}
	if err := w.write(&document, "", 0); err != nil {
		return nil, err
	}
	return parseJSON(w.json)
}

func invalidYAML(at string, line int, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	if line > 0 {
		message = fmt.Sprintf("%s, in line %d", message, line)
	}
	problem := fault.New(fault.Invalid, "invalid-yaml", "the body is not valid YAML: %s", message)
	return problem.At(at, "", "%s", message)
}

// yamlWriter writes YAML as JSON.
type yamlWriter struct {
	json  []byte
	nodes int // that may still come
}

func (w *yamlWriter) write(n *yaml.Node, at string, depth int) error {
	if w.nodes--; w.nodes < 0 {
		return tooManyValues("values, those that aliases repeat included", maxValues)
	}
	if depth > maxDepth {
		return invalidYAML(fault.Shorten(at), n.Line, "nested deeper than %d levels", maxDepth)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return w.write(n.Content[0], at, depth)
	case yaml.AliasNode:
		return w.write(n.Alias, at, depth+1)
	case yaml.SequenceNode:
		w.json = append(w.json, '[')
		for i, element := range n.Content {
			if i > 0 {
				w.json = append(w.json, ',')
			}
			if err := w.write(element, at+index(i), depth+1); err != nil {
				return err
			}
		}
		w.json = append(w.json, ']')
		return nil
	case yaml.MappingNode:
		return w.mapping(n, at, depth)
	}
	return w.scalar(n, at)
}

func (w *yamlWriter) mapping(n *yaml.Node, at string, depth int) error {
	w.json = append(w.json, '{')
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode:
			return invalidYAML(at, key.Line, "a key is no text")
		case key.Tag == "!!merge":
			return invalidYAML(at, key.Line, "merge keys (<<) are not read; write the members out")
		case seen[key.Value]:
			return invalidYAML(join(at, key.Value), key.Line, "the member is given twice")
		}
		seen[key.Value] = true
		if i > 0 {
			w.json = append(w.json, ',')
		}
		w.json = append(append(w.json, QuoteText(key.Value)...), ':')
		if err := w.write(n.Content[i+1], join(at, key.Value), depth+1); err != nil {
			return err
		}
	}
	w.json = append(w.json, '}')
	return nil
}

// scalar writes a scalar by the type that YAML sees in it; a time is text.
func (w *yamlWriter) scalar(n *yaml.Node, at string) error {
	switch n.ShortTag() {
	case "!!null":
		w.json = append(w.json, "null"...)
	case "!!bool":
		var is bool
		if err := n.Decode(&is); err != nil {
			return invalidYAML(at, n.Line, "%q is no boolean", fault.Shorten(n.Value))
		}
		w.json = strconv.AppendBool(w.json, is)
	case "!!int", "!!float":
		number, err := yamlNumber(n)
		if err != nil {
			return invalidYAML(at, n.Line, "%v", err)
		}
		w.json = append(w.json, number...)
	case "!!str", "!!timestamp":
		w.json = append(w.json, QuoteText(n.Value)...)
	default:
		return invalidYAML(at, n.Line, "values of the type %s are not read", fault.Shorten(n.Tag))
	}
	return nil
}

// yamlNumber keeps the digits of what JSON would also read as a number, and works out the other forms: 0x10, 1_000, .5, +1.
func yamlNumber(n *yaml.Node) (string, error) {
	if value := jsontext.Value(n.Value); value.Kind() == '0' && value.IsValid() {
		return n.Value, nil
	}
	if n.ShortTag() == "!!int" {
		var is int64
		if err := n.Decode(&is); err != nil {
			return "", fmt.Errorf("%q is no integer of 64 bits", fault.Shorten(n.Value))
		}
		return strconv.FormatInt(is, 10), nil
	}
	var is float64
	if err := n.Decode(&is); err != nil || math.IsNaN(is) || math.IsInf(is, 0) {
		return "", fmt.Errorf("%q is no number that can be kept", fault.Shorten(n.Value))
	}
	return strconv.FormatFloat(is, 'g', -1, 64), nil
}
