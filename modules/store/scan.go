package store

import (
	"context"
	"encoding/json"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
	"featurestore/modules/validation"
	"featurestore/modules/validation/rules"
)

// Values is the store as validation reads it.
func (s *Store) Values() validation.Values { return values{s} }

type values struct{ *Store }

// Scan is a scan of a snapshot of its own.
func (s values) Scan(ctx context.Context, group *registry.Group, window validation.Window, yield func(*rules.Batch) error) error {
	return s.Read(ctx, group, window, func(of rules.Source) error { return of.Scan(ctx, window.Reads, yield) })
}

// rangeOf is which observations are in a window, in a snapshot that is open already.
func (s values) rangeOf(ctx context.Context, window validation.Window) (of Range, err error) {
	of = Range{From: window.From, To: window.To, Run: window.Run}
	if of.Run != 0 {
		of.After, err = s.since(ctx, of.Run)
	}
	return of, err
}

// merges tells whether the rows of one entity and event time are one.
func merges(group *registry.Group, of Range) bool {
	return group.Kind == registry.Features && of.Run == 0
}

// scan hands rows on as batches.
type scan struct {
	yield func(*rules.Batch) error
	batch rules.Batch
	held  Rows // what of the rows so far is not handed on; of rows put together only
}

// take hands rows on as they are.
func (sc *scan) take(rows *Rows) error {
	b := &sc.batch
	b.Values, b.Rows, b.Width, b.EventTimes = rows.Values, len(rows.Keys), len(rows.Features), rows.EventTimes
	b.Entity = func(row int) string { return rows.Keys[row].Encoded }
	return sc.yield(b)
}

// merge puts the rows of one entity and time together, which follow each other, what came in last first.
func (sc *scan) merge(rows *Rows) error {
	held := &sc.held
	held.Features = rows.Features
	for i := range rows.Keys {
		last := len(held.Keys) - 1
		if last < 0 || held.EventTimes[last] != rows.EventTimes[i] || held.Keys[last].Encoded != rows.Keys[i].Encoded {
			if last+1 >= len(rows.Keys) { // what was held is whole, and as much as the engine yields at once
				if err := sc.flush(); err != nil {
					return err
				}
			}
			held.Keys, held.EventTimes = append(held.Keys, rows.Keys[i]), append(held.EventTimes, rows.EventTimes[i])
			held.Values = append(held.Values, rows.Row(i)...)
			continue
		}
		newer := held.Row(last)
		for n, v := range rows.Row(i) {
			if newer[n].IsAbsent() {
				newer[n] = v
			}
		}
	}
	return nil
}

// flush hands on what is held.
func (sc *scan) flush() error {
	if len(sc.held.Keys) == 0 {
		return nil
	}
	err := sc.take(&sc.held)
	sc.held.Keys, sc.held.EventTimes, sc.held.Values = sc.held.Keys[:0], sc.held.EventTimes[:0], sc.held.Values[:0]
	return err
}

// lookedUp is how many values are looked up in one question to the engine.
const lookedUp = 10_000

// Lookup opens a snapshot of its own, since the one that is scanned is busy.
func (s values) Lookup(ctx context.Context, target rules.Reference, asked []value.Value) ([]bool, error) {
	has := make([]bool, len(asked))
	if len(asked) == 0 {
		return has, nil
	}
	if target.EntityType != "" {
		return has, s.lookUpEntities(ctx, target.EntityType, asked, has)
	}
	return has, s.lookUpValues(ctx, target, asked, has)
}

func (s values) lookUpEntities(ctx context.Context, name string, asked []value.Value, has []bool) error {
	entityType, groups, err := s.populated(name)
	if err != nil {
		return err
	}
	if len(entityType.JoinKeys) != 1 {
		return fault.New(fault.Unprocessable, "several-join-keys", "an entity of %s is named by %d join keys: one value cannot be one", name, len(entityType.JoinKeys))
	}
	var keys []Key
	var at []int
	for i, v := range asked {
		if v, err := keyValue(entityType.JoinKeys[0], table.ValueCell(v)); err == nil { // what cannot be a key is no entity
			keys, at = append(keys, NewKey([]value.Value{v})), append(at, i)
		}
	}
	snapshot, groups, err := s.view(ctx, "look up entities", groups)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	for _, group := range groups {
		for from := 0; from < len(keys); from += lookedUp {
			to := min(from+lookedUp, len(keys))
			found, err := snapshot.HasEntities(ctx, group, keys[from:to])
			if err != nil {
				return unavailable("look up entities of "+name, err)
			}
			for i, yes := range found {
				has[at[from+i]] = has[at[from+i]] || yes
			}
		}
	}
	return nil
}

