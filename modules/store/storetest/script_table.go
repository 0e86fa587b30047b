package storetest

import (
	"bytes"
	"slices"
	"strings"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// presence is the column in which formats without missing cells say what a row observed.
const presence = "presence"

// tableOf makes a table of the lines ID [@TIME] F=VALUE …, as a program that loads them would have it.
func (r *scriptRun) tableOf(entityTypeName string, block []Line) (*memoryTable, error) {
	entityType, ok := r.Registry.Catalog().EntityType(entityTypeName)
	if !ok {
		return nil, r.Registry.Catalog().UnknownEntityType(entityTypeName)
	}
	var observations []store.Observation
	timed, partial := false, false
	var names []string
	for _, line := range block {
		o, err := r.observation(line.Words, "")
		if err != nil {
			return nil, err
		}
		timed = timed || o.EventTime != value.NoTime
		for _, f := range o.Fields {
			if !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
		observations = append(observations, o)
	}
	for _, o := range observations {
		partial = partial || len(o.Fields) < len(names)
	}
	t := &memoryTable{}
	for _, k := range entityType.JoinKeys {
		t.columns = append(t.columns, k.Name)
	}
	if timed {
		t.columns = append(t.columns, "event_time")
	}
	t.columns = append(t.columns, names...)
	if partial {
		t.columns = append(t.columns, presence)
	}
	for _, o := range observations {
		key, err := store.ParseKey(entityType, o.Entity.Path)
		if err != nil {
			return nil, err
		}
		for _, v := range key.Values {
			t.cells = append(t.cells, table.ValueCell(v))
		}
		if timed {
			t.cells = append(t.cells, table.ValueCell(value.OfTime(o.EventTime)))
		}
		var present []string
		for _, name := range names {
			i := slices.IndexFunc(o.Fields, func(f store.Field) bool { return f.Name == name })
			if i < 0 {
				t.cells = append(t.cells, table.MissingCell())
				continue
			}
			present = append(present, name)
			t.cells = append(t.cells, o.Fields[i].Cell)
		}
		if partial {
			t.cells = append(t.cells, table.ValueCell(value.OfString(strings.Join(present, " "))))
		}
	}
	return t, nil
}

// encode writes the table in a format.
func (m *memoryTable) encode(format table.Format) ([]byte, error) {
	var body bytes.Buffer
	columns := make([]table.Column, len(m.columns))
	for i, name := range m.columns {
		columns[i].Name = name
	}
	w, err := table.NewWriter(format, &body, columns)
	if err != nil {
		return nil, err
	}
	if len(m.columns) > 0 {
		if err := w.Write(len(m.cells)/len(m.columns), m.cells); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return body.Bytes(), err
}
