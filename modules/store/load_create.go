package store

import (
	"context"
	"slices"
	"time"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// inferenceRows is from how many rows the types of unknown columns are told.
const inferenceRows = 1000

// plan has the load go on as if unknown columns were drafts. Their types are told from the first rows, which are held back meanwhile.
func (l *loading) plan(ctx context.Context, first *table.Batch, unknown []string) error {
	batches, rows := []*table.Batch{cloneBatch(first)}, first.Rows
	for rows < inferenceRows {
		batch, err := l.next()
		if err != nil {
			break // io.EOF, or an error that comes again when it is that row's turn
		}
		batches, rows = append(batches, cloneBatch(batch)), rows+batch.Rows
	}
	for _, name := range unknown {
		t, err := inferColumn(batches, name, l.request.Zone)
		if err != nil {
			return fault.New(fault.Unprocessable, "unknown-type", "the type of the column %q cannot be told: %s; register it first", name, err).At("column "+name, "", "%s", err)
		}
		l.planned = append(l.planned, registry.Unregistered{Name: name, ValueType: t})
	}
	l.held = append(batches, l.held...)
	return l.define(ctx, true)
}

// register makes drafts of the columns for which the rows have been looked at, and begins with the rows anew.
func (l *loading) register(ctx context.Context) error {
	if err := l.define(ctx, false); err != nil {
		return err
	}
	for _, u := range l.planned {
		l.loaded.Registered = append(l.loaded.Registered, u.Name)
	}
	source, err := l.request.Create()
	if err != nil {
		return err
	}
	l.source, l.held, l.planned = source, nil, nil
	l.columns, l.features = nil, nil
	l.loaded.Received, l.loaded.Stored, l.loaded.Rejected, l.loaded.Erased, l.loaded.Bad = 0, 0, 0, 0, []table.BadRow{}
	l.loaded.Quarantined, l.loaded.Entries, l.judge = 0, nil, loadJudge{group: l.group}
	return nil
}

// define takes over the group as it is with what was planned.
func (l *loading) define(ctx context.Context, dryRun bool) error {
	catalog, err := l.store.definitions.RegisterInGroup(ctx, l.group, l.planned, dryRun)
	if err != nil {
		return err
	}
	group, ok := catalog.GroupByID(l.group.ID)
	if !ok {
		return catalog.UnknownGroup(l.group.Name)
	}
	l.group = group
	return nil
}

func cloneBatch(batch *table.Batch) *table.Batch {
	clone := *batch
	clone.Columns, clone.Cells = slices.Clone(batch.Columns), slices.Clone(batch.Cells)
	clone.Bad, clone.Numbers = slices.Clone(batch.Bad), slices.Clone(batch.Numbers)
	return &clone
}

func inferColumn(batches []*table.Batch, name string, zone *time.Location) (value.Type, error) {
	inference := table.Inference{Zone: zone}
	for _, b := range batches {
		at := slices.Index(b.Columns, name)
		if at < 0 {
			continue
		}
		for r := range b.Rows {
			if err := inference.Add(b.Row(r)[at]); err != nil {
				return value.Invalid, err
			}
		}
	}
	return inference.Type()
}
