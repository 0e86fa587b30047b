// Package stage writes the rows that an engine computes, one after the other, as a stream of Arrow record batches in the job's folder.
package stage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// Writer writes rows into one file.
type Writer struct {
	plan   *batch.Plan
	staged *batch.Staged
	file   *os.File
	out    table.Writer
	cells  []table.Cell
	rows   int // in cells
}

// stageRows is how many rows are handed to the writer at once.
const stageRows = 1024

// New makes the file.
func New(job *batch.Job) (*Writer, error) {
	var columns []table.Column
	for _, k := range job.Plan.Keys {
		columns = append(columns, table.Column{Name: k.Name, Type: k.ValueType})
	}
	columns = append(columns, table.Column{Name: "event_time", Type: value.Timestamp})
	for _, f := range job.Plan.Outputs {
		columns = append(columns, table.Column{Name: f.Name, Type: f.ValueType})
	}
	if job.Plan.Partial {
		columns = append(columns, table.Column{Name: "presence", Type: value.String})
	}
	path := filepath.Join(job.Folder, "rows.arrow")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("stage rows: %w", err)
	}
	out, err := table.NewWriter(table.Arrow, file, columns)
	if err != nil {
		return nil, fmt.Errorf("stage rows: %w", err)
	}
	return &Writer{plan: job.Plan, file: file, out: out, staged: &batch.Staged{Files: []string{path}, PerTick: map[int64]int64{}}}, nil
}

// Add stages a row, of which a value that is absent was not observed; one that observes nothing is none.
func (s *Writer) Add(key []value.Value, tick int64, row []value.Value) error {
	var observed []string
	for i, v := range row {
		if !v.IsAbsent() {
			observed = append(observed, s.plan.Outputs[i].Name)
		}
	}
	if len(observed) == 0 {
		return nil
	}
	for _, v := range key {
		s.cells = append(s.cells, table.ValueCell(v))
	}
	s.cells = append(s.cells, table.ValueCell(value.OfTime(tick)))
	for _, v := range row {
		if v.IsAbsent() {
			v = value.Null()
		}
		s.cells = append(s.cells, table.ValueCell(v))
	}
	if s.plan.Partial {
		presence := table.NullCell() // all
		if len(observed) < len(row) {
			presence = table.ValueCell(value.OfString(strings.Join(observed, " ")))
		}
		s.cells = append(s.cells, presence)
	}
	s.staged.Rows++
	s.staged.PerTick[tick]++
	if s.rows++; s.rows == stageRows {
		return s.flush()
	}
	return nil
}

func (s *Writer) flush() error {
	err := s.out.Write(s.rows, s.cells)
	s.rows, s.cells = 0, s.cells[:0]
	return err
}

// Close completes the file.
func (s *Writer) Close() error {
	err := s.flush()
	if err == nil {
		err = s.out.Close()
	}
	if closing := s.file.Close(); err == nil && closing != nil {
		err = fmt.Errorf("stage rows: %w", closing)
	}
	return err
}

// Staged is what was written, once it is closed.
func (s *Writer) Staged() *batch.Staged { return s.staged }
