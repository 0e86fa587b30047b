package table_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/store/table"
)

// content is all that a table holds: each row as its number and its cells, bad rows with their reason.
type content struct {
	format  table.Format
	columns []string
	rows    []string
	bad     []string
	ignored []string
}

func readAll(body io.Reader, opts table.ReadOptions) (c content, err error) {
	reader, format, err := table.NewReader(body, opts)
	if err != nil {
		return c, err
	}
	c.format = format
	for {
		batch, err := reader.Next()
		if errors.Is(err, io.EOF) {
			c.ignored = reader.Ignored()
			return c, nil
		}
		if err != nil {
			return c, err
		}
		c.columns = append([]string(nil), batch.Columns...)
		for i := range batch.Rows {
			cells := []string{}
			for _, cell := range batch.Row(i) {
				switch {
				case cell.IsMissing():
					cells = append(cells, "MISSING")
				case cell.IsNull():
					cells = append(cells, "NULL")
				default:
					cells = append(cells, cell.Display())
				}
			}
			c.rows = append(c.rows, fmt.Sprintf("%d: %s", batch.Number(i), strings.Join(cells, "|")))
		}
		for _, b := range batch.Bad {
			c.bad = append(c.bad, fmt.Sprintf("%d: %s [%s] %s", b.Number, b.Reason, b.Column, b.Value))
		}
	}
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, body, contentType string
		want                    content
	}{
		{"plain", "a,b\n1,x\n2,y\n", "text/csv", content{columns: []string{"a", "b"}, rows: []string{"1: 1|x", "2: 2|y"}}},
		{"no line feed at the end", "a,b\n1,x", "text/csv", content{columns: []string{"a", "b"}, rows: []string{"1: 1|x"}}},
		{"CRLF", "a,b\r\n1,\r\n,y\r\n", "text/csv", content{columns: []string{"a", "b"}, rows: []string{"1: 1|NULL", "2: NULL|y"}}},
		{"ends in CR", "a,b\r\n1,2\r", "text/csv", content{columns: []string{"a", "b"}, rows: []string{"1: 1|2"}}},
		{"null and the empty string", "a,b,c\n,\"\",\n", "text/csv", content{columns: []string{"a", "b", "c"}, rows: []string{"1: NULL||NULL"}}},
		{"quotes", "a,\"b\"\n\"x,\"\"y\"\"\r\n\",\"\"\"\"\r\n", "text/csv", content{columns: []string{"a", "b"}, rows: []string{"1: x,\"y\"\r\n|\""}}},
		{"byte order mark", "\ufeffa,b\n1,2\n", "text/csv", content{columns: []string{"a", "b"}, rows: []string{"1: 1|2"}}},
		{"empty lines are no rows", "a,b\n\n1,2\n\r\n3,4\n\n", "text/csv", content{columns: []string{"a", "b"}, rows: []string{"1: 1|2", "2: 3|4"}}},
		{"of one column they are", "a\n1\n\n2\n", "text/csv", content{columns: []string{"a"}, rows: []string{"1: 1", "2: NULL", "3: 2"}}},
		{"header only", "a,b\n", "text/csv", content{columns: []string{"a", "b"}}},
		{"header without line feed", "a,b", "text/csv", content{columns: []string{"a", "b"}}},
		{"an index of pandas", ",Unnamed: 0,a,__index_level_0__,b\n0,0,1,0,2\n1,1,3,1,4\n", "text/csv",
			content{columns: []string{"a", "b"}, rows: []string{"1: 1|2", "2: 3|4"}, ignored: []string{"", "Unnamed: 0", "__index_level_0__"}}},
		{"names as they are", " a,\"b,c\"\n1,2\n", "text/csv", content{columns: []string{" a", "b,c"}, rows: []string{"1: 1|2"}}},
		{"ragged rows", "a,b\n1\n1,2,3\n4,5\n6,7,8,\"9\n\"\n", "text/csv", content{columns: []string{"a", "b"}, rows: []string{"3: 4|5"},
			bad: []string{"1: has 1 cells, the header has 2 [] 1", "2: has 3 cells, the header has 2 [] 1,2,3", "4: has 4 cells, the header has 2 [] 6,7,8,\"9\n\""}}},
		{"quotes gone wrong", "a,b\n1,x\"y\n\"1\"2,3\n4,5\n", "text/csv", content{columns: []string{"a", "b"}, rows: []string{"3: 4|5"},
			bad: []string{"1: has a quote inside a cell: put the cell in quotes and double the quote [b] 1,x\"y", "2: has text behind a closing quote: a quote inside quotes is doubled [a] \"1\"2,3"}}},
		{"bad text", "a,b\n\xff,1\n2,\x00\n3,é\"\n\"é\"\"é\",4\n", "text/csv", content{columns: []string{"a", "b"}, rows: []string{"4: é\"é|4"},
			bad: []string{"1: is not valid UTF-8: is the file in another encoding? [a] \ufffd", "2: holds NUL, which is refused [b] \x00", "3: has a quote inside a cell: put the cell in quotes and double the quote [b] 3,é\""}}},

		{"lines", `{"a":1,"b":"x"}` + "\n\n" + ` {"b": null , "a":2.50} ` + "\r\n" + `{}` + "\n" + `{"c":[1, 2]}`, "application/x-ndjson",
			content{format: table.NDJSON, columns: []string{"a", "b", "c"}, rows: []string{`1: 1|"x"|MISSING`, "2: 2.50|NULL|MISSING", "3: MISSING|MISSING|MISSING", "4: MISSING|MISSING|[1, 2]"}}},
		{"a bad line", `{"a":1}` + "\n" + `{"a":NaN}` + "\n" + `{"a":2,"a":3}` + "\n5\n" + `{"a":4} x` + "\n" + `{"a":{"b":[tru]}` + "\n" + `{"a":5}`, "application/x-ndjson",
			content{format: table.NDJSON, columns: []string{"a"}, rows: []string{"1: 1", "7: 5"}, bad: []string{
				`2: a: NaN is no JSON number: send null, or leave the member out (at byte 5) [a] {"a":NaN}`,
				`3: the member "a" stands twice in the same object (at byte 7) [] {"a":2,"a":3}`,
				`4: expected an object, got 5 (at byte 0) [] 5`,
				`5: something follows after the end of the value: x (at byte 8) [] {"a":4} x`,
				`6: a.b[0]: expected a value, got tru (at byte 11) [a] {"a":{"b":[tru]}`}}},
		{"a bad line names no column", `{"a":1}` + "\n" + `{"z":x}`, "application/x-ndjson",
			content{format: table.NDJSON, columns: []string{"a"}, rows: []string{"1: 1"}, bad: []string{`2: z: expected a value, got x (at byte 5) [z] {"z":x}`}}},

		{"rows", ` [ {"a":1,"b":"x"} , {"b":2},{ } ] `, "application/json", content{format: table.JSONRows, columns: []string{"a", "b"}, rows: []string{`1: 1|"x"`, "2: MISSING|2", "3: MISSING|MISSING"}}},
		{"no rows", ` [ ] `, "application/json", content{format: table.JSONRows}},
		{"a row that is none", `[{"a":1},5,[{}],{"a":2}]`, "application/json", content{format: table.JSONRows, columns: []string{"a"}, rows: []string{"1: 1", "4: 2"},
			bad: []string{"2: is no object: every row is one, with a member for each column [] 5", "3: is no object: every row is one, with a member for each column [] [{}]"}}},

		{"columns", ` {"a": [1, null] , "b":["x" ,{"c": ["]", 1]}],"Unnamed: 0":[0,1]} `, "application/json",
			content{format: table.JSON, columns: []string{"a", "b"}, rows: []string{`1: 1|"x"`, `2: NULL|{"c": ["]", 1]}`}, ignored: []string{"Unnamed: 0"}}},
		{"columns without rows", `{"a":[],"b":[]}`, "application/json", content{format: table.JSON, columns: []string{"a", "b"}}},
		{"one row as JSON", `{"a":[1],"b":2}`, "application/json", content{format: table.NDJSON, columns: []string{"a", "b"}, rows: []string{"1: [1]|2"}}},
		{"lines as JSON", "{\"a\":1}\n{\"a\":2}", "application/json; charset=utf-8", content{format: table.NDJSON, columns: []string{"a"}, rows: []string{"1: 1", "2: 2"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want.format == table.Unspecified {
				c.want.format = table.CSV
			}
			for reading, body := range map[string]io.Reader{
				"whole":    strings.NewReader(c.body),
				"bytewise": iotest.OneByteReader(strings.NewReader(c.body)),
				"late end": iotest.DataErrReader(strings.NewReader(c.body)),
			} {
				got, err := readAll(body, table.ReadOptions{ContentType: c.contentType})
				require.NoError(t, err, reading)
				require.Equal(t, c.want, got, reading)
			}
			got, err := readAll(strings.NewReader(c.body), table.ReadOptions{ContentType: "application/x-www-form-urlencoded"})
			require.NoError(t, err)
			require.Equal(t, c.want, got, "by the first bytes")
		})
	}
}

