package storetest

import (
	"fmt"
	"io"
	"slices"

	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// Way is a way of asking. All of them must give the same answer to the same question (rule 4).
type Way string

const (
	Online   Way = "online"   // now, from the online copy
	Served   Way = "served"   // now, from wherever the store takes it
	Offline  Way = "offline"  // now, from history, as while the online copy cannot answer
	At       Way = "at"       // as it was at a time
	Training Way = "training" // a row of a training set
)

// Ask reads as of a time, which must be now where the way is Online, Served or Offline.
func (w *World) Ask(way Way, read store.Read, at int64) ([]store.Cell, error) {
	switch way {
	case Online:
		answer, err := w.Store.Read(w.ctx, read)
		if err == nil && answer.Offline {
			err = fmt.Errorf("the online copy did not answer")
		}
		return cellsOf(answer), err
	case Served:
		answer, err := w.Store.Read(w.ctx, read)
		return cellsOf(answer), err
	case Offline:
		answer, err := w.blind.Read(w.ctx, read)
		if err == nil && !answer.Offline && len(read.Features) > 0 {
			err = fmt.Errorf("history did not answer")
		}
		return cellsOf(answer), err
	case At:
		answer, err := w.Store.At(w.ctx, read, at)
		return cellsOf(answer), err
	}
	times := make([]int64, read.Rows)
	for i := range times {
		times[i] = at
	}
	return w.TrainingSet(read, times)
}

func cellsOf(answer *store.Answer) []store.Cell {
	if answer == nil {
		return nil
	}
	return answer.Cells
}

// TrainingSet asks for a row for each of the read's, at a time of its own, twice: with statuses and times, and without, when
// expired values need not be told from missing ones. The spine carries a column of its own, which must come back untouched.
func (w *World) TrainingSet(read store.Read, times []int64) ([]store.Cell, error) {
	request := store.TrainingRequest{Statuses: true, EventTimestamps: true, Resolve: resolving(read.Features)}
	full, err := w.trainingSet(request, read, times)
	if err != nil {
		return nil, err
	}
	request.Statuses, request.EventTimestamps = false, false
	bare, err := w.trainingSet(request, read, times)
	if err != nil {
		return nil, err
	}
	n := len(read.Features)
	cells := make([]store.Cell, read.Rows*n)
	for i := range cells {
		feature := read.Features[i%n]
		three := full[3*i : 3*i+3]
		if cells[i], err = cellOf(feature, three); err != nil {
			return nil, fmt.Errorf("row %d: %w", i/n, err)
		}
		without, err := bare[i].Value(feature.ValueType, nil)
		if err != nil || without != cells[i].Value {
			return nil, fmt.Errorf("row %d, %s: %v with statuses, %v without (%v)", i/n, feature.Name, cells[i].Value, without, err)
		}
	}
	return cells, nil
}

// cellOf puts a value, its status and its event time together again.
func cellOf(feature *registry.Feature, three []table.Cell) (store.Cell, error) {
	v, err := three[0].Value(feature.ValueType, nil)
	if err != nil {
		return store.Cell{}, err
	}
	status, err := three[1].Value(value.String, nil)
	if err != nil {
		return store.Cell{}, err
	}
	at, err := three[2].Value(value.Timestamp, nil)
	if err != nil {
		return store.Cell{}, err
	}
	cell := store.Cell{Value: v, EventTime: value.NoTime}
	if !at.IsNull() {
		cell.EventTime = at.Time()
	}
	for _, s := range []store.Status{store.NotFound, store.Present, store.NullValue, store.OutsideMaxAge} {
		if s.String() == status.Text() {
			cell.Status = s
			return cell, nil
		}
	}
	return cell, fmt.Errorf("%q is no status", status.Text())
}

// trainingSet answers the columns that were added to the spine's.
func (w *World) trainingSet(request store.TrainingRequest, read store.Read, times []int64) ([]table.Cell, error) {
	spine := &memoryTable{columns: []string{"label", "event_time"}}
	var entityTypes []*registry.EntityType
	seen := map[string]bool{}
	for _, f := range read.Features {
		if et := f.Group.EntityType; !seen[et.Name] {
			seen[et.Name] = true
			entityTypes = append(entityTypes, et)
			for _, k := range et.JoinKeys {
				if !seen["key "+k.Name] {
					seen["key "+k.Name] = true
					spine.columns = append(spine.columns, k.Name)
				}
			}
		}
	}
	for i := range read.Rows {
		row := map[string]table.Cell{"label": table.TextCell(fmt.Sprintf("row, %d", i)), "event_time": table.ValueCell(value.OfTime(times[i]))}
		for _, et := range entityTypes {
			for j, k := range et.JoinKeys {
				row[k.Name] = table.ValueCell(read.Keys[et.Name][i].Values[j])
			}
		}
		for _, column := range spine.columns {
			spine.cells = append(spine.cells, row[column])
		}
	}
	out := &memoryTable{}
	rows, err := w.Store.TrainingSet(w.ctx, request, spine, func(head store.Head) (table.Writer, error) {
		for _, c := range head.Columns {
			out.columns = append(out.columns, c.Name)
		}
		return out, nil
	})
	if err != nil {
		return nil, err
	}
	given, all := len(spine.columns), len(out.columns)
	if int(rows) != read.Rows || len(out.cells) != read.Rows*all || !out.closed {
		return nil, fmt.Errorf("one row in, one row out: %d rows became %d", read.Rows, rows)
	}
	var added []table.Cell
	for i := range read.Rows {
		row := out.cells[i*all : (i+1)*all]
		for j := range given {
			if row[j] != spine.cells[i*given+j] {
				return nil, fmt.Errorf("row %d: the spine's %s came back as %s", i, out.columns[j], row[j].Display())
			}
		}
		added = append(added, row[given:]...)
	}
	return added, nil
}

// resolving finds features in whatever catalog.
func resolving(features []*registry.Feature) func(*registry.Catalog) ([]store.Requested, error) {
	return func(catalog *registry.Catalog) ([]store.Requested, error) {
		requested := make([]store.Requested, len(features))
		for i, f := range features {
			group, ok := catalog.GroupByID(f.Group.ID)
			if !ok {
				return nil, catalog.UnknownGroup(f.Group.Name)
			}
			at := slices.IndexFunc(group.Stored(), func(g *registry.Feature) bool { return g.Ordinal == f.Ordinal })
			requested[i] = store.Requested{Feature: group.Stored()[at], Column: fmt.Sprintf("answer %d", i)}
		}
		return requested, nil
	}
}

// memoryTable is a table in memory, to read from once and to write to.
type memoryTable struct {
	columns []string
	cells   []table.Cell
	next    int // row
	closed  bool
}

// batchRows is odd, so that batches end in the middle of things.
const batchRows = 777

func (m *memoryTable) Next() (*table.Batch, error) {
	n := len(m.columns)
	rows := min(len(m.cells)/n-m.next, batchRows)
	if rows == 0 && m.next > 0 || m.closed {
		return nil, io.EOF
	}
	m.closed = rows == 0 // a header without rows is one empty batch
	batch := &table.Batch{Columns: m.columns, Rows: rows, Cells: m.cells[m.next*n : (m.next+rows)*n], FirstRow: int64(m.next + 1)}
	m.next += rows
	return batch, nil
}

func (m *memoryTable) Ignored() []string { return nil }

func (m *memoryTable) Write(rows int, cells []table.Cell) error {
	if rows*len(m.columns) != len(cells) {
		return fmt.Errorf("%d cells are not %d rows of %d columns", len(cells), rows, len(m.columns))
	}
	m.cells = append(m.cells, cells...)
	return nil
}

func (m *memoryTable) Close() error {
	m.closed = true
	return nil
}
