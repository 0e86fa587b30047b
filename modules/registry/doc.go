// Package registry says what exists: entity types, feature groups, features and feature services, and every other kind of
// definition that a module further right brings (Kind). It owns the tables registry_*, and the routes /entity-types,
// /groups, /features, /services, /lineage and /apply.
//
// How it is built:
//
//   - All kinds are versioned documents in one table. A request is read strictly into what is wanted (reading.go), merged with
//     what is there and checked as a whole (planner.go), and written in one transaction (change.go). There is no other way to
//     change anything: a POST of one feature, an apply of ten thousand and a draft made by a write are the same path.
//   - A change begins by raising the revision in registry_state, which locks that row. So changes happen one after the other,
//     in the order of their revisions, and each sees all before it: concurrent applies never lose an update. Every row carries
//     the revision that last changed it, and deleted definitions stay as rows: what changed since a revision is one query.
//   - Reading never goes to the database: the Catalog is everything at one revision, in memory, and never changes. The process
//     that makes a change has the new catalog at once, others by asking each second what changed since theirs (catalog_build.go).
//   - A feature's values come in generations: another value type begins the next one, in a column and under an ordinal of its own,
//     and each version of the definition belongs to one. name@version is the Feature of that generation (Catalog.Resolve); the
//     newest are in Group.Features, those before it in Group.Older, all in Group.Stored.
//   - A feature's former names are aliases for ever. What refers to it in the registry's own kinds is rewritten in the same change
//     (planner_rename.go), other modules' definitions go on by the alias. Groups, services and entity types keep their names.
//   - What each change left stays (registry_past): the catalog of any revision, or moment, can be told (past.go), as far back as the past is
//     kept (past_thin.go).
//   - What depends on what is worked out in one place (references.go), for the planner and for the lineage alike.
//   - Names that were deleted and come back are the same definition, with its id and history; a feature's values begin anew,
//     in a column and under an ordinal that were never used.
//
// It uses app/database and app/httpapi, and of the store only the questions in Guards.
package registry
