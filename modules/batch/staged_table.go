package batch

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// eventTimeColumn is the column of what an engine has staged that says which tick a row is of.
const eventTimeColumn = "event_time"

// stagedTable reads what an engine has staged, one file after the other, without the rows of ticks that are held back. Close it.
type stagedTable struct {
	files []string
	held  []int64 // ticks, ascending
	open  *table.File
	kept  table.Batch // of a batch from which rows were left out
	row   int64       // the number of the next row
}

func newStagedTable(files []string, held []int64) *stagedTable {
	return &stagedTable{files: files, held: held, row: 1}
}

// Ignored is empty: engines write no other columns.
func (s *stagedTable) Ignored() []string { return nil }

func (s *stagedTable) Next() (*table.Batch, error) {
	for {
		if s.open == nil {
			if len(s.files) == 0 {
				return nil, io.EOF
			}
			var err error
			if s.open, err = table.OpenFile(s.files[0], table.Limits{}); err != nil {
				return nil, fmt.Errorf("read what was staged: %w", err)
			}
			s.files = s.files[1:]
		}
		batch, err := s.open.Next()
		if errors.Is(err, io.EOF) {
			if err := s.Close(); err != nil {
				return nil, err
			}
			continue
		}
		if err == nil {
			batch, err = s.sift(batch)
		}
		if err != nil {
			return nil, fmt.Errorf("read what was staged: %w", err)
		}
		return batch, nil
	}
}

// sift leaves out the rows of ticks that are held back, and numbers the others.
func (s *stagedTable) sift(batch *table.Batch) (*table.Batch, error) {
	out := batch
	if len(s.held) > 0 {
		at := slices.Index(batch.Columns, eventTimeColumn)
		if at < 0 {
			return nil, fmt.Errorf("there is no column %s", eventTimeColumn)
		}
		s.kept.Columns, s.kept.Rows, s.kept.Cells, s.kept.Bad = batch.Columns, 0, s.kept.Cells[:0], batch.Bad
		for r := range batch.Rows {
			tick, err := batch.Row(r)[at].Value(value.Timestamp, nil)
			if err != nil {
				return nil, err
			}
			if _, held := slices.BinarySearch(s.held, tick.Time()); !held {
				s.kept.Cells = append(s.kept.Cells, batch.Row(r)...)
				s.kept.Rows++
			}
		}
		out = &s.kept
	}
	out.FirstRow = s.row
	s.row += int64(out.Rows + len(out.Bad))
	return out, nil
}

// Close ends the reading.
func (s *stagedTable) Close() error {
	if s.open == nil {
		return nil
	}
	file := s.open
	s.open = nil
	return file.Close()
}
