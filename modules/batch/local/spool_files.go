package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"featurestore/app/fault"
	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// spoolFiles reads files of any format that tables are taken in, and spools their events.
func spoolFiles(ctx context.Context, plan *batch.Plan, files []string, into *spool) error {
	for _, path := range files {
		if err := spoolFile(ctx, plan, path, into); err != nil {
			return inFile(path, err)
		}
	}
	return nil
}

func inFile(path string, err error) error {
	problem, ok := fault.As(err)
	if !ok {
		return fmt.Errorf("read %s: %w", path, err)
	}
	located := *problem
	located.Detail = filepath.Base(path) + ": " + problem.Detail
	return &located
}

func spoolFile(ctx context.Context, plan *batch.Plan, path string, into *spool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() == 0 { // which is what a writer of text leaves that had nothing to write
		return err
	}
	reader, format, err := table.NewReader(openFile{file, info.Size()}, table.ReadOptions{})
	if err != nil {
		return err
	}
	return spoolRowsOf(ctx, plan, reader, format == table.NDJSON || format == table.JSONRows, into)
}

// spoolRowsOf spools the rows of a table. The first that cannot be one ends it. Rows may leave out what was not observed, where each names its
// members: then a column may be missing.
func spoolRowsOf(ctx context.Context, plan *batch.Plan, reader table.Reader, named bool, into *spool) error {
	var at *bound
	key, values := make([]table.Cell, len(plan.Keys)), make([]value.Value, len(plan.Columns))
	for {
		rows, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if len(rows.Bad) > 0 {
			bad := rows.Bad[0]
			return badEvent(bad.Number, bad.Column, bad.Value, errors.New(bad.Reason))
		}
		if at == nil || at.columns != len(rows.Columns) {
			if at, err = bind(plan, rows.Columns, named); err != nil {
				return err
			}
		}
		for i := range rows.Rows {
			if err := at.row(plan, rows, i, key, values, into); err != nil {
				return err
			}
		}
	}
}

// bound says where the columns of a plan stand in a table; −1: nowhere.
type bound struct {
	columns int
	keys    []int
	time    int
	values  []int
}

// bind finds them; may: some can be missing.
func bind(plan *batch.Plan, columns []string, may bool) (*bound, error) {
	at := &bound{columns: len(columns), time: -1}
	var lacking []string
	find := func(name string) int {
		i := slices.Index(columns, name)
		if i < 0 {
			lacking = append(lacking, name)
		}
		return i
	}
	for _, name := range plan.Source.Entity {
		at.keys = append(at.keys, find(name))
	}
	at.time = find(timeColumn(plan, func(name string) bool { return slices.Contains(columns, name) }))
	for _, c := range plan.Columns {
		at.values = append(at.values, find(c.From))
	}
	if len(lacking) > 0 && !may {
		problem := fault.New(fault.Unprocessable, "missing-column", "the source has no column %q", lacking[0])
		for _, name := range lacking {
			problem.At("source.columns", name, "is no column of the source")
		}
		return nil, problem
	}
	return at, nil
}

// timeColumn is the column of the event time: as the source says, or else event_time or event_timestamp, whichever there is.
func timeColumn(plan *batch.Plan, has func(name string) bool) string {
	switch {
	case plan.Source.EventTime != "":
		return plan.Source.EventTime
	case !has("event_time") && has("event_timestamp"):
		return "event_timestamp"
	}
	return "event_time"
}

func (at *bound) row(plan *batch.Plan, rows *table.Batch, i int, key []table.Cell, values []value.Value, into *spool) error {
	cells := rows.Row(i)
	cell := func(column int) table.Cell {
		if column < 0 {
			return table.MissingCell()
		}
		return cells[column]
	}
	for k, column := range at.keys {
		key[k] = cell(column)
	}
	entity, err := store.KeyOf(plan.Keys, key)
	if err != nil {
		return badEvent(rows.Number(i), plan.Source.Entity[0], "", err)
	}
	time, err := cell(at.time).Value(value.Timestamp, plan.Source.Zone)
	if err == nil && (time.IsNull() || time.IsAbsent()) {
		err = errors.New(noEventTime)
	}
	if err != nil {
		return badEvent(rows.Number(i), rows.Columns[max(at.time, 0)], cell(at.time).Display(), err)
	}
	for c, column := range at.values {
		if values[c], err = cell(column).Value(plan.Columns[c].Type, plan.Source.Zone); err != nil {
			return badEvent(rows.Number(i), plan.Columns[c].From, cell(column).Display(), err)
		}
	}
	return into.add(entity.Values, time.Time(), 0, values)
}

const noEventTime = "a row has no event time"

func badEvent(row int64, column, shown string, err error) error {
	reason := err.Error()
	if problem, ok := fault.As(err); ok {
		reason = problem.Detail
	}
	return fault.New(fault.Unprocessable, "bad-event", "row %d, column %s: %s", row, column, reason).At(fmt.Sprintf("row %d, column %s", row, column), shown, "%s", reason)
}

// openFile is a file as its reader wants it.
type openFile struct {
	*os.File
	size int64
}

func (f openFile) Size() int64 { return f.size }
func (f openFile) Forget()     {}

// Bytes refuses the formats that would be read from memory: others may cut the file short meanwhile.
func (f openFile) Bytes() ([]byte, error) {
	return nil, fault.New(fault.Unsupported, "unsupported-files", "files are read as CSV, NDJSON and Parquet").At("source.files", "", "is of another format")
}
