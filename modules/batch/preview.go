package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// Columns of what is staged, beside join keys and features.
const (
	eventTimeName = "event_time"
	presenceName  = "presence"
)

// previewTime is how long a preview may compute.
const previewTime = time.Minute

// engine is the one that a plan is tried by.
func (p *Previews) engine(plan *Plan, asked string) (Engine, error) {
	return engineOf(p.Engines, plan, p.config.Engine, asked)
}

// try computes a tick of a plan for some entities, in a folder that is removed again.
func (p *Previews) try(ctx context.Context, plan *Plan, engine Engine, tick int64, entities int) (_ *store.Rows, err error) {
	folder, err := p.Folder()
	if err != nil {
		return nil, fmt.Errorf("preview %s: %w", plan.Name, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	job := &Job{Plan: plan, Ticks: []int64{tick}, From: tick, Folder: folder, Memory: plan.Memory, Threads: p.config.Threads, Timeout: previewTime, Sample: entities}
	if before, found := plan.Ticks.Before(tick); found {
		job.From = before
	}
	if job.Memory == 0 {
		job.Memory = p.config.MemoryBytes
	}
	if group := plan.Source.Group; group != nil {
		events, err := p.Events(ctx, group.Name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = events.Close() }() // nothing was written
		job.Events = events
	}
	staged, err := engine.Compute(ctx, job)
	if err != nil {
		return nil, err
	}
	rows := &store.Rows{Group: plan.Target, Features: slices.Clone(plan.Outputs)}
	slices.SortFunc(rows.Features, func(a, b *registry.Feature) int { return int(a.Ordinal) - int(b.Ordinal) })
	computed := newStagedTable(staged.Files, nil)
	defer computed.Close() //nolint:errcheck // it was only read
	if err := readStaged(plan, computed, rows); err != nil {
		return nil, fmt.Errorf("preview %s: %w", plan.Name, err)
	}
	return rows, nil
}

// readStaged adds what was staged to rows, whose features are in ascending ordinal.
func readStaged(plan *Plan, staged *stagedTable, rows *store.Rows) error {
	for {
		batch, err := staged.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range batch.Rows {
			if err := addRow(plan, batch.Columns, batch.Row(i), rows); err != nil {
				return err
			}
		}
	}
}

func addRow(plan *Plan, columns []string, cells []table.Cell, rows *store.Rows) error {
	read := func(name string, t value.Type) (value.Value, error) {
		i := slices.Index(columns, name)
		if i < 0 {
			return value.Value{}, fmt.Errorf("there is no column %s", name)
		}
		v, err := cells[i].Value(t, time.UTC)
		if err != nil {
			return value.Value{}, fmt.Errorf("the column %s: %w", name, err)
		}
		return v, nil
	}
	var keys []value.Value
	for _, key := range plan.Keys {
		v, err := read(key.Name, key.ValueType)
		if err != nil {
			return err
		}
		keys = append(keys, v)
	}
	at, err := read(eventTimeName, value.Timestamp)
	if err != nil {
		return err
	}
	present, whole := []string(nil), true
	if plan.Partial {
		v, err := read(presenceName, value.String)
		if err != nil {
			return err
		}
		present, whole = strings.Fields(v.Text()), v.IsNull()
	}
	for _, f := range rows.Features {
		v := value.Value{}
		if whole || slices.Contains(present, f.Name) {
			if v, err = read(f.Name, f.ValueType); err != nil {
				return err
			}
		}
		rows.Values = append(rows.Values, v)
	}
	rows.Keys, rows.EventTimes = append(rows.Keys, store.NewKey(keys)), append(rows.EventTimes, at.Time())
	return nil
}
