package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
)

// ErasureKind is the kind of the runs that erase entities.
const ErasureKind = "erasure"

// erasureRequest names an entry of the ledger. The zero erasureRequest asks for all that is not done.
type erasureRequest struct {
	EntityType string `json:"entity_type,omitempty"`
	Hash       string `json:"hash,omitempty"`
}

// Erased says what was erased, or would be.
type Erased struct {
	EntityType string        `json:"entity_type"`
	Hash       string        `json:"hash,omitempty" doc:"Names the entity in the ledger"`
	CutOff     string        `json:"cut_off,omitempty" doc:"What is observed up to then is not stored any more, by whichever way it comes"`
	Rows       int64         `json:"rows"`
	Groups     []ErasedGroup `json:"groups"`
}

// ErasedGroup is one group's part of it.
type ErasedGroup struct {
	Group string `json:"group"`
	Rows  int64  `json:"rows"`
}

// groupsOfType are the groups of an entity type, those of events too.
func groupsOfType(catalog *registry.Catalog, entityType int64) (groups []*registry.Group) {
	for _, g := range catalog.Groups() {
		if g.EntityType.ID == entityType {
			groups = append(groups, g)
		}
	}
	return groups
}

// Erasable counts what Erase would delete.
func (s *Store) Erasable(ctx context.Context, entityType *registry.EntityType, key Key) (*Erased, error) {
	snapshot, groups, err := s.view(ctx, "count an entity's rows", groupsOfType(s.definitions.Catalog(), entityType.ID))
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	rows := map[string]int64{}
	for _, g := range groups {
		removed, err := snapshot.Removable(ctx, g, Selection{Key: &key, At: lastTime, UpTo: true})
		if err != nil {
			return nil, unavailable("count an entity's rows", err)
		}
		rows[g.Name] = removed.Rows
	}
	return erasedOf(entityType.Name, groups, rows), nil
}

func erasedOf(entityType string, groups []*registry.Group, rows map[string]int64) *Erased {
	e := &Erased{EntityType: entityType, Groups: []ErasedGroup{}}
	for _, g := range groups {
		if n := rows[g.Name]; n > 0 {
			e.Rows += n
			e.Groups = append(e.Groups, ErasedGroup{g.Name, n})
		}
	}
	return e
}

// Erase enters an entity into the ledger, durably, and asks for the run that deletes all of it. From then on nothing is stored of it that is
// dated up to the cut-off.
func (s *Store) Erase(ctx context.Context, entityType *registry.EntityType, key Key) (runs.Run, error) {
	catalog, err := s.definitions.Refresh(ctx) // another process may have made a group
	if err != nil {
		return runs.Run{}, err
	}
	if err := s.readLedger(ctx); err != nil {
		return runs.Run{}, err
	}
	erasure := &Erasure{EntityType: entityType.ID, Secret: s.ledger.newest(), Entity: entityText(key)}
	erasure.Hash = hashes{}.of(erasure.Secret, erasure.Entity)
	if err := s.offline.Erase(ctx, erasure, key, groupsOfType(catalog, entityType.ID)); err != nil {
		return runs.Run{}, unavailable("enter an entity into the ledger", err)
	}
	ctx = context.WithoutCancel(ctx) // what has been entered is done, now or by the ticker
	if err := s.readLedger(ctx); err != nil {
		return runs.Run{}, err
	}
	if _, err := s.ledgerState(ctx); err != nil {
		return runs.Run{}, err
	}
	return s.runs.Submit(ctx, ErasureKind, entityType.Name, erasureRequest{EntityType: entityType.Name, Hash: hex.EncodeToString(erasure.Hash[:])})
}

// newest is the secret that entries are made with: that of the newest one, or one that nobody had.
func (l *ledger) newest() (secret [32]byte) {
	l.mu.RLock()
	secret = l.secret
	l.mu.RUnlock()
	if secret == [32]byte{} {
		rand.Read(secret[:]) //nolint:errcheck // it never fails
	}
	return secret
}

// workErasure does one run that was asked for, and with it all other erasures that are not done.
func (s *Store) workErasure(ctx context.Context, run *runs.Active) (any, error) {
	request, err := erasureOf(run)
	if err != nil {
		return nil, err
	}
	e, began := &erasing{store: s, run: run}, time.Now()
	for {
		undone, err := s.offline.Erasures(ctx, ErasureRange{Undone: true, Limit: erasedTogether})
		if err != nil {
			return nil, unavailable("read the ledger of erased entities", err)
		}
		if len(undone) == 0 {
			break
		}
		if err := e.erase(ctx, undone); err != nil {
			return nil, err
		}
	}
	if err := e.scrub(ctx, request); err != nil {
		return nil, err
	}
	if _, err := s.ledgerState(ctx); err != nil {
		return nil, err
	}
	s.erasures.done(time.Since(began), s.now())
	if request.Hash == "" {
		return map[string]int64{"entities": e.entities, "rows": e.rows}, nil
	}
	return s.erasedBy(ctx, request)
}

// erasedBy tells from the ledger what became of one entry.
func (s *Store) erasedBy(ctx context.Context, request erasureRequest) (*Erased, error) {
	var sum [32]byte
	if _, err := hex.Decode(sum[:], []byte(request.Hash)); err != nil {
		return nil, fmt.Errorf("the hash %q: %w", request.Hash, err)
	}
	entityType, ok := s.definitions.Catalog().EntityType(request.EntityType)
	if !ok {
		return nil, fault.New(fault.NotFound, "unknown-entity-type", "the entity type %s has been deleted", request.EntityType)
	}
	found, err := s.offline.Erasures(ctx, ErasureRange{Hash: &sum})
	if err != nil {
		return nil, unavailable("read the ledger of erased entities", err)
	}
	for _, e := range found {
		if e.EntityType == entityType.ID {
			erased := erasedOf(entityType.Name, groupsOfType(s.definitions.Catalog(), entityType.ID), e.Rows)
			erased.Hash, erased.CutOff = request.Hash, string(value.AppendTime(nil, e.CutOff))
			return erased, nil
		}
	}
	return nil, errors.New("the ledger has lost an entry: the offline store was restored to an earlier state")
}
