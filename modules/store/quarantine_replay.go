package store

import (
	"context"
	"errors"
	"reflect"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
)

// ReplayResult says what became of entries that were to be replayed, or with DryRun would: Selected = Replayed + Duplicate + Waiting + Erased + Gone.
type ReplayResult struct {
	DryRun    bool
	Selected  int
	Replayed  int
	Duplicate int // of an event group: their ids are there already; they do not wait any more
	Waiting   int // they still break rules, or cannot be stored as they are
	Erased    int // they are of erased entities, and about to go
	Gone      int // somebody else replayed, amended or discarded them meanwhile
	Failed    []FailedReplay
	Online    string
	Next      int64 // the number that the next page comes after; 0: there is none
}

// FailedReplay is an entry that still waits.
type FailedReplay struct {
	Entry  *Quarantined
	Reason string // why it cannot be stored at all; "": it breaks rules, see Entry.Broken
}

// Replay has today's rules look at the waiting entries that a query finds, and stores those that keep them: with their own event times, as
// ingested now, and each in one transaction with the mark that it was replayed. Rows that came with a load are stored as rows of it. The
// others go on waiting, with what they break now.
func (s *Store) Replay(ctx context.Context, query QuarantineQuery, dry bool) (*ReplayResult, error) {
	entries, next, err := s.selectWaiting(ctx, query)
	if err != nil {
		return nil, err
	}
	r := &replay{store: s, result: ReplayResult{DryRun: dry, Selected: len(entries), Online: OnlineNone, Next: next}}
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && n < quarantineStep && entries[n].Group.ID == entries[0].Group.ID && entries[n].Source.Run == entries[0].Source.Run {
			n++
		}
		if err := r.together(ctx, entries[:n:n]); err != nil {
			return nil, err
		}
		entries = entries[n:]
	}
	return &r.result, nil
}

// replay is one call of Replay.
type replay struct {
	store  *Store
	result ReplayResult
}

// judged is what is to become of entries of one group and run.
type judged struct {
	good   []*Quarantined
	rows   *Rows // of the good ones, in their order
	bad    []*Quarantined
	failed []FailedReplay // of the bad ones
	erased int
}

// together replays entries of one group and run.
func (r *replay) together(ctx context.Context, entries []*Quarantined) error {
	s := r.store
	asked := len(entries)
	for range maxAttempts {
		if len(entries) == 0 {
			break
		}
		j, err := s.judgeEntries(ctx, entries)
		if err != nil {
			return err
		}
		if !r.result.DryRun {
			err = s.storeReplayed(ctx, j, &r.result)
		}
		switch {
		case err == nil:
			r.count(j, asked-len(entries))
			return nil
		case errors.Is(err, ErrNotWaiting):
			entries, err = s.stillWaiting(ctx, entries)
		case errors.Is(err, ErrUnchecked):
			err = s.readLedger(ctx)
		case errors.Is(err, ErrOutdated):
			entries, err = s.regrouped(ctx, entries)
		}
		if err != nil {
			return unavailable("replay rows in quarantine", err)
		}
	}
	if len(entries) > 0 {
		return fault.New(fault.Busy, "definitions-changing", "the definitions of %s kept changing while rows were being replayed: try again", entries[0].Group.Name)
	}
	r.result.Gone += asked
	return nil
}

