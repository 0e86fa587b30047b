package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/validation"
)

// checkKind is the kind of runs whose results can name entities, as examples.
const checkKind = "check"

// Examples are what others show of rows: they name entities.
type Examples interface {
	// Forget takes some entities, named as answers name them, out of it.
	Forget(ctx context.Context, entityType *registry.EntityType, ids []json.RawMessage) error
}

// ForgetWith says who keeps such. It is called before Start.
func (s *Store) ForgetWith(e Examples) { s.shown = e }

// forgetInRuns takes what results of runs, and reports of rules, say of entities out of them. Checks and evaluations that are under way are
// waited for: they may have seen one.
func (s *Store) forgetInRuns(ctx context.Context, all []doomed) error {
	if len(all) == 0 {
		return nil
	}
	for _, kind := range []string{checkKind, validation.EvaluationKind} {
		underWay, err := s.runs.List(ctx, runs.Filter{Kind: kind, State: runs.Running, Limit: 1000})
		if err != nil {
			return err
		}
		for _, run := range underWay {
			for run.State == runs.Running { // one that is queued again has lost its process, and will see nothing of them
				if run, err = s.await(ctx, run.ID, repayEvery); err == nil {
					err = ctx.Err()
				}
				if err != nil {
					return err
				}
			}
		}
	}
	if err := s.forgetExamples(ctx, all); err != nil {
		return err
	}
	names := map[int64]map[string]bool{} // as answers name them, by entity type
	for _, d := range all {
		if names[d.entityType.ID] == nil {
			names[d.entityType.ID] = map[string]bool{}
		}
		names[d.entityType.ID][string(appendEntityID(nil, d.entityType, d.key))] = true
	}
	catalog := s.definitions.Catalog()
	return s.runs.Redact(ctx, `"entity_id"`, func(run runs.Run) (json.RawMessage, bool, error) {
		var of *registry.EntityType
		if group, ok := catalog.Group(run.Subject); ok {
			of = group.EntityType
		}
		return withoutEntities(run.Result, func(name string) bool {
			for entityType, all := range names {
				if (of == nil || of.ID == entityType) && all[name] {
					return true
				}
			}
			return false
		})
	})
}

// forgetExamples takes entities out of what is kept elsewhere.
func (s *Store) forgetExamples(ctx context.Context, all []doomed) error {
	if s.shown == nil {
		return nil
	}
	ids, types := map[int64][]json.RawMessage{}, map[int64]*registry.EntityType{}
	for _, d := range all {
		types[d.entityType.ID] = d.entityType
		ids[d.entityType.ID] = append(ids[d.entityType.ID], appendEntityID(nil, d.entityType, d.key))
	}
	for id, entityType := range types {
		if err := s.shown.Forget(ctx, entityType, ids[id]); err != nil {
			return fmt.Errorf("forget entities in reports: %w", err)
		}
	}
	return nil
}

// withoutEntities takes the objects that are about some entities, by their member entity_id, out of the arrays of a JSON text.
func withoutEntities(text json.RawMessage, gone func(name string) bool) (json.RawMessage, bool, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, false, fmt.Errorf("read the result of a run: %w", err)
	}
	changed := false
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				v[name] = walk(member)
			}
		case []any:
			return slices.DeleteFunc(v, func(element any) bool {
				object, ok := walk(element).(map[string]any)
				if !ok || object["entity_id"] == nil {
					return false
				}
				found := gone(asNamed(object["entity_id"]))
				changed = changed || found
				return found
			})
		}
		return v
	}
	v = walk(v)
	if !changed {
		return text, false, nil
	}
	out, err := json.Marshal(v)
	return out, true, err
}

// asNamed is a member entity_id, as it was decoded, in the spelling of appendEntityID: the encoder of runs has others for some characters.
func asNamed(id any) string {
	switch id := id.(type) {
	case string:
		return string(value.AppendJSONString(nil, id))
	case json.Number:
		return id.String()
	}
	return fmt.Sprint(id)
}

// scrub takes what was deleted out of the files. What an earlier run has scrubbed since an entry was done is not scrubbed again.
func (e *erasing) scrub(ctx context.Context, request erasureRequest) error {
	s := e.store
	groups, upTo := e.groups, e.upTo
	if entityType, ok := s.definitions.Catalog().EntityType(request.EntityType); ok && e.upTo == 0 {
		state, err := s.ledgerState(ctx)
		if err != nil {
			return err
		}
		if s.scrubbed >= state.Version {
			return nil
		}
		groups, upTo = groupsOfType(s.definitions.Catalog(), entityType.ID), state.Version
	}
	if len(groups) == 0 && upTo == 0 {
		return nil
	}
	e.run.Progress(map[string]string{"waits_for": "readers of what was deleted"})
	if err := s.offline.Scrub(ctx, groups); err != nil {
		return unavailable("scrub the offline store", err)
	}
	if err := s.online.Scrub(ctx); err != nil {
		return fmt.Errorf("scrub the online store: %w", err)
	}
	s.scrubbed = max(s.scrubbed, upTo)
	return nil
}
