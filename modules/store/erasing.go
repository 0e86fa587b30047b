package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

const (
	erasedTogether  = 500 // entities: few enough that the online copies go on answering (fewEntities)
	erasersTogether = 8   // deletions under way at once, which are committed together where the engine can
)

// erasing is one run at work.
type erasing struct {
	store    *Store
	run      *runs.Active
	entities int64
	rows     int64
	upTo     int64             // the highest number of the entries that it has done,
	groups   []*registry.Group // and the groups that they were deleted from
}

// erasureOf reads what a run is asked to do.
func erasureOf(run *runs.Active) (request erasureRequest, err error) {
	if text := run.Parameters(); len(text) > 0 {
		if err = json.Unmarshal(text, &request); err != nil {
			err = fmt.Errorf("read the parameters of run %d: %w", run.ID(), err)
		}
	}
	return request, err
}

// doomed is an entity whose rows go.
type doomed struct {
	entityType *registry.EntityType
	key        Key
	cutOff     int64
	entry      int // of the entries that are being done
}

// erase deletes what is stored of some entries' entities, everywhere. Each step can be repeated.
func (e *erasing) erase(ctx context.Context, entries []Erasure) error {
	s := e.store
	for _, entry := range entries {
		e.upTo = max(e.upTo, entry.Number)
	}
	catalog, err := s.definitions.Refresh(ctx)
	if err != nil {
		return err
	}
	var named []doomed
	var hashed []int // entries of which only the hash is known
	var groups []*registry.Group
	types := map[int64]bool{}
	removed := make([]map[string]int64, len(entries))
	for i, entry := range entries {
		removed[i] = map[string]int64{}
		if !types[entry.EntityType] {
			types[entry.EntityType] = true
			groups = append(groups, groupsOfType(catalog, entry.EntityType)...)
		}
		entityType, ok := entityTypeByID(catalog, entry.EntityType)
		switch {
		case !ok: // it has no groups
		case entry.Entity == "":
			hashed = append(hashed, i)
		default:
			key, err := entityFrom(entityType, entry.Entity)
			if err != nil {
				return err
			}
			named = append(named, doomed{entityType, key, entry.CutOff, i})
		}
	}
	for _, group := range groups {
		if !slices.ContainsFunc(e.groups, func(g *registry.Group) bool { return g.ID == group.ID }) {
			e.groups = append(e.groups, group)
		}
	}
	if err := e.remove(ctx, groups, named, removed); err != nil {
		return err
	}
	// Writes that were under way when an entity was entered may not have seen the ledger: it is looked for again once they have ended.
	if err := s.offline.AwaitWrites(ctx, groups); err != nil {
		return unavailable("wait for the writes that are under way", err)
	}
	if len(hashed) > 0 {
		found, err := e.find(ctx, groups, entries, hashed)
		if err != nil {
			return err
		}
		named = append(named, found...)
	}
	if err := e.remove(ctx, groups, named, removed); err != nil {
		return err
	}
	if err := e.keepOnline(ctx, entries); err != nil {
		return err
	}
	if err := s.forgetInRuns(ctx, named); err != nil {
		return err
	}
	if err := e.forgetInTraces(ctx, groups, removed); err != nil {
		return err
	}
	for i := range entries {
		entries[i].Run = e.run.ID()
		rows := map[string]int64{}
		for _, counted := range []map[string]int64{entries[i].Rows, removed[i]} { // an attempt before this one may have removed some
			for group, n := range counted {
				rows[group] = max(rows[group], n)
			}
		}
		entries[i].Rows = rows
		e.entities++
		for _, n := range rows {
			e.rows += n
		}
	}
	return unavailable("end erasures", s.offline.Finish(ctx, entries))
}

func entityTypeByID(catalog *registry.Catalog, id int64) (*registry.EntityType, bool) {
	for _, t := range catalog.EntityTypes() {
		if t.ID == id {
			return t, true
		}
	}
	return nil, false
}

// remove deletes entities' rows from history, a group after the other, and sets its online copy right.
func (e *erasing) remove(ctx context.Context, groups []*registry.Group, all []doomed, removed []map[string]int64) error {
	for _, group := range groups {
		e.store.owed.begin(group)
		if err := e.removeFrom(ctx, group, all, removed); err != nil {
			e.store.owed.postpone(group) // it may have been done nevertheless
			return err
		}
		if err := e.store.takeBackWholly(ctx, group, func() { e.run.Progress(map[string]string{"waits_for": "the online copy of " + group.Name}) }); err != nil {
			e.store.owed.postpone(group)
			return err
		}
		e.store.owed.done(group)
	}
	return nil
}

