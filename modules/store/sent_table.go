package store

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
	"featurestore/modules/validation"
	"featurestore/modules/validation/rules"
)

// Tables reads the tables that calls of validation bring.
func (s *Store) Tables() validation.Tables { return tables{s} }

type tables struct{ store *Store }

// Table keeps the body, in memory or in a file, until the table is closed.
func (t tables) Table(_ context.Context, group *registry.Group, body *httpapi.Payload, timeZone string) (validation.Table, error) {
	zone, err := zoneOf(timeZone)
	if err != nil {
		return nil, err
	}
	kept, err := t.store.spool(body)
	if err != nil {
		return nil, err
	}
	if kept.Size() == 0 {
		return nil, kept.Close()
	}
	return &sentTable{group: group, zone: zone, kept: kept, options: t.store.tableOptions(body, kept)}, nil
}

// sentTable is a table whose columns are features of a group.
type sentTable struct {
	group   *registry.Group
	zone    *time.Location
	kept    *spooled
	options table.ReadOptions
}

func (t *sentTable) Close() error { return t.kept.Close() }

// Scan reads the table from its beginning. The first row that cannot be read is a fault.
func (t *sentTable) Scan(ctx context.Context, yield func(*rules.Batch) error) error {
	if err := t.kept.rewind(); err != nil {
		return err
	}
	source, _, err := table.NewReader(t.kept, t.options)
	if err != nil {
		return err
	}
	features := t.group.Features
	out := rules.Batch{Width: len(features), Columns: make([]int, len(features))}
	for i := range out.Columns {
		out.Columns[i] = i
	}
	var at []int // of each feature: its column, −1: there is none
	columns := 0
	for {
		batch, err := source.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(batch.Bad) > 0 {
			b := batch.Bad[0]
			return badTable().At(rowPlace(b.Number, b.Column), b.Value, "%s", b.Reason)
		}
		if len(batch.Columns) != columns {
			columns = len(batch.Columns)
			if at, err = t.bind(batch.Columns); err != nil {
				return err
			}
		}
		out.Rows, out.Values, out.EventTimes = batch.Rows, out.Values[:0], out.EventTimes[:0]
		for r := range batch.Rows {
			if err := t.row(&out, batch, r, at); err != nil {
				return err
			}
			out.EventTimes = append(out.EventTimes, value.NoTime)
		}
		if err := yield(&out); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// bind finds the features' columns.
func (t *sentTable) bind(columns []string) ([]int, error) {
	at := make([]int, len(t.group.Features))
	for i, f := range t.group.Features {
		at[i] = slices.IndexFunc(columns, func(name string) bool {
			return f.Called(name) || name == t.group.Name+"__"+f.Name || name == f.Reference()
		})
	}
	if !slices.ContainsFunc(at, func(column int) bool { return column >= 0 }) {
		return nil, badTable().At("columns", "", "no column is named after a feature of %s: name it as the feature, or %s__<feature>", t.group.Name, t.group.Name)
	}
	return at, nil
}

func (t *sentTable) row(out *rules.Batch, batch *table.Batch, r int, at []int) error {
	cells := batch.Row(r)
	for i, f := range t.group.Features {
		if at[i] < 0 {
			out.Values = append(out.Values, value.Value{})
			continue
		}
		v, err := cells[at[i]].Value(f.ValueType, t.zone)
		if err != nil {
			return badTable().At(rowPlace(batch.Number(r), batch.Columns[at[i]]), cells[at[i]].Display(), "%s", err)
		}
		out.Values = append(out.Values, v)
	}
	return nil
}

func badTable() *fault.Error {
	return fault.New(fault.Unprocessable, "invalid-table", "the table cannot be read as values of the group's features")
}