func TestReadRefuses(t *testing.T) {
	long := strings.Repeat("x", 20_000)
	small := table.Limits{Row: 1000, Columns: 3, Held: 1000}
	for _, c := range []struct {
		body, contentType, slug, want string
	}{
		{"", "text/csv", "empty-body", "the body is empty: send a table as CSV, NDJSON, JSON, Parquet or an Arrow stream"},
		{" \n\r\n", "", "empty-body", "the body is empty: send a table as CSV, NDJSON, JSON, Parquet or an Arrow stream"},
		{"\ufeff", "", "empty-body", "the body is empty: send a table as CSV, NDJSON, JSON, Parquet or an Arrow stream"},
		{"a,a\n", "text/csv", "invalid-csv", `the columns 1 and 2 are both named "a"`},
		{"a,,b\n", "text/csv", "invalid-csv", "column 2 has no name"},
		{"Unnamed: 0\n", "text/csv", "invalid-csv", "the header names no column"},
		{"a;b\n1;2\n", "text/csv", "invalid-csv", "the header has no comma: cells are separated by commas, not by semicolons or tabs"},
		{"a\tb\n1\t2\n", "text/csv", "invalid-csv", "the header has no comma: cells are separated by commas, not by semicolons or tabs"},
		{"a,b\r1,2\r", "text/csv", "invalid-csv", "the header holds a carriage return: rows end in LF or CRLF"},
		{"a,\xff\n", "text/csv", "invalid-csv", "the name of column 2 is not valid UTF-8: is the file in another encoding?"},
		{"a,b\x00\n", "text/csv", "invalid-csv", "the name of column 2 holds NUL, which is refused"},
		{"a,x\"y\n", "text/csv", "invalid-csv", "the header cannot be read: has a quote inside a cell: put the cell in quotes and double the quote"},
		{"a,\"b\n1,2\n", "text/csv", "invalid-csv", "the header cannot be read: a quote is never closed"},
		{"a,b\n1,2\n3,\"4\n5,6\n", "text/csv", "invalid-csv", "the quote that opens in row 2, cell 2 is never closed"},
		{"a,b,c,d\n", "text/csv", "too-many-columns", "the table has more than 3 columns"},
		{"a,b\n1,2\n3," + long + "\n", "text/csv", "row-too-large", "row 2 is longer than 1000 bytes: is a quote or a bracket left open?"},
		{long + ",b\n", "text/csv", "row-too-large", "the header is longer than 1000 bytes: is a quote or a bracket left open?"},
		{`{"a":1}` + "\n" + `{"a":"` + long + `"}`, "application/x-ndjson", "row-too-large", "row 2 is longer than 1000 bytes: is a quote or a bracket left open?"},
		{`[{"a":1},{"a":"` + long + `"}]`, "", "row-too-large", "row 2 is longer than 1000 bytes: is a quote or a bracket left open?"},
		{`{"a":["` + long + `"]}`, "", "body-too-large", "a table in JSON by columns can have 1000 bytes: send CSV, or a JSON object per line (application/x-ndjson)"},
		{`{"a":1,"b":1,"c":1,"d":1}`, "", "too-many-columns", "the table has more than 3 columns"},
		{`{"a":[],"b":[],"c":[],"d":[]}`, "", "too-many-columns", "the table has more than 3 columns"},
		{`[{"a":1},{"a":1]`, "", "invalid-json", "row 2 cannot be read: expected a comma or }, got ] (at byte 15)"},
		{`[{"a":1},{"a":Infinity}]`, "", "invalid-json", "row 2 cannot be read: a: Infinity is no JSON number: send null, or leave the member out (at byte 14)"},
		{`[{"a":1},{"a":1,"a":1}]`, "", "invalid-json", `row 2 cannot be read: the member "a" stands twice in the same object (at byte 16)`},
		{`[{"a":1} {"a":2}]`, "", "invalid-json", "row 1 is followed by '{': expected a comma or ] (at byte 9)"},
		{`[{"a":1},]`, "", "invalid-json", "row 2 cannot be read: expected a value, got ] (at byte 9)"},
		{`[{"a":1}`, "", "invalid-json", "row 2 is missing: the text ends in the middle of the array (at byte 8)"},
		{`[{"a":1},{"a"`, "", "invalid-json", "row 2 cannot be read: the text ends in the middle of a value (at byte 13)"},
		{`[{"a":1}] x`, "", "invalid-json", "row 2 cannot be: something follows after the end of the array (at byte 9)"},
		{`[`, "", "invalid-json", "row 1 is missing: the text ends in the middle of the array (at byte 1)"},
		{`{"a":[1],"b":[1,2]}`, "", "invalid-json", `the JSON cannot be read: b: the column has 2 values, "a" has 1 (at byte 18)`},
		{`{"a":[1],"":[1]}`, "", "invalid-json", "the JSON cannot be read: a column has no name (at byte 15)"},
		{`{"a":[1],"a":[1]}`, "", "invalid-json", `the JSON cannot be read: the member "a" stands twice in the same object (at byte 9)`},
		{`{"a":[1,NaN]}`, "", "invalid-json", "the JSON cannot be read: a[1]: NaN is no JSON number: send null, or leave the member out (at byte 8)"},
		{`{"a":[1],"b":[2`, "", "invalid-json", "the JSON cannot be read: b: the text ends in the middle of a value (at byte 15)"},
		{`{"Unnamed: 0":[1]}`, "", "empty-body", "the table has no columns"},
		{`"a"`, "application/json", "invalid-json", `the JSON cannot be read: expected an object, got " (at byte 0)`},
		{"a,b\n1,2\n", "application/json", "invalid-json", "the JSON cannot be read: expected a value, got a (at byte 0)"},
		{"a,b", "application/xml", "unsupported-content-type", "a table is read as CSV, NDJSON, JSON, Parquet or an Arrow stream, not as application/xml"},
		{"a,b", "multipart/form-data; boundary=x", "unsupported-content-type", "a table is read as CSV, NDJSON, JSON, Parquet or an Arrow stream, not as multipart/form-data; boundary=x"},
		{"a,b", "text/csv; charset=latin1", "unsupported-content-type", `the charset "latin1" is not taken: send UTF-8`},
		{"a,b", "///", "unsupported-content-type", "a table is read as CSV, NDJSON, JSON, Parquet or an Arrow stream, not as ///"},
		{"PK\x03\x04xxxx", "", "unsupported-content-type", "a table is read as CSV, NDJSON, JSON, Parquet or an Arrow stream, not as a ZIP or Excel file"},
		{"\xff\xfea\x00", "text/csv", "unsupported-content-type", "a table is read as CSV, NDJSON, JSON, Parquet or an Arrow stream, not as UTF-16 text: send UTF-8"},
	} {
		_, err := readAll(strings.NewReader(c.body), table.ReadOptions{ContentType: c.contentType, Limits: small})
		require.EqualError(t, err, c.want, "%q", c.body)
		require.True(t, fault.Is(err, c.slug), "%q: %v", c.body, err)
		_, bytewise := readAll(iotest.OneByteReader(strings.NewReader(c.body)), table.ReadOptions{ContentType: c.contentType, Limits: small})
		require.EqualError(t, bytewise, c.want, "%q", c.body)
	}
}

