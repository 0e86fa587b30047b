package table_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"featurestore/modules/registry/value"
	"featurestore/modules/registry/value/valuetest"
	"featurestore/modules/store/table"
)

var formats = []table.Format{table.CSV, table.NDJSON, table.JSON, table.JSONRows, table.Parquet, table.Arrow}

// leavesOut tells whether a format can leave a cell out; the others write null in its place.
func leavesOut(f table.Format) bool { return f == table.NDJSON || f == table.JSONRows }

// backAndForth writes values, reads them again as their types, and wants the same, bit for bit.
func backAndForth(t require.TestingT, format table.Format, encoding string, columns []table.Column, rows int, values []value.Value) {
	cells := make([]table.Cell, len(values))
	for i, v := range values {
		cells[i] = table.ValueCell(v)
	}
	var body bytes.Buffer
	write(t, format, columns, rows, cells, &body)
	written := body.String()
	in := iotest.HalfReader(&body)
	if encoding != "" {
		in = bytes.NewReader(pack(t, encoding, body.Bytes()))
	}
	reader, got, err := table.NewReader(in, table.ReadOptions{ContentType: format.ContentType()})
	require.NoError(t, err, written)
	require.Equal(t, format, got)
	row := 0
	for {
		batch, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.Empty(t, batch.Bad, written)
		at := map[string]int{}
		for i, name := range batch.Columns {
			at[name] = i
		}
		for i := range batch.Rows {
			require.Equal(t, int64(row+1), batch.Number(i))
			for c, column := range columns {
				want := values[row*len(columns)+c]
				if want.IsAbsent() && !leavesOut(format) {
					want = value.Null()
				}
				var got value.Value
				if position, ok := at[column.Name]; ok {
					got, err = batch.Row(i)[position].Value(column.Type, nil)
					require.NoError(t, err, written)
				}
				require.Equal(t, want, got, written)
			}
			row++
		}
	}
	require.Equal(t, rows, row, written)
}

// Every type through every format.
func TestRoundTripOfBoundaries(t *testing.T) {
	for _, typ := range valuetest.Types {
		for _, format := range formats {
			t.Run(fmt.Sprint(typ, " ", format), func(t *testing.T) {
				values := append(valuetest.Boundaries(typ), value.Null())
				for _, encoding := range []string{"", "gzip", "zstd"} {
					backAndForth(t, format, encoding, []table.Column{{Name: "the value", Type: typ}}, len(values), values)
				}
			})
		}
	}
}

// Tables of any shape, with nulls and cells left out.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "columns")
		columns := make([]table.Column, n)
		for i := range columns {
			columns[i] = table.Column{Name: fmt.Sprintf("c%d", i), Type: rapid.SampledFrom(valuetest.Types).Draw(t, "type")}
		}
		rows := rapid.IntRange(1, 20).Draw(t, "rows")
		values := make([]value.Value, 0, rows*n)
		for range rows {
			for _, column := range columns {
				switch rapid.IntRange(0, 5).Draw(t, "kind") {
				case 0:
					values = append(values, value.Null())
				case 1:
					values = append(values, value.Value{})
				default:
					values = append(values, valuetest.Value(column.Type).Draw(t, "value"))
				}
			}
		}
		format := rapid.SampledFrom(formats).Draw(t, "format")
		if format == table.NDJSON { // an only row whose cells are all arrays looks like JSON by columns
			values[0] = value.Null()
		}
		backAndForth(t, format, "", columns, rows, values)
	})
}

