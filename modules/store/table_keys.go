package store

import "featurestore/modules/registry"

// TableKeys is how engines note an entity type's join keys with a group's table: each "name VALUE_TYPE", in their order.
func TableKeys(entityType *registry.EntityType) []string {
	keys := make([]string, len(entityType.JoinKeys))
	for i, key := range entityType.JoinKeys {
		keys[i] = key.Name + " " + key.ValueType.String()
	}
	return keys
}
