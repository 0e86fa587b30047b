package store_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/app/database/databasetest"
	"featurestore/app/httpapi/httpapitest"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/store"
	"featurestore/modules/store/packed"
)

// What reading and writing cost in HTTP and in the store, without the engines: the online store is a map here, the offline store
// nothing.

// benchOnline answers the same packed row for every entity of a group.
type benchOnline struct {
	store.Online
	rows map[int64]string // by group
}

func (b *benchOnline) Read(_ context.Context, questions []store.Question) ([][]string, []bool, error) {
	rows, marked := make([][]string, len(questions)), make([]bool, len(questions))
	for i, q := range questions {
		rows[i], marked[i] = make([]string, len(q.Keys)), true
		for j := range q.Keys {
			rows[i][j] = b.rows[q.Group.ID]
		}
	}
	return rows, marked, nil
}

func (b *benchOnline) Merge(context.Context, *registry.Group, int64, bool, []store.PackedRow) (store.Merged, error) {
	return store.Merged{Written: 1}, nil
}

// benchOffline forgets what it is given.
type benchOffline struct{ store.Offline }

func (benchOffline) Identity(context.Context) (string, error)                    { return "bench", nil }
func (benchOffline) Snapshot(context.Context) (store.Snapshot, error)            { return benchSnapshot{}, nil }
func (benchOffline) EnsureLayout(context.Context, *registry.Group) (bool, error) { return false, nil }
func (benchOffline) Append(_ context.Context, all []*store.Rows) error {
	for _, rows := range all {
		rows.IngestIDs = make([]int64, len(rows.Keys))
		for i := range rows.EventTimes {
			rows.EventTimes[i] = 1
		}
	}
	return nil
}

type benchSnapshot struct{ store.Snapshot }

func (benchSnapshot) Position() store.Position { return "1" }
func (benchSnapshot) Close() error             { return nil }
func (benchSnapshot) Removals(context.Context) (map[int64]store.Removals, error) {
	return nil, nil
}

const benchGroups, benchFeatures = 5, 10

func benchHandler(b *testing.B) (handler http.Handler, names []string) {
	db := databasetest.SQLite(b)()
	require.NoError(b, registry.Migrate(b.Context(), db))
	definitions, err := registry.New(db, registry.DefaultConfig(), slog.New(slog.DiscardHandler))
	require.NoError(b, err)
	require.NoError(b, definitions.Start(b.Context()))
	b.Cleanup(definitions.Stop)
	var groups []string
	for g := range benchGroups {
		var features []string
		for f := range benchFeatures {
			name := fmt.Sprintf("avg_order_value_%d_%d", g, f)
			names = append(names, name)
			features = append(features, fmt.Sprintf(`{"name": %q, "value_type": "FLOAT"}`, name))
		}
		groups = append(groups, fmt.Sprintf(`{"name": "group_%d", "entity_type": "customer", "features": [%s]}`, g, strings.Join(features, ",")))
	}
	_, err = definitions.Apply(b.Context(), []byte(`{"entity_types": [{"name": "customer", "join_keys": [{"name": "customer_id", "value_type": "STRING"}]}], "groups": [`+
		strings.Join(groups, ",")+`]}`), "application/json", registry.Options{})
	require.NoError(b, err)

	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	online := &benchOnline{rows: map[int64]string{}}
	for _, g := range definitions.Catalog().Groups() {
		var ordinals []uint16
		var values []value.Value
		for i, f := range g.Features {
			ordinals, values = append(ordinals, f.Ordinal), append(values, value.OfFloat(12.345678*float64(i+1)))
		}
		stamp := packed.Stamp{EventTime: now.Add(-time.Hour).UnixMicro(), IngestID: 7}
		online.rows[g.ID] = string(packed.Append(nil, "12345", ordinals, values, stamp))
	}
	s := store.New(store.DefaultConfig(), definitions, nil, benchOffline{}, online, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	require.NoError(b, s.Start(b.Context()))
	b.Cleanup(s.Stop)
	return httpapitest.Serve(slog.New(slog.DiscardHandler), s.Routes), names
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int) {
	if status != 200 {
		panic(status)
	}
}

func BenchmarkRead(b *testing.B) {
	handler, names := benchHandler(b)
	quoted := `"` + strings.Join(names, `","`) + `"`
	ids := strings.TrimSuffix(strings.Repeat(`"12345",`, 100), ",")
	for _, c := range []struct{ name, method, url, body string }{
		{"1x1", "GET", "/get/customer/12345/" + names[0], ""},
		{"1x10", "GET", "/get/customer/12345?features=" + strings.Join(names[:10], ","), ""},
		{"1x50", "GET", "/get/customer/12345?features=" + strings.Join(names, ","), ""},
		{"1x50-all", "GET", "/get/customer/12345", ""},
		{"1x50-post", "POST", "/get/customer", `{"entity_ids":["12345"],"features":[` + quoted + `]}`},
		{"100x50-post", "POST", "/get/customer", `{"entity_ids":[` + ids + `],"features":[` + quoted + `]}`},
		{"100x50-feast", "POST", "/get-online-features", `{"features":[` + strings.ReplaceAll(quoted, `"avg_order_value_`, `"avg_order_value_`) + `],"entities":{"customer_id":[` + ids + `]}}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			request := httptest.NewRequest(c.method, "http://localhost"+c.url, nil)
			before := processorTime(b)
			for b.Loop() {
				if c.body != "" {
					request.Body, request.ContentLength = nopCloser{bytes.NewReader([]byte(c.body))}, int64(len(c.body))
				}
				handler.ServeHTTP(&discard{header: http.Header{}}, request)
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/1000, "cpu-µs/op")
		})
	}
}

// processorTime is what this process has used so far; unlike a clock it does not count what others do on the machine.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func BenchmarkStore(b *testing.B) {
	handler, names := benchHandler(b)
	var body strings.Builder
	for i, name := range names[:10] {
		fmt.Fprintf(&body, `,"%s":%d.5`, name, i)
	}
	request := httptest.NewRequest("POST", "http://localhost/store/customer/12345", nil)
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		text := "{" + body.String()[1:] + "}"
		request.Body, request.ContentLength = nopCloser{bytes.NewReader([]byte(text))}, int64(len(text))
		handler.ServeHTTP(&discard{header: http.Header{}}, request)
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/1000, "cpu-µs/op")
}

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }
