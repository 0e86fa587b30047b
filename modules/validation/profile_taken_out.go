package validation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/modules/registry"
	"featurestore/modules/validation/rules"
)

// What is left of rows that are taken out.
//
// A profile holds no entity's key, but it can hold values: the most frequent ones, a sample of numbers, the least and the greatest one. Which rows
// they came from cannot be told. So when rows are taken out of a group, whatever was made of it loses all of them at once and is computed
// again from the rows that are left; until that is done a profile says that it is outdated, and holds nothing. Merged loads cannot be computed
// again and go. A frozen baseline keeps its bins and counts, which is what makes it a baseline: edges between deciles, and the up to 20 most frequent
// categories of a feature that is not tagged pii. Its sample goes.
//
// The same becomes of profiles that have seen an observation which is retracted. A frozen baseline keeps it: it was there when the baseline was frozen.

// TakenOut is told that rows of a group were taken out of the store: those of a load that was reverted or, with run 0, of erased entities. It is
// called after they are gone, and can be repeated.
func (p *Profiles) TakenOut(ctx context.Context, group *registry.Group, run int64) error {
	more := func(tx *gorm.DB) error { return unmeasure(tx, group.Name, run) }
	if run == 0 {
		more = func(tx *gorm.DB) error {
			return tx.Exec("UPDATE validation_baseline_features SET encoded = NULL WHERE frozen_id IN (SELECT id FROM validation_baselines WHERE group_id = ?)", group.ID).Error
		}
	}
	left, err := p.takeOut(ctx, group, func(row *profileRow) fate {
		switch {
		case row.Kind == ofLoads && run == 0, row.Kind != ofWindow && row.has(run):
			return goes
		case row.Kind == ofWindow || run == 0:
			return isOutdated
		}
		return stays
	}, more)
	if err == nil && run == 0 {
		err = p.scrub(ctx)
	}
	if err != nil || !left {
		return err
	}
	return p.haveAgain(ctx, group)
}

// Retracted is told that rows of a group with an event time were taken back or narrowed, some of which these runs had brought.
func (p *Profiles) Retracted(ctx context.Context, group *registry.Group, at int64, brought []int64) error {
	left, err := p.takeOut(ctx, group, func(row *profileRow) fate {
		if row.Kind == ofWindow {
			if from, to := row.ends(); from <= at && at < to {
				return isOutdated
			}
			return stays
		}
		switch {
		case !slices.ContainsFunc(brought, row.has):
			return stays
		case row.Kind == ofLoads:
			return goes
		}
		return isOutdated
	}, func(*gorm.DB) error { return nil })
	if err != nil || !left {
		return err
	}
	return p.haveAgain(ctx, group)
}

// has tells whether the loads that the profile is of lie about a run, or are that one.
func (row *profileRow) has(run int64) bool { return row.FirstRun <= run && run <= row.LastRun }

// fate is what becomes of a profile when rows are taken out.
type fate int

const (
	stays fate = iota
	isOutdated
	goes
)

// takeOut counts that rows were taken out of a group, and deals with its profiles in the same transaction, in which more is done too. It answers
// whether some are outdated.
func (p *Profiles) takeOut(ctx context.Context, group *registry.Group, of func(*profileRow) fate, more func(tx *gorm.DB) error) (left bool, err error) {
	err = p.repository.atomically(ctx, func(tx *gorm.DB) error {
		if err := p.repository.tookOut(tx, group.ID); err != nil {
			return err
		}
		all, err := p.repository.list(tx, profileFilter{group: group.ID})
		if err != nil {
			return err
		}
		var gone, outdated []int64
		for i := range all {
			switch of(&all[i]) {
			case goes:
				gone = append(gone, all[i].ID)
			case isOutdated:
				outdated = append(outdated, all[i].ID)
			}
		}
		left = len(outdated) > 0
		if err := p.repository.remove(tx, gone); err != nil {
			return err
		}
		if err := more(tx); err != nil {
			return err
		}
		return p.repository.outdate(tx, outdated)
	})
	return left, err
}

