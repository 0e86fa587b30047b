package redis

import (
	"strconv"

	"featurestore/modules/registry"
)

// keys makes every key that this store uses. The prefix holds no colon, so no two installations' keys are the same, and nothing
// that SCAN takes for a pattern.
type keys struct{ prefix string }

func (k keys) installation() string { return k.prefix + ":installation" }

func (k keys) environment() string { return k.prefix + ":environment" }

func (k keys) erasures() string { return k.prefix + ":erasures" }

func (k keys) marker(group *registry.Group) string { return string(k.appendMarker(nil, group)) }

func (k keys) appendMarker(b []byte, group *registry.Group) []byte {
	return strconv.AppendInt(append(append(b, k.prefix...), ":m:"...), group.ID, 10)
}

func (k keys) state(group *registry.Group) string {
	return k.prefix + ":s:" + strconv.FormatInt(group.ID, 10)
}

// rows is what the keys of a group's rows begin with.
func (k keys) rows(group *registry.Group) string { return string(k.appendRows(nil, group)) }

func (k keys) appendRows(b []byte, group *registry.Group) []byte {
	return append(strconv.AppendInt(append(append(b, k.prefix...), ':'), group.ID, 10), ':')
}
