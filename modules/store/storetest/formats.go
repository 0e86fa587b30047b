package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/valuetest"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// RunFormats brings the values at the edges of every type in, out, in again and out again in each format, and compares them bit for bit
// with what they were, in both stores and in training sets.
func RunFormats(t *testing.T, pair Pair) {
	world := NewWorld(t, pair)
	var columns []Column
	for i, kind := range valuetest.Types {
		columns = append(columns, Column{fmt.Sprintf("f%d", i), kind})
	}
	require.NoError(t, world.Apply(map[string]any{"entity_types": []any{map[string]any{"name": "thing", "join_keys": []map[string]string{
		{"name": "id", "value_type": "STRING"}, {"name": "number", "value_type": "INTEGER"}}}}}))
	for _, format := range []table.Format{table.CSV, table.NDJSON, table.JSON, table.JSONRows, table.Parquet, table.Arrow} {
		name := format.String()
		t.Run(name, func(t *testing.T) {
			world.TB = t
			f := &formatting{World: world, format: format}
			given := f.edges(columns)
			in, again := f.group(name+"_in", columns), f.group(name+"_again", columns)
			f.load(in, given)
			f.compare(in, given)
			first := f.export(in)
			f.load(again, first)
			f.compare(again, given)
			require.ElementsMatch(t, first.lines(), f.export(again).lines())
		})
	}
	world.TB = t
}

// formatting is the test of one format.
type formatting struct {
	*World
	format table.Format
}

func (f *formatting) group(name string, columns []Column) *registry.Group {
	require.NoError(f, f.Apply(map[string]any{"groups": []any{map[string]any{"name": name, "entity_type": "thing", "features": columnsAsJSON(columns)}}}))
	return f.Group(name)
}

// edges is a table with a row for each value at an edge, beside a null and beside features that were not observed, under a key that is
// hostile as well.
func (f *formatting) edges(columns []Column) *memoryTable {
	t := &memoryTable{columns: []string{"id", "number", "event_time"}}
	for _, c := range columns {
		t.columns = append(t.columns, c.Name)
	}
	ids, row := hostileText(), int64(0)
	for i, c := range columns {
		for _, v := range edges(c.Type) {
			t.cells = append(t.cells, table.ValueCell(value.OfString(ids[int(row)%len(ids)])), table.ValueCell(value.OfInt(row<<40-7)),
				table.ValueCell(value.OfTime(start-row*row*1_000_001)))
			for j := range columns {
				switch j {
				case i:
					t.cells = append(t.cells, table.ValueCell(v))
				case (i + 1) % len(columns):
					t.cells = append(t.cells, table.NullCell())
				default:
					t.cells = append(t.cells, table.MissingCell())
				}
			}
			row++
		}
	}
	return t
}

// load sends a table through the format, with the column that says what was observed.
func (f *formatting) load(group *registry.Group, rows *memoryTable) {
	withPresence := &memoryTable{columns: append(append([]string(nil), rows.columns...), presence)}
	n := len(rows.columns)
	for at := 0; at < len(rows.cells); at += n {
		present := ""
		for i, cell := range rows.cells[at : at+n] {
			if i >= 3 && !cell.IsMissing() {
				present += " " + rows.columns[i]
			}
		}
		withPresence.cells = append(append(withPresence.cells, rows.cells[at:at+n]...), table.ValueCell(value.OfString(present[1:])))
	}
	body, err := withPresence.encode(f.format)
	require.NoError(f, err)
	source, found, err := table.NewReader(bytes.NewReader(body), table.ReadOptions{})
	require.NoError(f, err)
	require.Equal(f, f.format, found, "the first bytes tell the format")
	loaded, err := f.Store.Load(f.ctx, store.LoadRequest{Group: group.Name, Presence: true}, source)
	require.NoError(f, err)
	require.EqualValues(f, len(rows.cells)/n, loaded.Stored)
}

// export takes a group out in the format and reads that, without the column that says what was observed.
func (f *formatting) export(group *registry.Group) *memoryTable {
	var body bytes.Buffer
	request := store.ExportRequest{Group: group, Presence: true}
	require.NoError(f, f.Store.Export(f.ctx, request, func(columns []table.Column) (table.Writer, error) {
		return table.NewWriter(f.format, &body, columns)
	}))
	source, _, err := table.NewReader(&body, table.ReadOptions{ContentType: f.format.ContentType()})
	require.NoError(f, err)
	out := &memoryTable{columns: []string{"id", "number", "event_time"}}
	for _, feature := range group.Features {
		out.columns = append(out.columns, feature.Name)
	}
	for {
		batch, err := source.Next()
		if err != nil {
			require.EqualError(f, err, "EOF")
			return out
		}
		require.Empty(f, batch.Bad)
		for r := range batch.Rows {
			row := map[string]table.Cell{} // formats that leave members out show a column when it first comes
			for i, name := range batch.Columns {
				row[name] = batch.Row(r)[i]
			}
			present, err := row[presence].Value(value.String, nil)
			require.NoError(f, err)
			out.cells = append(out.cells, row["id"], row["number"], row["event_time"])
			for _, feature := range group.Features {
				if !slices.Contains(strings.Fields(present.Text()), feature.Name) {
					out.cells = append(out.cells, table.MissingCell())
					continue
				}
				v, err := row[feature.Name].Value(feature.ValueType, nil)
				require.NoError(f, err)
				out.cells = append(out.cells, table.ValueCell(v))
			}
		}
	}
}

// compare asks for all entities in every way.
func (f *formatting) compare(group *registry.Group, given *memoryTable) {
	f.Materialize(materialization.Incremental, group)
	read := store.Read{Features: group.Features, Keys: map[string][]store.Key{}}
	var wanted []store.Cell
	n := len(given.columns)
	for at := 0; at < len(given.cells); at += n {
		row := given.cells[at : at+n]
		key, err := store.KeyOf(group.EntityType.JoinKeys, row[:2])
		require.NoError(f, err)
		eventTime, err := row[2].Value(value.Timestamp, nil)
		require.NoError(f, err)
		read.Rows++
		read.Keys["thing"] = append(read.Keys["thing"], key)
		for i, feature := range group.Features {
			v, err := row[3+i].Value(feature.ValueType, nil)
			require.NoError(f, err)
			cell := store.Cell{Value: v, EventTime: eventTime.Time(), Status: store.Present}
			switch {
			case v.IsAbsent():
				cell = store.Cell{Value: value.Null(), EventTime: value.NoTime, Status: store.NotFound}
			case v.IsNull():
				cell.Status = store.NullValue
			}
			wanted = append(wanted, cell)
		}
	}
	for _, way := range allWays {
		got, err := f.Ask(way, read, f.Now().UnixMicro())
		require.NoError(f, err)
		require.NoError(f, compare(string(way), read, got, wanted))
	}
}
