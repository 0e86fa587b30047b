package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

// tendLedgerEvery is how often the two copies of the ledger are compared.
const tendLedgerEvery = 5 * time.Second

// startLedger reads the ledger before the first write, and joins it with its copy: neither may be from before an erasure. While the online
// store cannot be asked, the ticker is left to do that.
func (s *Store) startLedger(ctx context.Context) error {
	if err := s.readLedger(ctx); err != nil {
		return err
	}
	if err := s.joinLedgers(ctx); err != nil {
		s.log.Warn("the ledger of erased entities could not be compared with its copy; it is tried again", "error", err)
	}
	return nil
}

// tendLedger keeps the copies of the ledger in step and has done what is not done, until the store is stopped.
func (s *Store) tendLedger() {
	ticker := time.NewTicker(tendLedgerEvery)
	defer ticker.Stop()
	told := false
	for {
		select {
		case <-s.stopped:
			return
		case <-ticker.C:
		}
		err := s.TendLedger(s.background)
		if err != nil && !told && s.background.Err() == nil {
			s.log.Warn("the copies of the ledger of erased entities could not be compared; it is tried again", "error", err)
		}
		told = err != nil
	}
}

// TendLedger learns what other processes entered into the ledger, joins it with its copy in the online store if they may differ, and asks for
// a run where entries are not done that nobody works on.
func (s *Store) TendLedger(ctx context.Context) error {
	state, err := s.ledgerState(ctx)
	if err != nil {
		return err
	}
	if err := s.readLedger(ctx); err != nil {
		return err
	}
	kept, err := s.online.CountErasures(ctx)
	if err == nil && (kept != state.Entries || !s.joined.Load()) {
		err = s.joinLedgers(ctx)
	}
	if err != nil {
		return err
	}
	return s.takeUpErasures(ctx)
}

// ledgerState reads where the ledger stands.
func (s *Store) ledgerState(ctx context.Context) (LedgerState, error) {
	state, err := s.offline.LedgerState(ctx)
	if err == nil {
		s.erasures.waiting.Store(state.Undone)
	}
	return state, unavailable("read the state of the ledger", err)
}

// takeUpErasures asks for a run if something is not done and no run is going to do it.
func (s *Store) takeUpErasures(ctx context.Context) error {
	state, err := s.ledgerState(ctx)
	if err != nil || state.Undone == 0 {
		return err
	}
	for _, at := range []runs.State{runs.Queued, runs.Running} {
		found, err := s.runs.List(ctx, runs.Filter{Kind: ErasureKind, State: at, Limit: 1})
		if err != nil || len(found) > 0 {
			return err
		}
	}
	_, err = s.runs.Submit(ctx, ErasureKind, "ledger", nil)
	return err
}

// joinLedgers gives each of the two copies of the ledger what only the other one has. What the offline store lacks it had before: it was
// restored to an earlier state. Then the online copies of all groups are given up, to be rebuilt, and the entities are looked for again. What
// the online store lacks that is done it had before, too: its copies are given up as well.
func (s *Store) joinLedgers(ctx context.Context) error {
	type name struct {
		entityType   int64
		secret, hash [32]byte
	}
	of := func(e Erasure) name { return name{e.EntityType, e.Secret, e.Hash} }
	if _, err := s.online.CountErasures(ctx); err != nil { // it says sooner that the store is not there
		return err
	}
	online, err := s.online.KeptErasures(ctx) // before the offline store's: what is there was entered there first
	if err != nil {
		return err
	}
	offline, err := s.offline.Erasures(ctx, ErasureRange{})
	if err != nil {
		return unavailable("read the ledger of erased entities", err)
	}
	missing := func(from, in []Erasure) (found []Erasure) {
		cutOffs := make(map[name]int64, len(in))
		for _, e := range in {
			cutOffs[of(e)] = e.CutOff
		}
		for _, e := range from {
			if cutOff, ok := cutOffs[of(e)]; !ok || cutOff < e.CutOff {
				found = append(found, e)
			}
		}
		return found
	}
	if lost := missing(online, offline); len(lost) > 0 {
		s.log.Warn("the offline store lacks erased entities that the online store knows of: it was restored to an earlier state; they are erased again", "entities", len(lost))
		if err := s.giveUpCopies(ctx); err != nil {
			return err
		}
		if _, err := s.offline.Enter(ctx, lost); err != nil {
			return unavailable("enter entities into the ledger", err)
		}
		if err := s.readLedger(ctx); err != nil {
			return err
		}
	}
	if lost := missing(offline, online); len(lost) > 0 {
		if slices.ContainsFunc(lost, func(e Erasure) bool { return e.Done }) { // it had that, and the entity's rows before that
			s.log.Warn("the online store lacks erased entities: it lost something, or was restored to an earlier state; its copies are rebuilt", "entities", len(lost))
			if err := s.giveUpCopies(ctx); err != nil {
				return err
			}
		}
		if err := s.online.KeepErasures(ctx, lost); err != nil {
			return err
		}
	}
	s.joined.Store(true)
	return nil
}

// giveUpCopies drops the markers and watermarks of all groups: materialization rebuilds them.
func (s *Store) giveUpCopies(ctx context.Context) error {
	server, err := s.online.Run(ctx)
	if err != nil {
		return fmt.Errorf("ask the online store: %w", err)
	}
	for _, group := range s.definitions.Catalog().Groups() {
		if group.Kind != registry.Features {
			continue
		}
		for {
			from, err := s.online.State(ctx, group)
			if err != nil {
				return fmt.Errorf("read the online copy's state: %w", err)
			}
			if from.Marker == "" && from.Watermark.Position == "" {
				break
			}
			to := State{Fence: from.Fence + 1, Raised: from.Raised, Server: server}
			swapped, err := s.online.Swap(ctx, group, from, to)
			if err != nil {
				return fmt.Errorf("give up the online copy of %s: %w", group.Name, err)
			}
			if swapped {
				break
			}
		}
	}
	return nil
}

// EnterErasures takes entries of another copy of the ledger over, and asks for a run that erases those entities here. It answers how many were
// new, and the run; 0: there was nothing to do.
func (s *Store) EnterErasures(ctx context.Context, erasures []Erasure) (entered int, run int64, err error) {
	if entered, err = s.offline.Enter(ctx, erasures); err != nil {
		return 0, 0, unavailable("enter entities into the ledger", err)
	}
	if entered == 0 {
		return 0, 0, nil
	}
	ctx = context.WithoutCancel(ctx)
	if err := s.readLedger(ctx); err != nil {
		return 0, 0, err
	}
	submitted, err := s.runs.Submit(ctx, ErasureKind, "ledger", nil)
	return entered, submitted.ID, err
}
