package store

import (
	"context"
	"errors"
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/registry"
)

// QuarantineQuery says which entries, as a caller does.
type QuarantineQuery struct {
	Group string   // "": of all groups
	IDs   []string // only these, if not nil
	Rule  string
	Run   int64
	State QuarantineState // "": whatever became of them
	After int64           // only those that come after the entry of that number, which are older
	Limit int
}

// Quarantined reads entries, the newest first.
func (s *Store) Quarantined(ctx context.Context, query QuarantineQuery) ([]*Quarantined, error) {
	catalog := s.definitions.Catalog()
	filter := QuarantineFilter{Groups: catalog.Groups(), IDs: query.IDs, Rule: query.Rule, Run: query.Run, State: query.State, Before: query.After, Limit: query.Limit}
	if query.Group != "" {
		group, ok := catalog.Group(query.Group)
		if !ok {
			return nil, located(catalog.UnknownGroup(query.Group), "group", query.Group)
		}
		filter.Groups = []*registry.Group{group}
	}
	found, err := s.offline.ListQuarantined(ctx, filter)
	return found, unavailable("read the quarantine", err)
}

// QuarantinedByID reads one entry.
func (s *Store) QuarantinedByID(ctx context.Context, id string) (*Quarantined, error) {
	found, err := s.Quarantined(ctx, QuarantineQuery{IDs: []string{id}})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fault.New(fault.NotFound, "unknown-quarantine-entry",
			"there is no row with this id in quarantine: it was never there, its entity was erased, its load was reverted, or it ended waiting long ago").
			At("path.id", id, "is unknown")
	}
	return found[0], nil
}

// waitsForNothing is the fault of an entry that has ended waiting.
func waitsForNothing(e *Quarantined) error {
	return fault.New(fault.Conflict, "not-waiting", "the row does not wait in quarantine any more: it is %s", e.State).At("path.id", e.ID, "is %s", e.State)
}

// Amend gives a waiting entry another document, which is checked as a write is, and has today's rules look at it; dry changes nothing. It
// answers the entry as it is then.
func (s *Store) Amend(ctx context.Context, id, document string, dry bool) (*Quarantined, error) {
	entry, err := s.QuarantinedByID(ctx, id)
	if err != nil {
		return nil, err
	}
	if entry.State != Waiting {
		return nil, waitsForNothing(entry)
	}
	rows, err := documentRow(entry.Group, entry.Key, entry.EventTime, document)
	if err != nil {
		return nil, err
	}
	amended := *entry
	amended.Document, amended.Broken = documentOf(rows, 0), []Breach{}
	for _, breaches := range s.keptOut(rows) {
		amended.Broken = brokenOf(breaches)
	}
	if dry {
		return &amended, nil
	}
	err = s.offline.AmendQuarantined(ctx, []*Quarantined{&amended})
	switch {
	case err == nil:
		return s.QuarantinedByID(ctx, id)
	case errors.Is(err, ErrNotWaiting):
		return nil, fault.New(fault.Conflict, "quarantine-changed", "the row was amended, replayed or discarded by somebody else just now: look at it again").At("path.id", id, "has changed")
	default:
		return nil, unavailable("amend a row in quarantine", err)
	}
}

// keptOut has today's rules look at rows of one group, and answers what each of those breaks that may not be stored.
func (s *Store) keptOut(rows *Rows) map[int][]breach {
	guard := s.guard(rows.Group)
	if guard == nil || len(rows.Keys) == 0 {
		return nil
	}
	kept := map[int][]breach{}
	byRow(guard.judge(rows), func(row int, breaches []breach) { kept[row] = breaches })
	return kept
}

// DiscardResult says what became of entries that were to be discarded.
type DiscardResult struct {
	Selected  int   `json:"selected" doc:"Entries that waited"`
	Discarded int   `json:"discarded" doc:"With dry_run, those that would be"`
	Next      int64 `json:"-"`
}

// Discard discards the waiting entries that a query finds.
func (s *Store) Discard(ctx context.Context, query QuarantineQuery, dry bool) (*DiscardResult, error) {
	entries, next, err := s.selectWaiting(ctx, query)
	if err != nil {
		return nil, err
	}
	out := &DiscardResult{Selected: len(entries), Discarded: len(entries), Next: next}
	if dry {
		return out, nil
	}
	out.Discarded = 0
	for page := range slices.Chunk(entries, quarantineStep) {
		n, err := s.offline.DiscardQuarantined(ctx, idsOf(page))
		out.Discarded += n
		if err != nil {
			return nil, unavailable("discard rows in quarantine", err)
		}
	}
	return out, nil
}

// quarantineStep is how many entries are changed in one transaction.
const quarantineStep = 500

// selectWaiting reads the waiting entries that a query finds, the newest first, and the number that the next page comes after; 0: there
// is none.
func (s *Store) selectWaiting(ctx context.Context, query QuarantineQuery) (entries []*Quarantined, next int64, err error) {
	query.State = Waiting
	limit := query.Limit
	query.Limit++
	entries, err = s.Quarantined(ctx, query)
	if err != nil || len(entries) <= limit {
		return entries, 0, err
	}
	return entries[:limit], entries[limit-1].Number, nil
}

func idsOf(entries []*Quarantined) []string {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.ID
	}
	return ids
}

// waitingEntities yields the entities of a group that have rows in quarantine, in batches; one may come more than once.
func (s *Store) waitingEntities(ctx context.Context, group *registry.Group, yield func(*Rows) error) error {
	for before := int64(0); ; {
		page, err := s.offline.ListQuarantined(ctx, QuarantineFilter{Groups: []*registry.Group{group}, State: Waiting, Before: before, Limit: quarantineStep})
		if err != nil || len(page) == 0 {
			return err
		}
		rows := &Rows{Group: group}
		for _, e := range page {
			rows.Keys = append(rows.Keys, e.Key)
		}
		if err := yield(rows); err != nil {
			return err
		}
		before = page[len(page)-1].Number
	}
}
