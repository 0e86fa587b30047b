package batchtest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"featurestore/modules/batch"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

const presence = "presence"

// staged reads what an engine has staged, and checks all that is promised of it but the values.
func (t *told) staged(job *batch.Job, staged *batch.Staged) (rows []Row) {
	t.Helper()
	var columns []string
	for _, k := range t.plan.Keys {
		columns = append(columns, k.Name)
	}
	columns = append(columns, eventTime)
	for _, f := range t.plan.Outputs {
		columns = append(columns, f.Name)
	}
	if t.plan.Partial {
		columns = append(columns, presence)
	}
	perTick, seen := map[int64]int64{}, map[string]bool{}
	for _, path := range staged.Files {
		require.Equal(t, job.Folder, filepath.Dir(path), "what is staged is in the job's folder")
		body, err := os.ReadFile(path)
		require.NoError(t, err)
		reader, format, err := table.NewReader(bytes.NewReader(body), table.ReadOptions{Limits: table.Limits{Held: 1 << 30}})
		require.NoError(t, err)
		require.True(t, format == table.Parquet || format == table.Arrow, "%s is %s", path, format)
		for {
			batch, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			require.Empty(t, batch.Bad)
			require.ElementsMatch(t, columns, batch.Columns)
			for i := range batch.Rows {
				row := t.row(batch.Columns, batch.Row(i))
				require.Contains(t, job.Ticks, row.Tick)
				place := row.Key.Encoded + "\x00" + string(value.AppendTime(nil, row.Tick))
				require.False(t, seen[place], "%s comes twice", t.line(&row))
				seen[place] = true
				perTick[row.Tick]++
				rows = append(rows, row)
			}
		}
	}
	require.Equal(t, int64(len(rows)), staged.Rows)
	for tick, n := range staged.PerTick {
		require.Equal(t, perTick[tick], n, "rows of a tick")
	}
	require.Equal(t, len(perTick), len(slices.DeleteFunc(values(staged.PerTick), func(n int64) bool { return n == 0 })), "every tick that has rows is counted")
	return rows
}

func values(m map[int64]int64) (all []int64) {
	for _, n := range m {
		all = append(all, n)
	}
	return all
}

// row makes a row of cells.
func (t *told) row(columns []string, cells []table.Cell) Row {
	cell := func(name string, of value.Type) value.Value {
		c := cells[slices.Index(columns, name)]
		require.False(t, c.IsMissing(), "%s has no cell", name)
		v, err := c.Value(of, nil)
		require.NoError(t, err, name)
		return v
	}
	var key []value.Value
	for _, k := range t.plan.Keys {
		v := cell(k.Name, k.ValueType)
		require.False(t, v.IsNull(), "a row has no %s", k.Name)
		key = append(key, v)
	}
	row := Row{Key: store.NewKey(key), Tick: cell(eventTime, value.Timestamp).Time()}
	observed := func(string) bool { return true }
	if t.plan.Partial {
		if v := cell(presence, value.String); !v.IsNull() {
			names := strings.Fields(v.Text())
			require.NotEmpty(t, names, "a row that observes nothing does not exist")
			observed = func(name string) bool { return slices.Contains(names, name) }
		}
	}
	for _, f := range t.plan.Outputs {
		v := cell(f.Name, f.ValueType)
		if !observed(f.Name) {
			require.True(t, v.IsNull(), "%s was not observed, and is not null", f.Name)
			v = value.Value{}
		}
		row.Values = append(row.Values, v)
	}
	return row
}

// Texts are the values of a column of STRING of what was staged, in its order.
func Texts(t require.TestingT, staged *batch.Staged, column string) (texts []string) {
	for _, path := range staged.Files {
		body, err := os.ReadFile(path)
		require.NoError(t, err)
		reader, _, err := table.NewReader(bytes.NewReader(body), table.ReadOptions{Limits: table.Limits{Held: 1 << 30}})
		require.NoError(t, err)
		for batch, err := reader.Next(); !errors.Is(err, io.EOF); batch, err = reader.Next() {
			require.NoError(t, err)
			for i := range batch.Rows {
				texts = append(texts, batch.Row(i)[slices.Index(batch.Columns, column)].Display())
			}
		}
	}
	return texts
}