func (e *erasing) removeFrom(ctx context.Context, group *registry.Group, all []doomed, removed []map[string]int64) error {
	var mu sync.Mutex
	var errs []error
	var workers sync.WaitGroup
	next := make(chan doomed)
	for range min(erasersTogether, len(all)) {
		workers.Go(func() {
			for d := range next {
				n, err := e.store.removeUpTo(ctx, group, d.key, d.cutOff)
				mu.Lock()
				removed[d.entry][group.Name] += n
				if err != nil {
					errs = append(errs, err)
				}
				mu.Unlock()
			}
		})
	}
	for _, d := range all {
		if d.entityType.ID == group.EntityType.ID {
			next <- d
		}
	}
	close(next)
	workers.Wait()
	return errors.Join(errs...)
}

// removeUpTo deletes an entity's rows up to a time from history.
func (s *Store) removeUpTo(ctx context.Context, group *registry.Group, key Key, cutOff int64) (int64, error) {
	for range maxAttempts {
		removed, err := s.offline.Remove(ctx, group, Selection{Key: &key, At: cutOff, UpTo: true})
		if !errors.Is(err, ErrOutdated) {
			return removed.Rows, unavailable("erase rows of "+group.Name, err)
		}
		groups, err := s.refreshed(ctx, []*registry.Group{group})
		if err != nil {
			return 0, err
		}
		group = groups[0]
	}
	return 0, fmt.Errorf("erase rows of %s: its definitions kept changing", group.Name)
}

// takeBackWholly repeats TakeBack until the notes of all removals up to now have been given up, which hold entities' keys. Where the
// online copy has to be rebuilt for that, it asks for it; where nobody does that, it empties the copy.
func (s *Store) takeBackWholly(ctx context.Context, group *registry.Group, waiting func()) error {
	began, err := s.removalsOf(ctx, group)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(repayEvery)
	defer ticker.Stop()
	var watching abandoned
	for asked := false; ; asked = true {
		if err := s.takeBackPatiently(ctx, group, waiting); err != nil {
			return err
		}
		removals, err := s.removalsOf(ctx, group)
		if err != nil || removals.Forgotten >= began.Last {
			return err
		}
		waiting()
		if s.publisher != nil && !asked {
			if _, err := s.publisher.Publish(ctx, group); err != nil {
				s.log.Warn("the rebuild that an erasure waits for could not be asked for; the ticker sees that it is needed", "group", group.Name, "error", err)
			}
		}
		if err := watching.look(ctx, s, group); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// find looks through whole groups for the entities of entries of which only the hash is known.
func (e *erasing) find(ctx context.Context, groups []*registry.Group, entries []Erasure, hashed []int) (found []doomed, err error) {
	type name struct {
		entityType   int64
		secret, hash [32]byte
	}
	wanted, secrets := map[name]int{}, map[int64][][32]byte{}
	for _, i := range hashed {
		entry := entries[i]
		wanted[name{entry.EntityType, entry.Secret, entry.Hash}] = i
		if !slices.Contains(secrets[entry.EntityType], entry.Secret) {
			secrets[entry.EntityType] = append(secrets[entry.EntityType], entry.Secret)
		}
	}
	have, h := map[[2]int64]map[string]bool{}, hashes{}
	look := func(rows *Rows) error {
		entityType := rows.Group.EntityType
		for i, key := range rows.Keys {
			if i > 0 && rows.Keys[i-1].Encoded == key.Encoded {
				continue
			}
			text := entityText(key)
			for _, secret := range secrets[entityType.ID] {
				at, ok := wanted[name{entityType.ID, secret, h.of(secret, text)}]
				if !ok {
					continue
				}
				place := [2]int64{entityType.ID, int64(at)}
				if have[place] == nil {
					have[place] = map[string]bool{}
				}
				if !have[place][key.Encoded] {
					have[place][key.Encoded] = true
					found = append(found, doomed{entityType, key, entries[at].CutOff, at})
				}
			}
		}
		return nil
	}
	for _, group := range groups {
		if secrets[group.EntityType.ID] == nil {
			continue
		}
		e.run.Progress(map[string]string{"looks_through": group.Name})
		snapshot, now, err := e.store.view(ctx, "look for erased entities", []*registry.Group{group})
		if err != nil {
			return nil, err
		}
		err = snapshot.Observations(ctx, now[0], nil, Range{}, look)
		if err = errors.Join(err, snapshot.Close()); err == nil {
			err = e.store.waitingEntities(ctx, now[0], look)
		}
		if err != nil {
			return nil, unavailable("look for erased entities", err)
		}
	}
	return found, nil
}

// keepOnline gives the online store the entries too, once it is there.
func (e *erasing) keepOnline(ctx context.Context, entries []Erasure) error {
	ticker := time.NewTicker(repayEvery)
	defer ticker.Stop()
	for {
		err := e.store.online.KeepErasures(ctx, entries)
		if err == nil {
			return nil
		}
		e.run.Progress(map[string]string{"waits_for": "the online store, for its copy of the ledger"})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
