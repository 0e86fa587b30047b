package store

import (
	"strings"
	"unicode/utf8"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// DecodeKey is the key whose Encoded is that text; false if the entity type has none such.
func DecodeKey(entityType *registry.EntityType, encoded string) (Key, bool) {
	keys := entityType.JoinKeys
	if len(keys) == 1 && keys[0].ValueType == value.String {
		if !isKeyText(encoded) {
			return Key{Encoded: encoded}, false
		}
		return Key{Values: []value.Value{value.OfString(encoded)}, Encoded: encoded}, true
	}
	values := make([]value.Value, 0, len(keys))
	rest := encoded
	for _, key := range keys {
		var v value.Value
		var ok bool
		if v, rest, ok = decodePart(key.ValueType, rest); !ok {
			return Key{Encoded: encoded}, false
		}
		values = append(values, v)
	}
	if rest != "" {
		return Key{Encoded: encoded}, false
	}
	return Key{Values: values, Encoded: encoded}, true
}

// isKeyText tells whether a text can be the value of a join key.
func isKeyText(text string) bool {
	return text != "" && len(text) <= MaxKeyBytes && utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

func decodePart(of value.Type, text string) (v value.Value, rest string, ok bool) {
	if of == value.Integer {
		if len(text) < 9 || text[0] != 'i' {
			return value.Value{}, "", false
		}
		var u uint64
		for _, b := range []byte(text[1:9]) {
			u = u<<8 | uint64(b)
		}
		return value.OfInt(int64(u ^ 1<<63)), text[9:], true
	}
	if len(text) < 3 || text[0] != 's' {
		return value.Value{}, "", false
	}
	n := int(text[1])<<8 | int(text[2])
	if len(text) < 3+n || !isKeyText(text[3:3+n]) {
		return value.Value{}, "", false
	}
	return value.OfString(text[3 : 3+n]), text[3+n:], true
}
