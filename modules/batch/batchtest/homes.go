package batchtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/storetest"
	"featurestore/modules/store/table"
)

// home is a place where events can be.
type home struct {
	name string

	// lay puts the events of a situation there, and answers the member source of its definition; group is where they are, "" of no group.
	lay func(w *world, s *situation) (source map[string]any, group string)

	// keeps is the events as they are there.
	keeps func(events []Event) []Event
}

// homes are all kinds of sources.
var homes = []*home{
	{"events", func(w *world, s *situation) (map[string]any, string) { return layGroup(w, s, "events") }, numbered},
	{"history", func(w *world, s *situation) (map[string]any, string) { return layGroup(w, s, "features") }, func(events []Event) []Event { return merged(numbered(events)) }},
	{"table", layTable, unordered},
	{"query", layQuery, unordered},
	{"csv", func(w *world, s *situation) (map[string]any, string) { return layFiles(w, s, table.CSV, "csv") }, unordered},
	{"ndjson", func(w *world, s *situation) (map[string]any, string) { return layFiles(w, s, table.NDJSON, "ndjson") }, unordered},
	{"parquet", func(w *world, s *situation) (map[string]any, string) { return layFiles(w, s, table.Parquet, "parquet") }, unordered},
}

// Homes are the names of all kinds of sources: groups of events and of features, tables and queries of a PostgreSQL, files.
func Homes() (names []string) {
	for _, h := range homes {
		names = append(names, h.name)
	}
	return names
}

// homes are those that the subject computes from.
func (s *Subject) homes() (own []*home) {
	for _, h := range homes {
		if slices.Contains(s.Homes, h.name) {
			own = append(own, h)
		}
	}
	return own
}

// numbered is events as a group of events keeps them: each has its place in the order of ingestion.
func numbered(events []Event) []Event {
	kept := slices.Clone(events)
	for i := range kept {
		kept[i].Seq = int64(i + 1)
	}
	return kept
}

// unordered is events as a table or files keep them: of one time none is before another.
func unordered(events []Event) []Event {
	kept := slices.Clone(events)
	for i := range kept {
		kept[i].Seq = 0
	}
	return kept
}

// merged is events as the history of a group of features tells them: of an entity and event time one, with each feature's newest ingest.
func merged(events []Event) (kept []Event) {
	for _, e := range events { // in the order of ingestion
		i := slices.IndexFunc(kept, func(k Event) bool { return k.Key.Encoded == e.Key.Encoded && k.At == e.At })
		if i < 0 {
			kept, i = append(kept, Event{Key: e.Key, At: e.At, Values: map[string]value.Value{}}), len(kept)
		}
		kept[i].Seq = e.Seq
		for name, v := range e.Values {
			if !v.IsAbsent() {
				kept[i].Values[name] = v
			}
		}
	}
	return kept
}

// layGroup loads events into a group, each in a line that leaves out what was not observed.
func layGroup(w *world, s *situation, kind string) (map[string]any, string) {
	w.Helper()
	group := w.own("source")
	require.NoError(w, w.apply(map[string]any{"groups": []any{map[string]any{"name": group, "entity_type": w.own("customer"), "kind": kind, "features": columnDocuments(s.columns)}}}))
	if len(s.events) > 0 {
		var body bytes.Buffer
		require.NoError(w, write(&body, table.NDJSON, s, s.events, func(name string) string { return name }))
		reader, _, err := table.NewReader(&body, table.ReadOptions{ContentType: table.NDJSON.ContentType()})
		require.NoError(w, err)
		loaded, err := w.store.Load(w.ctx, store.LoadRequest{Group: group}, reader)
		require.NoError(w, explained(err))
		require.Equal(w, int64(len(s.events)), loaded.Stored)
	}
	return map[string]any{"group": group}, group
}

// elsewhere is what a column is called in tables and files: nothing that could stand in SQL without quotes.
func elsewhere(name string) string { return `The "` + name + `", it's` }

// described is the members of a source that say what its columns are called.
func described(s *situation, source map[string]any) map[string]any {
	columns, entity := map[string]any{}, map[string]string{}
	for _, c := range s.columns {
		columns[c.Name] = map[string]string{"value_type": c.Type.String(), "column": elsewhere(c.Name)}
	}
	for _, k := range s.keys {
		entity[k.Name] = elsewhere(k.Name)
	}
	source["columns"], source["entity"], source["event_time"] = columns, entity, elsewhere(eventTime)
	return source
}

// sqlTypes are the types of a table's columns.
var sqlTypes = map[value.Type]string{
	value.Boolean: "boolean", value.Integer: "bigint", value.Float: "double precision", value.String: "text", value.Timestamp: "timestamptz", value.JSON: "json",
}

