package store

import (
	"net/url"
	"strings"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// MaxKeyBytes is the longest value of a join key.
const MaxKeyBytes = 512

// ParseKey reads the path segment that names an entity, still percent-encoded: the value of the only join key, or, for several,
// "customer_id=12345,region=eu", split at commas and equal signs before each part is decoded once.
func ParseKey(entityType *registry.EntityType, path string) (Key, error) {
	keys := entityType.JoinKeys
	if len(keys) == 1 {
		text, err := url.PathUnescape(path)
		if err != nil {
			return Key{}, badKey("%q is not percent-encoded correctly", path)
		}
		v, err := keyValue(keys[0], table.TextCell(text))
		if err != nil {
			return Key{}, err
		}
		return NewKey([]value.Value{v}), nil
	}
	values := make([]value.Value, len(keys))
	for part := range strings.SplitSeq(path, ",") {
		rawName, rawText, found := strings.Cut(part, "=")
		name, err := url.PathUnescape(rawName)
		text, err2 := url.PathUnescape(rawText)
		if !found || err != nil || err2 != nil {
			return Key{}, badKey("%q is no join key: name the entity as %s", part, keyForm(keys))
		}
		i := keyIndex(keys, name)
		if i < 0 || !values[i].IsAbsent() {
			return Key{}, badKey("%q does not belong there or is given twice: name the entity as %s", name, keyForm(keys))
		}
		if values[i], err = keyValue(keys[i], table.TextCell(text)); err != nil {
			return Key{}, err
		}
	}
	return completeKey(keys, values)
}

// keyOf makes a key of named cells, which must be the entity type's join keys, all of them and nothing else.
func keyOf(entityType *registry.EntityType, members []Field) (Key, error) {
	keys := entityType.JoinKeys
	values := make([]value.Value, len(keys))
	for _, m := range members {
		i := keyIndex(keys, m.Name)
		if i < 0 && m.Name == "entity_id" && len(keys) == 1 {
			i = 0
		}
		if i < 0 || !values[i].IsAbsent() {
			return Key{}, badKey("%q does not belong there or is given twice: the join keys are %s", m.Name, keyForm(keys))
		}
		v, err := keyValue(keys[i], m.Cell)
		if err != nil {
			return Key{}, err
		}
		values[i] = v
	}
	return completeKey(keys, values)
}

// KeyOf makes a key of one cell per join key, in their order.
func KeyOf(keys []registry.JoinKey, cells []table.Cell) (Key, error) {
	values := make([]value.Value, len(keys))
	for i, k := range keys {
		v, err := keyValue(k, cells[i])
		if err != nil {
			return Key{}, err
		}
		values[i] = v
	}
	return NewKey(values), nil
}

func completeKey(keys []registry.JoinKey, values []value.Value) (Key, error) {
	for i, v := range values {
		if v.IsAbsent() {
			return Key{}, badKey("the join key %s is missing: name the entity as %s", keys[i].Name, keyForm(keys))
		}
	}
	return NewKey(values), nil
}

func keyIndex(keys []registry.JoinKey, name string) int {
	for i, k := range keys {
		if k.Name == name {
			return i
		}
	}
	return -1
}

func keyForm(keys []registry.JoinKey) string {
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = k.Name + "=…"
	}
	return strings.Join(parts, ",")
}

// keyValue converts a cell to a join key. An integer given for a STRING key is its decimal text; 007 is no INTEGER key.
func keyValue(key registry.JoinKey, cell table.Cell) (value.Value, error) {
	v, err := cell.KeyValue(key.ValueType)
	if err != nil {
		return value.Value{}, badKey("%s: %s", key.Name, err)
	}
	if v.IsAbsent() || v.IsNull() {
		return value.Value{}, badKey("%s is null: every entity needs a value for it", key.Name)
	}
	if v.Type() == value.String {
		switch n := len(v.Text()); {
		case n == 0:
			return value.Value{}, badKey("%s is empty", key.Name)
		case n > MaxKeyBytes:
			return value.Value{}, badKey("%s is %d bytes long: at most %d are allowed", key.Name, n, MaxKeyBytes)
		}
	}
	return v, nil
}

func badKey(format string, args ...any) *fault.Error {
	problem := fault.New(fault.Invalid, "invalid-entity", format, args...)
	return problem.At("entity_id", "", "%s", problem.Detail)
}
