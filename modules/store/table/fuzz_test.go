package table_test

import (
	stdcsv "encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/store/table"
)

// sameInPieces wants a body to read the same whether it comes whole or byte by byte, and every error to be the sender's.
func sameInPieces(t *testing.T, body, contentType string) (content, error) {
	opts := table.ReadOptions{ContentType: contentType}
	got, err := readAll(strings.NewReader(body), opts)
	inPieces, errInPieces := readAll(iotest.OneByteReader(strings.NewReader(body)), opts)
	require.Equal(t, got.rows, inPieces.rows)
	require.Equal(t, got.bad, inPieces.bad)
	require.Equal(t, fmt.Sprint(err), fmt.Sprint(errInPieces))
	if err != nil {
		_, ok := fault.As(err)
		require.True(t, ok, "%v", err)
	}
	return got, err
}

func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "a,b\r\n\"x,\"\"y\"\"\",\r\n", "a\n\n1\n", ",a\n0,1\n", "a,b\n\"1\"2,3\n4,5", "a,b\n1,\"2\n3,4\n", "\ufeffa,b\n\"\",\"\"\"\"", "a,b\n1\n1,2,3\n", "a,b\n1,é\n", "a,b\n\xff,\x00\n", "\"a\",\"b\r\nc\"\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := sameInPieces(t, body, "text/csv")
		if err != nil || len(got.bad) > 0 || len(got.ignored) > 0 || len(got.columns) < 2 || strings.ContainsAny(body, "\r|") || strings.HasPrefix(body, "\ufeff") {
			return
		}
		r := stdcsv.NewReader(strings.NewReader(body))
		want, err := r.ReadAll()
		require.NoError(t, err)
		require.Equal(t, want[0], got.columns)
		require.Len(t, got.rows, len(want)-1)
		for i, cells := range want[1:] {
			row := strings.ReplaceAll(strings.SplitN(got.rows[i], ": ", 2)[1], "NULL", "")
			if len(row) < 60 { // longer cells are shown shortened
				require.Equal(t, strings.ReplaceAll(strings.Join(cells, "|"), "NULL", ""), row)
			}
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":1}` + "\n" + `{"b":[1,2]}`, `[{"a":1},{"a":null,"b":"x"}]`, `{"a":[1,2],"b":["x",null]}`, `[{"a":1},5]`, `[{"a":1}`, `[]`, ` [ { } ] `, `{"a":[1],"a":[2]}`,
		`{"a":1}{"a":2}`, `[{"a":"\ud83d\ude00"}]x`, `{"a":[1,2],"b":[1]}`, `[1`, `{"a":NaN}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, contentType := range []string{"", "application/json", "application/x-ndjson"} {
			got, err := sameInPieces(t, body, contentType)
			if err != nil || len(got.bad) > 0 {
				continue
			}
			switch got.format { // what is read without complaint is JSON, with as many rows
			case table.JSONRows:
				var rows []map[string]json.RawMessage
				require.NoError(t, json.Unmarshal([]byte(body), &rows))
				require.Len(t, got.rows, len(rows))
			case table.JSON:
				var columns map[string][]json.RawMessage
				require.NoError(t, json.Unmarshal([]byte(body), &columns))
				for _, name := range got.columns {
					require.Len(t, got.rows, len(columns[name]))
				}
			case table.NDJSON:
				d := json.NewDecoder(strings.NewReader(body))
				rows := 0
				for {
					var row map[string]json.RawMessage
					if err := d.Decode(&row); errors.Is(err, io.EOF) {
						break
					} else {
						require.NoError(t, err)
					}
					rows++
				}
				require.Len(t, got.rows, rows)
			}
		}
	})
}
