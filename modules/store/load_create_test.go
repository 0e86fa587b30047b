package store_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/modules/registry/value"
	"featurestore/modules/store/table"
)

// creating are loads with create=true that are refused after columns were found that nobody registered.
var creating = []struct {
	name, query, headers, body string
	slug                       string // of the problem; "": the load stores nothing, and is no mistake
}{
	{"a bad row", "", rowsCSV, "customer_id,vip,zip\n1,true,1\n2,7,1\n", "bad-rows"},
	{"a bad row behind those from which types are told", "", rowsCSV, "customer_id,vip,zip\n" + strings.Repeat("1,,1\n", 3_000) + "2,7,1\n", "bad-rows"},
	{"a bad row, packed", "", rowsCSV + "|Content-Encoding: gzip", gzipped("customer_id,vip,zip\n" + strings.Repeat("1,,1\n", 2_000) + "2,7,x\n"), "bad-rows"},
	{"a bad row in NDJSON", "", "Content-Type: application/x-ndjson", `{"customer_id": "1", "zip": 1}` + "\n" + `{"customer_id": "2", "zip": 1, "vip": 7}` + "\n", "bad-rows"},
	{"a bad row in JSON by columns", "", "Content-Type: application/json", `{"customer_id": ["1", "2"], "zip": [1, 2], "vip": [true, 7]}`, "bad-rows"},
	{"a bad row in Parquet", "", "", frameOf(table.Parquet, 2), "bad-rows"},
	{"a bad row in an Arrow stream, packed", "", "Content-Encoding: gzip", gzipped(frameOf(table.Arrow, 2)), "bad-rows"},
	{"a row that cannot be read", "", rowsCSV, "customer_id,zip\n1,1\n2\n", "bad-rows"},
	{"a table that breaks off", "", "Content-Type: application/json", `[{"customer_id": "1", "zip": 1}, {"customer_id": `, "invalid-json"},
	{"a name that cannot be registered", "", rowsCSV, "customer_id,zip,Zip Code\n1,1,2\n", "invalid-definition"},
	{"a type that cannot be told", "", rowsCSV, "customer_id,zip,other\n1,1,\n", "unknown-type"},
	{"a column that comes late", "", "Content-Type: application/x-ndjson", strings.Repeat(`{"customer_id": "1", "zip": 1}`+"\n", 3_000) + `{"customer_id": "1", "town": 1}`, "late-column"},
	{"a column that comes late, bad rows left out", "&on_error=skip", "Content-Type: application/x-ndjson",
		strings.Repeat(`{"customer_id": "1", "zip": 1}`+"\n", 3_000) + `{"customer_id": "1", "town": 1}`, "late-column"},
	{"no good row, bad rows left out", "&on_error=skip", rowsCSV, "customer_id,vip,zip\n1,7,1\n", ""},
}

// frameOf is a table whose column vip, a BOOLEAN, holds this in its second row.
func frameOf(format table.Format, vip int64) string {
	var b bytes.Buffer
	w, err := table.NewWriter(format, &b, []table.Column{{Name: "customer_id", Type: value.String}, {Name: "zip", Type: value.Integer}, {Name: "vip", Type: value.Integer}})
	if err == nil {
		err = w.Write(2, []table.Cell{
			table.ValueCell(value.OfString("1")), table.ValueCell(value.OfInt(1)), table.NullCell(),
			table.ValueCell(value.OfString("2")), table.ValueCell(value.OfInt(2)), table.ValueCell(value.OfInt(vip))})
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	return b.String()
}

// A load that is refused registers nothing, whichever way it is answered.
func TestRefusedLoadsRegisterNothing(t *testing.T) {
	s := serve(t)
	s.Run(t, "testdata/http/1_storing.txt")
	before := s.dump(t)
	for _, c := range creating {
		for _, way := range []string{"", "Idempotency-Key: k" + strings.ReplaceAll(c.name, " ", "-"), "Prefer: respond-async"} {
			t.Run(c.name+" "+way, func(t *testing.T) {
				headers := headersOf(strings.Trim(c.headers+"|"+way, "|"))
				answer := s.Call(t, "POST /rows/profile?create=true"+c.query, c.body, headers...)
				if answer.Status == 202 {
					answer = s.Call(t, "GET "+answer.Header.Get("Location")+"?wait=60s", "")
				}
				switch {
				case c.slug == "":
					require.Contains(t, answer.Body, `"registered":[]`)
				case strings.HasPrefix(way, "Prefer"):
					require.Contains(t, answer.Body, `"state":"failed"`)
				default:
					require.Contains(t, answer.Body, "problem:"+c.slug+`"`)
				}
				require.True(t, before == s.dump(t), "state has changed")
			})
		}
	}
}

// A table with columns that nobody registered is read twice; what is counted and stored is as if it had been read once.
func TestCreatingLoadsCountOnce(t *testing.T) {
	s := serve(t)
	s.Run(t, "testdata/http/1_storing.txt")
	const rows = 35_000 // more than types are told from, and than is kept in memory
	var all strings.Builder
	all.WriteString("customer_id,event_time,first_name,extra,bonus\n")
	for i := range rows {
		name := "Ann"
		if i%7 == 0 {
			name = ""
		}
		fmt.Fprintf(&all, "x%d,2026-05-01T00:00:00Z,%s,%d,0.5\n", i, name, i)
	}
	all.WriteString("x0,never,Ann,1,0.5\n")
	counts := fmt.Sprintf(`"received":%d,"stored":%d,"duplicate":0,"rejected":1,"quarantined":0,"erased":0,"nulls":{"first_name":%d},"ignored_columns":[],"registered":["extra","bonus"],"bad_rows":[{`,
		rows+1, rows, rows/7)
	for group, way := range map[string]string{"profile": "", "keyed": "Idempotency-Key: counted", "later": "Prefer: respond-async"} {
		answer := s.Call(t, "POST /groups", fmt.Sprintf(`{"name": %q, "entity_type": "customer", "features": [{"name": "first_name", "value_type": "STRING"}]}`, group))
		require.Equal(t, 2, answer.Status/100, answer.Body)
		answer = s.Call(t, "POST /rows/"+group+"?create=true&on_error=skip", all.String(), headersOf(strings.Trim(rowsCSV+"|"+way, "|"))...)
		if answer.Status == 202 {
			answer = s.Call(t, "GET "+answer.Header.Get("Location")+"?wait=60s", "")
		}
		require.Contains(t, answer.Body, counts, way)
		exported := s.Call(t, "GET /rows/"+group+"?latest=true", "")
		require.Equal(t, rows, strings.Count(exported.Body, ",2026-05-01T00:00:00Z,"), way)
		require.Contains(t, exported.Body, fmt.Sprintf(",%d,0.5\n", rows-1))
	}
	answer := s.Call(t, "POST /rows/keyed?create=true&on_error=skip", all.String(), rowsCSV, "Idempotency-Key: counted")
	require.Equal(t, "true", answer.Header.Get("Idempotency-Replayed"))
	require.Contains(t, answer.Body, counts)
}
