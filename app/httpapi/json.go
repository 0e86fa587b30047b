package httpapi

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// MaxDepth is how deep arrays and objects of a JSON body may be nested.
const MaxDepth = 100

// jsonFormat reads JSON strictly: no duplicate members, no invalid UTF-8, names exactly as declared. It writes nil slices as
// [], and omitempty means what it means in encoding/json.
var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		return json.MarshalWrite(w, v, jsonv1.OmitEmptyWithLegacySemantics(true), json.Deterministic(true))
	},
	Unmarshal: func(data []byte, v any) error {
		if err := checkDepth(data); err != nil {
			return err
		}
		if err := json.Unmarshal(data, v); err != nil {
			return errors.New(explainJSON(err))
		}
		return nil
	},
}

// checkDepth refuses what is nested deeper than MaxDepth.
func checkDepth(data []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > MaxDepth {
				return fmt.Errorf("nested deeper than %d levels", MaxDepth)
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return nil
}

// explainJSON says what is wrong with a JSON text, and where, in a person's words.
func explainJSON(err error) string {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		where := fmt.Sprintf(" at byte %d", syntactic.ByteOffset)
		if syntactic.JSONPointer != "" {
			where += " (" + pointerPath(syntactic.JSONPointer) + ")"
		}
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return "a member is given twice" + where
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return "the JSON text ends too early" + where
		}
		return syntactic.Err.Error() + where
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		text := fmt.Sprintf("%s does not fit", kindName(semantic.JSONKind))
		if semantic.JSONPointer != "" {
			text += " (" + pointerPath(semantic.JSONPointer) + ")"
		}
		if semantic.Err != nil {
			text += ": " + semantic.Err.Error()
		}
		return text
	}
	if errors.Is(err, io.EOF) {
		return "there is no JSON text"
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

func kindName(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "the value"
}

// pointerPath writes a JSON pointer as the locations of violations are written: /a/0/b as a[0].b.
func pointerPath(pointer jsontext.Pointer) string {
	var path strings.Builder
	for token := range pointer.Tokens() {
		if token != "" && strings.Trim(token, "0123456789") == "" {
			path.WriteString("[" + token + "]")
			continue
		}
		if path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(token)
	}
	return path.String()
}
