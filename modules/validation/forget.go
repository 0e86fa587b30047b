package validation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

// Forget takes the examples that are of some entities, named as answers name them, out of all reports, and out of what is still added up. Nothing of
// them is left in the table.
func (v *Validation) Forget(ctx context.Context, entityType *registry.EntityType, ids []json.RawMessage) error {
	gone := map[string]bool{}
	for _, id := range ids {
		gone[plainID(id)] = true
	}
	var others []string // a group that is deleted may have been of the type
	for _, group := range v.definitions.Catalog().Groups() {
		if group.EntityType.ID != entityType.ID {
			others = append(others, group.Name)
		}
	}
	v.written.forget(func(group *registry.Group, e *rules.Example) bool {
		return group.EntityType.ID == entityType.ID && gone[plainID(v.values.EntityID(group.EntityType, e.Entity))]
	})
	changed, err := v.repository.forgetExamples(ctx, others, func(e *rules.Example) bool { return e.EntityID != nil && gone[plainID(e.EntityID)] })
	if err != nil || !changed {
		return err
	}
	return unavailable(database.Scrub(ctx, v.repository.db, "validation_results"))
}

// plainID is an entity's name without the spelling of its JSON.
func plainID(id json.RawMessage) string {
	var text string
	if err := json.Unmarshal(id, &text); err == nil {
		return `"` + text
	}
	return string(id)
}

// withoutErased takes examples of entities that were erased out of a report, and tells whether there were any.
func (v *Validation) withoutErased(ctx context.Context, group *registry.Group, report *Report) (changed bool, err error) {
	var entities []string
	for i := range report.Results {
		for _, e := range report.Results[i].Examples {
			if e.Entity != "" {
				entities = append(entities, e.Entity)
			}
		}
	}
	if len(entities) == 0 {
		return false, nil
	}
	erased, err := v.values.Erased(ctx, group.EntityType, entities)
	if err != nil || !slices.Contains(erased, true) {
		return false, err
	}
	gone := map[string]bool{}
	for i, entity := range entities {
		gone[entity] = gone[entity] || erased[i]
	}
	for i := range report.Results {
		r := &report.Results[i]
		r.Examples = slices.DeleteFunc(r.Examples, func(e rules.Example) bool { return gone[e.Entity] })
	}
	return true, nil
}

// forget takes examples out of what is added up.
func (w *written) forget(gone func(*registry.Group, *rules.Example) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.groups {
		for _, o := range t.found {
			o.Examples = slices.DeleteFunc(o.Examples, func(e rules.Example) bool { return e.Entity != "" && gone(t.group, &e) })
		}
	}
}

// forgotten is how many results are looked through at once.
const forgotten = 500

// forgetExamples takes examples out of the results of all but some groups, and tells whether there were any.
func (r repository) forgetExamples(ctx context.Context, others []string, gone func(*rules.Example) bool) (changed bool, err error) {
	for after := int64(0); ; {
		query := r.db.WithContext(ctx).Where("id > ? AND examples <> '[]'", after)
		if len(others) > 0 {
			query = query.Where("group_name NOT IN ?", others)
		}
		results, err := r.results(query.Order("id").Limit(forgotten))
		if err != nil || len(results) == 0 {
			return changed, err
		}
		after = results[len(results)-1].ID
		results = slices.DeleteFunc(results, func(result Result) bool {
			return !slices.ContainsFunc(result.Examples, func(e rules.Example) bool { return gone(&e) })
		})
		for i := range results {
			results[i].Examples = slices.DeleteFunc(results[i].Examples, func(e rules.Example) bool { return gone(&e) })
		}
		if err := r.replaceExamples(ctx, results); err != nil {
			return changed, err
		}
		changed = changed || len(results) > 0
	}
}

// replaceExamples writes the examples of results anew.
func (r repository) replaceExamples(ctx context.Context, results []Result) error {
	for i := range results {
		text, err := examplesOf(results[i].Examples)
		if err == nil {
			err = r.db.WithContext(ctx).Exec("UPDATE validation_results SET examples = ? WHERE id = ?", text, results[i].ID).Error
		}
		if err != nil {
			return unavailable(fmt.Errorf("replace the examples of result %d: %w", results[i].ID, err))
		}
	}
	return nil
}

// plain makes a text one that any database takes.
func plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
