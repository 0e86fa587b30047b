package validation

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"featurestore/app/database"
	"featurestore/app/fault"
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
// Observations that are retracted one by one stay in the profiles that have seen them, until these are computed again.

// TakenOut is told that rows of a group were taken out of the store: those of a load that was reverted or, with run 0, of erased entities. It is
// called after they are gone, and can be repeated.
func (p *Profiles) TakenOut(ctx context.Context, group *registry.Group, run int64) error {
	left := 0
	err := p.repository.atomically(ctx, func(tx *gorm.DB) error {
		if err := p.repository.tookOut(tx, group.ID); err != nil {
			return err
		}
		all, err := p.repository.list(tx, profileFilter{group: group.ID})
		if err != nil {
			return err
		}
		var gone, outdated []int64
		for _, row := range all {
			switch {
			case row.Kind == ofLoads && run == 0, row.Kind != ofWindow && row.FirstRun <= run && run <= row.LastRun:
				gone = append(gone, row.ID)
			case row.Kind == ofWindow || run == 0:
				outdated = append(outdated, row.ID)
			}
		}
		left = len(outdated)
		if err := p.repository.remove(tx, gone); err != nil {
			return err
		}
		if run == 0 {
			if err := tx.Exec("UPDATE validation_baseline_features SET encoded = NULL WHERE frozen_id IN (SELECT id FROM validation_baselines WHERE group_id = ?)", group.ID).Error; err != nil {
				return err
			}
		}
		return p.repository.outdate(tx, outdated)
	})
	if err == nil && run == 0 {
		err = p.scrub(ctx)
	}
	if err != nil || left == 0 {
		return err
	}
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

// again computes what is outdated of a group, all windows in one pass.
func (p *Profiles) again(ctx context.Context, group *registry.Group, progress func(rows int64)) (int, error) {
	for range maxTries {
		n, err := p.renew(ctx, group, progress)
		if !errors.Is(err, errTakenOut) {
			return n, err
		}
	}
	return 0, fault.New(fault.Busy, "rows-being-removed", "rows of %s are being taken out all the time", group.Name)
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
