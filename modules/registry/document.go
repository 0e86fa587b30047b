package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"featurestore/app/fault"
)

// maxDepth is how deep lists and objects of a request can be nested.
const maxDepth = 64

// maxValues is how many names and values a request can hold together: 15,000 features with all that they can say of themselves.
const maxValues = 500_000

func tooManyValues(counted string, limit int) error {
	return fault.New(fault.TooLarge, "too-many-values", "the body has more than %d %s: send the definitions in several files", limit, counted).
		At("body", "", "has more than %d %s", limit, counted)
}

// field is one member of a JSON object, as it was given.
type field struct {
	name  string
	value json.RawMessage
}

// parseJSON checks that a body is one JSON value in UTF-8, without duplicate members and not nested too deep, and returns it
// without the space around it.
func parseJSON(body []byte) (json.RawMessage, error) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, fault.New(fault.Invalid, "empty-body", "this call needs a body")
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(body))
	for values := 0; ; {
		token, err := decoder.ReadToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, invalidJSON(err)
		}
		if kind := token.Kind(); kind != '}' && kind != ']' {
			values++
		}
		if values > maxValues {
			return nil, tooManyValues("names and values", maxValues)
		}
		if decoder.StackDepth() > maxDepth {
			return nil, fault.New(fault.Invalid, "invalid-json", "the body is nested deeper than %d levels", maxDepth).
				At(fault.Shorten(pointerPath(decoder.StackPointer())), "", "nested deeper than %d levels", maxDepth)
		}
		if decoder.StackDepth() == 0 && len(bytes.TrimSpace(body[decoder.InputOffset():])) > 0 {
			return nil, fault.New(fault.Invalid, "invalid-json", "the body goes on after its JSON value ends").
				At("", string(body[decoder.InputOffset():]), "more than one JSON value")
		}
	}
	return bytes.TrimSpace(body), nil
}

func invalidJSON(err error) error {
	problem := fault.New(fault.Invalid, "invalid-json", "the body is not valid JSON")
	var syntactic *jsontext.SyntacticError
	if !errors.As(err, &syntactic) {
		return problem.At("", "", "%v", err)
	}
	message := fmt.Sprintf("%v, at byte %d", syntactic.Err, syntactic.ByteOffset)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		message = fmt.Sprintf("the member is given twice, the second time at byte %d", syntactic.ByteOffset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		message = fmt.Sprintf("the text ends too early, at byte %d", syntactic.ByteOffset)
	}
	return problem.At(pointerPath(syntactic.JSONPointer), "", "%s", message)
}

// pointerPath writes a JSON pointer as the locations of violations are written: /groups/0/name as groups[0].name.
func pointerPath(pointer jsontext.Pointer) string {
	var path strings.Builder
	for token := range pointer.Tokens() {
		switch {
		case token != "" && strings.Trim(token, "0123456789") == "":
			path.WriteString("[" + token + "]")
		case path.Len() > 0:
			path.WriteString("." + token)
		default:
			path.WriteString(token)
		}
	}
	return path.String()
}

// fieldsOf are the members of a JSON object that is known to be well formed, in their order.
func fieldsOf(object json.RawMessage) []field {
	var fields []field
	decoder := jsontext.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.ReadToken(); err != nil {
		return nil
	}
	for decoder.PeekKind() == '"' {
		name, err := decoder.ReadToken()
		if err != nil {
			return nil
		}
		text := name.String()
		value, err := decoder.ReadValue()
		if err != nil {
			return nil
		}
		fields = append(fields, field{text, json.RawMessage(bytes.Clone(value))})
	}
	return fields
}

// elements are those of a JSON list that is known to be well formed.
func elements(list json.RawMessage) []json.RawMessage {
	var values []json.RawMessage
	decoder := jsontext.NewDecoder(bytes.NewReader(list))
	if _, err := decoder.ReadToken(); err != nil {
		return nil
	}
	for kind := decoder.PeekKind(); kind != ']' && kind != 0; kind = decoder.PeekKind() {
		value, err := decoder.ReadValue()
		if err != nil {
			return nil
		}
		values = append(values, bytes.Clone(value))
	}
	return values
}