func TestReadBrokenOff(t *testing.T) {
	cause := errors.New("connection reset")
	_, err := readAll(io.MultiReader(strings.NewReader("a,b\n1,2\n"), iotest.ErrReader(cause)), table.ReadOptions{})
	require.ErrorIs(t, err, cause)
	_, isFault := fault.As(err)
	require.False(t, isFault)
}

// A bad file of many batches must keep its numbers, and text must stay as it was when further batches have been read.
func TestManyBatches(t *testing.T) {
	const rows = 25_000
	var csv, lines, array strings.Builder
	csv.WriteString("a,b\n")
	for i := 1; i <= rows; i++ {
		sep := ",\n"
		if i == rows {
			sep = ""
		}
		if i%7 == 0 {
			fmt.Fprintf(&csv, "%d\n", i)
			fmt.Fprintf(&lines, "%d\n", i)
			fmt.Fprintf(&array, "%d%s", i, sep)
			continue
		}
		fmt.Fprintf(&csv, "%d,\"text \"\"%d\"\"\"\n", i, i)
		fmt.Fprintf(&lines, `{"a":%d,"b":"text %d"}`+"\n", i, i)
		fmt.Fprintf(&array, `{"a":%d,"b":"text %d"}%s`, i, i, sep)
	}
	for _, body := range []string{csv.String(), lines.String(), "[" + array.String() + "]"} {
		reader, format, err := table.NewReader(strings.NewReader(body), table.ReadOptions{})
		require.NoError(t, err)
		var cells []table.Cell
		var numbers []int64
		bad := 0
		for {
			batch, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			require.LessOrEqual(t, batch.Rows, 1000)
			cells = append(cells, batch.Cells...)
			for i := range batch.Rows {
				numbers = append(numbers, batch.Number(i))
			}
			for _, b := range batch.Bad {
				require.Zero(t, b.Number%7)
			}
			bad += len(batch.Bad)
		}
		require.Equal(t, rows/7, bad)
		require.Len(t, numbers, rows-rows/7)
		for i, number := range numbers {
			want := fmt.Sprintf(`%d|"text %d"`, number, number)
			if format == table.CSV {
				want = fmt.Sprintf(`%d|text "%d"`, number, number)
			}
			if got := cells[2*i].Display() + "|" + cells[2*i+1].Display(); got != want {
				require.Equal(t, want, got)
			}
		}
	}
}