// haveAgain asks for a run that computes what is outdated.
func (p *Profiles) haveAgain(ctx context.Context, group *registry.Group) error {
	if _, err := p.work.Submit(ctx, ProfileKind, group.Name, profileRequest{Again: true}); err != nil {
		return fmt.Errorf("have the profiles of %s computed again: %w", group.Name, err)
	}
	return nil
}

// scrub takes what was deleted out of the database's files.
func (p *Profiles) scrub(ctx context.Context) error {
	for _, table := range []string{"validation_profile_features", "validation_baseline_features"} {
		if err := database.Scrub(ctx, p.repository.db, table); err != nil {
			return profilesUnavailable(err)
		}
	}
	return nil
}

// againLoads is how many loads are profiled again, the newest: each is looked for in the whole group.
const againLoads = 20

// again computes what is outdated of a group, all windows in one pass. While rows are taken out all the time it leaves that to another run.
func (p *Profiles) again(ctx context.Context, group *registry.Group, progress func(rows int64)) (int, error) {
	for range maxTries {
		n, err := p.renew(ctx, group, progress)
		if !errors.Is(err, errTakenOut) {
			return n, err
		}
	}
	// Whoever took them out may have had no profile computed again: so it is asked for here, by one run for all who do.
	return 0, p.haveAgain(ctx, group)
}

func (p *Profiles) renew(ctx context.Context, group *registry.Group, progress func(rows int64)) (int, error) {
	var windows []*Profiling
	var loads, dropped []int64
	all, err := p.repository.list(p.repository.db.WithContext(ctx), profileFilter{group: group.ID})
	if err != nil {
		return 0, err
	}
	for _, row := range all {
		switch {
		case !row.Outdated:
		case row.Kind == ofWindow:
			made, err := p.Begin(ctx, group, row.window(), nil)
			if err != nil {
				return 0, err
			}
			windows = append(windows, made)
		case len(loads) < againLoads:
			loads = append(loads, row.FirstRun)
		default:
			dropped = append(dropped, row.ID)
		}
	}
	if len(windows) > 0 {
		if err := p.together(ctx, group, windows, progress); err != nil {
			return 0, err
		}
	}
	for _, run := range loads {
		if _, err := p.Compute(ctx, group, Window{Run: run}, nil, progress); err != nil {
			return 0, err
		}
	}
	err = p.repository.atomically(ctx, func(tx *gorm.DB) error { return p.repository.remove(tx, dropped) })
	return len(windows) + len(loads), err
}

// together makes profiles of several windows in one pass over what all of them span.
func (p *Profiles) together(ctx context.Context, group *registry.Group, windows []*Profiling, progress func(rows int64)) error {
	span := windows[0].window
	for _, made := range windows[1:] {
		span.From, span.To = wider(span.From, made.window.From, -1), wider(span.To, made.window.To, 1)
	}
	rows := int64(0)
	err := p.values.Scan(ctx, group, span, func(b *rules.Batch) error {
		for _, made := range windows {
			made.addWithin(b)
		}
		rows += int64(b.Rows)
		progress(rows)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	return p.repository.atomically(ctx, func(tx *gorm.DB) error {
		for _, made := range windows {
			if _, err := made.Finish(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// wider is the end of two windows that lies further out; nil is open.
func wider(a, b *int64, side int64) *int64 {
	if a == nil || b == nil {
		return nil
	}
	if side*(*b) > side*(*a) {
		return b
	}
	return a
}

// addWithin takes in the rows of a batch that lie in the window.
func (m *Profiling) addWithin(b *rules.Batch) {
	within := func(at int64) bool {
		return (m.window.From == nil || at >= *m.window.From) && (m.window.To == nil || at < *m.window.To)
	}
	for from := 0; from < b.Rows; {
		if !within(b.EventTimes[from]) {
			from++
			continue
		}
		to := from + 1
		for to < b.Rows && within(b.EventTimes[to]) {
			to++
		}
		part := *b
		part.Rows, part.EventTimes, part.Values = to-from, b.EventTimes[from:to], b.Values[from*b.Width:to*b.Width]
		m.Add(&part)
		from = to
	}
}
