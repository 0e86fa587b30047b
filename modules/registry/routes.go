package registry

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
)

// Routes mounts the module's calls.
func (r *Registry) Routes(api huma.API) {
	const get, post, put, remove = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete

	const features = "Features"
	httpapi.Register(api, operation(get, "/features", "list-features", features,
		"Search features", ""), r.listFeatures)
	httpapi.Register(api, documented[FeatureAnswer](api, operation(post, "/features", "post-feature", features,
		"Register or change a feature",
		"Members that the body leaves out stay as they are; null clears one. An entity type that is new is made, with one join key of type STRING. "+
			"Without a group the feature goes to its entity type's default group. Another value type is refused with 409, unless allow_breaking allows it. "+
			"renamed_from names the feature, by the name it had, that gets this one."), true), r.postFeature)
	httpapi.Register(api, reading[FeatureAnswer](api, operation(get, "/features/{entity_type}/{name}", "get-feature", features,
		"Read a feature's definition", "")), r.getFeature)
	httpapi.Register(api, documented[FeatureAnswer](api, operation(put, "/features/{entity_type}/{name}", "put-feature", features,
		"Replace a feature's definition", "Members that the body leaves out are cleared, but for status, reason and replacement."), true), r.putFeature)
	httpapi.Register(api, operation(remove, "/features/{entity_type}/{name}", "delete-feature", features,
		"Delete a draft", "A feature that is no draft, or that something uses, is refused with 409."), r.removeFeature)
	httpapi.Register(api, operation(get, "/features/{entity_type}/{name}/versions", "list-feature-versions", features,
		"Read what changed, and when", ""), r.listFeatureVersions)
	httpapi.Register(api, moving(api, operation(post, "/features/{entity_type}/{name}/deprecate", "deprecate-feature", features,
		"Say that a feature should no longer be used", "It is still served.")), r.deprecateFeature)
	httpapi.Register(api, moving(api, operation(post, "/features/{entity_type}/{name}/archive", "archive-feature", features,
		"Stop serving a feature unless it is asked for by name", "")), r.archiveFeature)
	httpapi.Register(api, renaming(api, operation(post, "/features/{entity_type}/{name}/rename", "rename-feature", features,
		"Give a feature another name", "Its former names lead to it for ever, and its column keeps the first. What refers to it gets the new one.")), r.postRename)

	const groups = "Groups"
	httpapi.Register(api, operation(get, "/groups", "list-groups", groups, "List groups", ""), r.listGroups)
	httpapi.Register(api, documented[GroupAnswer](api, operation(post, "/groups", "post-group", groups,
		"Register or change a group",
		"With the features that the body names; others stay. Members that the body leaves out stay as they are; null clears one."), true), r.postGroup)
	httpapi.Register(api, reading[GroupAnswer](api, operation(get, "/groups/{name}", "get-group", groups,
		"Read a group with its features", "")), r.get(groupKind, showGroup))
	httpapi.Register(api, documented[GroupAnswer](api, operation(put, "/groups/{name}", "put-group", groups,
		"Replace a group's definition", "And those of the features that the body names; others stay."), true), r.putGroup)
	httpapi.Register(api, operation(remove, "/groups/{name}", "delete-group", groups,
		"Delete a group while nothing is stored in it", "With its features. What something uses is refused with 409."), r.remove(groupKind))
	httpapi.Register(api, operation(get, "/groups/{name}/versions", "list-group-versions", groups,
		"Read what changed, and when", ""), r.versions(groupKind))

	const services = "Services"
	httpapi.Register(api, operation(get, "/services", "list-services", services, "List feature services", ""), r.listServices)
	httpapi.Register(api, documented[ServiceAnswer](api, operation(post, "/services", "post-service", services,
		"Register or change a feature service", "Members that the body leaves out stay as they are; null clears one."), true), r.post(serviceKind, showService))
	httpapi.Register(api, reading[ServiceAnswer](api, operation(get, "/services/{name}", "get-service", services,
		"Read a feature service", "")), r.get(serviceKind, showService))
	httpapi.Register(api, documented[ServiceAnswer](api, operation(put, "/services/{name}", "put-service", services,
		"Replace a feature service's definition", ""), true), r.put(serviceKind, showService))
	httpapi.Register(api, operation(remove, "/services/{name}", "delete-service", services,
		"Delete a feature service", ""), r.remove(serviceKind))
	httpapi.Register(api, operation(get, "/services/{name}/versions", "list-service-versions", services,
		"Read what changed, and when", ""), r.versions(serviceKind))

	const entityTypes = "Entity types"
	httpapi.Register(api, operation(get, "/entity-types", "list-entity-types", entityTypes, "List entity types", ""), r.listEntityTypes)
	httpapi.Register(api, documented[EntityTypeAnswer](api, operation(post, "/entity-types", "post-entity-type", entityTypes,
		"Register or change an entity type",
		"Its join keys can change their types while nothing is stored, and be others while it has no groups."), true), r.post(entityTypeKind, showEntityType))
	httpapi.Register(api, reading[EntityTypeAnswer](api, operation(get, "/entity-types/{name}", "get-entity-type", entityTypes,
		"Read an entity type with its groups and features", "")), r.get(entityTypeKind, showEntityType))
	httpapi.Register(api, documented[EntityTypeAnswer](api, operation(put, "/entity-types/{name}", "put-entity-type", entityTypes,
		"Replace an entity type's definition", "The join keys stay if the body leaves them out."), true), r.put(entityTypeKind, showEntityType))
	httpapi.Register(api, operation(remove, "/entity-types/{name}", "delete-entity-type", entityTypes,
		"Delete an entity type that has no groups", ""), r.remove(entityTypeKind))
	httpapi.Register(api, operation(get, "/entity-types/{name}/versions", "list-entity-type-versions", entityTypes,
		"Read what changed, and when", ""), r.versions(entityTypeKind))

	httpapi.Register(api, operation(get, "/lineage/{kind}/{name}", "get-lineage", "Lineage",
		"Read what a definition depends on, and what depends on it",
		"To any depth: entity types, groups, features, services, and whatever else refers to them."), r.getLineage)

	const apply = "Apply"
	httpapi.Register(api, applying(operation(post, "/apply", "apply", apply,
		"Make definitions so, all or none",
		"YAML or JSON: entity_types, groups with their features, services, each a list. What the file does not name stays and is listed in the answer.")), r.postApply)
	httpapi.Register(api, exporting(operation(get, "/apply", "export", apply,
		"Export all definitions", "As YAML that applies back to no change, or JSON. Applied to an empty registry it makes it say the same: names, former and short names lead to the "+
			"same features, and references with a version to values of the same type; generations and short_names say what would be different there otherwise.")), r.getApply)
}

// moving documents the calls that set a feature's status.
func moving(api huma.API, op huma.Operation) huma.Operation {
	op = documented[FeatureAnswer](api, op, false)
	op.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{"application/json": {Schema: httpapi.Schema[moveBody](api)}}}
	return op
}

// renaming documents the call that renames a feature.
func renaming(api huma.API, op huma.Operation) huma.Operation {
	op = documented[FeatureAnswer](api, op, false)
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: httpapi.Schema[renameBody](api)}}}
	return op
}

func applying(op huma.Operation) huma.Operation {
	file := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeObject}}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/yaml": file, "application/json": file}}
	return op
}

func exporting(op huma.Operation) huma.Operation {
	file := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeObject}}
	op.Responses = map[string]*huma.Response{"200": {
		Description: "All definitions",
		Content:     map[string]*huma.MediaType{"application/yaml": file, "application/json": file},
	}}
	return op
}