// What came in as one format goes out as another: the columns of a spine.
func TestCellsPassThrough(t *testing.T) {
	columns := []table.Column{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	lines := `{"a":12345678901234567890,"b":"x,\"y\"","c":{"d":[1]}}` + "\n" + `{"b":null,"c":""}` + "\n"
	pretty := "[{\"a\":12345678901234567890,\"b\":\"x,\\\"y\\\"\",\"c\":{\n\"d\": [\r\n1]\n}\n},{\"b\":null,\"c\":\"\"}]"
	csv := "a,b,c\n12345678901234567890,\"x,\"\"y\"\"\",\"{\"\"d\"\":[1]}\"\n,,\"\"\n"
	for _, c := range []struct {
		from string
		to   table.Format
		want string
	}{
		{lines, table.NDJSON, lines},
		{pretty, table.NDJSON, lines},
		{lines, table.CSV, csv},
		{csv, table.CSV, csv},
		{csv, table.JSON, `{"a":["12345678901234567890",null],` + "\n" + `"b":["x,\"y\"",null],` + "\n" + `"c":["{\"d\":[1]}",""]}` + "\n"},
		{lines, table.JSONRows, `[{"a":12345678901234567890,"b":"x,\"y\"","c":{"d":[1]}},` + "\n" + `{"b":null,"c":""}]` + "\n"},
	} {
		reader, _, err := table.NewReader(bytes.NewReader([]byte(c.from)), table.ReadOptions{})
		require.NoError(t, err)
		batch, err := reader.Next()
		require.NoError(t, err)
		var out bytes.Buffer
		write(t, c.to, columns, batch.Rows, batch.Cells, &out)
		require.Equal(t, c.want, out.String())
	}
}

func TestWrite(t *testing.T) {
	columns := []table.Column{{Name: "id", Type: value.String}, {Name: "x, \"y\"", Type: value.Float}, {Name: "at", Type: value.Timestamp}, {Name: "typed", Type: value.Integer}}
	cells := []table.Cell{
		table.ValueCell(value.OfString("a\r\nb")), table.ValueCell(value.OfFloat(1)), table.ValueCell(value.OfTime(0)), table.TextCell("12"),
		table.ValueCell(value.OfString("")), table.NullCell(), table.MissingCell(), table.TextCell("no number"),
	}
	for format, want := range map[table.Format]string{
		table.CSV:      "id,\"x, \"\"y\"\"\",at,typed\n\"a\r\nb\",1.0,1970-01-01T00:00:00Z,12\n\"\",,,no number\n",
		table.NDJSON:   `{"id":"a\r\nb","x, \"y\"":1.0,"at":"1970-01-01T00:00:00Z","typed":12}` + "\n" + `{"id":"","x, \"y\"":null,"typed":"no number"}` + "\n",
		table.JSONRows: `[{"id":"a\r\nb","x, \"y\"":1.0,"at":"1970-01-01T00:00:00Z","typed":12},` + "\n" + `{"id":"","x, \"y\"":null,"typed":"no number"}]` + "\n",
		table.JSON:     `{"id":["a\r\nb",""],` + "\n" + `"x, \"y\"":[1.0,null],` + "\n" + `"at":["1970-01-01T00:00:00Z",null],` + "\n" + `"typed":[12,"no number"]}` + "\n",
	} {
		var out bytes.Buffer
		write(t, format, columns, 2, cells, &out)
		require.Equal(t, want, out.String())
		out.Reset()
		write(t, format, columns, 0, nil, &out)
		require.Equal(t, map[table.Format]string{table.CSV: "id,\"x, \"\"y\"\"\",at,typed\n", table.NDJSON: "", table.JSONRows: "[]\n",
			table.JSON: `{"id":[],` + "\n" + `"x, \"y\"":[],` + "\n" + `"at":[],` + "\n" + `"typed":[]}` + "\n"}[format], out.String())
	}
	_, err := table.NewWriter(table.Unspecified, io.Discard, columns)
	require.EqualError(t, err, "write a table: unknown format 0")
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWriteFails(t *testing.T) {
	columns := []table.Column{{Name: "a"}}
	cells := make([]table.Cell, 20_000)
	for i := range cells {
		cells[i] = table.ValueCell(value.OfString("something to write"))
	}
	for _, format := range formats {
		w, err := table.NewWriter(format, full{}, columns)
		require.NoError(t, err)
		if err = w.Write(len(cells), cells); err == nil {
			err = w.Close()
		}
		require.EqualError(t, err, "write the table: no space left", format.String())
	}
}

// JSON by columns is held until it is whole, so it has a limit, and nothing is written beyond it.
func TestWriteHoldsSoMuch(t *testing.T) {
	var out bytes.Buffer
	w, err := table.NewWriter(table.JSON, &out, []table.Column{{Name: "a"}})
	require.NoError(t, err)
	cells := make([]table.Cell, 1000)
	for i := range cells {
		cells[i] = table.ValueCell(value.OfString(string(bytes.Repeat([]byte("x"), 1000))))
	}
	for range 100 {
		if err = w.Write(len(cells), cells); err != nil {
			break
		}
	}
	require.EqualError(t, err, "the answer is more than 67108864 bytes as JSON by columns: ask for CSV or an object per line (Accept: application/x-ndjson)")
	require.Zero(t, out.Len())
}
