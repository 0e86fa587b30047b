package store_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/table"
)

// A spine whose last row asks for what retention has removed is refused before its first row is answered, in whatever format it comes. The
// control reads the spine once only: it has begun to answer by then.
func TestALateRowBeforeTheRetention(t *testing.T) {
	s := serve(t)
	s.Run(t, "testdata/http_compact/5_known.txt")
	s.inStep(t)
	s.later.Store((8 * 24 * time.Hour).Microseconds())
	small := s.Call(t, "POST /training-sets?features=scores:score", "customer_id,event_time\nc1,2026-05-31T00:00:00Z\n", "Content-Type: text/csv")
	require.Equal(t, 200, small.Status, small.Body)
	token := small.Header.Get("Known-At")
	require.NotEmpty(t, token)
	s.later.Add(time.Hour.Microseconds())
	s.must(t, "POST /compact?wait=30s", `{"group": "scores"}`)

	const rows = 40_000 // more than are looked up together
	const recent, early = "2026-05-31T00:00:00Z", "2025-01-15T00:00:00Z"
	for _, format := range []table.Format{table.CSV, table.NDJSON, table.JSON, table.JSONRows, table.Parquet, table.Arrow} {
		for last, status := range map[string]int{recent: 200, early: 410} {
			answer := s.Call(t, "POST /training-sets?format=csv&features=scores:score&known_at="+token, spineIn(t, format, rows, recent, last), "Content-Type: "+format.ContentType())
			require.Equal(t, status, answer.Status, "%s: %.300s", format.ContentType(), answer.Body)
			if status == 200 {
				require.Equal(t, rows+1, strings.Count(answer.Body, "\n"))
			} else {
				require.Contains(t, answer.Body, "past-retention")
			}
		}
	}
	bad := spineIn(t, table.CSV, rows, recent, "yesterday")
	answer := s.Call(t, "POST /training-sets?features=scores:score&known_at="+token, bad, "Content-Type: text/csv")
	require.Equal(t, 422, answer.Status, answer.Body)
	require.Contains(t, answer.Body, fmt.Sprintf("row %d", rows))

	moment, err := s.values.KnownAt(t.Context(), token, nil)
	require.NoError(t, err)
	spine, _, err := table.NewReader(strings.NewReader(spineIn(t, table.CSV, rows, recent, early)), table.ReadOptions{ContentType: "text/csv"})
	require.NoError(t, err)
	began := false
	_, err = s.values.TrainingSet(t.Context(), store.TrainingRequest{Moment: moment, Resolve: func(c *registry.Catalog) ([]store.Requested, error) {
		f, err := c.ResolveReference("scores:score")
		return []store.Requested{{Feature: f, Column: "score"}}, err
	}}, spine, func(head store.Head) (table.Writer, error) {
		began = true
		return table.NewWriter(table.CSV, io.Discard, head.Columns)
	})
	require.True(t, fault.Is(err, "past-retention"), "%v", err)
	require.True(t, began, "the control")
}

// spineIn is a spine of one customer, whose last row has a time of its own.
func spineIn(t *testing.T, format table.Format, rows int, at, last string) string {
	t.Helper()
	var body bytes.Buffer
	columns := []table.Column{{Name: "customer_id", Type: value.String}, {Name: "event_time", Type: value.Timestamp}}
	if !format.Typed() {
		columns[1].Type = value.String
	}
	out, err := table.NewWriter(format, &body, columns)
	require.NoError(t, err)
	cells := make([]table.Cell, 0, 2*rows)
	for i := range rows {
		text := at
		if i == rows-1 {
			text = last
		}
		cell := table.ValueCell(value.OfString(text))
		if format.Typed() {
			v, err := value.ParseTime(text, nil)
			require.NoError(t, err)
			cell = table.ValueCell(value.OfTime(v))
		}
		cells = append(cells, table.ValueCell(value.OfString("c1")), cell)
	}
	require.NoError(t, out.Write(rows, cells))
	require.NoError(t, out.Close())
	return body.String()
}