// judgeEntries sorts entries into those that can be stored and the others.
func (s *Store) judgeEntries(ctx context.Context, entries []*Quarantined) (*judged, error) {
	j := &judged{}
	var combined []*Rows
	var kept []*Quarantined
	for _, e := range entries {
		rows, err := documentRow(e.Group, e.Key, e.EventTime, string(e.Document))
		if err != nil {
			j.failed = append(j.failed, FailedReplay{e, reasonOf(err)})
			continue
		}
		rows.Run = e.Source.Run
		combined, kept = add(combined, rows), append(kept, e)
	}
	if len(kept) == 0 {
		return j, nil
	}
	rows := combined[0]
	erased, err := s.sift(rows, func() (int64, error) { return value.NoTime, nil })
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(kept))
	copy(out, erased)
	broken := s.keptOut(rows)
	for i, e := range kept {
		switch {
		case out[i]:
			j.erased++
		case broken[i] != nil:
			out[i] = true
			now := *e
			if now.Broken = brokenOf(broken[i]); !reflect.DeepEqual(now.Broken, e.Broken) {
				j.bad = append(j.bad, &now)
			}
			j.failed = append(j.failed, FailedReplay{Entry: &now})
		default:
			j.good = append(j.good, e)
		}
	}
	j.rows = rows.without(out)
	return j, nil
}

// reasonOf says in a sentence why a document cannot be stored.
func reasonOf(err error) string {
	problem, ok := fault.As(err)
	if !ok {
		return err.Error()
	}
	if len(problem.Violations) == 0 {
		return problem.Detail
	}
	return problem.Violations[0].Location + " " + problem.Violations[0].Message
}

// storeReplayed stores what can be stored, and notes of the others what they break now.
func (s *Store) storeReplayed(ctx context.Context, j *judged, result *ReplayResult) error {
	if len(j.good) > 0 {
		if err := s.Prepare(ctx, j.rows.Group); err != nil {
			return err
		}
		fence := s.fences.of(j.rows.Group)
		if err := s.offline.AppendTogether(ctx, &Together{Rows: []*Rows{j.rows}, Replayed: j.good}); err != nil {
			return err
		}
		if j.rows.Group.Kind == registry.Features {
			if online := s.writeOnline(context.WithoutCancel(ctx), j.rows, fence); result.Online != OnlinePending {
				result.Online = online
			}
		}
	}
	for _, e := range j.bad {
		err := s.offline.AmendQuarantined(ctx, []*Quarantined{e})
		if err != nil && !errors.Is(err, ErrNotWaiting) { // what somebody else made of it counts
			return err
		}
	}
	return nil
}

// count adds up what became of entries; gone of them are not among them any more.
func (r *replay) count(j *judged, gone int) {
	r.result.Gone += gone
	r.result.Erased += j.erased
	r.result.Waiting += len(j.failed)
	r.result.Replayed += len(j.good)
	if j.rows != nil && !r.result.DryRun {
		n := j.rows.Duplicates()
		r.result.Replayed -= n
		r.result.Duplicate += n
	}
	room := r.store.config.LoadErrors - len(r.result.Failed)
	r.result.Failed = append(r.result.Failed, j.failed[:min(room, len(j.failed))]...)
}

// stillWaiting reads entries again and answers those that wait, as they are now.
func (s *Store) stillWaiting(ctx context.Context, entries []*Quarantined) ([]*Quarantined, error) {
	return s.offline.ListQuarantined(ctx, QuarantineFilter{Groups: []*registry.Group{entries[0].Group}, IDs: idsOf(entries), State: Waiting})
}

// regrouped are the entries under the group's present definition.
func (s *Store) regrouped(ctx context.Context, entries []*Quarantined) ([]*Quarantined, error) {
	groups, err := s.refreshed(ctx, []*registry.Group{entries[0].Group})
	if err != nil {
		return nil, err
	}
	now := make([]*Quarantined, len(entries))
	for i, e := range entries {
		one := *e
		one.Group = groups[0]
		now[i] = &one
	}
	return now, nil
}

// brokenOf is what a row breaks, as an entry keeps it.
func brokenOf(breaches []breach) []Breach {
	broken := make([]Breach, len(breaches))
	for i := range breaches {
		b := &breaches[i]
		broken[i] = Breach{Rule: b.rule.Name, Version: b.rule.Version, Feature: b.feature, Expected: b.expected}
		if b.feature != "" {
			broken[i].Value = b.asJSON()
		}
	}
	return broken
}