func layTable(w *world, s *situation) (map[string]any, string) {
	w.Helper()
	fill(w, s, elsewhere)
	return described(s, map[string]any{"connection": connection, "table": w.Places.Schema + "." + w.own("sales")}), ""
}

// fill makes a table of the events.
func fill(w *world, s *situation, named func(string) string) {
	w.Helper()
	name := pgx.Identifier{w.Places.Schema, w.own("sales")}
	var columns, names []string
	add := func(column, sqlType string) {
		names = append(names, named(column))
		columns = append(columns, pgx.Identifier{named(column)}.Sanitize()+" "+sqlType)
	}
	for _, k := range s.keys {
		add(k.Name, sqlTypes[k.ValueType])
	}
	add(eventTime, "timestamptz")
	for _, c := range s.columns {
		add(c.Name, sqlTypes[c.Type])
	}
	_, err := w.tables.Exec(w.ctx, "CREATE TABLE "+name.Sanitize()+" ("+strings.Join(columns, ", ")+")")
	require.NoError(w, err)
	var rows [][]any
	for _, e := range slices.Backward(s.events) {
		var row []any
		for _, v := range append(slices.Clone(e.Key.Values), value.OfTime(e.At)) {
			row = append(row, plain(v))
		}
		for _, c := range s.columns {
			row = append(row, plain(e.of(c.Name)))
		}
		rows = append(rows, row)
	}
	_, err = w.tables.CopyFrom(w.ctx, name, names, pgx.CopyFromRows(rows))
	require.NoError(w, err)
}

// layQuery is a query of a table whose columns are called as in events.
func layQuery(w *world, s *situation) (map[string]any, string) {
	w.Helper()
	fill(w, s, func(name string) string { return name })
	names, columns := []string{eventTime}, map[string]any{}
	for _, k := range s.keys {
		names = append(names, k.Name)
	}
	for _, c := range s.columns {
		names = append(names, c.Name)
		columns[c.Name] = c.Type.String()
	}
	query := "SELECT " + strings.Join(names, ", ") + " FROM " + w.Places.Schema + "." + w.own("sales")
	return map[string]any{"connection": connection, "query": query, "columns": columns}, ""
}

// plain is a value as pgx takes it.
func plain(v value.Value) any {
	switch v.Type() {
	case value.Boolean:
		return v.Bool()
	case value.Integer:
		return v.Int()
	case value.Float:
		return v.Float()
	case value.String, value.JSON:
		return v.Text()
	case value.Timestamp:
		return time.UnixMicro(v.Time()).UTC()
	}
	return nil
}

// layFiles writes events into three files in two folders, one of which has no rows, beside one that the pattern does not name.
func layFiles(w *world, s *situation, format table.Format, extension string) (map[string]any, string) {
	w.Helper()
	events := slices.Clone(s.events)
	slices.Reverse(events)
	half := len(events) / 2
	for name, part := range map[string][]Event{"a/part-1": events[:half], "a/part-2": nil, "b/part-1": events[half:], "b/other": events} {
		path := filepath.Join(w.Places.Folder, w.own("sales"), name+"."+extension)
		require.NoError(w, os.MkdirAll(filepath.Dir(path), 0o700))
		var body bytes.Buffer
		require.NoError(w, write(&body, format, s, part, elsewhere))
		require.NoError(w, os.WriteFile(path, body.Bytes(), 0o600))
	}
	return described(s, map[string]any{"root": root, "files": fmt.Sprintf("%s/*/part-*.%s", w.own("sales"), extension)}), ""
}

// write makes a table of events.
func write(body *bytes.Buffer, format table.Format, s *situation, events []Event, named func(string) string) error {
	var columns []table.Column
	for _, k := range s.keys {
		columns = append(columns, table.Column{Name: named(k.Name), Type: k.ValueType})
	}
	columns = append(columns, table.Column{Name: named(eventTime), Type: value.Timestamp})
	for _, c := range s.columns {
		columns = append(columns, table.Column{Name: named(c.Name), Type: c.Type})
	}
	out, err := table.NewWriter(format, body, columns)
	if err != nil {
		return err
	}
	var cells []table.Cell
	for _, e := range events {
		for _, v := range append(slices.Clone(e.Key.Values), value.OfTime(e.At)) {
			cells = append(cells, table.ValueCell(v))
		}
		for _, c := range s.columns {
			cells = append(cells, table.ValueCell(e.Values[c.Name]))
		}
	}
	if err := out.Write(len(events), cells); err != nil {
		return err
	}
	return out.Close()
}

// columnOf finds a column by its name.
func columnOf(columns []storetest.Column, name string) (storetest.Column, error) {
	i := slices.IndexFunc(columns, func(c storetest.Column) bool { return c.Name == name })
	if i < 0 {
		return storetest.Column{}, fmt.Errorf("there is no column %q", name)
	}
	return columns[i], nil
}