// Rows that bring new members all the time.
func TestWidening(t *testing.T) {
	var lines strings.Builder
	for i := range 300 {
		fmt.Fprintf(&lines, `{"m%d":%d,"m0":"x"}`+"\n", i%100+1, i)
	}
	got, err := readAll(strings.NewReader(lines.String()), table.ReadOptions{})
	require.NoError(t, err)
	require.Len(t, got.columns, 101)
	require.Len(t, got.rows, 300)
	for i, row := range got.rows {
		cells := strings.Split(strings.SplitN(row, ": ", 2)[1], "|")
		for c, cell := range cells {
			switch got.columns[c] {
			case "m0":
				require.Equal(t, `"x"`, cell)
			case fmt.Sprintf("m%d", i%100+1):
				require.Equal(t, fmt.Sprint(i), cell)
			default:
				require.Equal(t, "MISSING", cell)
			}
		}
	}
}

func pack(t require.TestingT, encoding string, body []byte) []byte {
	var packed bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&packed)
	case "zstd":
		var err error
		w, err = zstd.NewWriter(&packed)
		require.NoError(t, err)
	}
	_, err := w.Write(body)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return packed.Bytes()
}

func TestPacked(t *testing.T) {
	body := []byte("a,b\n" + strings.Repeat("1,x\n", 10_000))
	want, err := readAll(bytes.NewReader(body), table.ReadOptions{})
	require.NoError(t, err)
	for _, encoding := range []string{"gzip", "zstd"} {
		packed := pack(t, encoding, body)
		for _, opts := range []table.ReadOptions{{}, {ContentEncoding: encoding}, {ContentEncoding: strings.ToUpper(encoding), ContentType: "text/csv"}, {ContentType: "application/octet-stream"}} {
			got, err := readAll(bytes.NewReader(packed), opts)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		invalid := "the body cannot be unpacked: it is no valid " + encoding + ", or it is cut off"
		_, err := readAll(bytes.NewReader(packed[:len(packed)-9]), table.ReadOptions{})
		require.ErrorContains(t, err, invalid)
		require.True(t, fault.Is(err, "invalid-encoding"))
		_, err = readAll(bytes.NewReader(packed[:5]), table.ReadOptions{})
		require.ErrorContains(t, err, invalid)
		broken := bytes.Clone(packed)
		broken[len(broken)/2] ^= 0x55
		_, err = readAll(bytes.NewReader(broken), table.ReadOptions{})
		require.True(t, fault.Is(err, "invalid-encoding"), "%v", err)
		_, err = readAll(bytes.NewReader(body), table.ReadOptions{ContentEncoding: encoding})
		require.EqualError(t, err, invalid)
		cause := errors.New("connection reset")
		_, err = readAll(io.MultiReader(bytes.NewReader(packed[:len(packed)-9]), iotest.ErrReader(cause)), table.ReadOptions{})
		require.ErrorIs(t, err, cause)
		require.False(t, fault.Is(err, "invalid-encoding"))
	}
	_, err = readAll(bytes.NewReader(body), table.ReadOptions{ContentEncoding: "br"})
	require.EqualError(t, err, `the content encoding "br" is not known: use gzip, zstd or none`)
	require.True(t, fault.Is(err, "unsupported-content-encoding"))
}

func TestBomb(t *testing.T) {
	const rows = 3 << 18
	body := []byte("a,b\n" + strings.Repeat("1,"+strings.Repeat("x", 29)+"\n", rows))
	for _, encoding := range []string{"gzip", "zstd"} {
		packed := pack(t, encoding, body)
		_, err := countRows(bytes.NewReader(packed), table.ReadOptions{})
		require.EqualError(t, err, "the body unpacks to more than 300 times its size: send it less compressed")
		require.True(t, fault.Is(err, "body-too-large"))
		_, err = countRows(bytes.NewReader(packed), table.ReadOptions{Limits: table.Limits{Expanded: 1 << 20}})
		require.EqualError(t, err, "the body unpacks to more than 1048576 bytes")
		read, err := countRows(bytes.NewReader(packed), table.ReadOptions{Limits: table.Limits{Ratio: 100_000}})
		require.NoError(t, err)
		require.Equal(t, rows, read)
	}
}

func countRows(body io.Reader, opts table.ReadOptions) (rows int, err error) {
	reader, _, err := table.NewReader(body, opts)
	if err != nil {
		return 0, err
	}
	for {
		batch, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += batch.Rows
	}
}

func TestSniffAcrossBlocks(t *testing.T) {
	long := strings.Repeat("1,", 50_000) + "1"
	for body, want := range map[string]table.Format{
		`{"a":[` + long + `]}`:                                   table.JSON,
		`{"b":5,"a":[` + long + `]}`:                             table.NDJSON,
		`{"a":["` + strings.Repeat("x", 20_000) + `"]}`:          table.JSON,
		`{"a":["` + strings.Repeat("x", 20_000) + `"]}` + "\n{}": table.NDJSON,
		`{}`:       table.NDJSON,
		`{"a":1}`:  table.NDJSON,
		`{"a":[1}`: table.JSON,
	} {
		_, format, err := table.NewReader(iotest.HalfReader(strings.NewReader(body)), table.ReadOptions{})
		if err == nil {
			require.Equal(t, want, format, "%.40s", body)
		} else {
			require.Equal(t, table.JSON, want, "%.40s: %v", body, err)
		}
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range []table.Format{table.CSV, table.NDJSON, table.JSON, table.JSONRows} {
		got, ok := table.ParseFormat(f.String())
		require.True(t, ok)
		require.Equal(t, f, got)
	}
	for _, name := range []string{"", "CSV", "xml"} {
		_, ok := table.ParseFormat(name)
		require.False(t, ok, name)
	}
}

func TestFormatByAccept(t *testing.T) {
	for accept, want := range map[string]table.Format{
		"":                                     table.Unspecified,
		"*/*":                                  table.Unspecified,
		"text/html, */*;q=0.1":                 table.Unspecified,
		"application/json":                     table.JSON,
		"application/json, text/plain, */*":    table.JSON,
		"text/csv":                             table.CSV,
		"text/csv;q=0.5, application/x-ndjson": table.NDJSON,
		"text/csv, application/json":           table.CSV,
		"application/*":                        table.JSON,
		"text/*":                               table.CSV,
	} {
		got, ok := table.FormatByAccept(accept)
		require.True(t, ok, accept)
		require.Equal(t, want, got, accept)
	}
	for _, accept := range []string{"application/xml", "text/html", "nonsense", "text/csv;q=0", "*/*;q=0"} {
		_, ok := table.FormatByAccept(accept)
		require.False(t, ok, accept)
	}
}