func (s values) lookUpValues(ctx context.Context, target rules.Reference, asked []value.Value, has []bool) error {
	catalog := s.definitions.Catalog()
	group, ok := catalog.Group(target.Group)
	if !ok {
		return catalog.UnknownGroup(target.Group)
	}
	feature, ok := catalog.Feature(group, target.Feature)
	if !ok {
		return fault.New(fault.NotFound, "unknown-feature", "the group %s has no feature %q", target.Group, target.Feature)
	}
	if feature.ValueType.Array() || feature.ValueType == value.JSON {
		return fault.New(fault.Unprocessable, "not-comparable", "values of %s are %s, which cannot be looked up", feature.Reference(), feature.ValueType)
	}
	var converted []value.Value
	var at []int
	for i, v := range asked {
		if v, err := value.Convert(v, feature.ValueType, nil); err == nil { // what cannot be such a value is none
			converted, at = append(converted, v), append(at, i)
		}
	}
	snapshot, shares, err := s.viewOf(ctx, "look up values", split([]*registry.Feature{feature}))
	if err != nil {
		return err
	}
	defer snapshot.Close()
	found, err := snapshot.HasValues(ctx, shares[0].features[0], converted)
	if err != nil {
		return unavailable("look up values of "+feature.Reference(), err)
	}
	for i, yes := range found {
		has[at[i]] = yes
	}
	return nil
}

// populated is an entity type by its name, and its groups.
func (s values) populated(name string) (*registry.EntityType, []*registry.Group, error) {
	catalog := s.definitions.Catalog()
	entityType, ok := catalog.EntityType(name)
	if !ok {
		return nil, nil, catalog.UnknownEntityType(name)
	}
	return entityType, groupsOfType(catalog, entityType.ID), nil
}

// Waiting asks for one entry.
func (s values) Waiting(ctx context.Context, group *registry.Group) (bool, error) {
	found, err := s.offline.ListQuarantined(ctx, QuarantineFilter{Groups: []*registry.Group{group}, State: Waiting, Limit: 1})
	return len(found) > 0, unavailable("read the quarantine", err)
}

// CountEntities counts what the engine finds in all groups of the type.
func (s values) CountEntities(ctx context.Context, name string) (int64, error) {
	_, groups, err := s.populated(name)
	if err != nil || len(groups) == 0 {
		return 0, err
	}
	snapshot, groups, err := s.view(ctx, "count entities", groups)
	if err != nil {
		return 0, err
	}
	defer snapshot.Close()
	n, err := snapshot.CountEntities(ctx, groups)
	return n, unavailable("count the entities of "+name, err)
}

// EntityID is as every answer of the store names an entity.
func (s values) EntityID(entityType *registry.EntityType, encoded string) json.RawMessage {
	key, ok := DecodeKey(entityType, encoded)
	if !ok {
		return json.RawMessage("null")
	}
	return appendEntityID(nil, entityType, key)
}

// Erased reads what is new in the ledger first.
func (s values) Erased(ctx context.Context, entityType *registry.EntityType, encoded []string) ([]bool, error) {
	erased := make([]bool, len(encoded))
	if err := s.readLedger(ctx); err != nil {
		return nil, err
	}
	s.ledger.mu.RLock()
	defer s.ledger.mu.RUnlock()
	h := hashes{}
	for i, text := range encoded {
		if key, ok := DecodeKey(entityType, text); ok {
			_, erased[i] = s.ledger.cutOff(entityType, key, h)
		}
	}
	return erased, nil
}
